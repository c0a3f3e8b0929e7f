"""Lists that are made together are those that are made alone, and a fault is told to everybody who asked."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from toy_graph import everything

from kg_rec.api import Model
from kg_rec.errors import SchemaError
from kg_rec.explain.config import ExplainConfig
from kg_rec.model.one_user import with_history
from kg_rec.serve.live import State
from kg_rec.serve.maker import Form, ListMaker

MODEL = Model(everything())
STATE = State(0, MODEL, {}, (), 0.0, None, {}, (), 1.0, frozenset())
FORM = Form(3, "en", True)
USERS = MODEL.recommender.users.keys.to_pylist()[:6]


@pytest.fixture
def maker() -> ListMaker:
    return ListMaker(ExplainConfig())


def asked_while_busy(maker: ListMaker, asks: list[tuple[str, Form]]) -> list[object]:
    """What each gets where all ask while the one who makes lists is held up."""
    with ThreadPoolExecutor(len(asks)) as pool:
        with maker._making:
            found = [pool.submit(maker.items, STATE, MODEL, *ask) for ask in asks]
            while sum(len(batch.asked) for batch in list(maker._waiting.values())) < len(asks):
                threading.Event().wait(0.001)
        return [one.exception() or one.result() for one in found]


def test_together_as_alone(maker: ListMaker) -> None:
    asks = [(user, form) for user in USERS for form in (FORM, Form(3, "zh", True), Form(2, "en", False))]
    alone = [maker.items(STATE, MODEL, *ask) for ask in asks]
    assert len({str(items) for items in alone}) > len(USERS)
    made: list[int] = []
    inner = maker._made

    def counted(*given: object) -> list[object]:
        made.append(len(given[2]))  # type: ignore[arg-type]
        return inner(*given)  # type: ignore[arg-type,return-value]

    maker._made = counted  # type: ignore[assignment,method-assign]
    assert asked_while_busy(maker, asks) == alone
    assert made == [len(USERS)] * 3


def test_a_history_of_the_moment_is_told_as_by_a_model_that_has_it(maker: ListMaker) -> None:
    recommender = MODEL.recommender
    edges = recommender.snapshot.interactions
    rows = np.flatnonzero(edges.source == 0)[1:]
    changed = Model(with_history(recommender, 0, edges.take(rows)))
    before = maker.items(STATE, MODEL, USERS[0], FORM)
    after = maker.items(STATE, changed, USERS[0], FORM)
    assert after != before
    for one in after:
        assert one["why"] == changed.explain(USERS[0], one["item"]).text
    assert maker.items(STATE, replace(STATE, number=1).model, USERS[0], FORM) == before


def test_a_fault_is_told_to_all_who_asked(maker: ListMaker) -> None:
    found = asked_while_busy(maker, [(user, Form(3, "xx", True)) for user in USERS])
    assert all(isinstance(one, SchemaError) for one in found), found
