"""Batches checked against the schema, before anything of them is written.

Every loader's output passes here: values become the types that the schema names, required values must be there,
numbers must lie in their range, a key is defined once, both ends of an edge exist.  A row at fault is reported
with its file and line, and does not reach the store.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kg_rec.errors import LoadError, SchemaError
from kg_rec.loaders.cells import seconds, texts, told_of_small
from kg_rec.loaders.text import Faults, Origin
from kg_rec.schema import DATATYPES, Datatype, GraphSchema, NodeType, PropertyType
from kg_rec.store.batch import MAX_KEY_BYTES

Repeats = Literal["last", "sum", "max"]
_ADDED = {"sum": np.add, "max": np.maximum}
_MOST_WEIGHT = float(np.finfo(np.float32).max)  # as the snapshot keeps it


class Checker:
    """Checks the batches of one load.

    Args:
        schema: what the batches must fit.
        faults: takes the rows that do not.
        stored_keys: keys of a node type that the store already holds; asked at most once a type.
    """

    def __init__(self, schema: GraphSchema, faults: Faults, stored_keys: Callable[[str], Iterable[str]]) -> None:
        self._schema = schema
        self._faults = faults
        self._stored_keys = stored_keys
        self._stored: dict[str, frozenset[str]] = {}
        self._defined: dict[str, dict[str, int | None]] = {}
        self._known: dict[str, set[str]] = {}
        self._targets: dict[str, dict[str, set[str]]] = {}
        self._times: dict[str, tuple[int, int]] = {}
        self.repeated: dict[str, int] = {}

    def nodes(self, node_type: str, table: pa.Table, origin: Origin, mention: bool) -> pa.Table:
        """Node rows that fit the schema, typed.

        Args:
            node_type: of the rows.
            table: one column per property, text or typed.
            origin: where the rows came from.
            mention: the rows only mention nodes, so a key may come again; one that is known already is left out,
                and a new one needs its required properties.

        Raises:
            LoadError: a row is at fault and the faults stop.
            SchemaError: the schema has no such type or property.
        """
        kind = self._schema.node_types.get(node_type)
        if kind is None:
            raise SchemaError(_no_such("node type", node_type, self._schema, self._schema.node_types))
        self._check_columns(table, node_type, kind.properties, (kind.key,), origin)
        if mention:
            table, origin = self._new_only(kind, table, origin)
        typed, faults = _conform(table, {p.name: p for p in kind.properties}, node_type)
        owed = [p.name for p in kind.properties if p.required and p.name not in table.column_names]
        if owed and mention:
            self._owing(kind, typed, owed, faults)
        elif owed and table.num_rows:
            raise LoadError(
                f"{node_type}: no column gives {', '.join(owed)}, which schema {self._schema.name} requires; "
                f"map a column to it",
                origin.path,
            )
        _bounded_keys(typed[kind.key], faults)
        if not mention:
            self._repeated_keys(kind, typed, origin, faults)
        typed, origin = self._drop(typed, origin, faults, table)
        keys = typed[kind.key].to_pylist()
        self._known.setdefault(node_type, set()).update(keys)
        if not mention:
            self._defined.setdefault(node_type, {}).update(zip(keys, origin.lines.to_pylist(), strict=True))
        return typed

    def edges(self, relation: str, table: pa.Table, origin: Origin, repeats: Repeats | None) -> pa.Table:
        """Edge rows that fit the schema, typed, at most one per (source, target).

        Args:
            relation: relation type of the rows.
            table: ``source``, ``target`` and one column per property, text or typed.
            origin: where the rows came from.
            repeats: what becomes of rows with the same ends: the ``last`` (the latest where the relation has a
                time) stays, their weights are added (``sum``; a row without weight counts 1), or the largest counts
                (``max``); None: as ``kr:repeats`` says of the relation, else the last.

        Raises:
            LoadError: a row is at fault and the faults stop.
            SchemaError: the schema has no such type or property.
        """
        kind = self._schema.relation_types.get(relation)
        if kind is None:
            raise SchemaError(_no_such("relation type", relation, self._schema, self._schema.relation_types))
        self._check_columns(table, relation, kind.properties, ("source", "target"), origin)
        ends = {n: PropertyType(n, "string", True, None, None, None, None, {}) for n in ("source", "target")}
        typed, faults = _conform(table, ends | {p.name: p for p in kind.properties}, relation)
        owed = [p.name for p in kind.properties if p.required and p.name not in table.column_names]
        if owed and table.num_rows:
            raise LoadError(
                f"{relation}: no column gives {', '.join(owed)}, which schema {self._schema.name} requires; "
                f"map a column to it",
                origin.path,
            )
        for end, node_type in (("source", kind.source), ("target", kind.target)):
            _bounded_keys(typed[end], faults)
            for row, key in self._unknown(node_type, typed[end]):
                reason = f"unknown {node_type} {key!r}: neither in these data nor in the graph; load it first"
                faults.setdefault(row, f"{reason}, or correct the id")
        typed, origin = self._drop(typed, origin, faults, table)
        if kind.time in typed.column_names:
            self._keep_times(f"{relation}.{kind.time}", typed[kind.time])
        before = typed.num_rows
        rule = repeats or ("last" if kind.repeats is None or kind.repeats == "count" else kind.repeats)
        typed, kept = _merge(typed, kind.weight, kind.time, rule)
        if typed.num_rows < before:
            self.repeated[relation] = self.repeated.get(relation, 0) + before - typed.num_rows
        if kind.max_per_source is not None:
            typed = self._bounded(relation, kind.max_per_source, typed, origin.take(pa.array(kept)))
        return typed

    def notes(self) -> tuple[str, ...]:
        """Node types in which keys differ only in ways that are hard to see."""
        notes = []
        for name, keys in self._known.items():
            odd = [key for key in keys if not key.isascii() or key != " ".join(key.split())]
            plain = Counter(map(alike, odd))
            twins = sorted(k for k in odd if plain[alike(k)] > 1 or (alike(k) != k and alike(k) in keys))
            if twins:
                notes.append(
                    f"{name}: {len(twins)} keys differ from others only in blanks or in how accents are written, "
                    f"such as {twins[0]!r}; they are kept as they are"
                )
        return tuple(notes)

    def odd_times(self) -> tuple[str, ...]:
        """Times that are hardly seconds."""
        return tuple(
            f"{name}: {least:,} to {most:,} is read as seconds since 1970; {told}"
            for name, (least, most) in self._times.items()
            if (told := told_of_small(least, most))
        )

    def _keep_times(self, name: str, times: pa.ChunkedArray) -> None:
        """The first and the last time of a property so far."""
        found = pc.min_max(times).as_py()
        if found["min"] is not None:
            least, most = self._times.get(name, (found["min"], found["max"]))
            self._times[name] = min(least, found["min"]), max(most, found["max"])

    def _check_columns(
        self, table: pa.Table, name: str, properties: Iterable[PropertyType], needed: Iterable[str], origin: Origin
    ) -> None:
        known = [*needed, *(p.name for p in properties)]
        for column in table.column_names:
            if column not in known:
                shown = ", ".join(dict.fromkeys(known))
                raise SchemaError(f"schema {self._schema.name}: {name} has no property {column!r}; it has {shown}")
        missing = [n for n in needed if n not in table.column_names]
        if missing:
            raise LoadError(
                f"{name}: expected the column {missing[0]}, got {', '.join(table.column_names)}", origin.path
            )

    def _new_only(self, kind: NodeType, table: pa.Table, origin: Origin) -> tuple[pa.Table, Origin]:
        """First mention of each key that is not known yet, and the rows without a key."""
        keys, _ = texts(_missing_is_null(table[kind.key].combine_chunks()))
        encoded = keys.dictionary_encode()
        known = self._known.get(kind.name, set())
        new = np.array([key not in known for key in encoded.dictionary.to_pylist()], bool)
        codes, first = np.unique(pc.fill_null(encoded.indices, -1).to_numpy(), return_index=True)
        rows = first[[code >= 0 and new[code] for code in codes]]
        keyless = np.flatnonzero(pc.is_null(keys).to_numpy(zero_copy_only=False))
        chosen = pa.array(np.sort(np.concatenate((rows, keyless))).astype(np.int64))
        return table.take(chosen), origin.take(chosen)

    def _owing(self, kind: NodeType, table: pa.Table, owed: list[str], faults: dict[int, str]) -> None:
        stored = self.stored(kind.name)
        for row, key in enumerate(table[kind.key].to_pylist()):
            if key is not None and key not in stored:
                reason = f"unknown {kind.name} {key!r}: neither in these data nor in the graph, and it cannot be made"
                faults.setdefault(row, f"{reason} from its key alone ({', '.join(owed)} is required); load it first")

    def _repeated_keys(self, kind: NodeType, table: pa.Table, origin: Origin, faults: dict[int, str]) -> None:
        keys = table[kind.key].to_pylist()
        defined = self._defined.get(kind.name, {})
        if len(set(keys)) == len(keys) and defined.keys().isdisjoint(keys):
            return
        seen = dict(defined)
        for row, (key, line) in enumerate(zip(keys, origin.lines.to_pylist(), strict=True)):
            if key is None or row in faults:
                continue
            if key in seen:
                reason = f"{kind.name} {kind.key} {key!r} is defined twice, first at line {seen[key]}; keep one"
                faults[row] = reason
            else:
                seen[key] = line

    def stored(self, node_type: str) -> frozenset[str]:
        """The keys of a node type that the store held before the load."""
        if node_type not in self._stored:
            self._stored[node_type] = frozenset(self._stored_keys(node_type))
        return self._stored[node_type]

    def _unknown(self, node_type: str, column: pa.ChunkedArray) -> list[tuple[int, str]]:
        """Rows whose key is neither in this load nor in the store."""
        known = self._known.setdefault(node_type, set())
        missing = {key for key in pc.unique(column).to_pylist() if key is not None and key not in known}
        if missing:
            missing -= self.stored(node_type)
        if not missing:
            return []
        return [(row, key) for row, key in enumerate(column.to_pylist()) if key in missing]

    def _drop(
        self, typed: pa.Table, origin: Origin, faults: Mapping[int, str], raw: pa.Table
    ) -> tuple[pa.Table, Origin]:
        """Report the rows at fault, in order, and return the others."""
        if not faults:
            return typed, origin
        for row in sorted(faults):
            values = _shown(raw.slice(row, 1))
            reason = origin.about(row) + faults[row]
            self._faults.add(origin.path, origin.lines[row].as_py(), reason, values)
        rows = pa.array(np.setdiff1d(np.arange(typed.num_rows), np.fromiter(faults, np.int64, len(faults))))
        return typed.take(rows), origin.take(rows)

    def _bounded(self, relation: str, most: int, table: pa.Table, origin: Origin) -> pa.Table:
        seen = self._targets.setdefault(relation, {})
        faults: dict[int, str] = {}
        pairs = zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True)
        for row, (source, target) in enumerate(pairs):
            targets = seen.setdefault(source, set())
            if target not in targets and len(targets) >= most:
                reason = f"{relation}: {source!r} has more than {most} targets, the most that the schema allows"
                faults[row] = f"{reason}; keep {most}"
            else:
                targets.add(target)
        return self._drop(table, origin, faults, table)[0]


def alike(key: str) -> str:
    """A key without what is hard to see in it: kinds and numbers of blanks, how accents are written."""
    return " ".join(unicodedata.normalize("NFC", key).split())


def _bounded_keys(keys: pa.ChunkedArray, faults: dict[int, str]) -> None:
    """Keys that no store takes are at fault by their row."""
    lengths = pc.binary_length(keys)
    for row in _rows_where(pc.greater(lengths, MAX_KEY_BYTES)):
        faults.setdefault(
            row, f"expected a key of at most {MAX_KEY_BYTES} bytes, got {lengths[row]}; give a shorter one"
        )


def _shown(row: pa.Table) -> list[object]:
    """The values of one row for the list of rejects; a value that Python has no form for is left empty."""
    values: list[object] = []
    for column in row.columns:
        try:
            values.append(column[0].as_py())
        except ValueError:  # bytes that are no UTF-8, nanoseconds
            values.append(None)
    return values


def _no_such(what: str, name: str, schema: GraphSchema, known: Iterable[str]) -> str:
    return f"schema {schema.name} has no {what} {name!r}; it has {', '.join(known)}"


def _merge(table: pa.Table, weight: str | None, time: str | None, repeats: Repeats) -> tuple[pa.Table, np.ndarray]:
    """At most one row per (source, target), in the order of first appearance, and the rows that were kept."""
    source = table["source"].combine_chunks().dictionary_encode()
    target = table["target"].combine_chunks().dictionary_encode()
    pair = source.indices.to_numpy().astype(np.int64) * max(1, len(target.dictionary)) + target.indices.to_numpy()
    rows = np.arange(len(pair))
    if len(np.unique(pair)) == len(pair):
        return table, rows
    times = np.zeros(len(pair), np.int64)
    if time is not None and time in table.column_names:
        times = pc.fill_null(table[time], np.iinfo(np.int64).min).to_numpy()
    order = np.lexsort((rows, times, pair))
    last = np.append(pair[order][1:] != pair[order][:-1], True)
    kept = order[last]
    merged = table.take(pa.array(kept))
    if repeats in _ADDED and weight is not None:
        added = np.ones(len(pair))
        if weight in table.column_names:
            added = pc.fill_null(table[weight].cast(pa.float64()), 1.0).to_numpy()
        ends = np.flatnonzero(last)
        sums = _ADDED[repeats].reduceat(added[order], np.concatenate(([0], ends[:-1] + 1)))
        column = pa.array(sums).cast(table.schema.field(weight).type if weight in table.column_names else pa.float64())
        merged = merged.drop_columns([weight]) if weight in table.column_names else merged
        merged = merged.append_column(weight, column)
    back = np.argsort(kept, kind="stable")
    return merged.take(pa.array(back)), kept[back]


def _conform(table: pa.Table, properties: Mapping[str, PropertyType], owner: str) -> tuple[pa.Table, dict[int, str]]:
    """The table with the schema's types, and why each row at fault is."""
    faults: dict[int, str] = {}
    columns = {}
    for name in table.column_names:
        kind = properties[name]
        columns[name], bad = _convert(table[name].combine_chunks(), kind)
        for row, reason in bad.items():
            faults.setdefault(row, f"{owner}.{name}: {reason}")
    return pa.table(columns), faults


def _convert(raw: pa.Array, kind: PropertyType) -> tuple[pa.Array, dict[int, str]]:
    values = _missing_is_null(raw)
    faults: dict[int, str] = {}
    if kind.use == "time":
        typed, faults = seconds(values)
    elif kind.datatype == "string":
        typed, faults = texts(values)
    else:
        try:
            typed = _cast(values, kind.datatype)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):
            typed = _cast_each(values, kind, faults)
    if kind.datatype in ("integer", "float"):
        for limit, wrong, word in ((kind.minimum, pc.less, "least"), (kind.maximum, pc.greater, "most")):
            if limit is not None:
                for row in _rows_where(wrong(typed, limit)):
                    faults.setdefault(row, f"expected at {word} {limit:g}, got {typed[row].as_py()}; correct it")
    if kind.datatype == "float_list" and kind.dimensions is not None:
        for row in _rows_where(pc.not_equal(pc.list_value_length(typed), kind.dimensions)):
            got = len(typed[row].as_py())
            faults.setdefault(row, f"expected {kind.dimensions} numbers, got {got}; correct it")
    if kind.use == "weight" and pa.types.is_floating(typed.type):
        for row in _rows_where(pc.greater(pc.abs(typed), _MOST_WEIGHT)):
            faults.setdefault(row, f"expected a weight of at most {_MOST_WEIGHT:.1e}, got {typed[row]}; correct it")
    if kind.required:
        for row in _rows_where(pc.is_null(typed)):
            faults.setdefault(row, "a value is required, got none; fill it in")
    return typed, faults


def _rows_where(mask: pa.Array) -> list[int]:
    rows: list[int] = np.flatnonzero(pc.fill_null(mask, False).to_numpy(zero_copy_only=False)).tolist()
    return rows


def _missing_is_null(values: pa.Array) -> pa.Array:
    """Empty text, and NaN in a column of numbers, mean that there is no value."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_string_view(values.type):
        values = values.cast(pa.string())
    if pa.types.is_float32(values.type) or pa.types.is_float64(values.type):
        return pc.if_else(pc.is_nan(values), None, values)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        empty = pc.equal(values, "")
        if pc.any(empty).as_py():
            return pc.if_else(empty, None, values)
    return values


def _cast(values: pa.Array, datatype: Datatype) -> pa.Array:
    """Values as the schema's type; raises ArrowInvalid or ValueError when one does not fit."""
    text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    if datatype == "integer":
        if pa.types.is_timestamp(values.type):
            return values.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
        if text:
            try:
                return values.cast(pa.int64())
            except pa.ArrowInvalid:  # "881250949.0", "1e9"
                return values.cast(pa.float64()).cast(pa.int64())
    if datatype == "float":
        numbers = values.cast(pa.float64())
        if not pc.all(pc.is_finite(numbers)).as_py() and len(numbers.drop_null()):
            raise pa.ArrowInvalid("not finite")
        return numbers
    if datatype == "string_list" and text:
        return pa.array([None if v is None else [v] for v in values.to_pylist()], DATATYPES[datatype].arrow)
    if datatype == "float_list" and text:
        lists = [None if v is None else [float(n) for n in v.replace(",", " ").split()] for v in values.to_pylist()]
        return pa.array(lists, DATATYPES[datatype].arrow)
    return values.cast(DATATYPES[datatype].arrow)


def _cast_each(values: pa.Array, kind: PropertyType, faults: dict[int, str]) -> pa.Array:
    """Cast distinct values one by one, to find the rows that do not fit; these become null."""
    typed: dict[str, object] = {}
    bad: set[str] = set()
    shown = [repr(v) for v in values.to_pylist()]
    for row, text in enumerate(shown):
        if text not in typed and text not in bad:
            try:
                typed[text] = _cast(values.slice(row, 1), kind.datatype)[0].as_py()
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):
                bad.add(text)
        if text in bad:
            faults[row] = f"expected {DATATYPES[kind.datatype].words}, got {text:.200}; correct it"
    return pa.array([typed.get(text) for text in shown], DATATYPES[kind.datatype].arrow)
