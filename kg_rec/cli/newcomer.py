"""``kg-rec newcomer``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kg_rec.cli.console import Command, note, print_json, print_table, progress_bar
from kg_rec.cli.lists import open_model
from kg_rec.cli.options import in_words, json_option, key_values, lang_option, live_graph_option

if TYPE_CHECKING:
    from kg_rec.people.newcomer import Served


@click.command(cls=Command, short_help="A list for somebody new.")
@click.argument("model", type=click.Path(path_type=Path))
@live_graph_option
@click.option("--like", "likes", multiple=True, metavar="KEY", help="An item that the person likes. Repeatable.")
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    callback=key_values,
    metavar="NAME=VALUE",
    help="What the schema says of users, such as occupation=student. Repeatable.",
)
@click.option("--sentence", metavar="TEXT", callback=in_words, help="What the person says they like.")
@click.option("--block", multiple=True, metavar="NAME", help="An attribute that must not be used. Repeatable.")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="Length of the list.")
@click.option("--why", is_flag=True, help="Say of each item what its score is made of.")
@click.option("--verify", is_flag=True, help="Count again in the --graph; exit 1 if a count differs.")
@lang_option
@json_option
def newcomer(
    model: Path,
    graph: str | None,
    likes: tuple[str, ...],
    attributes: list[tuple[str, str]],
    sentence: str | None,
    block: tuple[str, ...],
    k: int,
    why: bool,
    verify: bool,
    lang: str,
    as_json: bool,
) -> None:
    """A list for a person of whom no interactions are known, by the MODEL: from likes, attributes and a sentence.

    Nothing is written, and nothing is trained. Each score is the sum of what everybody chose, what those who share an
    attribute or a like chose, what the model knows of the likes, and how close a text is to the sentence.

    \b
      kg-rec newcomer model --like 50 --like 181 --why
      kg-rec newcomer model --attribute occupation=student --attribute age=23 --block age
      kg-rec newcomer model --sentence 'I like westerns' --json
    """
    from kg_rec.people.newcomer import NewcomerConfig
    from kg_rec.people.words import remarks

    if not (likes or attributes or sentence):
        raise click.UsageError("give at least one of --like, --attribute and --sentence")
    if verify and graph is None:
        raise click.UsageError("--verify needs --graph")
    with progress_bar() as progress:
        loaded, store = open_model(model, graph, progress, read_only=True)
        try:
            config = NewcomerConfig(blocked=block)
            served = loaded.newcomer(likes=likes, attributes=dict(attributes), sentence=sentence or "", config=config)
            wrong: list[str] | None = None
            if verify and store is not None:
                progress(0, None, "count in the graph")
                listed = served.recommend(k)["item"].to_pylist()
                wrong = [f"{item}: {line}" for item in listed for line in served.differences(store, item)]
        finally:
            if store is not None:
                store.close()
    told = remarks(served, lang)
    if as_json:
        print_json({"items": _items(served, k, lang), "sensitive": list(served.sensitive),
                    "changed_by_sensitive": _changed(served, k), "remarks": list(told), "lang": lang,
                    **({} if wrong is None else {"differences": wrong})})  # fmt: skip
    else:
        for line in told:
            note(line)
        for place in _changed(served, k):
            note(f"without {', '.join(served.sensitive)} the list would not hold {place['name']} ({place['item']})")
        _print(_items(served, k, lang), why)
        if wrong is not None:
            click.echo("\n".join(wrong) or f"verified: {graph} returns these counts")
    if wrong:
        raise SystemExit(1)


def _print(rows: list[dict[str, Any]], why: bool) -> None:
    if not why:
        cells = [(r["rank"], r["name"], r["item"], f"{r['score']:.4f}") for r in rows]
        print_table(["rank", "name", "item", "score"], cells, ["score"])
        return
    for row in rows:
        click.echo(f"{row['rank']:>3}  {row['name']}  ({row['item']})  {row['score']:.4f}")
        for addend in row["addends"]:
            click.echo(f"     {addend['value']:+.4f}  {addend['text']}")


def _items(served: Served, k: int, lang: str) -> list[dict[str, Any]]:
    """The list, each item with its addends, the largest first."""
    from dataclasses import asdict

    from kg_rec.explain.words.slots import clean_name
    from kg_rec.people.words import tell_addend

    rows = []
    for row in served.recommend(k).to_pylist():
        pairs = zip(served.addends(row["item"]), served.statements(row["item"]), strict=True)
        told = [
            {
                **asdict(addend),
                "text": tell_addend(served, row["item"], addend, lang),
                "cypher": None if said is None else said[0],
                "parameters": None if said is None else said[1],
            }
            for addend, said in sorted(pairs, key=lambda pair: -abs(pair[0].value))
            if addend.value
        ]
        rows.append({**row, "name": clean_name(row["name"], row["item"]), "addends": told})
    return rows


def _changed(served: Served, k: int) -> list[dict[str, str]]:
    """What is in the list only because of sensitive attributes."""
    if not served.sensitive:
        return []
    without = set(served.without_sensitive().recommend(k).column("item").to_pylist())
    return [
        {"item": row["item"], "name": row["name"]}
        for row in served.recommend(k).to_pylist()
        if row["item"] not in without
    ]
