"""Image files of items as vectors in the graph.

Which file shows which item is told by its name: ``p17.jpg`` and ``p17/front.png`` are of the item with the key ``p17``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from kg_rec.arrays.types import Floats32
from kg_rec.errors import ArgumentError, NotFoundError
from kg_rec.model.encoders.image import BadImage, ImageEncoder
from kg_rec.progress import Progress, no_progress
from kg_rec.store import GraphStore

#: Items whose vectors are written at a time.
_ROWS = 1_000


@dataclass(frozen=True)
class Pictures:
    """What became of some image files.

    Attributes:
        property: where the vectors are now.
        dimensions: their length.
        items: how many items have one from these files.
        files: how many files were read for them.
        bad: files that are no picture that can be read.
        unknown: files that are named after no item.
        without: how many items of the graph have no vector of this property.
    """

    property: str
    dimensions: int
    items: int
    files: int
    bad: tuple[BadImage, ...]
    unknown: tuple[Path, ...]
    without: int


def write_pictures(
    store: GraphStore,
    folder: str | Path,
    encoder: ImageEncoder,
    *,
    property: str | None = None,  # noqa: A002 -- the field's word
    progress: Progress = no_progress,
) -> Pictures:
    """Encode the image files of a folder and write a vector to each item that they show.

    Several pictures of an item become one vector: the mean of theirs, of length 1.  A file that cannot be read, or is
    named after no item, is skipped and told.  Items without a picture keep what they have.

    Args:
        store: a graph with a schema that has a vector property of the items.
        folder: of the files; in it, or one folder deeper, see above.  Hidden files do not count.
        encoder: the model.
        property: where to; None for the only vector property of the items.
        progress: called as the work advances.

    Raises:
        ArgumentError: there is no such property, or the model's vectors have another length than the schema says.
        NotFoundError: there is no such folder, or no file in it.
        ModelError: the model cannot be loaded.
        StoreError: the graph has no schema, or cannot be written.
    """
    item = store.schema().item
    vectors = {p.name: p for p in item.properties if p.use == "vector"}
    name = next(iter(vectors)) if property is None and len(vectors) == 1 else property
    if name is None or name not in vectors:
        known = ", ".join(vectors) or "none"
        raise ArgumentError(f"property: expected one of {item.name} with kr:use kr:vector ({known}), got {property!r}")
    if encoder.dimensions != vectors[name].dimensions:
        raise ArgumentError(
            f"{item.name}.{name}: the schema says vectors of {vectors[name].dimensions} numbers, the model "
            f"{encoder.source!r} gives {encoder.dimensions}: set kr:dimensions {encoder.dimensions} in the schema"
        )
    files = _files(Path(folder))
    keys: list[str] = []
    absent: set[str] = set()
    for batch in store.scan_nodes(item.name, columns=[name]):
        some = [str(key) for key in batch.column(item.key).to_pylist()]
        keys += some
        absent |= {key for key, vector in zip(some, batch.column(name), strict=True) if not vector.is_valid}
    known_keys = set(keys)
    unknown = [file for key, some in files.items() if key not in known_keys for file in some]
    shown = {key: some for key, some in files.items() if key in known_keys}
    flat = [file for some in shown.values() for file in some]
    encoded, bad = encoder.encode(flat, progress)
    made = _means(shown, encoded)
    table = pa.table({item.key: list(made), name: pa.array(list(made.values()), pa.list_(pa.float64()))})
    for start in range(0, len(table), _ROWS):
        store.write_nodes(item.name, table.slice(start, _ROWS))
    return Pictures(
        property=name,
        dimensions=encoder.dimensions,
        items=len(made),
        files=len(flat) - len(bad),
        bad=tuple(bad),
        unknown=tuple(unknown),
        without=len(absent - set(made)),
    )


def _files(folder: Path) -> dict[str, list[Path]]:
    """The files by the key that they are named after, sorted."""
    if not folder.is_dir():
        raise NotFoundError(f"{folder}: expected a folder of image files")
    files: dict[str, list[Path]] = {}
    for path in sorted(p for p in folder.iterdir() if not p.name.startswith(".")):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
            files.setdefault(path.name, []).extend(inside)
        else:
            files.setdefault(path.stem, []).append(path)
    if not any(files.values()):
        raise NotFoundError(f"{folder}: expected image files named after the items' keys, such as KEY.jpg; got none")
    return files


def _means(shown: Mapping[str, Sequence[Path]], vectors: Floats32) -> dict[str, list[float]]:
    """One unit vector per item that has a picture, in key order."""
    made, start = {}, 0
    for key, some in shown.items():
        total = vectors[start : start + len(some)].astype(np.float64).sum(axis=0)
        start += len(some)
        length = float(np.linalg.norm(total))
        if length > 0:
            made[key] = (total / length).tolist()
    return dict(sorted(made.items()))
