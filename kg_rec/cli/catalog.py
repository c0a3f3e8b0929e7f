"""``kg-rec formats`` and ``kg-rec schema``: what there is to load, and to load it under."""

from __future__ import annotations

import click

from kg_rec.cli.console import Command, print_json, print_table
from kg_rec.cli.options import json_option


@click.command(cls=Command, short_help="List the formats that can be loaded.")
@json_option
def formats(as_json: bool) -> None:
    """List the formats that can be loaded, with their options."""
    from kg_rec.loaders.base import formats as installed

    found = installed()
    if as_json:
        print_json({name: {"description": f.description, "options": dict(f.options)} for name, f in found.items()})
        return
    for name, f in found.items():
        click.echo(f"{name}: {f.description}")
        for option, about in f.options.items():
            click.echo(f"  -o {option}=…  {about}")


@click.group(short_help="Show the graph schemas.")
def schema() -> None:
    """Show the graph schemas that ship with kg-rec."""


@schema.command("list", cls=Command)
@json_option
def list_schemas(as_json: bool) -> None:
    """List the schemas: what is the user, the item and the interaction in each."""
    from importlib.resources import files

    from kg_rec.schema import GraphSchema

    names = sorted(f.name[:-4] for f in files("kg_rec.graph_schemas").iterdir() if f.name.endswith(".ttl"))
    schemas = [GraphSchema.bundled(name) for name in names]
    rows = [
        {
            "name": s.name,
            "user": s.user.name,
            "item": s.item.name,
            "interaction": s.interaction.name,
            "node_types": len(s.node_types),
            "relation_types": len(s.relation_types),
            "languages": " ".join(s.languages),
        }
        for s in schemas
    ]
    if as_json:
        print_json({"schemas": rows})
    else:
        print_table([n.replace("_", " ") for n in rows[0]], [list(row.values()) for row in rows])


@schema.command("show", cls=Command)
@click.argument("name", metavar="NAME|FILE.ttl")
@json_option
def show_schema(name: str, as_json: bool) -> None:
    """Print a schema as Turtle, to read or to start your own from.

    \b
      kg-rec schema show movies > my.ttl
    """
    from kg_rec.schema import GraphSchema

    known = GraphSchema.find(name)
    if as_json:
        print_json({"name": known.name, "labels": dict(known.labels), "turtle": known.turtle})
    else:
        click.echo(known.turtle, nl=not known.turtle.endswith("\n"))
