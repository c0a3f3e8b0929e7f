"""Which items a list that was asked for may hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kg_rec.model.item_groups import items_of_group
from kg_rec.model.recommender import positions
from kg_rec.serve.live import Live, State
from kg_rec.serve.wire import Wanted

#: Longest time that Cypher of a request may take.
_SECONDS = 10.0


def allowed_items(live: Live, state: State, wanted: Wanted) -> NDArray[np.bool_]:
    """The items that obey all that is wanted, boolean, shape (items,).

    Args:
        live: the graph that Cypher asks.
        state: whose items they are.
        wanted: what was asked for.

    Raises:
        NotFoundError: an item is unknown.
        ArgumentError: there is no such fact.
        QueryRefusedError: Cypher does more than read.
        StoreError: it failed.
    """
    snapshot = state.model.recommender.snapshot
    items = snapshot.items

    def those(keys: Sequence[str]) -> NDArray[np.bool_]:
        found = np.zeros(len(items), np.bool_)
        rows = items.indices(keys)
        found[rows[rows >= 0]] = True
        return found

    allowed = np.ones(len(items), np.bool_)
    if wanted.candidates is not None:
        positions(items, wanted.candidates)  # a key that is not there is told
        allowed &= those(wanted.candidates)
    positions(items, wanted.never_items)
    allowed &= ~those(wanted.never_items)
    for fact in wanted.only_facts:
        allowed &= items_of_group(snapshot, fact, "only_facts")[1]
    for fact in wanted.never_facts:
        allowed &= ~items_of_group(snapshot, fact, "never_facts")[1]
    for cypher in wanted.only:
        allowed &= those(live.keys(cypher, _SECONDS))
    for cypher in wanted.never:
        allowed &= ~those(live.keys(cypher, _SECONDS))
    return allowed
