"""Threads that share a model from its first use on get what one alone gets."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

from toy_graph import everything

from kg_rec.api import Model

MODEL = everything()
USERS = MODEL.users.keys.to_pylist()[:4]
THREADS = 8


def fresh() -> Model:
    """A model of which nothing is computed yet."""
    return Model(replace(MODEL, snapshot=replace(MODEL.snapshot)))


def everything_of(model: Model, user: str) -> str:
    listed = model.recommend([user], 4)
    items = listed.column("item").to_pylist()
    told = [
        listed.to_pylist(),
        [model.explain(user, item).text for item in items],
        next(iter(model.explain_lists([user], 3, workers=1))).to_pylist(),
        model.counterfactual(user, items[0], 3).removed,
        model.why_not(user, items[-1], 2).gap,
        model.what_if(user, removed=(), added=items[:1], k=3).to_dict(),
        model.similar(items[0], 3).to_pylist(),
        [row["score"] for row in model.ask(user, "something new", 3).to_dict()["items"]],
    ]
    return json.dumps(told, sort_keys=True)


def test_threads_get_what_one_gets() -> None:
    alone = {user: everything_of(fresh(), user) for user in USERS}
    for _ in range(3):
        model, start = fresh(), Barrier(THREADS)

        def work(number: int, model: Model = model, start: Barrier = start) -> tuple[str, str]:
            start.wait()  # all at once, while nothing is computed yet
            user = USERS[number % len(USERS)]
            return user, everything_of(model, user)

        with ThreadPoolExecutor(THREADS) as pool:
            for user, found in pool.map(work, range(THREADS)):
                assert found == alone[user]
