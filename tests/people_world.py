"""The toy films with viewers of whom something is known, and the model over them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pyarrow as pa
from toy_graph import everything

from kg_rec.model.recommender import Recommender
from kg_rec.snapshot import Snapshot

#: A viewer of kind u % 3 has this occupation; the third tells none.
OCCUPATIONS = ("rancher", "pilot", None)


@cache
def known_viewers() -> Recommender:
    """Viewer u likes films of kind u % 3; age, occupation and zip code follow from u."""
    model = everything()
    graph = model.snapshot
    n = len(graph.users)
    table = graph.nodes["User"]
    values = {
        "age": pa.array([18 + u for u in range(n)], pa.int64()),
        "occupation": pa.array([OCCUPATIONS[u % 3] for u in range(n)], pa.string()),
        "zip_code": pa.array([f"{u % 3}{u:04d}" for u in range(n)], pa.string()),
    }
    for name, column in values.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return replace(model, snapshot=Snapshot(graph.schema, graph.source, {**graph.nodes, "User": table}, graph.edges))
