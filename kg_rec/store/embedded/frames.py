"""Arrow tables as the frames that KGLite's bulk writer takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.schema import Datatype, PropertyType
from kg_rec.store.embedded.names import stored

if TYPE_CHECKING:  # reading a graph needs no pandas, which is slow to import
    import pandas as pd

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
    import pandas as pd

    columns = {name: _values(table[column]) for name, column in keys.items()}
    kinds = dict.fromkeys(keys, "string")
    for p in properties:
        present = p.name in table.column_names
        columns[stored(p.name)] = _values(table[p.name]) if present else _values(pa.nulls(table.num_rows))
        if p.datatype in _KINDS:
            kinds[stored(p.name)] = _KINDS[p.datatype]
    return pd.DataFrame(columns), kinds


def _values(column: pa.ChunkedArray | pa.Array) -> NDArray[Any]:
    """Numbers and truth values as they are where none is missing, else Python objects."""
    kind = column.type
    plain = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    if plain and not column.null_count:
        numbers: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return numbers
    values = np.empty(len(column), dtype=object)
    for i, value in enumerate(column.to_pylist()):  # assigned at once, lists of one length would become rows
        values[i] = value
    return values
