"""Which explanations the report shows, and whether the graph confirms them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import numpy as np
import pyarrow as pa

from kg_rec.api import Model
from kg_rec.demo.report import ExplainedExample
from kg_rec.errors import StoreError
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.show.cypher import mismatches
from kg_rec.explain.words.phrasebook import Phrasebook
from kg_rec.explain.words.wording import Wording
from kg_rec.progress import Progress
from kg_rec.store import connect

_EXPLAINED = (0.0, 0.25, 0.5, 0.75, 1.0)  # users explained, by rank of the length of their history


def chosen_explanations(
    model: Model, lists: pa.Table, progress: Progress, phrases: Phrasebook | None = None
) -> list[tuple[str, Explanation]]:
    """Explanations of users with short and long histories, and of an item without interactions if there is one.

    Of a user's first five items the one is taken whose kinds of path were shown least.
    """
    lengths = np.diff(model.recommender.histories.indptr)
    first: dict[str, list[str]] = {}
    for user, rank, item in zip(*(lists.column(c).to_pylist() for c in ("user", "rank", "item")), strict=True):
        if rank <= 5:
            first.setdefault(user, []).append(item)
    users = sorted(first, key=lambda u: (int(lengths[model.recommender.users.index(u)]), u))
    users = [u for u in users if lengths[model.recommender.users.index(u)]] or users
    places = dict.fromkeys(round(q * (len(users) - 1)) for q in _EXPLAINED)
    shown: set[tuple[str, ...]] = set()
    examples = []
    for number, place in enumerate(places):
        progress(number, len(places) + 1, "choose and follow paths")
        user = users[place]
        options = [model.explain(user, item, wording=Wording(phrasebook=phrases)) for item in first[user]]
        best = max(options, key=lambda e: len({p.pattern for p in e.paths} - shown))
        shown |= {p.pattern for p in best.paths}
        length = int(lengths[model.recommender.users.index(user)])
        examples.append((f"{user}: {length:,} liked", best))
    cold = _cold(model)
    progress(len(places) + 1, len(places) + 1, "choose and follow paths")
    return examples + cold


def _cold(model: Model) -> list[tuple[str, Explanation]]:
    """The item without interactions with the highest score for anybody that has a path, if there is one."""
    r = model.recommender
    if not r.cold.any():
        return []
    users = np.flatnonzero(np.diff(r.histories.indptr))
    tops, scores = (x[:, 0] for x in r.rank(users, 1, r.cold))
    for row in np.argsort(-scores, kind="stable")[:20]:
        if tops[row] >= 0:
            user, item = r.users.key(int(users[row])), r.items.key(int(tops[row]))
            explanation = model.explain(user, item)
            if explanation.paths:
                return [(f"{user}: an item that nobody liked yet", explanation)]
    return []


def verified(chosen: Sequence[tuple[str, Explanation]], url: str) -> tuple[ExplainedExample, ...]:
    """Run each explanation's Cypher on the graph and compare with the shown paths."""
    examples = []
    with closing(connect(url, read_only=True)) as store:
        for about, explanation in chosen:
            try:
                wrong = mismatches(explanation.paths, store.query(explanation.cypher, explanation.parameters))
            except StoreError as error:
                wrong = (f"the query failed: {error}",)
            examples.append(ExplainedExample(about, explanation, wrong))
    return tuple(examples)
