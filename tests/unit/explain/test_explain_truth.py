"""The checks of an explanation find what is false: each is shown a true explanation and many with one thing changed."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from toy_graph import everything, pairs

from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.path import Path, PathGroup
from kg_rec.explain.paths.search import find
from kg_rec.explain.single import explain
from kg_rec.explain.verify.reading import Reading, read
from kg_rec.explain.verify.truth import LEAST_WHOLE, Facts, error, missing, scores_of
from kg_rec.explain.words.patterns import Tone
from kg_rec.explain.words.reasons import reasons
from kg_rec.explain.words.wording import Wording
from kg_rec.model.recommender import Recommender


@pytest.fixture(scope="module")
def model() -> Recommender:
    return everything()


@pytest.fixture(scope="module")
def facts(model: Recommender) -> Facts:
    return Facts.of(model.snapshot)


@pytest.fixture(scope="module")
def some(model: Recommender) -> list[Explanation]:
    cold = [(u, 39 + u % 6) for u in range(0, 60, 12)]
    return [explain(model, model.users.key(u), model.items.key(i)) for u, i in [*pairs(model, 40, seed=9), *cold]]


def with_path(e: Explanation, old: Path, new: Path) -> Explanation:
    groups = tuple(PathGroup(tuple(new if p is old else p for p in g.paths), g.value, g.share) for g in e.groups)
    return replace(e, groups=groups)


# --- exists --------------------------------------------------------------------------------------------


def test_true_paths_are_all_there(facts: Facts, some: list[Explanation]) -> None:
    assert all(missing(facts, e) == () for e in some)
    assert sum(len(e.paths) for e in some) > 100
    assert {p.channel for e in some for p in e.paths} == {"taste", "relational", "knowledge", "meaning"}


def test_a_path_that_is_not_there_is_found(facts: Facts, some: list[Explanation]) -> None:
    seen = set()
    for e in some:
        for path in e.paths:
            for n, node in enumerate(path.nodes[1:], start=1):
                other = replace(node, count=node.count + 1) if node.key is None else replace(node, key="nobody")
                nodes = (*path.nodes[:n], other, *path.nodes[n + 1 :])
                lines = missing(facts, with_path(e, path, replace(path, nodes=nodes)))
                assert lines, (path, other)
                seen.add(lines[0].split(" ")[0])
            named = replace(path.nodes[1], name="Another name")
            changed = replace(path, nodes=(path.nodes[0], named, *path.nodes[2:]))
            assert "is not called 'Another name'" in missing(facts, with_path(e, path, changed))[0]
            for n, edge in enumerate(path.edges):
                if edge.type == "HAS_GENRE":
                    wrong = replace(edge, type="STARRING")
                    edges = (*path.edges[:n], wrong, *path.edges[n + 1 :])
                    assert missing(facts, with_path(e, path, replace(path, edges=edges)))
    assert {"no"} <= seen
    assert any(line[0].isdigit() for line in seen)


def test_a_deleted_edge_is_missed(model: Recommender, some: list[Explanation]) -> None:
    e = next(e for e in some if any(p.channel == "knowledge" for p in e.paths))
    path = next(p for p in e.paths if p.channel == "knowledge" and len(p.nodes) == 4)
    relation = str(path.edges[1].type)
    source = model.items.index(str(path.nodes[1].key))
    edges = model.snapshot.edges[relation]
    less = model.snapshot.with_edges(relation, edges.take(edges.source != source))
    assert f"no {relation} from {path.nodes[1].key} to {path.nodes[2].key}" in missing(Facts.of(less), e)


# --- adds up -------------------------------------------------------------------------------------------


def test_true_terms_add_up(model: Recommender, some: list[Explanation]) -> None:
    users = np.array([model.users.index(e.user) for e in some])
    items = np.array([model.items.index(e.item) for e in some])
    scores = scores_of(model, users, items)
    assert scores == pytest.approx([e.score for e in some], rel=1e-6)
    for e, score in zip(some, scores.tolist(), strict=True):
        assert error(e, score) <= 1e-5
        whole = max(abs(score), LEAST_WHOLE * (e.speaks_for + e.speaks_against)) / abs(
            score
        )  # of a score near 0 not alone
        assert error(e, score * 1.001) == pytest.approx(0.001 / whole, rel=0.1)
        worse = replace(e, terms=(*e.terms, replace(e.terms[0], value=0.01 * score)))
        assert error(worse, score) == pytest.approx(0.01 / whole, rel=0.1)


def test_a_path_beyond_its_term_is_an_error(some: list[Explanation]) -> None:
    e = next(e for e in some if any(p.channel == "knowledge" for p in e.paths))
    path = next(p for p in e.paths if p.channel == "knowledge")
    term = next(t for t in e.terms if t.channel == "knowledge" and t.source == path.nodes[1].key)
    more = with_path(e, path, replace(path, value=term.value + 0.1 * e.score))
    assert error(more, e.score) >= 0.0999


# --- says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("tone", ["friendly", "short", "formal", "audit"])
def test_true_texts_are_read_back(
    model: Recommender, facts: Facts, some: list[Explanation], lang: str, tone: Tone
) -> None:
    for e in some:
        e = explain(model, e.user, e.item, wording=Wording(lang, tone))
        assert read(facts, e) == Reading((), ()), e.text


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_changed_text_is_found(model: Recommender, facts: Facts, some: list[Explanation], lang: str) -> None:
    changes = 0
    for e in some:
        e = explain(model, e.user, e.item, wording=Wording(lang))
        for name in set(re.findall(r"[“《]([^”》]+)[”》]", e.text)):
            changes += 1
            assert read(facts, replace(e, text=e.text.replace(name, "Casablanca", 1))).names, (name, e.text)
        bare = re.sub(r"[“《][^”》]+[”》]", lambda m: "x" * len(m.group()), e.text)
        for match in re.finditer(r"\d+", bare):
            if bare[match.end() : match.end() + 1] in ".%" and match.group() == "0":
                continue
            changes += 1
            text = f"{e.text[: match.start()]}{int(match.group()) + 7}{e.text[match.end() :]}"
            assert read(facts, replace(e, text=text)).numbers, text
        more = e.text + (" It won 5 awards." if lang == "en" else "它得了5个奖。")
        assert read(facts, replace(e, text=more)).numbers
    assert changes > 200


def test_the_one_who_did_the_same_is_of_the_item_before(facts: Facts, some: list[Explanation]) -> None:
    e, path = next((e, p) for e in some for p in e.paths if len(p.nodes) > 3 and p.nodes[2].key is None)
    liked, other = path.nodes[1], path.nodes[3]
    others = facts.who_liked(str(liked.key)) - {e.user}
    both = len(others & facts.who_liked(str(other.key)))
    said = "you liked “{}”, and {} of the {} other viewers who did the same also liked “{}”."
    true = replace(e, text=said.format(liked.name, both, len(others), other.name))
    assert read(facts, true) == Reading((), ())
    assert read(facts, replace(e, text=said.format(liked.name, both + 1, len(others) + 1, other.name))).numbers


def test_a_name_may_end_with_a_full_stop(facts: Facts, some: list[Explanation]) -> None:
    e, path = next((e, p) for e in some for p in e.paths)
    named = replace(path.nodes[1], name="Robert Downey Jr.")
    nodes = (path.nodes[0], named, *path.nodes[2:])
    e = replace(with_path(e, path, replace(path, nodes=nodes)), text="You liked Robert Downey Jr. as well.")
    assert read(facts, e).names == ()
    assert read(facts, replace(e, text="You liked Cuba Gooding Jr. as well.")).names


def test_what_several_channels_know_of_a_row_is_told_in_whole(model: Recommender) -> None:
    users, items = (a.ravel() for a in np.mgrid[0 : len(model.users), 0 : len(model.items)])
    table = find(model, users, items, ExplainConfig())
    owners = np.repeat(np.arange(len(users)), np.diff(table.paths[table.groups]))
    whole = np.bincount(owners, weights=table.share, minlength=len(users))
    told = reasons(table, most=99, least=0)
    assert np.bincount(told.pair, weights=told.share, minlength=len(users)) == pytest.approx(whole, abs=1e-9)
    rows = np.bincount(told.pair, weights=told.liked.counts * np.maximum(told.shared.counts, 1), minlength=len(users))
    paths = np.bincount(owners, minlength=len(users))
    merged = (rows < paths).sum()
    assert merged > 0


def test_two_items_of_one_name_take_away_what_both_do(
    model: Recommender, facts: Facts, some: list[Explanation]
) -> None:
    e = next(e for e in some if sum(t.value < 0 for t in e.terms) > 1 and any(g.share > 0 for g in e.groups))
    sums: dict[str, float] = {}
    for term in e.terms:
        sums[str(term.source)] = sums.get(str(term.source), 0.0) + term.value
    first, second, *others = sorted((key for key in sums if sums[key] < 0), key=lambda key: sums[key])
    terms = tuple(replace(t, source_name="One Name") if t.source in (first, second) else t for t in e.terms)
    group = next(g for g in e.groups if g.share > 0)
    told = replace(e, terms=terms, groups=(group,))

    def numbers(count: int, taken: float) -> tuple[str, ...]:
        names = "“One Name” and “One Name”"
        some = f"{count} of your films, above all {names}; together they" if others else f"{names}, which together"
        share = f"{100 * taken / told.speaks_for:.1f}%"
        return read(facts, replace(told, text=f"Against it: {some} take away {share} of what speaks for it.")).numbers

    count, taken = len(others) + 2, -sum(value for value in sums.values() if value < 0)
    assert numbers(count, taken) == ()
    assert numbers(count, 2 * taken)
    assert not others or numbers(count + 1, taken)


def test_rounding_of_a_score_near_zero_is_measured_by_its_parts(some: list[Explanation]) -> None:
    e = next(e for e in some if sum(t.value < 0 for t in e.terms) and e.speaks_for > 0)
    less = replace(e, base=e.base - e.score, score=0.0, groups=())  # as much against it as for it
    size = less.speaks_for + less.speaks_against
    assert error(less, 0.0) <= 1e-9
    assert error(less, 1e-7 * size) == pytest.approx(1e-6, rel=0.01)
    assert error(replace(less, score=0.01 * size), 0.0) == pytest.approx(0.1, rel=0.01)
