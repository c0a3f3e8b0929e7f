"""Files of a run: one part per chunk, in a folder that appears under its name when the run is complete.

``FOLDER/run=NAME/part-000000.parquet``; until then the folder is called ``.run=NAME``, which readers of partitioned
folders pass over.  ``FOLDER/_latest`` holds the name of the job's newest complete run.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from kg_rec.jobs.config import SinksConfig
from kg_rec.tables import TableFormat, table_formats, write_table


@dataclass(frozen=True)
class FileSink:
    """Parts in one format.

    Attributes:
        folder: of all runs.
        run: name of the run.
        format: of the parts.
    """

    folder: Path
    run: str
    format: TableFormat

    @property
    def hidden(self) -> Path:
        """Where the parts are while the run goes on."""
        return self.folder / f".run={self.run}"

    @property
    def final(self) -> Path:
        """Where the parts are when the run is complete."""
        return self.folder / f"run={self.run}"

    def part(self, number: int) -> Path:
        """The file of a chunk; its folder may have moved to :attr:`final` already."""
        return (self.final if self.final.exists() else self.hidden) / f"part-{number:06}{self.format.suffix}"

    def write(self, number: int, rows: pa.RecordBatch) -> None:
        """Write a chunk's part, whole or not at all; the same rows give the same bytes."""
        path = self.part(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table([rows], path, rows.schema)

    def publish(self) -> None:
        """Give the folder its name, and name the run as the newest; again, this changes nothing."""
        if not self.final.exists():
            self.hidden.mkdir(parents=True, exist_ok=True)
            for left in self.hidden.glob(".part-*"):  # of a writer that was killed
                left.unlink()
            os.replace(self.hidden, self.final)
        partial = self.folder / f"._latest.{os.getpid()}"
        partial.write_text(self.run + "\n", encoding="utf-8")
        os.replace(partial, self.folder / "_latest")

    def remove(self) -> None:
        """Delete the run's parts."""
        for folder in (self.hidden, self.final):
            shutil.rmtree(folder, ignore_errors=True)


def file_sinks(config: SinksConfig, run: str) -> tuple[FileSink, ...]:
    """The file sinks of a run."""
    formats = table_formats()
    return tuple(FileSink(Path(folder), run, formats[name]) for name, folder in config.files.items())
