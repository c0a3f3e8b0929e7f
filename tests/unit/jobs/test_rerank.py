"""Rules of lists: calibration, floors, limits, what is never shown; and what lists say of moves."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from people_world import known_viewers
from scipy import sparse

from kg_rec.audit.config import AuditConfig
from kg_rec.audit.cost import choose_strength, cost_of, rank_by_rules
from kg_rec.audit.measures import calibration, exposure
from kg_rec.audit.page import page
from kg_rec.audit.report import audit, drawn, on_split
from kg_rec.errors import ArgumentError, ConfigError
from kg_rec.evaluation.ranking import Ranking
from kg_rec.jobs.candidates import allowed_items
from kg_rec.jobs.changes import user_digests
from kg_rec.jobs.mix import divergence, shares
from kg_rec.jobs.ranking import Ranker, by_rules
from kg_rec.jobs.rerank import Reranked
from kg_rec.jobs.rules import CandidatesConfig, FloorConfig
from kg_rec.jobs.swaps import swapped
from kg_rec.model.item_groups import items_of_group
from kg_rec.model.recommender import Recommender
from kg_rec.model.shown import LimitConfig
from kg_rec.recommend import recommend
from kg_rec.snapshot import Snapshot
from kg_rec.snapshot.item_facts import item_relation

USERS = np.arange(60)


@cache
def model() -> Recommender:
    return known_viewers()


def ranker(k: int = 6, of: Recommender | None = None, **rules: object) -> Ranker:
    config, chosen = CandidatesConfig(**rules), of or model()  # type: ignore[arg-type]
    return Ranker.of(config, chosen, allowed_items(config, None, chosen.snapshot)[0], k)


def lists(k: int = 6, of: Recommender | None = None, **rules: object) -> Reranked:
    return ranker(k, of, **rules).lists(USERS)


def far(top: np.ndarray) -> float:
    relation = item_relation(model().snapshot.schema, "genre", "x")
    return float(np.nanmean(calibration(model(), USERS, top, relation)))


# --- calibration -------------------------------------------------------------------------------------


def test_lists_without_rules_follow_the_scores() -> None:
    expected = [row for batch in recommend(model(), None, 6) for row in batch.to_pylist()]
    found = [row for batch in by_rules(model(), None, 6, CandidatesConfig()) for row in batch.to_pylist()]
    assert found == expected
    strict = lists(calibrate="genre", strength=0.0)
    assert (strict.items == lists().items).all()
    assert (strict.before == np.arange(1, 7)).all()


def test_a_stronger_calibration_comes_nearer_to_what_users_liked() -> None:
    figures = [far(lists(calibrate="genre", strength=s).items) for s in (0.0, 0.3, 0.6, 1.0)]
    assert figures == sorted(figures, reverse=True)
    assert figures[-1] < 0.5 * figures[0]


def test_scores_stay_and_order_the_list() -> None:
    found = lists(calibrate="genre", strength=0.7)
    scores = model().scores(USERS)
    assert np.take_along_axis(scores, found.items, axis=1) == pytest.approx(found.scores)
    assert (np.diff(found.scores, axis=1) <= 0).all()


def test_no_swap_makes_a_calibrated_list_better() -> None:
    """By hand, for some users: the list is worth at least what the greedy one is, and every swap is worth less."""
    strength, pool, k = 0.5, 20, 4
    found = lists(k, calibrate="genre", strength=strength, pool=pool)
    for user in range(0, 60, 7):
        top, scores = model().rank(np.array([user]), pool)
        relevance = (scores[0] - scores[0].min()) / (scores[0].max() - scores[0].min())
        kind = np.eye(3)[top[0] % 3]
        liked = model().users_of_items.tocsr()[[user]].indices
        own = shares(np.bincount(liked % 3, minlength=3)[None].astype(float))[0]

        def worth(chosen: list[int], relevance=relevance, kind=kind, own=own) -> float:  # type: ignore[no-untyped-def]
            far = divergence(own, kind[chosen].mean(axis=0))
            return float((1 - strength) * relevance[chosen].sum() - strength * far)

        greedy: list[int] = []
        for _ in range(k):
            rest = [i for i in range(pool) if i not in greedy]
            greedy.append(max(rest, key=lambda i: worth([*greedy, i])))
        chosen = [top[0].tolist().index(item) for item in found.items[user].tolist()]
        assert worth(chosen) >= worth(greedy) - 1e-12
        for n in range(k):
            for other in set(range(pool)) - set(chosen):
                assert worth([*chosen[:n], other, *chosen[n + 1 :]]) <= worth(chosen) + 1e-9


def test_swaps_better_lists_of_items_with_several_kinds() -> None:
    random = np.random.default_rng(4)
    b, p, k, kinds = 30, 40, 5, 6
    mix, own = shares((random.random((b, p, kinds)) < 0.4).astype(float)), random.dirichlet(np.ones(kinds), b)
    relevance = -np.sort(-random.random((b, p)), axis=1)

    def worth(places: np.ndarray) -> np.ndarray:
        inside = np.take_along_axis(mix, places[:, :, None], axis=1).sum(axis=1)
        found = np.take_along_axis(relevance, places, axis=1).sum(axis=1) - 2 * divergence(own, shares(inside))
        return np.asarray(found)

    before = np.tile(np.arange(k), (b, 1))
    free = np.ones((b, p), np.bool_)
    free[:, :k] = False
    free[:, 20] = False
    movable = np.tile(np.arange(k) > 0, (b, 1))
    after = swapped(before, movable, free, relevance, mix, own, 2.0)
    assert (worth(after) > worth(before)).mean() > 0.9
    assert (after[:, 0] == 0).all()
    assert not (after == 20).any()
    for n in range(1, k):
        for other in sorted(set(range(p)) - {20}):
            changed = after.copy()
            changed[:, n] = other
            outside = ~(after == other).any(axis=1)
            assert (worth(changed) <= worth(after) + 1e-9)[outside].all()


def test_swaps_leave_alone_what_a_floor_or_a_reserved_place_holds() -> None:
    _, members = items_of_group(model().snapshot, "genre:western", "x")
    plain = lists(calibrate="genre", strength=0.9)
    held = lists(calibrate="genre", strength=0.9, floors=(FloorConfig("genre:western", 0.3),))
    worth = np.where(members[held.items], 1 / np.log2(np.arange(6) + 2), 0).sum(axis=1)
    assert (worth >= 0.3 * (1 / np.log2(np.arange(6) + 2)).sum() - 1e-9).all()
    kept = lists(calibrate="genre", strength=0.9, new_items=1)
    assert model().cold[kept.items].any(axis=1).all()
    assert all(len(set(row)) == 6 for row in (*held.items.tolist(), *kept.items.tolist(), *plain.items.tolist()))


def test_what_was_not_liked_is_no_part_of_a_users_mix() -> None:
    ends = ([0] * 6, [0, 3, 6, 1, 4, 7])  # three westerns liked, three space films not
    row = sparse.csr_array((np.array([1, 1, 1, -1, -1, -1], np.float32), ends), shape=(1, 45))
    none = sparse.csr_array((1, 45), dtype=np.float32)
    found = ranker(calibrate="genre", strength=1.0).choose(row, none, np.ones(45, np.bool_))
    assert (found.items % 3 == 0).all()


def test_a_relation_with_too_many_kinds_or_none_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"candidates\.calibrate: expected a relation type"):
        lists(calibrate="shoe")
    with pytest.raises(ConfigError, match=r"candidates\.strength"):
        CandidatesConfig(strength=1.5)


# --- floors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [{}, {"calibrate": "genre", "strength": 0.5}, {"diversity": 0.3}])
@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_a_floor_is_kept_in_every_list(share: float, rules: dict[str, object]) -> None:
    _, members = items_of_group(model().snapshot, "genre:western", "x")
    before = exposure(lists().items, members[None])[:, 0]
    assert before.min() < 0.2
    found = lists(floors=(FloorConfig("genre:Western", share),), **rules)
    kept = exposure(found.items, members[None])[:, 0]
    left = (members & ~(model().seen.toarray() > 0)).sum(axis=1)  # westerns that a viewer has not seen
    assert (kept[left >= 6] >= share - 1e-9).all()
    assert (np.sort(found.items, axis=1)[:, 1:] != np.sort(found.items, axis=1)[:, :-1]).all()


def test_a_floor_costs_no_more_than_it_needs() -> None:
    """Lists that keep it by themselves stay as they are; else items of the group come last."""
    _, members = items_of_group(model().snapshot, "genre:western", "x")
    plain, found = lists(), lists(floors=(FloorConfig("genre:western", 0.2),))
    kept = exposure(plain.items, members[None])[:, 0] >= 0.2
    assert kept.any()
    assert (found.items[kept] == plain.items[kept]).all()
    row = np.flatnonzero(~kept)[0]
    moved = np.flatnonzero(found.items[row] != plain.items[row])
    assert moved.min() >= 3


def test_two_floors_at_once() -> None:
    floors = (FloorConfig("genre:western", 0.3), FloorConfig("genre:space", 0.3))
    found = lists(10, floors=floors)
    for name in ("western", "space"):
        _, members = items_of_group(model().snapshot, f"genre:{name}", "x")
        left = (members & ~(model().seen.toarray() > 0)).sum(axis=1)
        assert (exposure(found.items, members[None])[left >= 10, 0] >= 0.3 - 1e-9).all()
    with pytest.raises(ConfigError, match="at most 1 together"):
        CandidatesConfig(floors=(FloorConfig("tail", 0.6), FloorConfig("new", 0.6)))


def test_groups_are_named_by_a_fact_or_by_popularity() -> None:
    snapshot = model().snapshot
    group, new = items_of_group(snapshot, "new", "x")
    assert (group, np.flatnonzero(new).tolist()) == ("new", np.flatnonzero(model().cold).tolist())
    _, directed = items_of_group(snapshot, "directed by:p1", "x")
    edges = snapshot.edges["DIRECTED_BY"]
    assert np.flatnonzero(directed).tolist() == np.sort(edges.source[edges.target == 1]).tolist()
    for wrong in ("western", "genre:", "genre:opera", "shoe:red"):
        with pytest.raises(ArgumentError, match="x: expected"):
            items_of_group(snapshot, wrong, "x")


# --- words -------------------------------------------------------------------------------------------


def test_each_move_says_from_where_and_why() -> None:
    rules = {"calibrate": "genre", "strength": 0.6, "floors": (FloorConfig("directed by:p1", 0.2),)}
    made = ranker(**rules)
    found = made.lists(USERS)
    rows = made.table(USERS, found).to_pylist()
    places = {(u, int(i)): n + 1 for u in USERS.tolist() for n, i in enumerate(model().rank(np.array([u]), 45)[0][0])}
    kinds = {"genre": 0, "Person 1": 0, "others were moved up": 0, None: 0}
    for row in rows:
        user, item = model().users.index(row["user"]), model().items.index(row["item"])
        before, text = places[user, item], row["moved"]
        if text is None:
            assert before == row["rank"]
        else:
            assert text.startswith(f"moved from rank {before} to {row['rank']}: ")
            assert before != row["rank"]
            assert ("others were moved up" in text) == (before < row["rank"])
        for kind in kinds:
            kinds[kind] += (text is None) if kind is None else kind in (text or "")
    assert all(kinds.values()), kinds
    assert any(
        "at least 20 % of the list's exposure is for directed by Person 1" in (row["moved"] or "") for row in rows
    )


def test_moves_are_told_in_the_language_of_the_job() -> None:
    chosen = {"calibrate": "genre", "strength": 0.6, "floors": (FloorConfig("tail", 0.3),)}
    rules = CandidatesConfig(**chosen)  # type: ignore[arg-type]
    english, chinese = (
        Ranker.of(rules, model(), np.ones(45, np.bool_), 6, lang=lang).table(USERS, lists(**chosen)).to_pylist()
        for lang in ("en", "zh")
    )
    pairs = [(one["moved"], other["moved"]) for one, other in zip(english, chinese, strict=True)]
    told = [(one, other) for one, other in pairs if one or other]
    assert told
    for one, other in told:
        assert sorted(re.findall(r"\d+", one)) == sorted(re.findall(r"\d+", other))
        assert not re.search("[a-z]{3}", re.sub("western|space|romance", "", other)), other
    assert any("较冷门的项目" in other for _, other in told)
    assert any("占你喜欢的内容的" in other for _, other in told)


def test_shares_in_words_are_those_of_the_user_and_the_list() -> None:
    made = ranker(calibrate="genre", strength=0.8)
    plain = lists().items
    for row in made.table(USERS, made.lists(USERS)).to_pylist():
        if row["moved"] and "of what you liked and" in row["moved"]:
            user, kind = model().users.index(row["user"]), model().items.index(row["item"]) % 3
            liked = model().users_of_items.tocsr()[[user]].indices
            own, shown = 100 * np.mean(liked % 3 == kind), 100 * np.mean(plain[user] % 3 == kind)
            assert f"is {own:.0f} % of what you liked and {shown:.0f} % of the top 6" in row["moved"]
            break
    else:
        pytest.fail("no move by the mix")


# --- limits and what is never shown ------------------------------------------------------------------


def limited() -> Recommender:
    """Every film of which the number is 2 modulo 5 has a year that only the older viewers' ages reach."""
    graph = model().snapshot
    table = graph.nodes["Film"]
    years = pa.array([1900 if i % 5 == 2 else None for i in range(45)], pa.int64())
    ages = pa.array([None if u == 7 else 1880 + u for u in range(60)], pa.int64())
    users = graph.nodes["User"]
    nodes = {
        **graph.nodes,
        "Film": table.set_column(table.column_names.index("year"), "year", years),
        "User": users.set_column(users.column_names.index("age"), "age", ages),
    }
    return replace(model(), snapshot=Snapshot(graph.schema, graph.source, nodes, graph.edges))


@pytest.mark.parametrize("rules", [{}, {"calibrate": "genre"}, {"diversity": 0.2}])
def test_a_limit_holds_for_every_user(rules: dict[str, object]) -> None:
    found = lists(of=limited(), limits=(LimitConfig("year", "age"),), **rules)
    young = (USERS < 20) | (USERS == 7)
    held = found.items % 5 == 2
    assert not held[young].any()
    assert held[~young].any()
    assert (found.items >= 0).all()  # others take their places


def test_a_limit_changes_no_list_that_keeps_it() -> None:
    free, found = lists(of=limited()), lists(of=limited(), limits=(LimitConfig("year", "age"),))
    kept = ~(free.items % 5 == 2).any(axis=1) | ((USERS >= 20) & (USERS != 7))
    assert (free.items[kept] == found.items[kept]).all()
    for wrong in (LimitConfig("title", "age"), LimitConfig("year", "gender")):
        with pytest.raises(ConfigError, match=r"candidates\.limits\[0\].*holds a number"):
            lists(limits=(wrong,))


def test_a_user_s_number_is_in_the_digest_where_a_limit_reads_it() -> None:
    one, other = model().snapshot, limited().snapshot
    assert (user_digests(one) == user_digests(other)).all()
    assert (user_digests(one, ["age"]) != user_digests(other, ["age"])).all()


def test_what_has_a_fact_is_never_shown() -> None:
    found = lists(never_facts=("genre:western",))
    assert not (found.items % 3 == 0).any()
    plain = lists().items
    for row in np.flatnonzero((plain % 3 != 0).all(axis=1)):
        assert (found.items[row] == plain[row]).all()


# --- what rules cost ---------------------------------------------------------------------------------


def test_the_strength_is_chosen_on_validation_and_judged_on_the_test() -> None:
    split = drawn(model(), "random", 3)
    fit = on_split(model(), split)
    rules = CandidatesConfig(calibrate="genre")
    chosen, tried = choose_strength(fit, split, 5, rules)
    assert [t.strength for t in tried] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    within = [t.strength for t in tried if t.ndcg >= 0.99 * tried[0].ndcg]
    assert chosen.strength in within
    for one in tried:
        valid = rank_by_rules(fit, split, "valid", 5, replace(rules, strength=one.strength))
        assert valid.metrics["ndcg@5"].mean() == pytest.approx(one.ndcg)
    found = audit(fit, split, AuditConfig(k=5, least=5, samples=100), rules=replace(rules, strength=0.8))
    assert found.cost is not None
    assert found.means["ndcg"] == pytest.approx(found.cost.ndcg)
    assert found.means["divergence"] == pytest.approx(found.cost.divergence)
    assert found.cost.divergence < found.cost.divergence_before
    assert found.cost.loss is not None
    assert found.cost.loss == pytest.approx(1 - found.cost.ndcg / found.cost.ndcg_before)
    assert found.cost.loss_interval is not None
    assert found.cost.loss_interval[0] <= found.cost.loss <= found.cost.loss_interval[1] <= 1
    assert 0 < found.cost.changed < 1
    assert f"loss {100 * found.cost.loss:.1f} %" in page(found, "")


def test_where_lists_by_score_find_nothing_no_loss_is_told() -> None:
    top = np.array([[0, 1], [1, 2]])
    before, after = (Ranking(np.arange(2), top, {"ndcg@2": np.array(found)}) for found in ([0.0, 0.0], [0.0, 0.5]))
    found = cost_of(model(), CandidatesConfig(), before, after, 2, 1)
    assert (found.loss, found.loss_interval, found.lists, found.empty) == (None, None, 2, 0)
