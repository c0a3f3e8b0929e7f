"""What a network reads of nodes, as arrays: vectors, numbers, texts and labels, of all nodes or of those asked for.

What has to be known of all nodes (the mean of a number, the classes of a label) is found once, from one column; rows
can then be made of any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kg_rec.errors import ArgumentError
from kg_rec.schema import GraphSchema, NodeType, PropertyType, RelationType
from kg_rec.snapshot.tables import IdMap

#: Datatypes that become numbers.
_NUMBERS = ("integer", "float", "boolean", "date")


@dataclass(frozen=True)
class _Scale:
    """How the values of a property become numbers with mean 0 and standard deviation 1.

    Attributes:
        largest: the largest absolute value; the square of a large number is not finite, so values are divided by it.
        mean: of the values after that.
        deviation: of the values after that, 1 where all are equal.
        missing: whether a node has no value.
    """

    largest: float
    mean: float
    deviation: float
    missing: bool

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> _Scale | None:
        """That of the values of all nodes, NaN where one is missing; None where all are."""
        missing = np.isnan(values)
        if missing.all():
            return None
        largest = float(np.nanmax(np.abs(values))) or 1.0
        values = values / largest
        return cls(largest, float(np.nanmean(values)), float(np.nanstd(values)) or 1.0, bool(missing.any()))

    def columns(self, name: str, values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The numbers, 0 where one is missing, and where some are, a column that says where."""
        missing = np.isnan(values)
        columns = {name: np.where(missing, 0.0, (values / self.largest - self.mean) / self.deviation)}
        return columns | ({f"{name} missing": missing.astype(np.float64)} if self.missing else {})


@dataclass(frozen=True)
class TextVectors:
    """Vectors of some items.

    Attributes:
        places: dense indices of the items that have one, sorted.
        rows: their vectors, shape (len(places), dimensions).
    """

    places: NDArray[np.int64]
    rows: NDArray[np.float64]

    @classmethod
    def of(cls, table: pa.Table, items: IdMap) -> TextVectors:
        """Those of a table with the columns ``item`` and ``vector``; items that are not in the graph are left out.

        Raises:
            ArgumentError: the table has other columns, or vectors of several lengths.
        """
        if not {"item", "vector"} <= set(table.column_names):
            raise ArgumentError(f"text: expected a table with the columns item and vector, got {table.column_names}")
        known = table.filter(pc.is_valid(table["vector"]))
        vectors = known["vector"].to_pylist()
        lengths = sorted({len(v) for v in vectors})
        if len(lengths) > 1:
            raise ArgumentError(f"text: expected vectors of one length, got {lengths}")
        if not lengths:
            return cls(np.empty(0, np.int64), np.empty((0, 0)))
        places = items.indices(known["item"].combine_chunks())
        nodes, first = np.unique(places, return_index=True)
        there = nodes >= 0
        return cls(nodes[there], np.array(vectors, np.float64)[first[there]])

    def of_items(self, items: NDArray[np.int64]) -> NDArray[np.float64]:
        """The vectors of items by dense index, shape (n, dimensions); 0 for one without."""
        vectors = np.zeros((len(items), self.rows.shape[1]))
        if len(self.places):
            near = np.minimum(np.searchsorted(self.places, items), len(self.places) - 1)
            there = self.places[near] == items
            vectors[there] = self.rows[near[there]]
        return vectors


@dataclass(frozen=True)
class NodeColumns:
    """The columns of ``x`` of one node type: the schema's vectors, numbers, texts.

    Attributes:
        node_type: the type.
        scales: of its numbers, by property, where these are wanted.
        text: vectors from outside the graph, where they are wanted.
    """

    node_type: NodeType
    scales: Mapping[str, _Scale]
    text: TextVectors | None

    @classmethod
    def of(cls, node_type: NodeType, table: pa.Table, *, numbers: bool, text: TextVectors | None) -> NodeColumns:
        """Those of a type.

        Args:
            node_type: the type.
            table: all its nodes; of its columns :func:`number_properties` are read.
            numbers: whether numbers, dates and truth values are wanted.
            text: vectors to add.
        """
        scales = {p.name: _Scale.of(floats(p, table.column(p.name))) for p in number_properties(node_type) if numbers}
        return cls(node_type, {name: scale for name, scale in scales.items() if scale is not None}, text)

    @property
    def properties(self) -> list[str]:
        """The properties that :meth:`rows` reads."""
        return [*(p.name for p in self._vectors), *self.scales]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self._columns(pa.table({name: [None] for name in self.properties}), np.zeros(1, np.int64)))

    def rows(self, table: pa.Table, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """``x`` of some nodes, shape (n, columns).

        Args:
            table: the nodes, with :attr:`properties`.
            places: their dense indices.
        """
        columns = self._columns(table, places)
        return np.stack(list(columns.values()), axis=1).astype(np.float32)

    def _columns(self, table: pa.Table, places: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        columns: dict[str, NDArray[np.float64]] = {}
        for p in self._vectors:
            absent = [np.nan] * (p.dimensions or 0)
            vectors = [absent if row is None else row for row in table.column(p.name).to_pylist()]
            values = np.array(vectors, np.float64).reshape(len(places), len(absent))
            columns |= {f"{p.name} {n}": column for n, column in enumerate(values.T)}
        for p in number_properties(self.node_type):
            if p.name in self.scales:
                columns |= self.scales[p.name].columns(p.name, floats(p, table.column(p.name)))
        if self.text is not None:
            columns |= {f"text {n}": column for n, column in enumerate(self.text.of_items(places).T)}
        return columns

    @property
    def _vectors(self) -> list[PropertyType]:
        return [p for p in self.node_type.properties if p.use == "vector"]


def number_properties(node_type: NodeType) -> list[PropertyType]:
    """The properties of a type that can become numbers."""
    return [p for p in node_type.properties if p.datatype in _NUMBERS and p.use != "key"]


def floats(p: PropertyType, column: pa.ChunkedArray) -> NDArray[np.float64]:
    """The values of a property that can be numbers, shape (n,); of a date the day since 1970, NaN for none."""
    days = column.cast(pa.int32()) if p.datatype == "date" else column
    return np.asarray(pc.fill_null(days.cast(pa.float64()), np.nan), dtype=np.float64)


# --- labels ------------------------------------------------------------------------------------------


def label_of(schema: GraphSchema, label: str) -> PropertyType | RelationType:
    """The property of the items, or the relation type that leaves them, of that name.

    Raises:
        ArgumentError: there is none, or it is a list.
    """
    item = schema.item
    relations = {r.name: r for r in schema.relation_types.values() if r.source == item.name}
    properties = {p.name: p for p in item.properties if not p.datatype.endswith("_list")}
    if label not in relations and label not in properties:
        known = ", ".join([*properties, *relations])
        raise ArgumentError(f"label: expected a property or relation type of {item.name} ({known}), got {label!r}")
    return relations[label] if label in relations else properties[label]


def classes_of(column: pa.ChunkedArray) -> pa.Array:
    """The distinct values of a column, sorted: the classes of a label."""
    return pc.unique(column.drop_null()).sort()


def class_indices(column: pa.ChunkedArray, classes: pa.Array) -> NDArray[np.int64]:
    """The class of each value, shape (n,); -1 where there is none."""
    indices = pc.fill_null(pc.index_in(column, classes).cast(pa.int64()), -1)
    return np.asarray(indices, dtype=np.int64).copy()


def texts(values: pa.Array) -> NDArray[Any]:
    """Values as an array of texts, shape (n,)."""
    return np.array([str(v) for v in values.to_pylist()], dtype=np.dtypes.StringDType())
