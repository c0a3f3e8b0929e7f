"""``kg-rec serve`` and ``kg-rec serve-token``."""

from __future__ import annotations

from pathlib import Path

import click

from kg_rec.cli.console import Command, note
from kg_rec.cli.options import graph_option, mmap_option

_ROLES = ("app", "support", "auditor", "admin")


@click.command(cls=Command, short_help="Lists and reasons over HTTP, and a page.")
@click.argument("model", type=click.Path(path_type=Path))
@graph_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 for a free one.")
@click.option("--poll", type=float, default=1.0, show_default=True, help="Seconds between looks for changes.")
@click.option("--tokens", type=click.Path(path_type=Path), metavar="FILE", help="Ask for tokens: see serve-token.")
@click.option("--rate", type=click.IntRange(min=0), default=0, help="Requests a minute from one address; 0: no bound.")
@click.option("--least-crowd", type=click.IntRange(min=1), default=1, help="No paths through fewer than N other users.")
@click.option("--timeout", type=float, default=30.0, show_default=True, help="Seconds that a request may take.")
@click.option("--cors", multiple=True, metavar="ORIGIN", help="Pages of this origin may read answers. Repeatable.")
@mmap_option
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that answer.")
@click.option("--audit", type=click.Path(path_type=Path), metavar="FILE", help="A line per look at a user.")
def serve(
    model: Path,
    graph: str,
    host: str,
    port: int,
    poll: float,
    tokens: Path | None,
    rate: int,
    least_crowd: int,
    timeout: float,
    cors: tuple[str, ...],
    mmap: bool,
    workers: int,
    audit: Path | None,
) -> None:
    """Serve a MODEL over a graph as it is now: JSON under /v1, described by /openapi.json, and a page at /.

    A list is made from the user's interactions as they are in the graph, and kept for as long as they are so, or for
    --poll seconds where the graph is on a server. Other changes of the graph, and a newly trained model, are looked
    for every --poll seconds and taken up without a failed request. Several --workers leave what was learned in the
    file; one that dies is replaced.

    \b
      kg-rec serve model --graph kg.graph
      kg-rec serve model --graph neo4j://localhost:7687 --tokens tokens.jsonl --host 0.0.0.0 --workers 4
    """
    from kg_rec.errors import MissingDependencyError

    try:
        from kg_rec.serve.workers import Application, run
    except ImportError as error:
        raise MissingDependencyError(f"{error.name} is not installed; pip install 'kg-rec[serve]'") from error
    from kg_rec.serve.config import ServeConfig

    config = ServeConfig(
        host=host,
        port=port,
        poll=poll,
        tokens=tokens,
        rate=rate,
        least_crowd=least_crowd,
        timeout=timeout,
        cors=cors,
        workers=workers,
        audit=audit,
    )

    def started(port: int) -> None:
        note(f"serving {model} over {graph} on http://{host}:{port} (stop with Ctrl-C)")

    run(Application(graph, model, mmap, config), started)


@click.command(name="serve-token", cls=Command, short_help="Make a token for the service.")
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), required=True, help="Each may do what those before it may.")
@click.option("--tokens", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Where hashes are kept.")
def serve_token(name: str, role: str, tokens: Path) -> None:
    """Make a token for NAME and print it once; only its hash is kept.

    \b
      kg-rec serve-token shop --role app --tokens tokens.jsonl
    """
    from kg_rec.serve.tokens import add_token

    click.echo(add_token(tokens, name, role))
