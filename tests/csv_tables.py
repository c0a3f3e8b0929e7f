"""A format of tables that another package could bring: comma-separated values.  It imports little."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pyarrow as pa

from kg_rec.tables import TableFormat, WriteBatch


@contextmanager
def _csv(file: IO[bytes], schema: pa.Schema) -> Iterator[WriteBatch]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    rows = csv.writer(text)
    rows.writerow(schema.names)
    yield lambda batch: rows.writerows(row.values() for row in batch.to_pylist())
    text.detach()


CSV = TableFormat("csv", ".csv", "comma-separated values", _csv)
