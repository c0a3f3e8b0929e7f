"""Values as the driver gives them: as Arrow columns of the schema's types, and as plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import neo4j.graph
import neo4j.time
import pyarrow as pa

from kg_rec.errors import ArgumentError, StoreError
from kg_rec.schema import DATATYPES


def typed_column(values: list[Any], field: pa.Field, ends: list[list[Any]], owner: str) -> pa.Array:
    """The values of one property, of the nodes or edges of the type ``owner`` whose keys ``ends`` holds, for Arrow.

    Raises:
        StoreError: a value is of another type than the schema says; it is named by its keys.
    """
    try:
        return _typed(values, field)
    except _OF_ANOTHER_TYPE as error:
        row, reason = next(_misfits(values, field), (None, str(error)))
        where = "" if row is None else f", such as that of {' -> '.join(str(keys[row]) for keys in ends)}"
        raise StoreError(
            f"property {field.name} of {owner} holds values that are not of the schema's type {field.type}{where}: "
            f"{reason}; were they written by another program?"
        ) from error


_OF_ANOTHER_TYPE = (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError, OverflowError)
_WORDS = {kind.arrow: kind.words for kind in DATATYPES.values()}


def _typed(values: list[Any], field: pa.Field) -> pa.Array:
    if pa.types.is_date(field.type):
        values = [None if v is None else _date(v) for v in values]
    odd = _odd(field.type)
    if not odd.isdisjoint(map(type, values)):
        for value in values:
            if type(value) in odd and not (isinstance(value, float) and value.is_integer()):
                raise ArgumentError(f"expected {_WORDS.get(field.type, field.type)}, got {_shown(value)}")
    return pa.array(values, field.type)


def _misfits(values: list[Any], field: pa.Field) -> Iterator[tuple[int, str]]:
    """Rows whose value is of another type, and why it is."""
    for row, value in enumerate(values):
        try:
            _typed([value], field)
        except ArgumentError as error:
            yield row, str(error)
        except _OF_ANOTHER_TYPE:
            yield row, f"expected {_WORDS.get(field.type, field.type)}, got {_shown(value)}"


def _odd(kind: pa.DataType) -> frozenset[type]:
    """Types of values that Arrow takes for others: true for 1, 1.5 for 1, a text for a list of its letters."""
    if pa.types.is_integer(kind):
        return frozenset({bool, float})
    if pa.types.is_floating(kind):
        return frozenset({bool})
    return frozenset({str}) if pa.types.is_list(kind) else frozenset()


def _shown(value: Any) -> str:
    text: str = value.iso_format() if hasattr(value, "iso_format") else repr(value)
    return text if len(text) <= 80 else text[:80] + "…"


def _date(value: Any) -> Any:
    """A calendar date as Python has it.

    Raises:
        ArgumentError: the value is not a date.
        ValueError: its year is not between 1 and 9999.
    """
    if not isinstance(value, neo4j.time.Date):
        broken = type(value).__name__.startswith("Broken")
        raise ArgumentError(f"expected a date, got {'one outside the years 1 to 9999' if broken else _shown(value)}")
    return value.to_native()


def plain(value: Any) -> Any:
    """A value of the driver as plain Python; nodes and relationships become maps of their properties."""
    if isinstance(value, neo4j.graph.Path):
        return {"nodes": plain(list(value.nodes)), "relationships": plain(list(value.relationships))}
    if isinstance(value, (neo4j.graph.Entity, dict)):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, (neo4j.time.Date, neo4j.time.DateTime, neo4j.time.Time)):
        return value.to_native()
    if isinstance(value, neo4j.time.Duration):
        return value.iso_format()
    return value
