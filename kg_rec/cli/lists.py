"""``kg-rec recommend``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kg_rec.cli.console import Command, dumps, note, print_json, print_table, progress_bar
from kg_rec.cli.feedback import with_feedback
from kg_rec.cli.options import learned_option, list_file, live_graph_option, mmap_option
from kg_rec.cli.rules import read_rules, rule_options
from kg_rec.quantity import quantity
from kg_rec.tables import suffixes

if TYPE_CHECKING:
    import pyarrow as pa

    from kg_rec.api import Model
    from kg_rec.jobs.rules import CandidatesConfig
    from kg_rec.model.recommender import Recommender
    from kg_rec.progress import Progress
    from kg_rec.store import GraphStore


@click.command(cls=Command, short_help="Top-k lists for users.")
@click.argument("model", type=click.Path(path_type=Path))
@live_graph_option
@learned_option
@click.option("--users", metavar="KEY,KEY,…", help="Keys of users; default: all.")
@click.option("--users-file", type=click.Path(allow_dash=True), metavar="FILE", help="One key a line; - is stdin.")
@click.option("--users-query", metavar="CYPHER", help="Read-only; its first column holds the keys. Needs --graph.")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="Length of the lists.")
@rule_options
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=list_file,
    metavar="FILE",
    help=f"Write to a FILE ending in {suffixes()} instead of standard output.",
)
@mmap_option
@click.option("--json", "as_json", is_flag=True, help="JSON Lines; with --out one object about them.")
def recommend(
    model: Path,
    graph: str | None,
    learned: bool,
    users: str | None,
    users_file: str | None,
    users_query: str | None,
    k: int,
    out: Path | None,
    mmap: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Top-k lists of a MODEL, without the items that a user had.

    A list may keep rules: its mix of kinds near that of what the user liked (--calibrate), a share for some items
    (--floor). Scores stay what they are; each item that a rule moved says from where, and why. `kg-rec audit` with the
    same options measures what a rule costs.

    With --graph, interactions and users that came after training count at once, and so does what users said of
    themselves (kg-rec prefer). To write lists into the graph, or for
    very many users, run a job: kg-rec job run --help.

    \b
      kg-rec recommend model --users 1,2 -k 5
      kg-rec recommend model --out lists.parquet
      kg-rec recommend model --users 1 --calibrate genre --floor tail:0.1 --never genre:Horror
      kg-rec recommend model --graph kg.graph --learned --users 1
      kg-rec recommend model --graph kg.graph --users-query
          'MATCH (u:User)-[r:RATED]->() WITH u, count(r) AS n WHERE n > 100 RETURN u.user_id'
    """
    if sum(x is not None for x in (users, users_file, users_query)) > 1:
        raise click.UsageError("give one of --users, --users-file and --users-query")
    if graph is None and users_query:
        raise click.UsageError("--users-query needs --graph")
    from kg_rec.errors import NotFoundError
    from kg_rec.textfile import nothing_told_of_links

    keys = _keys(users, users_file)
    with progress_bar() as progress:
        loaded, store = open_model(model, graph, progress, read_only=True, mmap=mmap)
        try:
            if users_query is not None and store is not None:
                keys = _queried(store, users_query)
            elif users is not None and keys is not None:
                keys = _as_meant(loaded, keys)
            models: Iterable[tuple[Recommender, list[str] | None]] = [(loaded.recommender, keys)]
            with nothing_told_of_links(users_file or "-", NotFoundError):
                if learned:
                    models = with_feedback(model, loaded.recommender, store, keys)
                models = with_statements(models, store)
                rows, table = _write(models, k, out, read_rules(flags), store, progress)
        finally:
            if store is not None:
                store.close()
    if table is not None:
        _print_lists(table, as_json)
        return
    count = len(loaded.recommender.users) if keys is None else len(keys)
    if as_json:
        print_json({"users": count, "rows": rows, "k": k, "out": str(out)})
        return
    click.echo(f"{quantity(rows, 'recommendation')} for {quantity(count, 'user')}, written to {out}")


def _keys(users: str | None, users_file: str | None) -> list[str] | None:
    if users is not None:
        return list(dict.fromkeys(key for key in users.split(",") if key))
    if users_file is None:
        return None
    from kg_rec.jobs.candidates import file_keys

    return file_keys(users_file, sys.stdin.buffer if users_file == "-" else None)


def _as_meant(model: Model, keys: list[str]) -> list[str]:
    """Keys as they were written; one that nobody has, without the blanks around it."""
    known = model.recommender.users.indices(keys) >= 0
    return list(dict.fromkeys(key if there else key.strip() for key, there in zip(keys, known, strict=True)))


def _queried(store: GraphStore, cypher: str) -> list[str]:
    from kg_rec.jobs.candidates import queried_keys

    return queried_keys(store, cypher, "--users-query")


def open_model(
    model: Path, graph: str | None, progress: Progress, *, read_only: bool, mmap: bool = False
) -> tuple[Model, GraphStore | None]:
    """The model, and the open store whose users and interactions it then has."""
    progress(0, None, "starting")
    from kg_rec.api import Model
    from kg_rec.snapshot import export
    from kg_rec.store import connect

    progress(0, None, "read the model")
    loaded = Model.load(model, mmap=mmap)
    if graph is None:
        return loaded, None
    store = connect(graph, read_only=read_only, create=False)
    try:
        return loaded.with_snapshot(export(store, progress)), store
    except BaseException:
        store.close()
        raise


def read_model(model: Path, graph: str | None, progress: Progress, user: str | None = None) -> Model:
    """The model over the graph as it is now, for who asks nothing else of the store.

    Args:
        model: its folder.
        graph: URL.
        progress: told of the work.
        user: whose statements the model is to have in it (``kg-rec prefer``); None for none.
    """
    loaded, store = open_model(model, graph, progress, read_only=True)
    if store is None:
        return loaded
    with closing(store):
        return loaded if user is None else of_user(loaded, store, user)


def of_user(loaded: Model, store: GraphStore, user: str) -> Model:
    """The model with what a user said of themselves, as the graph keeps it."""
    from kg_rec.people.kept import Kept

    return loaded.with_preferences(user, Kept.of(store).read(user))


def with_statements(
    models: Iterable[tuple[Recommender, list[str] | None]], store: GraphStore | None
) -> Iterator[tuple[Recommender, list[str] | None]]:
    """Models and the keys of their users, with a model of its own for each user who said something (``prefer``)."""
    from kg_rec.api import Model
    from kg_rec.people.kept import Kept

    said = {} if store is None else Kept.of(store).everybody()
    for recommender, keys in models:
        every = recommender.users.keys.to_pylist() if keys is None and said else keys
        if every is None or not said.keys() & set(every):
            yield recommender, keys
            continue
        model = Model(recommender)
        for user, some in groupby(every, lambda key: key if key in said else None):
            one = recommender if user is None else model.with_preferences(user, said[user]).recommender
            yield one, list(some)


def _write(
    models: Iterable[tuple[Recommender, list[str] | None]],
    k: int,
    out: Path | None,
    rules: CandidatesConfig | None,
    store: GraphStore | None,
    progress: Progress,
) -> tuple[int, pa.Table | None]:
    """Lists into the file; else as a table."""
    import pyarrow as pa

    from kg_rec.recommend import FIELDS, recommend
    from kg_rec.tables import write_table

    fields = FIELDS
    if rules is None:
        batches = (batch for model, keys in models for batch in recommend(model, keys, k, progress=progress))
    else:
        from kg_rec.jobs.ranking import by_rules, fields_of

        fields = fields_of(rules)
        batches = (b for model, keys in models for b in by_rules(model, keys, k, rules, store, progress))
    if out is not None:
        return write_table(batches, out, fields), None
    table = pa.Table.from_batches(batches, schema=fields)
    return table.num_rows, table


def _print_lists(table: pa.Table, as_json: bool) -> None:
    if as_json:
        for row in table.to_pylist():
            click.echo(dumps(row, indent=None))
        return
    rows = []
    for row in table.to_pylist():
        user = row["user"] if row["rank"] == 1 else None
        more = (row["moved"],) if "moved" in row else ()
        rows.append((user, row["rank"], row["name"], row["item"], f"{row['score']:.4f}", *more))
    print_table([*table.column_names[:2], "name", "item", *table.column_names[4:]], rows, ["score"])
    if not rows:
        note(
            "no lists: no user was asked for, or there is no item that they did not have and that the rules allow them"
        )
