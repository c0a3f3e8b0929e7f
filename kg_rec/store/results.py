"""What a query gives as an Arrow table, alike for every store: the names of its columns, and its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Any

import pyarrow as pa

from kg_rec.errors import StoreError
from kg_rec.store.gate import Token, words

#: Types of values that hold no times.
_TIMELESS = {str, int, float, bool, type(None)}
_END_OF_ITEMS = words("ORDER SKIP OFFSET LIMIT UNION")


def to_table(names: Sequence[str], values: Sequence[Sequence[Any]]) -> pa.Table:
    """A table whose column types are inferred from the values.

    Args:
        names: column names, unique.
        values: those of each column: None, bool, int, float, str, date and time types, lists and dicts of these.

    Times of several zones in one column, and times of day with a zone, for which Arrow has no type, are ISO 8601 texts.

    Raises:
        StoreError: a column mixes types that Arrow cannot hold together, times with a zone and without one, or dates
            and times.
    """
    if len(set(names)) != len(names):
        raise StoreError(f"the query returns two columns of one name: {', '.join(names)}; name them with AS")
    columns = []
    for name, column in zip(names, values, strict=True):
        try:
            columns.append(pa.array(_with_zones(name, column)))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
            raise StoreError(
                f"column {name} of the query mixes types or holds values that do not fit a table: {error}; "
                "return single properties"
            ) from error
    return pa.table(columns, names=list(names))


_Path = tuple[str, ...]


def _with_zones(name: str, column: Sequence[Any]) -> Sequence[Any]:
    """A column in which no time loses its zone."""
    if set(map(type, column)) <= _TIMELESS:
        return column
    zones: dict[_Path, set[str | None]] = {}
    of_day: set[_Path] = set()
    days: set[_Path] = set()
    for path, value in (pair for row in column for pair in _times(row, ())):
        if not isinstance(value, datetime | time):
            days.add(path)
            continue
        zones.setdefault(path, set()).add(None if value.tzinfo is None else str(value.tzinfo))
        if isinstance(value, time) and value.tzinfo is not None:
            of_day.add(path)
    if any(None in found and len(found) > 1 for found in zones.values()):
        raise StoreError(
            f"column {name} of the query mixes times with a zone and without one; return them in columns of their own, "
            "or as text by toString()"
        )
    if days & zones.keys():  # Arrow would keep the day of each time
        raise StoreError(
            f"column {name} of the query mixes dates and times; return them in columns of their own, or as text by "
            "toString()"
        )
    texts = of_day | {path for path, found in zones.items() if len(found) > 1}
    return [_as_texts(row, (), texts) for row in column] if texts else column


def _times(value: Any, path: _Path) -> Iterator[tuple[_Path, date | time]]:
    """The dates and times in a value, each with its place in lists and maps."""
    if isinstance(value, date | time):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _times(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from _times(inner, (*path, "[]"))


def _as_texts(value: Any, path: _Path, texts: set[_Path]) -> Any:
    if isinstance(value, dict):
        return {key: _as_texts(inner, (*path, key), texts) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_texts(inner, (*path, "[]"), texts) for inner in value]
    if path not in texts or not isinstance(value, datetime | time):
        return value
    zone = getattr(value.tzinfo, "zone", None) or getattr(value.tzinfo, "key", None)  # pytz, zoneinfo
    return value.isoformat() + (f"[{zone}]" if zone and zone != "UTC" else "")


def column_names(cypher: str, found: Sequence[Token]) -> list[str] | None:
    """The columns of the last RETURN, named as Neo4j names them: the alias, or the expression as written.

    Returns:
        None where the names cannot be told from the text (``RETURN *``).
    """
    returns = returned_items(found)
    if not returns or any(not item or item[0].text == "*" for item in returns[-1]):
        return None
    return [column_name(cypher, item) for item in returns[-1]]


def returned_items(found: Sequence[Token]) -> list[list[list[Token]]]:
    """For each RETURN of the statement itself, not of subqueries: the tokens of each of its items."""
    returns: list[list[list[Token]]] = []
    depth = 0
    inside = False
    for token in found:
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if depth == 0 and token.word == "RETURN":
            inside = True
            returns.append([[]])
        elif depth == 0 and token.word in _END_OF_ITEMS:
            inside = False
        elif inside and depth == 0 and token.text == ",":
            returns[-1].append([])
        elif inside and not (token.word == "DISTINCT" and returns[-1] == [[]]):
            returns[-1][-1].append(token)
    return returns


def column_name(cypher: str, item: Sequence[Token]) -> str:
    """The name of one item of a RETURN."""
    last = item[-1]
    if len(item) == 1 or is_named(item):
        return last.name
    return cypher[item[0].start : last.start + len(last.text)]


def is_named(item: Sequence[Token]) -> bool:
    """Whether an item of a RETURN has an alias."""
    return len(item) > 2 and item[-2].word == "AS"
