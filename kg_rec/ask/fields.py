"""What of the items can be bound by a request: numbers and dates of the schema, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kg_rec.arrays.types import Floats64
from kg_rec.ask.request import Constraint
from kg_rec.errors import ArgumentError
from kg_rec.schema import PropertyType
from kg_rec.snapshot import Snapshot

#: What people bound, and how properties that hold it are called.
KNOWN: Mapping[str, tuple[str, ...]] = {
    "year": ("year", "release_year", "released", "release_date", "launched", "launch_date", "published", "date"),
    "price": ("price", "cost", "list_price", "unit_price"),
    "duration": ("duration", "runtime", "running_time", "length", "minutes", "duration_minutes", "runtime_minutes"),
    "rating": ("rating", "stars", "score", "average_rating", "review_score"),
}
_NUMBERS = ("integer", "float", "date")


@dataclass(frozen=True)
class Fields:
    """The fields of the items that requests may bound.

    Attributes:
        snapshot: the graph.
    """

    snapshot: Snapshot

    @cached_property
    def properties(self) -> Mapping[str, PropertyType]:
        """Per field the item's property that holds it: the known ones, and every other number by its own name."""
        item = self.snapshot.schema.item
        numbers = {p.name: p for p in item.properties if p.datatype in _NUMBERS and p.use not in ("key", "name")}
        by_field = {}
        for field, names in KNOWN.items():
            name = next((n for n in names if n in numbers), None)
            if name is not None:
                by_field[field] = numbers.pop(name)
        return by_field | numbers

    def property_of(self, field: str) -> str | None:
        """Name of the property that holds a field; None where the graph has none."""
        property_type = self.properties.get(field)
        return None if property_type is None else property_type.name

    @cached_property
    def _columns(self) -> dict[str, Floats64]:
        return {}

    def values(self, field: str) -> Floats64:
        """The field of every item, NaN where it is not known, float64, shape (items,).

        Raises:
            ArgumentError: the graph has no such field.
        """
        p = self.properties.get(field)
        if p is None:
            raise ArgumentError(f"expected one of {', '.join(self.properties) or 'no fields'}, got {field!r}")
        if field not in self._columns:
            column = self.snapshot.nodes[self.snapshot.schema.item.name].column(p.name)
            numbers = (pc.year(column) if p.datatype == "date" else column).cast(pa.float64())
            self._columns[field] = np.asarray(pc.fill_null(numbers, np.nan), np.float64)
        return self._columns[field]

    def obeys(self, constraint: Constraint) -> NDArray[np.bool_]:
        """Which items obey a bound, shape (items,); one without a value does not.  All, where it binds nothing.

        Raises:
            ArgumentError: the field is not of the schema, or the numbers do not fit the operator.
        """
        if constraint.property is None or not constraint.values:
            return np.ones(len(self.snapshot.items), bool)
        if constraint.property != self.property_of(constraint.field):
            raise ArgumentError(f"expected a field of the items, got {constraint.field!r}: {constraint.property!r}")
        if len(constraint.values) != (2 if constraint.op in ("in", "not in") else 1):
            raise ArgumentError(f"expected one number, or two for a range, got {constraint}")
        values = self.values(constraint.field)
        low, high = constraint.values[0], constraint.values[-1]
        with np.errstate(invalid="ignore"):
            tests = {
                "<": values < low,
                "<=": values <= low,
                ">": values > low,
                ">=": values >= low,
                "in": (values >= low) & (values <= high),
                "not in": (values < low) | (values > high),
            }
        return tests[constraint.op]
