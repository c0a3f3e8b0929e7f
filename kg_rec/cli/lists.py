"""``kg-rec recommend`` and ``kg-rec explain``."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from kg_rec.cli.console import Command, dumps, note, print_json, print_table, progress_bar
from kg_rec.cli.options import TONES, live_graph_option

if TYPE_CHECKING:
    import pyarrow as pa

    from kg_rec.api import Model
    from kg_rec.explain.explanation import Explanation
    from kg_rec.explain.phrasebook import Phrasebook, Tone
    from kg_rec.schema import GraphSchema
    from kg_rec.store import GraphStore
    from kg_rec.store.base import Progress


def _list_file(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and value.suffix not in (".parquet", ".jsonl"):
        raise click.BadParameter(f"expected a name ending in .parquet or .jsonl, got {value.name}")
    return value


@click.command(cls=Command, short_help="Top-k lists for users.")
@click.argument("model", type=click.Path(path_type=Path))
@live_graph_option
@click.option("--users", metavar="KEY,KEY,…", help="Keys of users; default: all.")
@click.option("--users-file", type=click.File(encoding="utf-8"), metavar="FILE", help="One key a line; - is stdin.")
@click.option("--users-query", metavar="CYPHER", help="Read-only; its first column holds the keys. Needs --graph.")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="Length of the lists.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_list_file,
    metavar="FILE",
    help="Write to FILE.parquet or FILE.jsonl instead of standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON Lines; with --out one object about them.")
def recommend(
    model: Path,
    graph: str | None,
    users: str | None,
    users_file: IO[str] | None,
    users_query: str | None,
    k: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Top-k lists of a MODEL, without the items that a user had.

    With --graph, interactions and users that came after training count at once. To write lists into the graph, or for
    very many users, run a job: kg-rec job run --help.

    \b
      kg-rec recommend model --users 1,2 -k 5
      kg-rec recommend model --out lists.parquet
      kg-rec recommend model --graph kg.graph --users-query
          'MATCH (u:User)-[r:RATED]->() WITH u, count(r) AS n WHERE n > 100 RETURN u.user_id'
    """
    if sum(x is not None for x in (users, users_file, users_query)) > 1:
        raise click.UsageError("give one of --users, --users-file and --users-query")
    if graph is None and users_query:
        raise click.UsageError("--users-query needs --graph")
    keys = _keys(users, users_file)
    with progress_bar() as progress:
        loaded, store = open_model(model, graph, progress, read_only=True)
        try:
            if users_query is not None and store is not None:
                keys = _queried(store, users_query)
            rows, table = _write(loaded, keys, k, out, progress)
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
    click.echo(f"{rows:,} recommendations for {count:,} users, written to {out}")


def _keys(users: str | None, users_file: IO[str] | None) -> list[str] | None:
    if users is not None:
        found = [key.strip() for key in users.split(",")]
    elif users_file is not None:
        found = [line.strip() for line in users_file]
    else:
        return None
    return list(dict.fromkeys(key for key in found if key))


def _queried(store: GraphStore, cypher: str) -> list[str]:
    from kg_rec.jobs.rules import queried_keys

    return queried_keys(store, cypher, "--users-query")


def open_model(
    model: Path, graph: str | None, progress: Progress, *, read_only: bool
) -> tuple[Model, GraphStore | None]:
    """The model, and the open store whose users and interactions it then has."""
    progress(0, None, "starting")
    from kg_rec.api import Model
    from kg_rec.snapshot import export
    from kg_rec.store import connect

    progress(0, None, "read the model")
    loaded = Model.load(model)
    if graph is None:
        return loaded, None
    store = connect(graph, read_only=read_only)
    try:
        return loaded.with_snapshot(export(store, progress)), store
    except BaseException:
        store.close()
        raise


def _write(
    model: Model, keys: list[str] | None, k: int, out: Path | None, progress: Progress
) -> tuple[int, pa.Table | None]:
    """Lists into the file; else as a table."""
    import pyarrow as pa

    from kg_rec.recommend import FIELDS, recommend, write_file

    batches = recommend(model.recommender, keys, k, progress=progress)
    if out is not None:
        return write_file(batches, str(out)), None
    table = pa.Table.from_batches(batches, schema=FIELDS)
    return table.num_rows, table


def _print_lists(table: pa.Table, as_json: bool) -> None:
    if as_json:
        for row in table.to_pylist():
            click.echo(dumps(row, indent=None))
        return
    rows = []
    for row in table.to_pylist():
        user = row["user"] if row["rank"] == 1 else None
        rows.append((user, row["rank"], row["name"], row["item"], f"{row['score']:.4f}"))
    print_table(["user", "rank", "name", "item", "score"], rows, ["score"])
    if not rows:
        note("no lists: no user was asked for, or there is nothing that they did not have")


@click.command(cls=Command, short_help="Why this item for this user?")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("user")
@click.argument("item")
@live_graph_option
@click.option("--lang", default="en", show_default=True, help="Language of the words: en or zh.")
@click.option("--tone", type=click.Choice(TONES), default="friendly", show_default=True, help="How the words sound.")
@click.option(
    "--phrasebook",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Phrases that kg-rec phrase made, before those that ship.",
)
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="Most groups of paths shown.")
@click.option("--json", "form", flag_value="json", help="JSON, as explain/explanation.schema.json describes it.")
@click.option("--html", "form", flag_value="html", help="One page of HTML.")
@click.option("--markdown", "form", flag_value="markdown", help="Markdown.")
@click.option("--cypher", "form", flag_value="cypher", help="The Cypher that returns the shown paths from the graph.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to a file.")
@click.option("--counterfactual", is_flag=True, help="Instead: without which interactions would it leave the list?")
@click.option("-k", type=click.IntRange(min=1), help="Length of that list.  [default: 10]")
@click.option("--verify", is_flag=True, help="Run the Cypher on --graph: are these the paths? Exit status 1 if not.")
@click.pass_context
def explain(
    ctx: click.Context,
    model: Path,
    user: str,
    item: str,
    graph: str | None,
    lang: str,
    tone: Tone,
    phrasebook: Path | None,
    top: int,
    form: str | None,
    out: Path | None,
    counterfactual: bool,
    k: int | None,
    verify: bool,
) -> None:
    """Why a MODEL gives an ITEM its score for a USER: the exact sum, its largest paths, and a sentence.

    --cypher prints a statement with its parameters for cypher-shell and the Neo4j Browser.

    \b
      kg-rec explain model 1 50
      kg-rec explain model 1 50 --lang zh --html --out why.html
      kg-rec explain model 1 50 --tone audit
      kg-rec explain model 1 50 --graph kg.graph --verify
      kg-rec explain model 1 50 --counterfactual -k 10
    """
    if verify and graph is None:
        raise click.UsageError("--verify needs --graph")
    if counterfactual and (verify or form not in (None, "json")):
        raise click.UsageError("--counterfactual is told in words or with --json")
    if k is not None and not counterfactual:
        raise click.UsageError("-k needs --counterfactual")
    with progress_bar() as progress:
        loaded, store = open_model(model, graph, progress, read_only=True)
        try:
            if counterfactual:
                _without(loaded, user, item, k or 10, lang, form, out)
                return
            explanation = loaded.explain(user, item, lang=lang, top=top, tone=tone, phrasebook=_phrases(phrasebook))
            differences = _verify(store, explanation) if verify and store is not None else ()
        finally:
            if store is not None:
                store.close()
    _put(_render(explanation, form, loaded.recommender.snapshot.schema), out)
    if not verify:
        return
    if not differences:
        note(f"verified: {graph} returns exactly these {len(explanation.paths)} paths")
        return
    note(f"not verified: {graph} does not return exactly the shown paths")
    for line in differences:
        note(f"  {line}")
    ctx.exit(1)


def _phrases(file: Path | None) -> Phrasebook:
    from kg_rec.explain.phrasebook import Phrasebook

    shipped = Phrasebook.shipped()
    return shipped if file is None else Phrasebook.load(file).add(shipped.phrases)


def _without(model: Model, user: str, item: str, k: int, lang: str, form: str | None, out: Path | None) -> None:
    from kg_rec.cli.what_if import counterfactual_json, counterfactual_lines

    found, schema = model.counterfactual(user, item, k), model.recommender.snapshot.schema
    as_json = form == "json"
    _put(
        dumps(counterfactual_json(found, schema, lang))
        if as_json
        else "\n".join(counterfactual_lines(found, schema, lang)),
        out,
    )


def _put(text: str, out: Path | None) -> None:
    if out is None:
        click.echo(text, nl=not text.endswith("\n"))
        return
    out.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
    note(f"written to {out}")


def _verify(store: GraphStore, explanation: Explanation) -> tuple[str, ...]:
    from kg_rec.explain.cypher import mismatches

    found = store.query(explanation.cypher, explanation.parameters)
    return mismatches(explanation.paths, found)


def _render(explanation: Explanation, form: str | None, schema: GraphSchema) -> str:
    from kg_rec.explain import render

    if form == "json":
        return render.to_json(explanation)
    if form == "html":
        return render.to_html(explanation, schema, page=True)
    if form == "markdown":
        return render.to_markdown(explanation, schema)
    if form == "cypher":
        lines = [f":param {name} => {_literal(value)};" for name, value in explanation.parameters.items()]
        return "\n".join([*lines, f"{explanation.cypher};"])
    return render.to_text(explanation, schema)


def _literal(value: Any) -> str:
    """A value in Cypher."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_literal(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return dumps(value, indent=None)
