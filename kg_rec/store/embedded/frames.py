"""Arrow tables as the frames that KGLite's bulk writer takes."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from kg_rec.schema import Datatype, PropertyType
from kg_rec.store.embedded.names import stored

_KINDS: dict[Datatype, str] = {
    "string": "string",
    "integer": "integer",
    "float": "float",
    "date": "datetime",
    "string_list": "list",
    "float_list": "list",
}


def frame(table: pa.Table, keys: dict[str, str], properties: list[PropertyType]) -> tuple[pd.DataFrame, dict[str, str]]:
    """The table as a data frame under stored names, and the kinds of its columns.

    Args:
        table: checked by :mod:`kg_rec.store.batch`.
        keys: columns of keys, by the names that the frame gives them.
        properties: those among the other columns; one that the table lacks becomes a column of nulls, so that KGLite
            knows the property.
    """
    columns = {name: _series(table[column]) for name, column in keys.items()}
    kinds = dict.fromkeys(keys, "string")
    for p in properties:
        present = p.name in table.column_names
        columns[stored(p.name)] = (
            _series(table[p.name]) if present else pd.Series([None] * table.num_rows, dtype=object)
        )
        if p.datatype in _KINDS:
            kinds[stored(p.name)] = _KINDS[p.datatype]
    return pd.DataFrame(columns), kinds


def _series(column: pa.ChunkedArray) -> pd.Series:
    kind = column.type
    if column.null_count == 0 and (
        pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    ):
        return pd.Series(column.to_numpy())
    return pd.Series(column.to_pylist(), dtype=object)
