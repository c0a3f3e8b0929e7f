"""``kg-rec ask``: a list for a request in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kg_rec.cli.console import Command, print_json, progress_bar
from kg_rec.cli.lists import read_model
from kg_rec.cli.options import in_words, json_option, live_graph_option

if TYPE_CHECKING:
    from kg_rec.explain.generate.language_model import LanguageModel


@click.command(cls=Command, short_help="A list for a request in words.")
@click.argument("user")
@click.argument("requests", nargs=-1, required=True, metavar="REQUEST...", callback=in_words)
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
@click.option("--lm", metavar="FOLDER|ID|FILE.gguf", help="Ask a language model of words that are not understood.")
@click.option("--endpoint", metavar="URL", help="An OpenAI-compatible server instead: https://HOST/v1.")
@click.option("--endpoint-model", metavar="NAME", help="The language model's name at --endpoint.")
@click.option("--key-env", metavar="NAME", help="Environment variable that holds the API key of --endpoint.")
@click.option("--cypher", is_flag=True, help="Print the filter as a Cypher statement with parameters, too.")
@json_option
def ask(
    user: str,
    requests: tuple[str, ...],
    model: Path,
    graph: str | None,
    k: int,
    lang: str | None,
    lm: str | None,
    endpoint: str | None,
    endpoint_model: str | None,
    key_env: str | None,
    cypher: bool,
    as_json: bool,
) -> None:
    """A list for a USER who says what it is to be like; each score is a sum of what the user did and of what was asked.

    Several REQUESTs are one conversation. Requests are read by a grammar, in English and Chinese; what was not
    understood is said. A language model, if you name one, only ties such words to names of the graph, and each name is
    checked. Nothing is written.

    \b
      kg-rec ask 1 "something like Heat but funnier, not from the eighties"
      kg-rec ask 1 "five films by Akira Kurosawa" "without war" "why the second?"
      kg-rec ask 1 "像《Heat》但更搞笑，不要八十年代的" --json
    """
    from kg_rec.api import Model
    from kg_rec.ask.request import Request
    from kg_rec.ask.session import Asker

    if lm is not None and endpoint is not None:
        raise click.UsageError("give --lm or --endpoint, one of them")
    if (endpoint is None) != (endpoint_model is None):
        raise click.UsageError("--endpoint and --endpoint-model go together")
    if key_env is not None and endpoint is None:
        raise click.UsageError("--key-env goes with --endpoint")
    with progress_bar() as progress:
        loaded = read_model(model, graph, progress, user)
        progress(0, None, "ask")
        assert isinstance(loaded, Model)  # noqa: S101  for the type checker
        asker: Asker = loaded.asker
        writer = _language_model(lm, endpoint, endpoint_model, key_env)
        session = loaded.session(user, lang=lang, language_model=writer)
        answers = [session.ask(text, k) for text in requests]

    def statement(asked: Request) -> dict[str, object] | None:
        scored = asker.scorer.query(asked)
        return None if scored is None else {"cypher": scored[0], "parameters": dict(scored[1])}

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


def _language_model(
    lm: str | None, endpoint: str | None, name: str | None, key_env: str | None
) -> LanguageModel | None:
    """The language model that the options name, if any."""
    if endpoint is not None:
        from kg_rec.explain.generate.endpoint import OpenAiCompatible, read_key

        return OpenAiCompatible(endpoint, str(name), read_key(key_env))
    if lm is not None:
        from kg_rec.explain.generate.local_model import TransformersModel

        return TransformersModel(lm)
    return None
