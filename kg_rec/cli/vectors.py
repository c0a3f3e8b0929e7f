"""``kg-rec similar`` and ``kg-rec vectors``: what a model holds of items and users, to look at or to work with."""

from __future__ import annotations

from pathlib import Path

import click

from kg_rec.cli.console import Command, dumps, note, print_json, print_table
from kg_rec.cli.options import json_option, list_file
from kg_rec.tables import suffixes


@click.command(cls=Command, short_help="Items that are like an item.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("item")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines.")
def similar(model: Path, item: str, k: int, as_json: bool) -> None:
    """The items that an ITEM (its key) most speaks for: what somebody who had only this one would get.

    The columns after the score say what each part of the model adds to it.

    \b
      kg-rec similar model up-2009
      kg-rec similar model up-2009 -k 3 --json
    """
    from kg_rec.api import Model

    rows = Model.load(model).similar(item, k)
    if as_json:
        for row in rows.to_pylist():
            click.echo(dumps(row, indent=None))
        return
    numbers = rows.column_names[3:]
    shown = [
        (*row[:3], *(f"{value:.4f}" for value in row[3:])) for row in (tuple(r.values()) for r in rows.to_pylist())
    ]
    print_table(["rank", "item", "name", *numbers], shown, ["rank", *numbers])
    if not shown:
        note("the item speaks for no other: nobody had it, and nothing is known of it that others share")


@click.command(cls=Command, short_help="Embeddings of items, users or texts, as a file.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--of",
    type=click.Choice(["items", "users", "texts"]),
    default="items",
    show_default=True,
    help="items and users: relational embeddings, in one space; texts: of the items' texts.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=list_file,
    required=True,
    metavar="FILE",
    help=f"A FILE ending in {suffixes()}.",
)
@json_option
def vectors(model: Path, of: str, out: Path, as_json: bool) -> None:
    """Write a MODEL's vectors into a file, a row a key.

    The product of a user's and an item's vector, times the channel's weight, is what the channel adds to the score of
    an item that the user did not have. Items also have a column "source", what they say as a reason for others.

    \b
      kg-rec vectors model --out items.parquet
      kg-rec vectors model --of users --out users.parquet
    """
    from kg_rec.api import Model
    from kg_rec.tables import write_table

    loaded = Model.load(model)
    table = {"items": loaded.item_vectors, "users": loaded.user_vectors, "texts": loaded.text_vectors}[of]()
    rows = write_table(table.to_batches(), out, table.schema)
    length = next((len(v) for v in table["vector"].to_pylist() if v is not None), 0)
    if as_json:
        print_json({"of": of, "rows": rows, "dimensions": length, "out": str(out)})
        return
    click.echo(f"{rows:,} vectors of {length} numbers ({of}), written to {out}")
