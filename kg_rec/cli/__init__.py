"""The command line: parse, call, print.

Results go to stdout, logs, warnings and progress to stderr.  Exit status 0: done; 1: an error, told in one line, or a
check that failed; 2: wrong usage; 130: interrupted.  Heavy libraries are imported when a command needs them, so that
help and usage errors answer at once.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import click

from kg_rec.cli.ask import ask
from kg_rec.cli.audit import audit
from kg_rec.cli.catalog import formats
from kg_rec.cli.compress import compress
from kg_rec.cli.console import Command, Program, print_json, progress_bar
from kg_rec.cli.evaluate import evaluate
from kg_rec.cli.evolve import evolve
from kg_rec.cli.explain import explain
from kg_rec.cli.feedback import feedback
from kg_rec.cli.forget import certificate, forget
from kg_rec.cli.graph import check, export, load, query
from kg_rec.cli.inspect import inspect
from kg_rec.cli.jobs import job
from kg_rec.cli.lists import recommend
from kg_rec.cli.newcomer import newcomer
from kg_rec.cli.options import json_option
from kg_rec.cli.phrase import phrase
from kg_rec.cli.pictures import pictures
from kg_rec.cli.prefer import prefer
from kg_rec.cli.profile import profile
from kg_rec.cli.rules import rules
from kg_rec.cli.schema import schema
from kg_rec.cli.serve import serve, serve_token
from kg_rec.cli.site import site
from kg_rec.cli.suspects import suspects
from kg_rec.cli.train import train
from kg_rec.cli.vectors import similar, vectors
from kg_rec.cli.what_if import what_if

__all__ = ["main"]


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("kg-rec"), prog_name="kg-rec")
def main() -> None:
    """Recommendations from a knowledge graph, each score an exact sum of graph paths.

    The usual way, on a graph in the folder kg.graph:

    \b
      kg-rec load movielens ml-100k      load the files
      kg-rec check                       does the graph keep its schema and fit the interactions?
      kg-rec train --out model           train
      kg-rec recommend model --users 1   top-10 lists
      kg-rec explain model 1 50          why this item for this user?

    The graph is a folder (embedded, no server) or a Neo4j server: --graph neo4j://localhost:7687, with its
    credentials in NEO4J_USERNAME and NEO4J_PASSWORD. The variable KG_REC_GRAPH names it once for all commands.
    """


@main.command(cls=Command, short_help="Films to explained lists, in one go.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    metavar="DIR",
    help="Where everything is written.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="MovieLens 100K or RecBole files, instead of the bundled films with simulated viewers.",
)
@click.option("--graph", metavar="URL", help="Graph to load into; default: an embedded one in --out.")
@click.option("--seed", type=click.IntRange(min=0), default=2026, show_default=True, help="Of every random choice.")
@click.option(
    "--phrasebook",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Phrases that kg-rec phrase made, in place of those that ship.",
)
@json_option
def demo(out: Path, data: Path | None, graph: str | None, seed: int, phrasebook: Path | None, as_json: bool) -> None:
    """From films to explained recommendations, in a few minutes.

    Builds a graph, trains, evaluates, writes top-10 lists, explains some, and writes one HTML page about it all.

    \b
      kg-rec demo
      kg-rec demo --data ml-100k --out ml-demo
    """
    with progress_bar() as progress:
        progress(0, None, "starting")
        from kg_rec.demo.run import run

        result = run(out=out, data=data, graph=graph, seed=seed, progress=progress, phrasebook=phrasebook)
    if as_json:
        print_json(result.to_dict())
    else:
        click.echo("\n".join(result.lines()))


_COMMANDS = (
    *(load, formats, schema, check, query, export, train, inspect, similar, vectors, pictures, evaluate),
    *(audit, recommend, rules),
    *(job, newcomer, profile, evolve, prefer, explain, what_if, ask, phrase, feedback),
    *(serve, serve_token, compress, forget, certificate, site, suspects),
)
for _command in _COMMANDS:
    main.add_command(_command)
