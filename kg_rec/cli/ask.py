"""``kg-rec ask``: a list for a request in words."""

from __future__ import annotations

from pathlib import Path

import click

from kg_rec.cli.console import Command, print_json, progress_bar
from kg_rec.cli.lists import open_model
from kg_rec.cli.options import json_option, live_graph_option


@click.command(cls=Command, short_help="A list for a request in words.")
@click.argument("user")
@click.argument("requests", nargs=-1, required=True, metavar="REQUEST...")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    default=Path("model"),
    show_default=True,
    metavar="DIR",
    help="The model.",
)
@live_graph_option
@click.option("-k", type=click.IntRange(1, 100), default=10, show_default=True, help="Length where none is said.")
@click.option(
    "--lang", type=click.Choice(["en", "zh"]), help="Language of the requests.  [default: as each is written]"
)
@click.option("--cypher", is_flag=True, help="Print the filter as a Cypher statement with parameters, too.")
@json_option
def ask(
    user: str,
    requests: tuple[str, ...],
    model: Path,
    graph: str | None,
    k: int,
    lang: str | None,
    cypher: bool,
    as_json: bool,
) -> None:
    """A list for a USER who says what it is to be like; each score is a sum of what the user did and of what was asked.

    Several REQUESTs are one conversation. Requests are read by a grammar, without a language model, in English and
    Chinese; what was not understood is said. Nothing is written.

    \b
      kg-rec ask 1 "something like Heat but funnier, not from the eighties"
      kg-rec ask 1 "five films by Akira Kurosawa" "without war" "why the second?"
      kg-rec ask 1 "像《Heat》但更搞笑，不要八十年代的" --json
    """
    from kg_rec.api import Model
    from kg_rec.ask.request import Request
    from kg_rec.ask.session import Asker

    with progress_bar() as progress:
        loaded, store = open_model(model, graph, progress, read_only=True)
        if store is not None:
            store.close()
        progress(0, None, "ask")
        assert isinstance(loaded, Model)  # noqa: S101  for the type checker
        asker: Asker = loaded.asker
        session = asker.session(user, lang)
        answers = [session.ask(text, k) for text in requests]

    def statement(asked: Request) -> dict[str, object] | None:
        found = asker.scorer.query(asked)
        return None if found is None else {"cypher": found[0], "parameters": dict(found[1])}

    if as_json:
        print_json({"user": user, "answers": [{**a.to_dict(), "query": statement(a.asked)} for a in answers]})
        return
    for n, (text, answer) in enumerate(zip(requests, answers, strict=True)):
        if len(requests) > 1:
            click.echo(f"{'' if n == 0 else chr(10)}> {text}")
        click.echo(answer.text)
        if cypher:
            shown = statement(answer.asked)
            click.echo(
                "the graph's schema maps another graph; no statement is shown" if shown is None else shown["cypher"]
            )
            click.echo("" if shown is None else f"parameters: {shown['parameters']}")
