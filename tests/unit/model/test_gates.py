"""Which nodes bind taste most: the gates of a model, named."""

from __future__ import annotations

import numpy as np
import pytest
from toy_graph import everything

from kg_rec.errors import NotFoundError
from kg_rec.model.gates import strongest


def test_the_weight_is_what_one_path_adds_to_what_the_graph_says() -> None:
    model = everything()
    found = strongest(model, count=10**6)
    assert {g.relation for g in found} == {p.factors.relation for p in model.shared}
    assert [abs(g.weight) for g in found] == sorted((abs(g.weight) for g in found), reverse=True)
    genres = [g for g in found if g.relation == "HAS_GENRE"]
    edges = model.snapshot.edges["HAS_GENRE"]
    for gate in genres:
        node = model.snapshot.ids["Genre"].index(gate.node)
        items = int((edges.target == node).sum())
        assert gate.items == items > 1
        assert gate.weight == pytest.approx(0.05 * items**-0.25, rel=1e-5)  # every mean is .05 there, no deviation
        assert gate.against_type == pytest.approx(1.0)
    two = np.flatnonzero(edges.target == model.snapshot.ids["Genre"].index(genres[0].node))[:2]
    kernel = next(c.kernel for c in model.channels if c.name == "knowledge")
    first, second = (int(edges.source[e]) for e in two)
    assert float(kernel.values(np.array([first]), second)[0]) >= genres[0].weight - 1e-6


def test_some_of_one_relation_type() -> None:
    found = strongest(everything(), "DIRECTED_BY", 2)
    assert [g.relation for g in found] == ["DIRECTED_BY"] * 2


def test_nodes_of_one_item_take_no_places() -> None:
    """Those have the largest weights, as the rarest nodes do, and tie nothing."""
    model = everything()
    for relation in {p.factors.relation for p in model.shared}:
        everyone = strongest(model, relation, count=10**6)
        for count in (1, 2, 5):
            assert strongest(model, relation, count) == everyone[:count]


def test_an_unknown_relation_type_is_named_with_those_there_are() -> None:
    with pytest.raises(NotFoundError, match=r"no gates of relation type 'X'; it has .*HAS_GENRE"):
        strongest(everything(), "X")
