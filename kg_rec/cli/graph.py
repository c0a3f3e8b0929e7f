"""``kg-rec load``, ``check``, ``query`` and ``export``."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from kg_rec.cli.console import Command, dumps, note, print_json, print_table, progress_bar
from kg_rec.cli.options import counted, graph_option, json_option, json_value, key_values, opened
from kg_rec.plugins import installed
from kg_rec.quantity import quantity
from kg_rec.textfile import csv_cell

if TYPE_CHECKING:
    from kg_rec.loaders.base import LoadReport


def _known_format(_: click.Context, __: click.Parameter, value: str) -> str:
    """The name of an installed format, looked up without importing it."""
    known = [point.name for point in installed("kg_rec.loaders")]
    if value not in known:
        raise click.BadParameter(f"unknown format {value!r}; expected one of {', '.join(known)} (see `kg-rec formats`)")
    return value


@click.command(cls=Command, short_help="Load files into a graph.")
@click.argument("format_", callback=_known_format, metavar="FORMAT")
@click.argument("path", type=click.Path(exists=True, path_type=Path), required=False)
@graph_option
@click.option("--schema", metavar="NAME|FILE.ttl", help="Schema to load under; default: the format's or the graph's.")
@click.option("--mapping", type=click.Path(exists=True), metavar="FILE", help="Mapping file, for the format table.")
@click.option(
    "-o",
    "--option",
    "options",
    metavar="KEY=VALUE",
    callback=key_values,
    multiple=True,
    help="Option of the format. Repeatable.",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="At a malformed row: stop before its batch is written, or leave the row out.",
)
@click.option("--rejects", type=click.Path(path_type=Path), metavar="FILE", help="CSV file for the rows left out.")
@click.option(
    "--liked-from", type=float, metavar="NUMBER", help="Least weight that counts as liked; kept in the graph."
)
@json_option
def load(
    format_: str,
    path: Path | None,
    graph: str,
    schema: str | None,
    mapping: str | None,
    options: list[tuple[str, str]],
    on_error: Literal["stop", "skip"],
    rejects: Path | None,
    liked_from: float | None,
    as_json: bool,
) -> None:
    """Load the files at PATH into a graph.

    FORMAT is one of those that `kg-rec formats` lists with their options. Loading the same files again changes
    nothing; several loads add up. The format demo brings its own films where no PATH is given.

    \b
      kg-rec load movielens ml-100k
      kg-rec load recbole ml-100k -o kg=none
      kg-rec load table facts.tsv --mapping facts.toml
      kg-rec load demo --graph neo4j://localhost:7687
    """
    if on_error == "skip" and rejects is None:
        raise click.UsageError("--on-error skip needs --rejects FILE, the file that lists the rows left out")
    if path is None and format_ != "demo":
        raise click.UsageError("Missing argument 'PATH'.")
    with progress_bar() as progress:
        progress(0, None, "starting")
        from kg_rec.loaders.base import load as load_files
        from kg_rec.schema import GraphSchema

        if path is None:
            from kg_rec.loaders.demo import FILMS

            path = Path(FILMS)
        given = dict(options) | ({"mapping": mapping} if mapping else {})
        chosen = GraphSchema.find(schema) if schema else None
        with opened(graph, read_only=False, create=True) as store:
            report = load_files(
                store,
                format_,
                path,
                schema=chosen,
                on_error=on_error,
                rejects=rejects,
                liked_from=liked_from,
                progress=progress,
                **given,
            )
    if as_json:
        print_json(_load_json(report, graph))
    else:
        _print_load(report, graph)


def _load_json(report: LoadReport, graph: str) -> dict[str, Any]:
    return {
        "graph": graph,
        "format": report.format,
        "path": str(report.path),
        "schema": report.schema,
        "nodes": report.nodes,
        "edges": report.edges,
        "rows": report.rows,
        "repeated": report.repeated,
        "unmapped": report.unmapped,
        "notes": report.notes,
        "rejected": report.rejected,
        "rejects": None if report.rejects is None else str(report.rejects),
        "seconds": report.seconds,
        "rows_per_second": report.rows_per_second,
    }


def _print_load(report: LoadReport, graph: str) -> None:
    rows = [(name, "node", n) for name, n in counted(report.nodes)]
    rows += [(name, "edge", n) for name, n in counted(report.edges)]
    print_table(["type", "kind", "rows"], [(name, kind, f"{n:,}") for name, kind, n in rows], ["rows"])
    click.echo(
        f"\nloaded {quantity(report.rows, 'row')} into {graph} (schema {report.schema}) in {report.seconds:.1f} s, "
        f"{report.rows_per_second:,.0f} rows/s"
    )
    for what, counts in (("merged with another of the same ends", report.repeated), ("left out", report.unmapped)):
        if some := counted(counts):
            click.echo(f"{what}: " + ", ".join(f"{name} {n:,}" for name, n in some))
    for text in report.notes:
        click.echo(f"note: {text}")
    if report.rejected:
        click.echo(f"rejected: {quantity(report.rejected, 'row')}, listed in {report.rejects}")


@click.command(cls=Command, short_help="Is the graph valid, do its facts fit?")
@graph_option
@click.option("--samples", type=click.IntRange(min=0), default=5, show_default=True, help="Keys shown per finding.")
@click.option(
    "--permutations",
    type=click.IntRange(min=99),
    default=200,
    show_default=True,
    help="Shuffles that the p-values rest on.",
)
@click.option("--strict", is_flag=True, help="Fail also where the facts do not fit the interactions.")
@json_option
@click.pass_context
def check(ctx: click.Context, graph: str, samples: int, permutations: int, strict: bool, as_json: bool) -> None:
    """Check a graph: does it keep its schema, and do its facts fit its interactions?

    The second question finds facts that are linked to the wrong items: items that share an attribute should have more
    users in common than chance. Exit status 1 where the schema is violated, and with --strict where the graph does
    not fit.

    \b
      kg-rec check
      kg-rec check --strict --json
    """
    with progress_bar() as progress:
        progress(0, None, "starting")
        from kg_rec import check as check_graph

        with opened(graph) as store:
            report = check_graph(store, samples=samples, permutations=permutations, progress=progress)
    if as_json:
        print_json(report.to_dict())
    else:
        for line in report.lines():
            click.echo(line)
    if not report.ok or (strict and report.fits is False):
        ctx.exit(1)


@click.command(cls=Command, short_help="Ask the graph in Cypher, read-only.")
@click.argument("cypher")
@graph_option
@click.option(
    "--param",
    "parameters",
    metavar="KEY=VALUE",
    callback=key_values,
    multiple=True,
    help="""Value for $key, as JSON: --param 'user="1"' is a text, --param year=1995 a number. Repeatable.""",
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True, help="Output."
)
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100_000, show_default=True, help="Most rows; more are an error."
)
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True, help="Seconds."
)
def query(
    cypher: str,
    graph: str,
    parameters: list[tuple[str, str]],
    form: str,
    as_json: bool,
    limit: int,
    timeout: float,
) -> None:
    """Ask the graph a question in Cypher; `-` reads it from standard input. Only reading is allowed.

    A label or relationship type that nothing in the graph has is told: such a query finds nothing.

    \b
      kg-rec query 'MATCH (f:Film) RETURN f.title, f.year LIMIT 5'
      kg-rec query 'MATCH (f:Film {item_id: $id})-->(x) RETURN x.name' --param 'id="50"' --format csv
    """
    from kg_rec.store.unknown_names import unknown_names

    if cypher == "-":
        cypher = sys.stdin.read()
    with opened(graph) as store:
        values = {key: json_value(text) for key, text in parameters}
        table = store.query(cypher, values, limit=limit, timeout=timeout)
        for unknown in unknown_names(store, cypher):
            note(unknown)
    columns: list[str] = table.column_names
    rows = table.to_pylist()
    if as_json or form == "json":
        print_json({"columns": columns, "rows": rows})
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([csv_cell(column) for column in columns])
        writer.writerows([_field(row[c]) for c in columns] for row in rows)
    else:
        print_table(columns, [[row[c] for c in columns] for row in rows])
        note(quantity(len(rows), "row"))


def _field(value: object) -> object:
    return csv_cell(dumps(value, indent=None) if isinstance(value, list | dict) else value)


@click.command(cls=Command, short_help="Write a snapshot of the graph.")
@graph_option
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="Folder to write."
)
@json_option
def export(graph: str, out: Path, as_json: bool) -> None:
    """Write a snapshot of the graph: arrays and id maps that train and evaluate read without the graph.

    The same graph gives the same bytes.

    \b
      kg-rec export --out snapshot
      kg-rec train --snapshot snapshot --out model
    """
    with progress_bar() as progress:
        progress(0, None, "starting")
        from kg_rec.snapshot import export as read_graph

        with opened(graph) as store:
            snapshot = read_graph(store, progress)
        progress(0, None, "writing")
        snapshot.save(out)
        manifest = snapshot.manifest()
    if as_json:
        print_json({"out": str(out), **manifest})
        return
    rows = [(name, "node", f"{n:,}") for name, n in counted(manifest["nodes"])]
    rows += [(name, "edge", f"{n:,}") for name, n in counted(manifest["edges"])]
    print_table(["type", "kind", "rows"], rows, ["rows"])
    click.echo(f"\nwrote {out} (sha256 {manifest['sha256'][:12]}…)")
