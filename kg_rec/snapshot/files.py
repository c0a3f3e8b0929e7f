"""The files of a snapshot: Arrow files of one batch, mapped into memory as one array a column; or packed.

Packed edges are Parquet, with whole numbers as steps from the row before (edges are sorted: the steps are small), and
as planes of bytes (first all lowest bytes, and so on), of most of which zstd leaves nothing.  Packed nodes stay Arrow,
with zstd: Parquet would not keep what stands where a value is missing, and with it the digest.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from kg_rec.errors import SnapshotError
from kg_rec.snapshot.tables import EdgeTable

#: Endings of the files.
PLAIN, PACKED = ".arrow", ".parquet"


def digest(table: pa.Table) -> bytes:
    """SHA-256 of the file that :func:`write` makes of the table."""
    sink = _Hash()
    write(table, sink)
    return sink.sha256.digest()


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file as it is, before anything reads it as more than bytes.

    Raises:
        SnapshotError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise SnapshotError(f"{path}: cannot read this part of the snapshot ({error}); export again") from error


class _Hash(io.RawIOBase):
    """A file that keeps no more than the SHA-256 of what is written."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return len(data)


def write(table: pa.Table, sink: IO[bytes] | io.RawIOBase, *, packed: bool = False) -> None:
    """The table as an Arrow file of one batch, so that it can be mapped as one array a column; ``packed`` with zstd."""
    options = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=19) if packed else None)
    with pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table.combine_chunks())


def pack_edges(table: pa.Table, sink: IO[bytes]) -> None:
    """A table of edges as Parquet in few bytes; :func:`open_table` gives it back to the last bit."""
    import pyarrow.parquet as pq

    split = [c.name for c in table.schema if pa.types.is_integer(c.type) or pa.types.is_floating(c.type)]
    for place, column in enumerate(table.schema):
        if _is_stepped(table.column(place)):
            values = whole(table.column(place)).to_numpy()
            table = table.set_column(place, column, pa.array(np.diff(values, prepend=np.int64(0))))
    pq.write_table(
        table,
        sink,
        row_group_size=max(len(table), 1),
        compression="zstd",
        compression_level=19,
        use_dictionary=False,
        column_encoding=dict.fromkeys(split, "BYTE_STREAM_SPLIT"),
        write_statistics=False,
    )


def _is_stepped(column: pa.ChunkedArray) -> bool:
    return column.type == pa.int64() and not column.null_count


def open_table(path: Path, columns: Sequence[str]) -> pa.Table:
    """The table of a file, mapped into memory; of a packed file it is read.

    Raises:
        SnapshotError: it cannot be read, or lacks one of ``columns``.
    """
    try:
        table = _unpacked(path) if path.suffix == PACKED else pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        table.validate(full=True)  # else damage within would be read beyond the file
    except (OSError, pa.ArrowException) as error:
        raise SnapshotError(f"{path}: cannot read this part of the snapshot ({error}); export again") from error
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise SnapshotError(f"{path}: expected the column {missing[0]}, got {table.column_names}; export again")
    return table


def _unpacked(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        table = file.read().combine_chunks()
    for place, column in enumerate(table.schema):
        if _is_stepped(table.column(place)):
            table = table.set_column(place, column, pa.array(np.cumsum(whole(table.column(place)).to_numpy())))
    return table


def whole(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array, copied only if it is in several chunks."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def edges_of(table: pa.Table) -> EdgeTable:
    """A table of edges as arrays, without a copy."""
    columns = {name: whole(table.column(name)) for name in table.column_names}
    times = columns.pop("times", None)
    arrays = {name: column.to_numpy(zero_copy_only=True) for name, column in columns.items()}
    return EdgeTable(arrays["source"], arrays["target"], arrays.get("weight"), arrays.get("time"), times)
