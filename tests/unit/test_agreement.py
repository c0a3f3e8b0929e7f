"""Agreement on toy graphs with known answers, and on the real right and wrong links."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from kg_rec.checks.agreement import Agreement, Verdict, agreement, conclusion, graph_fits
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import EdgeTable, Snapshot, export
from kg_rec.store import connect

SCHEMA = GraphSchema.from_turtle(
    """
@prefix : <urn:kg-rec:lab#> . @prefix kr: <urn:kg-rec:schema#> . @prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<urn:kg-rec:lab> a kr:Schema .
:User a kr:UserType ; sh:property [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .
:Film a kr:ItemType ; sh:property [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .
:Person a kr:AttributeType ; sh:property [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .
:RATED a kr:InteractionType ; rdfs:domain :User ; rdfs:range :Film ; rdfs:label "rated" ; kr:positiveFrom 3 ;
    sh:property [ sh:path :rating ; sh:datatype xsd:double ; kr:use kr:weight ] .
:DIRECTED_BY a kr:RelationType ; rdfs:domain :Film ; rdfs:range :Person ; rdfs:label "directed by" .
:ACTS_IN a kr:RelationType ; rdfs:domain :Person ; rdfs:range :Film ; rdfs:label "acts in" .
:SEQUEL a kr:RelationType ; rdfs:domain :Film ; rdfs:range :Film ; rdfs:label "sequel" .
:KNOWS a kr:RelationType ; rdfs:domain :User ; rdfs:range :Person ; rdfs:label "knows" .
"""
)
GROUPS, SIZE = 20, 10
FILMS = GROUPS * SIZE
USERS = 800
Edges = list[tuple[int, int]]


def graph(rated: Edges, rating: NDArray[np.float32] | None = None, **facts: Edges) -> Snapshot:
    """200 films, 800 users, 200 people; the edges by relation type."""
    counts = {"User": USERS, "Film": FILMS, "Person": FILMS}
    nodes = {name: pa.table({"id": [f"{i:03d}" for i in range(count)]}) for name, count in counts.items()}
    edges = {name: table(facts.get(name, [])) for name in SCHEMA.relation_types}
    weight = np.full(len(rated), 5, np.float32) if rating is None else rating
    edges["RATED"] = EdgeTable(table(rated).source, table(rated).target, weight)
    return Snapshot(SCHEMA, "memory", nodes, edges)


def table(pairs: Edges) -> EdgeTable:
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return EdgeTable(both[:, 0], both[:, 1])


def tastes(rng: np.random.Generator, loyal: float) -> Edges:
    """Each user likes 20 films: a share ``loyal`` from one group of ten films, the rest anywhere."""
    rated = set()
    for user in range(USERS):
        group = user % GROUPS
        for _ in range(20):
            inside = rng.random() < loyal
            film = group * SIZE + rng.integers(SIZE) if inside else rng.integers(FILMS)
            rated.add((user, int(film)))
    return sorted(rated)


GROUPED: Edges = [(film, film // SIZE) for film in range(FILMS)]


def only(found: tuple[Agreement, ...]) -> Agreement:
    assert len(found) == 1
    return found[0]


# --- known answers -----------------------------------------------------------------------------------


def test_planted_facts_fit() -> None:
    found = only(agreement(graph(tastes(np.random.default_rng(1), 0.5), DIRECTED_BY=GROUPED)))
    assert found.relation == "DIRECTED_BY"
    assert found.verdict == "fits"
    assert found.ratio > 3
    assert found.p_value == pytest.approx(1 / 201)
    assert found.pairs == GROUPS * SIZE * (SIZE - 1) // 2
    assert found.items == FILMS


def test_shuffled_facts_never_fit() -> None:
    rated = tastes(np.random.default_rng(1), 0.3)
    found = []
    for seed in range(8):
        place = np.random.default_rng(seed).permutation(FILMS)
        found.append(only(agreement(graph(rated, DIRECTED_BY=[(int(place[f]), p) for f, p in GROUPED]))))
    assert not [a for a in found if a.verdict == "fits"]
    assert sum(a.verdict == "does not fit" for a in found) >= 4  # the others may have too few to say
    assert np.mean([a.ratio for a in found]) == pytest.approx(1, abs=0.03)
    assert min(a.p_value for a in found) > 0.01


def test_random_interactions_do_not_fit() -> None:
    found = only(agreement(graph(tastes(np.random.default_rng(2), 0), DIRECTED_BY=GROUPED)))
    assert found.verdict == "does not fit"
    assert found.ratio == pytest.approx(1, abs=0.05)


def test_a_significant_but_tiny_effect_does_not_fit() -> None:
    found = only(agreement(graph(tastes(np.random.default_rng(3), 0.05), DIRECTED_BY=GROUPED)))
    assert found.p_value <= 0.01
    assert 1 < found.ratio < 1.1
    assert found.verdict == "does not fit"


def test_the_ratio_is_that_of_the_mean_cosines() -> None:
    """Two groups of 100 films, each liked by its own users: cosine 1 inside, 0 across."""
    rated = [(user, film) for user in range(20) for film in range(FILMS) if film % 2 == user % 2]
    pairs = [(film, film // 2 % 100) for film in range(0, FILMS, 2)]  # nothing shared
    assert only(agreement(graph(rated, DIRECTED_BY=pairs))).verdict == "too few to say"
    sequels = [(film, film + 2) for film in range(0, FILMS - 2, 4)] + [(film, film + 2) for film in range(1, 197, 4)]
    found = only(agreement(graph(rated, SEQUEL=sequels)))
    # of two films drawn at random, the second is of the first's group with probability (n/2 - 1) / (n - 1)
    n = found.items
    assert found.ratio == pytest.approx((n - 1) / (n / 2 - 1), rel=0.05)


def test_popularity_alone_is_not_agreement() -> None:
    """Popular films share a director as they share users, by popularity only: a plain shuffle would see a fit."""
    rng = np.random.default_rng(4)
    popularity = 1 / (1 + np.arange(FILMS))
    rated = set()
    for user in range(USERS):
        rated.update((user, int(f)) for f in rng.choice(FILMS, 30, replace=False, p=popularity / popularity.sum()))
    directed = [(film, film // 10) for film in range(FILMS)]  # neighbours in popularity
    found = only(agreement(graph(sorted(rated), DIRECTED_BY=directed)))
    assert found.verdict == "does not fit"


def test_only_positive_interactions_count() -> None:
    rated = tastes(np.random.default_rng(1), 0.5)
    low = np.array([1 if film // SIZE == user % GROUPS else 5 for user, film in rated], np.float32)
    assert only(agreement(graph(rated, DIRECTED_BY=GROUPED))).ratio > 3
    assert only(agreement(graph(rated, low, DIRECTED_BY=GROUPED))).ratio < 1.2


# --- which relation types and pairs ------------------------------------------------------------------


def test_every_direction_between_items_and_attributes() -> None:
    rated = tastes(np.random.default_rng(1), 0.5)
    acts = [(person, film) for film, person in GROUPED]
    sequels = [(film, film + 1) for film in range(FILMS) if film % SIZE != SIZE - 1]
    found = agreement(graph(rated, DIRECTED_BY=GROUPED, ACTS_IN=acts, SEQUEL=sequels, KNOWS=[(0, 0)]))
    assert [a.relation for a in found] == ["ACTS_IN", "DIRECTED_BY", "SEQUEL"]
    assert all(a.verdict == "fits" for a in found)
    assert found[0].ratio == found[1].ratio
    assert found[2].pairs == len(sequels)


def test_an_attribute_of_all_items_ties_nothing() -> None:
    found = only(agreement(graph(tastes(np.random.default_rng(1), 0.5), DIRECTED_BY=[(f, 0) for f in range(FILMS)])))
    assert (found.pairs, found.verdict) == (0, "too few to say")


def test_items_without_users_are_left_out() -> None:
    rated = [(u, f) for u, f in tastes(np.random.default_rng(1), 0.5) if f >= SIZE]
    found = only(agreement(graph(rated, DIRECTED_BY=GROUPED)))
    assert found.items == FILMS - SIZE


def test_too_few_pairs() -> None:
    rated = tastes(np.random.default_rng(1), 0.5)
    found = only(agreement(graph(rated, SEQUEL=[(0, 1), (1, 0), (2, 2), (3, 4)])))
    assert (found.pairs, found.items, found.verdict) == (2, 4, "too few to say")
    assert np.isnan(found.ratio)
    assert found.to_dict()["ratio"] is None
    assert found.line() == "SEQUEL: too few to say (2 pairs of items with interactions)"


def test_no_interactions_and_no_facts() -> None:
    assert only(agreement(graph([], DIRECTED_BY=GROUPED))).verdict == "too few to say"
    assert agreement(graph(tastes(np.random.default_rng(1), 0.5))) == ()


def test_users_of_one_film_only() -> None:
    found = only(agreement(graph([(film, film) for film in range(FILMS)], DIRECTED_BY=GROUPED)))
    assert found.verdict == "too few to say"  # no two films share a user


def test_the_sample_is_bounded_and_seeded() -> None:
    snapshot = graph(tastes(np.random.default_rng(1), 0.5), DIRECTED_BY=GROUPED)
    first = only(agreement(snapshot, max_pairs=50, seed=1))
    assert first.pairs == 50
    assert first.verdict == "fits"
    assert only(agreement(snapshot, max_pairs=50, seed=1)) == first
    assert only(agreement(snapshot, max_pairs=50, seed=2)).ratio != first.ratio


@pytest.mark.parametrize("wrong", [{"permutations": 98}, {"max_pairs": 0}])
def test_impossible_settings(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected permutations >= 99 and max_pairs >= 1"):
        agreement(graph([]), **wrong)  # type: ignore[arg-type]  # one of two int settings


def test_progress_reaches_the_end() -> None:
    steps: list[tuple[int, int | None, str]] = []
    snapshot = graph(tastes(np.random.default_rng(1), 0.5), DIRECTED_BY=GROUPED)
    agreement(snapshot, progress=lambda *step: steps.append(step))
    assert steps == [(0, 1, "agreement DIRECTED_BY"), (1, 1, "agreement")]


# --- the graph as a whole ----------------------------------------------------------------------------


def verdicts(*verdict: Verdict) -> list[Agreement]:
    return [Agreement(f"R{i}", 1.0, 0.01, 0.5, 100, 50, v) for i, v in enumerate(verdict)]


@pytest.mark.parametrize(
    ("given", "whole", "words"),
    [
        ([], None, "cannot say whether the graph fits the interactions"),
        (["too few to say"], None, "cannot say whether the graph fits the interactions"),
        (["fits"], True, "graph fits the interactions: of 1 relation type with enough facts 1 ties items"),
        (["fits", "does not fit"], True, "graph fits the interactions: of 2 relation types with enough facts 1 ties"),
        (
            ["fits", "fits", "does not fit", "too few to say"],
            True,
            "graph fits the interactions: of 3 relation types with enough facts 2 tie items that share users more",
        ),
        (
            ["fits", "does not fit", "does not fit", "too few to say"],
            False,
            "graph does not fit the interactions: of 3 relation types with enough facts only 1 ties items that share "
            "users more than chance; the facts may be linked to the wrong items (check the file that links item ids "
            "to entities)",
        ),
        (["does not fit"], False, "of 1 relation type with enough facts none ties items that share users"),
    ],
)
def test_half_of_the_relation_types_have_to_fit(given: list[Verdict], whole: bool | None, words: str) -> None:
    assert graph_fits(verdicts(*given)) is whole
    assert words in conclusion(verdicts(*given))


# --- real data ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[2026, 1])
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def films(real_films: Callable[[str], Path]) -> Callable[[str], Snapshot]:
    """The snapshot of a graph of the real films, read once."""

    @cache
    def read(facts: str) -> Snapshot:
        with closing(connect(str(real_films(facts)), read_only=True)) as store:
            return export(store)

    return read


@pytest.mark.shared
def test_the_right_link_fits(films: Callable[[str], Snapshot], seed: int) -> None:
    found = agreement(films("right"), seed=seed)
    assert len(found) == 14
    assert graph_fits(found)
    not_fitting = {a.relation for a in found if a.verdict != "fits"}
    assert not_fitting <= {"IN_LANGUAGE"}
    ratio = {a.relation: a.ratio for a in found}
    assert ratio["DIRECTED_BY"] == pytest.approx(1.62, abs=0.1)
    assert ratio["STARRING"] == pytest.approx(1.21, abs=0.06)


@pytest.mark.shared
def test_the_wrong_link_does_not_fit(films: Callable[[str], Snapshot], seed: int) -> None:
    found = agreement(films("wrong"), seed=seed)
    assert graph_fits(found) is False
    assert not [a.relation for a in found if a.verdict == "fits"]
    assert sum(a.verdict == "does not fit" for a in found) >= 8
    assert conclusion(found).startswith("graph does not fit the interactions: of ")
    assert "check the file that links item ids to entities" in conclusion(found)


@pytest.mark.shared
def test_named_facts_fit(films: Callable[[str], Snapshot], seed: int) -> None:
    found = agreement(films("named"), seed=seed)
    assert [a.relation for a in found] == ["DIRECTED_BY", "FROM_COUNTRY", "HAS_GENRE", "IN_LANGUAGE", "STARRING"]
    assert graph_fits(found)
    assert all(a.verdict == "fits" for a in found), conclusion(found)


@pytest.mark.shared
def test_three_quarters_of_the_links_wrong_do_not_fit(films: Callable[[str], Snapshot]) -> None:
    right = films("right")
    rng = np.random.default_rng(0)
    place = np.arange(len(right.items))
    moved = rng.choice(len(place), len(place) * 3 // 4, replace=False)
    place[moved] = rng.permutation(moved)
    wrong = right
    for relation in right.schema.item_relations:
        edges = right.edges[relation.name]
        target = place[edges.target] if relation.target == "Film" else edges.target
        wrong = wrong.with_edges(relation.name, EdgeTable(place[edges.source], target))
    assert graph_fits(agreement(wrong)) is False
