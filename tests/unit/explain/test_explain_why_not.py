"""Why an item is not in a list, and which of two: against the model's own lists and scores."""

from __future__ import annotations

import numpy as np
import pytest
from toy_graph import everything, pairs

import kg_rec.explain.counterfactuals.why_not as why_not_module
from kg_rec.api import Model
from kg_rec.errors import ConfigError, NotFoundError
from kg_rec.explain.config import ExplainConfig


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(everything())


def outside(model: Model, count: int) -> list[tuple[str, str]]:
    """Users, and items that they never had and that are not in their top 5."""
    found = []
    for u, i in pairs(model.recommender, count, seed=3):
        user, item = model.recommender.users.key(u), model.recommender.items.key(i)
        if model.why_not(user, item, 5).standing == "not_listed":
            found.append((user, item))
    return found


def test_the_gap_is_the_sum_of_what_differs(model: Model) -> None:
    asked = outside(model, 40)
    assert len(asked) > 15
    for user, item in asked:
        found = model.why_not(user, item, 5)
        scores = model.recommender.scores(np.array([model.recommender.users.index(user)]))[0]
        assert found.last is not None
        assert found.rank is not None
        assert found.rank > 5
        assert found.score == pytest.approx(scores[model.recommender.items.index(item)], rel=1e-6)
        assert found.gap == pytest.approx(found.last.score - found.score)
        parts = found.base_gap + sum(lack.last_value - lack.value for lack in found.lacks)
        assert parts == pytest.approx(found.gap, rel=1e-5, abs=1e-6)
        sizes = [abs(lack.last_value - lack.value) for lack in found.lacks]
        assert sizes == sorted(sizes, reverse=True)
        assert [e.item for e in model.what_if(user, k=5).before][-1] == found.last.item


def test_additions_bring_the_item_in_and_none_smaller_does(model: Model) -> None:
    sizes = []
    for user, item in outside(model, 40):
        found = model.why_not(user, item, 5)
        assert found.exhausted
        for addition in found.additions:
            after = model.what_if(user, added=[key for key, _ in addition.items], k=5).after
            assert (addition.rank, item) in [(e.rank, e.item) for e in after]
        sizes += [len(a.items) for a in found.additions[:1]]
        if not found.additions or len(found.additions[0].items) > 1:
            had = {e.source for e in model.explain(user, item).terms}
            for other in model.recommender.items.keys.to_pylist():
                if other != item and other not in had:
                    try:
                        after = model.what_if(user, added=[other], k=5).after
                    except ConfigError:  # it counts already
                        continue
                    assert item not in [e.item for e in after]
    assert 1 in sizes


def test_several_are_added_where_one_is_not_enough(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(why_not_module, "_TRIED", 3)
    found = [model.why_not(user, item, 2) for user, item in outside(model, 60)]
    assert not any(f.exhausted for f in found)
    several = [f for f in found if f.additions and len(f.additions[0].items) > 1]
    assert several
    for f in several:
        assert len(f.additions) == 1
        after = model.what_if(f.user, added=[key for key, _ in f.additions[0].items], k=2).after
        assert f.item in [e.item for e in after]


def test_where_the_question_does_not_arise(model: Model) -> None:
    listed = model.what_if("u01", k=5).before[0]
    found = model.why_not("u01", listed.item, 5)
    assert (found.standing, found.rank, found.additions, found.lacks) == ("listed", 1, (), ())
    had = model.recommender.items.key(int(model.recommender.seen[[1]].indices[0]))
    found = model.why_not("u01", had, 5)
    assert (found.standing, found.rank, found.additions) == ("had", None, ())
    with pytest.raises(ConfigError, match="k of at least 1"):
        model.why_not("u01", had, 0)
    with pytest.raises(NotFoundError):
        model.why_not("u01", "nothing", 5)


def test_the_difference_of_two_scores_is_a_sum(model: Model) -> None:
    for (u, i), (_, j) in zip(pairs(model.recommender, 20, seed=1), pairs(model.recommender, 20, seed=2), strict=True):
        user, item, other = model.recommender.users.key(u), *map(model.recommender.items.key, (i, j))
        found = model.versus(user, item, other, config=ExplainConfig(groups=5))
        scores = model.recommender.scores(np.array([u]))[0]
        assert found.value == pytest.approx(scores[i] - scores[j], rel=1e-5, abs=1e-6)
        assert found.base + sum(d.value for d in found.differences) == pytest.approx(found.value, rel=1e-5, abs=1e-6)
        assert sum(value for _, value in found.paths) + found.not_shown == pytest.approx(found.value)
        assert {p.nodes[-1].key for p, _ in found.paths} <= {item, other}
        assert all((value > 0) == (p.nodes[-1].key == item) for p, value in found.paths if item != other)
