"""Which items a list that was asked for may hold."""

from __future__ import annotations

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
    allowed = np.full(len(items), wanted.candidates is None)
    allowed[positions(items, wanted.candidates or ())] = True
    allowed[positions(items, wanted.never_items)] = False
    for fact in wanted.only_facts:
        allowed &= items_of_group(snapshot, fact, "only_facts")[1]
    for fact in wanted.never_facts:
        allowed &= ~items_of_group(snapshot, fact, "never_facts")[1]
    for cypher in wanted.only:
        allowed &= items.mask(live.keys(cypher, _SECONDS))
    for cypher in wanted.never:
        allowed &= ~items.mask(live.keys(cypher, _SECONDS))
    return allowed
