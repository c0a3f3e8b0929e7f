"""``kg-rec pictures``."""

from __future__ import annotations

from pathlib import Path

import click

from kg_rec.cli.console import Command, note, print_json, progress_bar
from kg_rec.cli.options import graph_option, json_option, opened
from kg_rec.quantity import quantity

#: Skipped files that are named; the others are counted.
_NAMED = 10


@click.command(cls=Command, short_help="Image files of items as vectors in the graph.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@graph_option
@click.option(
    "--encoder",
    required=True,
    metavar="MODEL",
    help="A vision model of transformers, such as a CLIP: its folder, or its id on the hub.",
)
@click.option("--property", metavar="NAME", help="Vector property of the items; default: the only one there is.")
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True, help="Pictures at a time.")
@json_option
def pictures(folder: Path, graph: str, encoder: str, property: str | None, batch_size: int, as_json: bool) -> None:  # noqa: A002
    """Encode the image files of a FOLDER and write a vector to each item that they show.

    A file is named after the key of its item: p17.jpg, or p17/front.png and p17/back.png for several pictures, whose
    mean counts. Files that cannot be read are named and skipped. Afterwards train again: products that look alike
    then speak for each other, also those that nobody bought yet.

    \b
      kg-rec pictures photos --encoder ./clip
      kg-rec pictures covers --encoder ./clip --property cover --json
    """
    with progress_bar() as progress, opened(graph, read_only=False) as store:
        progress(0, None, "starting")
        from kg_rec.model.encoders.image import ImageEncoder
        from kg_rec.pictures import write_pictures

        written = write_pictures(store, folder, ImageEncoder(encoder, batch_size), property=property, progress=progress)
    if as_json:
        print_json(
            {
                "property": written.property,
                "dimensions": written.dimensions,
                "items": written.items,
                "files": written.files,
                "without": written.without,
                "bad": [{"file": str(b.file), "reason": b.reason} for b in written.bad],
                "unknown": [str(file) for file in written.unknown],
            }
        )
        return
    for bad in written.bad[:_NAMED]:
        note(f"skipped {bad.file}: {bad.reason}")
    for file in written.unknown[:_NAMED]:
        note(f"skipped {file}: no item has the key {file.parent.name if file.parent != folder else file.stem}")
    more = max(0, len(written.bad) - _NAMED) + max(0, len(written.unknown) - _NAMED)
    if more:
        note(f"skipped {more:,} files more")
    shown = quantity(written.items, "item has", "items have")
    bare = quantity(written.without, "item has", "items have")
    click.echo(
        f"{shown} a vector of {written.dimensions} numbers in {written.property}, from {written.files:,} pictures; "
        f"{bare} none"
    )
