"""``kg-rec schema infer|check|apply|diff|remove``: a schema on a graph that others made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kg_rec.cli.catalog import schema
from kg_rec.cli.console import Command, note, print_json
from kg_rec.cli.options import graph_option, json_option, key_values, opened
from kg_rec.quantity import quantity

if TYPE_CHECKING:
    from kg_rec.checks.constraints import Finding

__all__ = ["schema"]


@schema.command(cls=Command)
@graph_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.ttl", help="Write to a file.")
@click.option("--force", is_flag=True, help="Overwrite FILE, whatever was corrected in it.")
@click.option("--user", metavar="LABEL", help="Who gets recommendations; default: guessed.")
@click.option("--item", metavar="LABEL", help="What is recommended; default: guessed.")
@click.option(
    "--interaction",
    "weights",
    metavar="TYPE=WEIGHT",
    callback=key_values,
    multiple=True,
    help="What one relationship from user to item weighs, below 0 if it speaks against. Repeatable; default: guessed.",
)
@click.option("--liked-from", type=float, help="Least weight of a pair that counts as liked.")
@json_option
def infer(
    graph: str,
    out: Path | None,
    force: bool,
    user: str | None,
    item: str | None,
    weights: list[tuple[str, str]],
    liked_from: float | None,
    as_json: bool,
) -> None:
    """Guess a schema from a graph that others made; read it, correct it, then apply it.

    Each guess has its evidence in a comment. Nothing is written into the graph. A FILE.ttl that holds something else is
    left as it is: the lines that differ are shown instead, with exit status 1.

    \b
      kg-rec schema infer --graph neo4j://localhost:7687 --out shop.ttl
      kg-rec schema infer --interaction BOUGHT=1 --interaction RETURNED=-2 --out shop.ttl
    """
    from kg_rec.checks.infer import Wishes
    from kg_rec.checks.infer import infer as guess

    try:
        numbers = {name: float(text) for name, text in weights}
    except ValueError as error:
        raise click.BadParameter(f"expected TYPE=NUMBER ({error})", param_hint="--interaction") from error
    with opened(graph) as store:
        turtle = guess(store, Wishes(user, item, numbers, liked_from))
    if out is not None:
        if not force:
            _refuse_others(out, turtle)
        out.write_text(turtle, encoding="utf-8")
    if as_json:
        print_json({"schema": turtle, "out": None if out is None else str(out)})
        return
    if out is None:
        click.echo(turtle, nl=False)
        return
    for line in _guessed(turtle):
        note(line)
    note(f"written to {out}; read the comments, then: kg-rec schema apply {out} --graph {graph}")


def _refuse_others(out: Path, turtle: str) -> None:
    """Leave a file as it is that holds something else than the guess, which may be corrections.

    Raises:
        SchemaError: it does; the lines that differ are on standard output.
    """
    import difflib

    from kg_rec.errors import SchemaError

    if not out.exists():
        return
    old = out.read_text(encoding="utf-8", errors="replace")
    if old == turtle:
        return
    for line in difflib.unified_diff(old.splitlines(), turtle.splitlines(), str(out), "guessed now", lineterm=""):
        click.echo(line)
    raise SchemaError(f"{out} is there and differs from what is guessed now, as shown; --force overwrites it")


def _guessed(turtle: str) -> list[str]:
    """A guessed schema in a few lines."""
    from kg_rec.schema import GraphSchema
    from kg_rec.store.ledger_cypher import RECOMMENDED

    found = GraphSchema.from_turtle(turtle)
    acts, item = found.interaction, found.item
    limit = "" if acts.positive_from is None else f", liked from {acts.positive_from:g}"
    relations = [r for name, r in found.relation_types.items() if not (r.interaction or name == RECOMMENDED)]
    known = [_called(r.name, r.pattern, r.labels) for r in relations if not r.rule]
    warnings = [_called(r.name, r.pattern, r.labels) for r in relations if r.rule]
    names = {
        (t.name, p.name): _called(p.name, p.expression, p.labels) for t in (found.user, item) for p in t.properties
    }
    users, items = (_called(t.name, t.pattern, t.labels) for t in (found.user, item))
    shown = names[item.name, item.name_property or item.key]
    lines = [
        f"users: {users}, by {names[found.user.name, found.user.key]}; "
        f"items: {items}, by {names[item.name, item.key]}, shown as {shown}",
        f"what users did: {acts.labels['en']}{limit}",
        f"known of items: {', '.join(known) or 'nothing'}",
    ]
    return [*lines, *([f"warnings, which are no reasons: {', '.join(warnings)}"] if warnings else [])]


def _called(name: str, origin: str | None, labels: Mapping[str, str]) -> str:
    """What the graph calls a thing whose own name a schema cannot have."""
    return name if origin is None or name in origin else labels.get("en", name)


@schema.command("check", cls=Command)
@click.argument("file", metavar="NAME|FILE.ttl")
@click.option(
    "--graph", envvar="KG_REC_GRAPH", show_envvar=True, metavar="URL", help="Also test this graph against it."
)
@json_option
@click.pass_context
def check_schema(ctx: click.Context, file: str, graph: str | None, as_json: bool) -> None:
    """Read a schema, and test a graph against it; nothing is written. Exit status 1 if the graph contradicts it."""
    from dataclasses import asdict

    from kg_rec.checks.manage import contradictions
    from kg_rec.schema import GraphSchema
    from kg_rec.store.mapping import check_mapping

    wanted = GraphSchema.find(file)
    check_mapping(wanted)
    findings: tuple[Finding, ...] = ()
    if graph is not None:
        with opened(graph) as store:
            findings = contradictions(store, wanted)
    broken = sum(f.violation for f in findings)
    if as_json:
        print_json({"schema": wanted.name, "ok": not broken, "findings": [asdict(f) for f in findings]})
    else:
        for finding in findings:
            click.echo(finding.line())
        what = "the schema can be read" if graph is None else f"{graph} keeps the schema"
        click.echo(quantity(broken, "contradiction") if broken else what)
    if broken:
        ctx.exit(1)


@schema.command("apply", cls=Command)
@click.argument("file", metavar="NAME|FILE.ttl")
@graph_option
@json_option
def apply_schema(file: str, graph: str, as_json: bool) -> None:
    """Keep a schema in a graph, in place of an earlier one, unless the graph contradicts it.

    A graph that others made gets a node KgRecSchema and, where a key has no index, an index of kg-rec's; its own nodes
    stay as they are.
    """
    from kg_rec.checks.manage import apply
    from kg_rec.schema import GraphSchema

    wanted = GraphSchema.find(file)
    with opened(graph, read_only=False, create=True) as store:
        apply(store, wanted)
    if as_json:
        print_json({"graph": graph, "schema": wanted.name})
        return
    click.echo(f"{graph} has the schema {wanted.name} now; next: kg-rec train --graph {graph} --out model")


@schema.command("diff", cls=Command)
@click.argument("file", metavar="NAME|FILE.ttl")
@graph_option
@json_option
@click.pass_context
def diff_schema(ctx: click.Context, file: str, graph: str, as_json: bool) -> None:
    """Show how a schema differs from the one in a graph. Exit status 1 if it does."""
    from kg_rec.checks.manage import difference
    from kg_rec.schema import GraphSchema

    with opened(graph) as store:
        lines = difference(store, GraphSchema.find(file))
    if as_json:
        print_json({"differences": list(lines)})
    else:
        click.echo("\n".join(lines) if lines else "no difference")
    if lines:
        ctx.exit(1)


@schema.command("remove", cls=Command)
@graph_option
@json_option
def remove_schema(graph: str, as_json: bool) -> None:
    """Take all that is kg-rec's out of a graph that others made: schema, runs, lists, constraints and indexes."""
    from kg_rec.checks.manage import remove

    with opened(graph, read_only=False) as store:
        deleted = remove(store)
    if as_json:
        print_json({"deleted": deleted})
        return
    told = ", ".join(f"{count:,} {name}" for name, count in deleted.items()) or "nothing"
    click.echo(f"deleted: {told}; the graph is its owners' alone again")
