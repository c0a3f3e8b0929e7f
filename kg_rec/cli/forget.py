"""``kg-rec forget`` and ``kg-rec certificate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kg_rec.cli.console import Command, note, one_line, print_json, print_table, progress_bar, staged
from kg_rec.cli.options import graph_option, json_option, opened

if TYPE_CHECKING:
    from kg_rec.store import GraphStore
    from kg_rec.trust.places import Place


@click.command(cls=Command, short_help="Delete a user everywhere, also from what was learned.")
@click.argument("user")
@graph_option
@click.option(
    "--model",
    "models",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    metavar="MODEL",
    help="A model that was trained while the user was there. Repeatable.",
)
@click.option(
    "--files",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    metavar="PATH",
    help="Lists, explanations, audit log (.parquet, .jsonl; column user): a file, or a folder of them. Repeatable.",
)
@click.option("--find", is_flag=True, help="Change nothing: say what there is of the user; exit status 1 if anything.")
@click.option(
    "--certificate", type=click.Path(path_type=Path), metavar="FILE", help="Write what was done, without the key."
)
@json_option
@click.pass_context
def forget(
    ctx: click.Context,
    user: str,
    graph: str,
    models: tuple[Path, ...],
    files: tuple[Path, ...],
    find: bool,
    certificate: Path | None,
    as_json: bool,
) -> None:
    """Delete the USER with that key from the graph, and from the models and files that are named.

    From the graph go the user, the interactions, the lists that were written back, feedback and the records of runs.
    Each model is fitted again without the user: it is, bit for bit, what training without the user gives with the
    same hyperparameters. Each place changes whole or not at all, the graph last; one that was killed is given again.

    \b
      kg-rec forget 196 --model model --files lists.parquet --certificate forgotten.json
      kg-rec forget 196 --model model --files lists.parquet --find
    """
    with progress_bar() as progress, opened(graph, read_only=find) as store:
        progress(0, None, "starting")
        from kg_rec.errors import ConfigError, NotFoundError
        from kg_rec.trust.certificate import certificate as written
        from kg_rec.trust.certificate import refuse_unwritable

        places = _places(store, models, files)
        if certificate is not None:
            refuse_unwritable(certificate, map(Path, places))
        counts = {name: place.find(user) for name, place in places.items()}
        if find:
            _print_found(counts, as_json)
            ctx.exit(1 if any(counts.values()) else 0)
        if not any(counts.values()):
            raise NotFoundError(f"no user {user!r} in {', '.join(places)}: there is nothing to forget")
        erased = [place.erase(user, staged(progress, name)) for name, place in places.items()]
        paper, receipt = written(user, erased)
    failed = None if certificate is None else _unwritten(paper, certificate)
    if as_json:
        print_json({"receipt": receipt, "certificate": paper})
    else:
        _print_found({e.place: dict(e.had) for e in erased}, as_json=False)
        for e in erased:
            for text in e.notes:
                note(f"{e.place}: {text}")
        if not models:
            note(
                f"no model was named: one that was trained while {user} was there still holds them; give it by --model"
            )
        if failed is not None:
            print_json(paper)
        click.echo(f"\nforgotten; receipt {receipt} (with the key it shows that the certificate is this user's)")
    if failed is not None:
        raise ConfigError(
            f"{certificate}: the user was forgotten, but the certificate cannot be written there "
            f"({failed.strerror or failed}); it is printed above: keep it, as it cannot be made again"
        ) from failed


def _unwritten(paper: dict[str, Any], file: Path) -> OSError | None:
    """Write the certificate; why not, if it cannot be: what was deleted, and the receipt, must be told all the same."""
    try:
        print_json(paper, file)
    except OSError as error:
        return error
    return None


def _places(store: GraphStore, models: tuple[Path, ...], files: tuple[Path, ...]) -> dict[str, Place]:
    """By name, the graph last: as long as the user is in it, a command that was killed finds where to go on."""
    from kg_rec.trust.places import GraphPlace, ModelPlace, files_of

    places: dict[str, Place] = {str(f.path): f for path in files for f in files_of(path)}
    places |= {str(folder): ModelPlace(folder) for folder in models}
    return places | {store.url: GraphPlace(store)}


def _print_found(counts: dict[str, dict[str, int]], as_json: bool) -> None:
    if as_json:
        print_json({"found": counts})
        return
    rows = [(place, kind, count) for place, had in counts.items() for kind, count in (had or {"nothing": 0}).items()]
    print_table(["place", "what", "count"], rows, ["count"])


@click.command(cls=Command, short_help="Check a certificate of kg-rec forget.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--user", metavar="KEY", help="Is it that of this user? Needs --receipt.")
@click.option("--receipt", metavar="TEXT", help="What kg-rec forget printed when it wrote the certificate.")
@json_option
@click.pass_context
def certificate(ctx: click.Context, file: Path, user: str | None, receipt: str | None, as_json: bool) -> None:
    """Check that the certificate FILE is as it was written and, with key and receipt, that it is a user's.

    Exit status 1 if not. Whoever can write a certificate can write another: its digest guards against mistakes, and the
    receipt shows whose it is, as no other receipt fits.

    \b
      kg-rec certificate forgotten.json
      kg-rec certificate forgotten.json --user 196 --receipt 5f0c…
    """
    if (user is None) != (receipt is None):
        raise click.UsageError("--user and --receipt go together")
    from kg_rec.trust.certificate import is_of, is_whole, read

    content = read(file)
    whole = is_whole(content)
    own = None if user is None or receipt is None else is_of(content, user, receipt)
    if as_json:
        print_json({"whole": whole, "of_user": own, "at": content["at"], "places": content["places"]})
    else:
        rows = [(place["place"], kind, n) for place in content["places"] for kind, n in place["had"].items()]
        print_table(["place", "was deleted", "count"], rows, ["count"])
        click.echo(f"\nwritten {one_line(content['at'])}, {'unchanged since' if whole else 'CHANGED SINCE'}")
        if own is not None:
            click.echo(f"{'it is' if own else 'it is NOT'} the certificate of {user}")
    ctx.exit(0 if whole and own is not False else 1)
