"""``kg-rec prefer``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kg_rec.cli.console import Command, note, print_json, progress_bar
from kg_rec.cli.lists import open_model
from kg_rec.cli.options import graph_option, in_words, json_option, lang_option


@click.command(cls=Command, short_help="What a user says of themselves.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("user")
@click.argument("sentences", nargs=-1, metavar="[SENTENCE]...", callback=in_words)
@graph_option
@click.option(
    "--strike", multiple=True, metavar="NAME", help="Take a clause of the profile out of the scores. Repeatable."
)
@click.option("--forget", is_flag=True, help="First forget all that the user said before.")
@click.option("--try", "only_try", is_flag=True, help="Write nothing.")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="Length of the list.")
@lang_option
@json_option
def prefer(
    model: Path,
    user: str,
    sentences: tuple[str, ...],
    graph: str,
    strike: tuple[str, ...],
    forget: bool,
    only_try: bool,
    k: int,
    lang: str,
    as_json: bool,
) -> None:
    """What a USER says they want or not, kept in the graph as edges of the user, and the list that it makes.

    SENTENCEs are English or Chinese. "More" and "less" add to scores, "no" and "only" say what may be listed; a struck
    clause is taken out of the scores. Without any, what is kept is shown. With the graph named, recommend, explain, ask
    and what-if obey it and say so, as the service and jobs do.

    \b
      kg-rec prefer model 1 "no horror, more from the seventies" --graph kg.graph
      kg-rec prefer model 1 --strike Comedy --try
      kg-rec prefer model 1 --forget
    """
    import time

    from kg_rec.people.kept import Kept
    from kg_rec.people.preference_words import edited_json

    writes = not only_try and bool(sentences or strike or forget)
    with progress_bar() as progress:
        loaded, store = open_model(model, graph, progress, read_only=not writes)
        assert store is not None  # noqa: S101  a graph was given
        try:
            kept = Kept.of(store)
            editor = loaded.editor
            read = [editor.read(text) for text in sentences]
            new = [preference for found, _ in read for preference in found]
            new += [editor.clause(user, name) for name in strike]
            told = [line for _, lines in read for line in lines]
            if writes:
                if forget:
                    kept.remove(user)
                kept.add(user, new, int(time.time()))
                preferences = kept.read(user)
            else:
                about = {p.feature.identity for p in new}
                old = [] if forget else kept.read(user)
                others = (p for p in old if p.feature.identity not in about)
                preferences = (*others, *new)
            edited = editor.apply(user, preferences)
        finally:
            store.close()
    found = edited_json(edited, k, lang)
    if as_json:
        print_json({**found, "remarks": told})
        return
    for line in told:
        note(line)
    _print(found)


def _print(edited: dict[str, Any]) -> None:
    for preference in edited["preferences"]:
        click.echo(preference["text"])
    click.echo()
    new = {row["item"] for row in edited["entered"]}
    for row in edited["items"]:
        mark = "+" if row["item"] in new else " "
        click.echo(f"{mark}{row['rank']:>3}  {row['name']}  ({row['item']})  {row['score']:.4f}")
        for addend in row["addends"] if len(row["addends"]) > 1 else []:
            click.echo(f"      {addend['value']:+.4f}  {addend['text']}")
    for row in edited["left"]:
        click.echo(f"-     {row['name']}  ({row['item']})")
