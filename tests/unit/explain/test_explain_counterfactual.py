"""Counterfactuals and what-ifs of real models, against brute force through the model itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from toy_graph import everything, with_user

from kg_rec.api import Model
from kg_rec.arrays.topk import masked, top_k
from kg_rec.errors import ConfigError, ModelError, NotFoundError
from kg_rec.explain.counterfactuals import counterfactual as module
from kg_rec.explain.counterfactuals.counterfactual import Counterfactual, counterfactual
from kg_rec.explain.counterfactuals.what_if import Change, WhatIf, what_if, what_if_weights
from kg_rec.explain.words.what_if import tell_counterfactual, tell_what_if
from kg_rec.model.chosen import RatingScale
from kg_rec.model.recommender import Recommender
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import EdgeTable


def short(recency: float) -> Recommender:
    """The toy model, where each user has only the six latest interactions, and possibly a recency."""
    model = everything()
    edges = model.snapshot.interactions
    assert edges.time is not None
    keep = np.zeros(len(edges), dtype=bool)
    for user in range(model.shape[0]):
        rows = np.flatnonzero(edges.source == user)
        keep[rows[np.argsort(-edges.time[rows])[:6]]] = True
    model = replace(model, chosen=replace(model.chosen, recency=recency))
    return model.with_interactions(edges.take(keep))


def without(model: Recommender, user: int, items: tuple[int, ...]) -> Recommender:
    """The model after these interactions were deleted."""
    edges = model.snapshot.interactions
    gone = (edges.source == user) & np.isin(edges.target, items)
    return model.with_interactions(edges.take(~gone))


def topk_sorted(model: Recommender, changed: Recommender, user: int, k: int) -> list[int]:
    """The top k of a changed model, without what the user had before the change."""
    rows = np.array([user])
    return top_k(masked(changed.scores(rows), model.seen[rows], None), k)[0].tolist()


def liked(model: Recommender, user: int) -> list[int]:
    return model.histories.indices[slice(*model.histories.indptr[user : user + 2])].tolist()


@pytest.mark.parametrize("recency", [0.0, 2.0])
def test_with_a_margin_the_item_falls_that_far(recency: float) -> None:
    """The set is the smallest one after which as many more items stand before it."""
    model, longer = short(recency), 0
    for user in range(0, 60, 9):
        key, item = model.users.key(user), topk_sorted(model, short(recency), user, 2)[1]
        plain = counterfactual(model, key, model.items.key(item), 2)
        found = counterfactual(model, key, model.items.key(item), 2, margin=4)
        sets = (s for n in range(1, 7) for s in combinations(liked(model, user), n))
        smallest = next((s for s in sets if item not in topk_sorted(model, without(model, user, s), user, 6)), None)
        assert found.proven
        assert (found.k, found.margin) == (2, 4)
        if smallest is None:
            assert found.outcome == "stays"
            continue
        assert (found.outcome, len(found.removed)) == ("leaves", len(smallest))
        assert found.rank_after is not None
        assert found.rank_after > 6
        assert len(found.after) == 2
        longer += len(found.removed) > len(plain.removed)
    assert longer
    with pytest.raises(ConfigError, match="margin and seconds of at least 0, got 2, -1"):
        counterfactual(model, "u01", "f01", 2, margin=-1)


@pytest.mark.parametrize(("recency", "k"), [(0.0, 3), (0.0, 1), (2.0, 3), (20.0, 2)])
def test_the_set_is_the_smallest_of_all(recency: float, k: int) -> None:
    model = short(recency)
    outcomes, sizes = [], []
    for user in range(0, 60, 7):
        key = model.users.key(user)
        for place in range(k):
            item = topk_sorted(model, model, user, k)[place]
            found = counterfactual(model, key, model.items.key(item), k)
            sets = (s for n in range(1, 7) for s in combinations(liked(model, user), n))
            smallest = next((s for s in sets if item not in topk_sorted(model, without(model, user, s), user, k)), None)
            assert found.proven
            outcomes.append(found.outcome)
            if smallest is None:
                assert (found.outcome, found.removed) == ("stays", ())
                continue
            assert found.outcome == "leaves"
            assert len(found.removed) == found.at_least == len(smallest)
            taken = tuple(model.items.index(key) for key, _ in found.removed)
            after = topk_sorted(model, without(model, user, taken), user, k)
            assert [model.items.index(e.item) for e in found.after] == after
            assert item not in after
            new = [x for x in after if x not in topk_sorted(model, model, user, k)]
            assert [model.items.index(e.item) for e in found.replacements] == new
            assert found.rank == place + 1
            assert found.rank_after is not None
            assert found.rank_after > k
            sizes.append(len(smallest))
    assert "leaves" in outcomes
    assert max(sizes) > 1


def test_an_item_that_its_base_keeps_there_stays() -> None:
    model = short(0.0)
    base = model.base.copy()
    last = topk_sorted(model, model, 1, 39)[-1]
    base[last] = 1000.0
    found = counterfactual(replace(model, base=base), "u01", model.items.key(last), 1)
    assert (found.outcome, found.removed, found.proven, found.rank) == ("stays", (), True, 1)
    schema, name = model.snapshot.schema, found.item_name
    assert tell_counterfactual(found, schema) == (
        f"As the model stands now, “{name}” stays in your top 1, whatever is taken out of your history."
    )
    assert (
        tell_counterfactual(found, schema, "zh")
        == f"就目前的模型而言，无论去掉你的哪些历史记录，《{name}》都在你的前1名里。"
    )


def test_what_is_not_listed_needs_no_set() -> None:
    model = short(0.0)
    last = topk_sorted(model, model, 1, 30)[29]
    found = counterfactual(model, "u01", model.items.key(last), 5)
    assert (found.outcome, found.rank, found.removed) == ("not_listed", 30, ())
    assert "it has rank 30" in tell_counterfactual(found, model.snapshot.schema)
    had = model.items.key(liked(model, 1)[0])
    found = counterfactual(model, "u01", had, 5)
    assert (found.outcome, found.rank) == ("not_listed", None)
    assert tell_counterfactual(found, model.snapshot.schema).endswith("you had it.")


def test_candidates_are_the_only_ones_that_replace() -> None:
    model = Model(short(0.0))
    item, other = (model.recommender.items.key(i) for i in topk_sorted(model.recommender, model.recommender, 2, 9)[::8])
    found = model.counterfactual("u02", item, 1, candidates=[item, other])
    assert found.outcome == "leaves"
    assert [e.item for e in found.after] == [other]


def test_errors_name_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    model = short(0.0)
    item = model.items.key(topk_sorted(model, model, 2, 1)[0])
    with pytest.raises(NotFoundError):
        counterfactual(model, "nobody", item)
    with pytest.raises(NotFoundError):
        counterfactual(model, "u02", "nothing")
    with pytest.raises(ConfigError, match="k of at least 1"):
        counterfactual(model, "u02", item, 0)
    monkeypatch.setattr(module, "_MOST", 20)
    with pytest.raises(ModelError, match="pass the candidates"):
        counterfactual(model, "u02", item)


def test_without_time_the_result_is_honest() -> None:
    model = everything()
    rows = [(u, i) for u in range(0, 60, 3) for i in topk_sorted(model, model, u, 5)[:1]]
    found = [counterfactual(model, model.users.key(u), model.items.key(i), 5, seconds=0.0) for u, i in rows]
    exact = [counterfactual(model, model.users.key(u), model.items.key(i), 5) for u, i in rows]
    for quick, slow in zip(found, exact, strict=True):
        assert slow.proven
        assert quick.at_least <= slow.at_least
        words = tell_counterfactual(quick, model.snapshot.schema)
        if quick.outcome == "open":
            assert f"At least {quick.at_least} would have to go." in words
            assert not quick.proven
        else:
            assert len(quick.removed) >= len(slow.removed)
            assert "not ruled out" in words or quick.proven


# --- what if -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rating", [None, RatingScale((4.0, 5.0), (0.7, 1.1))])
@pytest.mark.parametrize("recency", [0.0, 3.0])
def test_added_and_removed_interactions_score_as_in_another_store(recency: float, rating: RatingScale | None) -> None:
    """What is added has no rating: it counts as one in the middle of the scale, whose factor is 1."""
    model = short(recency)
    model = replace(model, chosen=replace(model.chosen, rating=rating))
    middle = 5.0 if rating is None else float(np.interp(1, rating.factors, rating.levels))
    edges = model.snapshot.interactions
    for user in range(0, 60, 9):
        taken = liked(model, user)[1]
        new = topk_sorted(model, model, user, 4)[2:]
        found = what_if(
            model,
            model.users.key(user),
            added=[model.items.key(i) for i in new],
            removed=[model.items.key(taken)],
            k=5,
        )
        rest = edges.take(~((edges.source == user) & (edges.target == taken)))
        assert rest.weight is not None
        assert rest.time is not None
        later = int(rest.time.max()) + np.arange(1, 3)
        merged = EdgeTable(
            np.append(rest.source, [user, user]),
            np.append(rest.target, new),
            np.append(rest.weight, [middle, middle]).astype(np.float32),
            np.append(rest.time, later),
        )
        changed = model.with_interactions(merged.take(np.lexsort((merged.target, merged.source))))
        row = np.array([user])
        scores = masked(changed.scores(row), model.seen[row], None)
        scores[0, new] = -np.inf
        expected = top_k(scores, 5)[0]
        assert [e.item for e in found.after] == [model.items.key(int(i)) for i in expected]
        assert [e.score for e in found.after] == pytest.approx(scores[0, expected].tolist())
        assert [e.item for e in found.before] == [model.items.key(i) for i in topk_sorted(model, model, user, 5)]
        assert {model.items.key(i) for i in new} <= {e.item for e in found.left}
        ranks = [c.rank_after for c in found.changes]
        there = [r for r in ranks if r is not None]
        assert ranks == sorted(there) + [None] * (len(ranks) - len(there))
        assert all(c.rank_after is None for c in found.changes if c.item in found.added)
        assert {e.item for e in found.entered} == {e.item for e in found.after} - {e.item for e in found.before}


def test_nothing_changed_is_the_list_itself() -> None:
    model = everything()
    found = what_if(model, "u03")
    assert found.before == found.after
    top, values = model.rank(np.array([3]), 10)
    assert [e.item for e in found.before] == [model.items.key(int(i)) for i in top[0]]
    assert [e.score for e in found.before] == values[0].tolist()
    assert tell_what_if(found, model.snapshot.schema) == "As the model stands now, your top 10 would hold the same."
    assert tell_what_if(found, model.snapshot.schema, "zh") == "就目前的模型而言，你的前10名不会有变化。"


def test_a_new_user_gets_a_list_from_what_is_added() -> None:
    model = everything().with_snapshot(with_user(everything().snapshot, "v", {}))
    found = what_if(model, "v", added=["f01", "f04"])
    assert found.before[0].item != found.after[0].item
    assert {e.item for e in found.after}.isdisjoint({"f01", "f04"})


def test_weights_multiply_the_parts_of_the_score() -> None:
    model = everything()
    plain = what_if_weights(model, "u05", {})
    assert plain.before == plain.after
    _, values = model.rank(np.array([5]), 10)
    assert [e.score for e in plain.before] == pytest.approx(values[0].tolist(), rel=1e-6)
    found = what_if_weights(model, "u05", {"knowledge": 20.0, "taste": 0.0, "base": 0.5}, 6)
    for change in found.changes:
        parts = model.contributions(5, model.items.index(change.item))
        sums = {c: float(v.sum()) for c, v in parts.values.items()}
        assert change.score == pytest.approx(parts.score, rel=1e-5)
        expected = parts.score + 19 * sums["knowledge"] - sums["taste"] - 0.5 * parts.base
        assert change.score_after == pytest.approx(expected, rel=1e-5)
    assert len(found.after) == len(found.before) == 6
    assert [e.item for e in found.after] != [e.item for e in found.before]


def wrong(model: Recommender) -> Iterator[tuple[type[Exception], str, dict[str, object]]]:
    had = model.items.key(liked(model, 4)[0])
    yield NotFoundError, "no interaction with", {"removed": ["f44"]}
    yield NotFoundError, "no Film with key", {"added": ["nothing"]}
    yield ConfigError, "already interacted", {"added": [had]}
    yield ConfigError, "already interacted", {"added": ["f44", "f44"]}
    yield ConfigError, "k of at least 1", {"k": 0}
    yield ConfigError, "no channel 'smell'", {"weights": {"smell": 1.0}}
    yield ConfigError, "factor of at least 0", {"weights": {"taste": -1.0}}
    yield ConfigError, "interactions or weights", {"weights": {"taste": 1.0}, "added": ["f44"]}


def test_what_cannot_be_asked_is_said() -> None:
    model = Model(short(0.0))
    for error, message, asked in wrong(model.recommender):
        with pytest.raises(error, match=message):
            model.what_if("u04", **asked)  # type: ignore[arg-type]


# --- words ---------------------------------------------------------------------------------------------


def test_words_name_what_is_taken_out_and_what_comes_in() -> None:
    model = everything()
    found = counterfactual(model, "u05", model.items.key(topk_sorted(model, model, 5, 3)[2]), 3)
    assert found.outcome == "leaves"
    schema = model.snapshot.schema
    english, chinese = (tell_counterfactual(found, schema, lang) for lang in ("en", "zh"))
    assert english.startswith("As the model stands now: without “")
    assert f"which you liked, “{found.item_name}” would leave your top 3; " in english
    assert chinese.startswith("就目前的模型而言：如果没有你喜欢的")
    for name in (found.item_name, *(n for _, n in found.removed), *(e.name for e in found.replacements)):
        assert name in english
        assert f"《{name}》" in chinese
    change = what_if(model, "u05", added=[found.item], k=3)
    assert found.item_name in tell_what_if(change, schema)
    assert "你的前3名" in tell_what_if(change, schema, "zh")


def test_a_name_cannot_change_the_sentence() -> None:
    found = Counterfactual(
        "u", "i", "{k} [FILM_1]\n》", 2, "leaves", (("a", "{new}"), ("b", "\u202ex")), 2, True, 1, 3, (), ()
    )  # fmt: skip
    schema = everything().snapshot.schema
    assert (
        tell_counterfactual(found, schema)
        == "As the model stands now: without “{new}” and “x”, which you liked, “{k} [FILM_1] 》” would leave your "
        "top 2."
    )
    assert "《{k} [FILM_1] 〉》" in tell_counterfactual(found, schema, "zh")


@pytest.mark.parametrize(("entered", "named"), [(5, 5), (6, 4)])
def test_of_many_items_the_first_are_named_and_the_others_counted(entered: int, named: int) -> None:
    changes = tuple(Change(f"x{n}", f"Film {n}", n + 11, n + 1, 0.0, 1.0) for n in range(entered))
    said = tell_what_if(WhatIf("u", 10, (), (), {}, changes), GraphSchema.bundled("movies"))
    assert [f"Film {n}" in said for n in range(entered)] == [n < named for n in range(entered)]
    assert ("2 other" in said) is (entered == 6)
