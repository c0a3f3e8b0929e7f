"""What a batch of nodes or edges must look like before any store writes it.

Both back ends write only tables that passed :func:`node_table` or :func:`edge_table`, so both accept and refuse
the same data.  Checked here: columns, datatypes, keys, duplicates, finite numbers, vector lengths.  Whether a
required property is there and within its range is checked by the loaders, which can name file and line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from kg_rec.errors import StoreError
from kg_rec.schema import DATATYPES, Datatype, NodeType, PropertyType, RelationType

#: Longest key in bytes of UTF-8: what a Neo4j range index takes, with room to spare.
MAX_KEY_BYTES = 4000


def node_schema(node_type: NodeType) -> pa.Schema:
    """Arrow schema of a scan of the node type: one field per property, the key first."""
    key, *others = node_type.properties
    return pa.schema([(key.name, pa.string()), *((p.name, DATATYPES[p.datatype].arrow) for p in others)])


def edge_schema(relation: RelationType) -> pa.Schema:
    """Arrow schema of a scan of the relation type: ``source``, ``target``, then the properties by name."""
    ends = [("source", pa.string()), ("target", pa.string())]
    return pa.schema([*ends, *((p.name, DATATYPES[p.datatype].arrow) for p in relation.properties)])


def node_table(node_type: NodeType, batch: pa.Table) -> pa.Table:
    """A batch of nodes, checked and cast: the key column first, then the property columns that are there.

    Rows that repeat an earlier row exactly are dropped.

    Raises:
        StoreError: an unknown or missing column, a wrong datatype, a null empty or over-long key, a number that is not
            finite, a null inside a list, a vector of the wrong length, or two different rows with one key.
    """
    where = f"nodes of type {node_type.name}"
    _check_names(batch, [p.name for p in node_type.properties], [node_type.key], where)
    present = [p for p in node_type.properties if p.name in batch.column_names]
    columns = [_column(p, batch[p.name], where) for p in present]
    table = pa.table(columns, names=[p.name for p in present])
    _check_keys(table, [node_type.key], where)
    return _without_duplicates(table, [node_type.key], where)


def edge_table(relation: RelationType, batch: pa.Table) -> pa.Table:
    """A batch of edges, checked and cast to :func:`edge_schema`; properties without a column are null.

    Rows that repeat an earlier row exactly are dropped.

    Raises:
        StoreError: as for :func:`node_table`.
    """
    where = f"edges of type {relation.name}"
    _check_names(batch, ["source", "target", *(p.name for p in relation.properties)], ["source", "target"], where)
    columns = [_cast(batch[end], "string", f"{where}: column {end}") for end in ("source", "target")]
    for p in relation.properties:
        given = batch[p.name] if p.name in batch.column_names else pa.chunked_array([pa.nulls(batch.num_rows)])
        columns.append(_column(p, given, where))
    table = pa.table(columns, schema=edge_schema(relation))
    _check_keys(table, ["source", "target"], where)
    return _without_duplicates(table, ["source", "target"], where)


def _check_names(batch: pa.Table, known: Sequence[str], needed: Sequence[str], where: str) -> None:
    names = batch.column_names
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise StoreError(f"{where}: column {', '.join(unknown)} is not in the schema; expected {', '.join(known)}")
    missing = [n for n in needed if n not in names]
    if missing:
        raise StoreError(f"{where}: column {', '.join(missing)} is missing; got {', '.join(names) or 'no columns'}")
    if len(set(names)) != len(names):
        raise StoreError(f"{where}: a column is given twice: {', '.join(names)}")


def _column(p: PropertyType, column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    where = f"{where}: column {p.name}"
    cast = _cast(column, p.datatype, where)
    values = pc.list_flatten(cast) if p.datatype.endswith("_list") else cast
    if p.datatype.endswith("_list") and values.null_count:
        raise StoreError(f"{where}: a list holds a null; leave it out")
    if pa.types.is_floating(values.type) and pc.all(pc.is_finite(values)).as_py() is False:
        raise StoreError(f"{where}: a number is NaN or infinite; write a null instead")
    if p.dimensions is not None and p.datatype == "float_list":
        lengths = pc.unique(pc.list_value_length(cast).drop_null()).to_pylist()
        if any(n != p.dimensions for n in lengths):
            raise StoreError(f"{where}: expected vectors of {p.dimensions} numbers, got {lengths}")
    return cast


def _cast(column: pa.ChunkedArray, datatype: Datatype, where: str) -> pa.ChunkedArray:
    """The column as the datatype's Arrow type; only casts that cannot change a value's meaning."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    target = DATATYPES[datatype].arrow
    if not _castable(column.type, datatype):
        raise StoreError(f"{where}: expected {datatype} (Arrow {target}), got Arrow {column.type}")
    try:
        cast = column.cast(target)
        cast.validate(full=True)
    except pa.ArrowInvalid as error:
        raise StoreError(f"{where}: not every value fits {datatype}: {error}") from error
    return cast


def _castable(given: pa.DataType, datatype: Datatype) -> bool:
    types = pa.types
    if types.is_null(given):
        return True
    if datatype.endswith("_list"):
        is_list = types.is_list(given) or types.is_large_list(given) or types.is_fixed_size_list(given)
        return is_list and _castable(given.value_type, "string" if datatype == "string_list" else "float")
    accepted: dict[str, bool] = {
        "string": types.is_string(given) or types.is_large_string(given) or types.is_string_view(given),
        "integer": types.is_integer(given),
        "float": types.is_floating(given) or types.is_integer(given),
        "boolean": types.is_boolean(given),
        "date": types.is_date(given),
    }
    return accepted[datatype]


def _check_keys(table: pa.Table, keys: Iterable[str], where: str) -> None:
    for key in keys:
        column = table[key]
        if column.null_count:
            raise StoreError(f"{where}: {column.null_count} of {len(column)} values of column {key} are null")
        lengths = pc.min_max(pc.binary_length(column)).as_py()
        if lengths["min"] == 0:
            raise StoreError(f"{where}: a key in column {key} is empty; every node needs a key of its own")
        if pc.any(pc.match_substring(column, "\0")).as_py():
            raise StoreError(f"{where}: a key in column {key} holds a NUL character, which databases order differently")
        longest = lengths["max"] or 0
        if longest > MAX_KEY_BYTES:
            raise StoreError(f"{where}: a key in column {key} has {longest} bytes; at most {MAX_KEY_BYTES} are allowed")


def _without_duplicates(table: pa.Table, keys: list[str], where: str) -> pa.Table:
    counts = table.select(keys).group_by(keys).aggregate([([], "count_all")])
    if counts.num_rows == table.num_rows:
        return table
    twice = counts.filter(pc.greater(counts["count_all"], 1)).drop_columns("count_all")
    seen: dict[tuple[str, ...], int] = {}
    suspects = set(zip(*(twice[k].to_pylist() for k in keys), strict=True))
    keep = []
    for row, key in enumerate(zip(*(table[k].to_pylist() for k in keys), strict=True)):
        if key not in suspects or key not in seen:
            keep.append(row)
            seen[key] = row
        elif table.slice(seen[key], 1).to_pylist() != table.slice(row, 1).to_pylist():
            shown = " to ".join(repr(k) for k in key)
            raise StoreError(f"{where}: {shown} is there twice in one batch with different values; keep one of them")
    return table.take(keep)
