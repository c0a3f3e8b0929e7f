"""Files of tables: lists of recommendations and explanations, written in Arrow batches.

A table format is one :class:`TableFormat`.  Two are built in; a package adds its own by an entry point of the group
``kg_rec.tables``, and then ``recommend --out``, ``explain --all --out`` and the sinks of a job know it by its name and
the ending of its files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from kg_rec.atomic import new_file
from kg_rec.errors import ConfigError
from kg_rec.plugins import installed

if TYPE_CHECKING:  # the command line lists the formats without waiting for Arrow
    import pyarrow as pa

#: Writes one batch into an open file.
WriteBatch = Callable[["pa.RecordBatch"], None]


@dataclass(frozen=True, slots=True)
class TableFormat:
    """A format of tables.

    Attributes:
        name: as a setting of a job (``sinks.NAME``) and, with hyphens, as its option (``--name``).
        suffix: ending of its files, such as ``.parquet``.
        title: what it is called in help and messages.
        writer: given a file open for writing and the table's schema, a context in which batches are written.  The same
            batches have to give the same bytes.
    """

    name: str
    suffix: str
    title: str
    writer: Callable[[IO[bytes], pa.Schema], AbstractContextManager[WriteBatch]]


@contextmanager
def _parquet(file: IO[bytes], schema: pa.Schema) -> Iterator[WriteBatch]:
    import pyarrow.parquet as pq

    repeated = [path for field in schema for path in _repeated(field.name, field.type)]
    with pq.ParquetWriter(file, schema, use_dictionary=repeated) as writer:
        yield writer.write_batch


def _repeated(path: str, datatype: pa.DataType) -> list[str]:
    """The columns whose values Parquet keeps once: all but numbers with a fraction, which are nearly all different."""
    import pyarrow as pa

    if pa.types.is_list(datatype):
        return _repeated(f"{path}.list.element", datatype.value_type)
    if pa.types.is_struct(datatype):
        return [inner for field in datatype for inner in _repeated(f"{path}.{field.name}", field.type)]
    return [] if pa.types.is_floating(datatype) else [path]


@contextmanager
def _json_lines(file: IO[bytes], _: pa.Schema) -> Iterator[WriteBatch]:
    def write(batch: pa.RecordBatch) -> None:
        file.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in batch.to_pylist())

    yield write


PARQUET = TableFormat("parquet", ".parquet", "Parquet", _parquet)
JSON_LINES = TableFormat("json_lines", ".jsonl", "JSON Lines", _json_lines)


def table_formats() -> dict[str, TableFormat]:
    """Every format by its name: those built in, then those of installed packages."""
    formats = {f.name: f for f in (PARQUET, JSON_LINES)}
    for point in installed("kg_rec.tables"):
        table_format: TableFormat = point.load()
        formats.setdefault(table_format.name, table_format)
    return formats


def suffixes() -> str:
    """The endings of all formats, for people: ``.parquet or .jsonl``."""
    *others, last = [f.suffix for f in table_formats().values()]
    return f"{', '.join(others)} or {last}"


def format_of(path: str | Path) -> TableFormat:
    """The format that a file's name asks for.

    Raises:
        ConfigError: no format has this ending.
    """
    for table_format in table_formats().values():
        if Path(path).suffix == table_format.suffix:
            return table_format
    raise ConfigError(f"expected a file name ending in {suffixes()}, got {Path(path).name}")


def write_table(batches: Iterable[pa.RecordBatch], path: str | Path, schema: pa.Schema) -> int:
    """Write batches into a file of the format that its name asks for.

    The file appears, or is replaced, only when it is complete and on the disk; two writers of one name do not mix.

    Returns:
        The number of rows.

    Raises:
        ConfigError: no format has this ending, or the folder does not exist.
    """
    target, rows = Path(path), 0
    table_format = format_of(target)
    if not target.parent.is_dir():
        raise ConfigError(f"expected a folder {target.parent} to write {target.name} into; create it")
    with new_file(target) as partial, partial.open("wb") as file:
        with table_format.writer(file, schema) as write:
            for batch in batches:
                write(batch)
                rows += len(batch)
        file.flush()
        os.fsync(file.fileno())
    return rows
