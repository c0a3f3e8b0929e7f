"""Rows of a query as an Arrow table, alike for every store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from kg_rec.errors import StoreError


def rows_to_table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """A table whose column types are inferred from the values.

    Args:
        names: column names, unique.
        rows: Python values: None, bool, int, float, str, date and time types, lists and dicts of these.

    Raises:
        StoreError: a column mixes types that Arrow cannot hold together.
    """
    columns = []
    for i, name in enumerate(names):
        values = [row[i] for row in rows]
        try:
            columns.append(pa.array(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
            raise StoreError(
                f"column {name} of the query mixes types or holds values that do not fit a table: {error}; "
                "return single properties"
            ) from error
    if len(set(names)) != len(names):
        raise StoreError(f"the query returns two columns of one name: {', '.join(names)}; name them with AS")
    return pa.table(columns, names=list(names))
