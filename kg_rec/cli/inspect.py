"""``kg-rec inspect``: what a model learned of the graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kg_rec.cli.console import Command, print_json, print_table
from kg_rec.cli.options import json_option
from kg_rec.quantity import quantity

if TYPE_CHECKING:
    from kg_rec.model.recommender import Recommender


@click.command(cls=Command, short_help="Show what a model learned of the graph.")
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--relation", metavar="NAME", help="Only nodes of this relation type.")
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="How many nodes.")
@json_option
def inspect(model: Path, relation: str | None, top: int, as_json: bool) -> None:
    """Show which people, genres, awards or other nodes bind taste most.

    A path between two items through a node adds the node's weight to what the graph says of the two. "of its type"
    compares the node with the mean of its relation type: above 1 it binds more than others do. A weight below 0 keeps
    its items apart. Of a model that was trained with --robust it also tells how many users were not learned from.

    \b
      kg-rec inspect model
      kg-rec inspect model --relation STARRING --top 50
    """
    from dataclasses import asdict

    from kg_rec.explain.words.slots import clean_name
    from kg_rec.model.gates import strongest
    from kg_rec.model.persist import load

    loaded = load(model)
    gates = strongest(loaded, relation, top)
    mean = loaded.chosen.channels.get("knowledge", {}).get("mean", {})
    left_out = _left_out(loaded)
    names = [clean_name(_name(loaded, g.relation, g.node), g.node) for g in gates]
    if as_json:
        rows = [{**asdict(g), "name": name} for g, name in zip(gates, names, strict=True)]
        print_json({"relations": mean, "gates": rows, "robust": left_out})
        return
    if left_out is not None:
        out = f"{left_out['left_out']:,} of {quantity(left_out['users'], 'user is', 'users are')} not learned from"
        click.echo(f"defence against fake users, robust.fakes = {left_out['fakes']:g}: {out}\n")
    shown = {r: w for r, w in mean.items() if relation in (None, r)}
    print_table(
        ["relation type", "mean gate"], [(r, f"{w:.4f}") for r, w in sorted(shown.items(), key=lambda x: -x[1])]
    )
    click.echo()
    print_table(
        ["node", "relation type", "items", "weight", "of its type"],
        [
            (name, g.relation, g.items, f"{g.weight:+.4f}", f"{g.against_type:.2f}")
            for name, g in zip(names, gates, strict=True)
        ],
        ["items", "weight", "of its type"],
    )


def _left_out(model: Recommender) -> dict[str, Any] | None:
    """How many users of the model's snapshot it was not learned from; None where the defence is off."""
    from kg_rec.model.histories import learnable
    from kg_rec.model.trusted import trusted

    robust, seed = model.config.robust, model.config.seed
    if not robust.fakes:
        return None
    kept = trusted(learnable(model.snapshot.liked(), seed), model.shape, robust, seed)
    return {"fakes": robust.fakes, "users": len(kept), "left_out": int((~kept).sum())}


def _name(model: Recommender, relation: str, key: str) -> str:
    """What the node is called in the graph."""
    from kg_rec.snapshot.item_facts import other_end

    kind = model.snapshot.schema.relation_types[relation]
    node_type = other_end(model.snapshot.schema, kind)
    return model.snapshot.name(node_type, model.snapshot.ids[node_type].index(key))
