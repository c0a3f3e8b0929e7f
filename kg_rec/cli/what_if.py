"""``kg-rec what-if``, and what ``kg-rec explain --counterfactual`` prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kg_rec.cli.console import Command, print_json, print_table, progress_bar
from kg_rec.cli.lists import read_model
from kg_rec.cli.options import json_option, key_values, lang_option, live_graph_option

if TYPE_CHECKING:
    from kg_rec.explain.counterfactuals.counterfactual import Counterfactual
    from kg_rec.explain.counterfactuals.what_if import WhatIf
    from kg_rec.schema import GraphSchema


def _factors(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, float] | None:
    factors = {}
    for channel, text in key_values(ctx, option, values):
        try:
            factors[channel] = float(text)
        except ValueError as error:
            raise click.BadParameter(f"expected CHANNEL=NUMBER, got {channel}={text}") from error
    return factors or None


@click.command("what-if", cls=Command, short_help="How would a list change?")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("user")
@live_graph_option
@click.option("--add", multiple=True, metavar="KEY", help="An item, as the user's latest interaction. Repeatable.")
@click.option("--remove", multiple=True, metavar="KEY", help="An item, whose interaction is taken out. Repeatable.")
@click.option(
    "--weight",
    "weights",
    multiple=True,
    callback=_factors,
    metavar="CHANNEL=FACTOR",
    help="Multiply the weight of a channel (2 doubles it, 0 leaves it out), or of base. Repeatable.",
)
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="Length of the list.")
@lang_option
@json_option
def what_if(
    model: Path,
    user: str,
    graph: str | None,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    weights: dict[str, float] | None,
    k: int,
    lang: str,
    as_json: bool,
) -> None:
    """How a USER's list would change with other interactions, or with other weights of the MODEL's channels.

    Exact, and at once: nothing is trained and nothing is written.

    \b
      kg-rec what-if model 1 --add 50 --add 181
      kg-rec what-if model 1 --remove 50 --json
      kg-rec what-if model 1 --weight knowledge=3 --weight taste=0.5
    """
    if weights is not None and (add or remove):
        raise click.UsageError("--weight goes without --add and --remove; ask for one after the other")
    with progress_bar() as progress:
        loaded = read_model(model, graph, progress, user)
        answer = loaded.what_if(user, added=add, removed=remove, weights=weights, k=k)
    from kg_rec.explain.words.what_if import tell_what_if

    text = tell_what_if(answer, loaded.recommender.snapshot.schema, lang)
    if as_json:
        print_json({**answer.to_dict(), "text": text, "lang": lang})
        return
    _print_changes(answer, text)


def _print_changes(answer: WhatIf, text: str) -> None:
    click.echo(f"{text}\n")
    rows = []
    for change in answer.changes:
        old, new = ("–" if r is None else str(r) for r in (change.rank, change.rank_after))
        rows.append((new, old, change.name, change.item, f"{change.score_after:.4f}", f"{change.score:.4f}"))
    figures = ["rank", "was", "score", "score was"]
    print_table(["rank", "was", "name", "item", "score", "score was"], rows, figures)


def counterfactual_lines(counterfactual: Counterfactual, schema: GraphSchema, lang: str) -> list[str]:
    """A counterfactual for a terminal: the sentence, what is taken out, the list without it."""
    from kg_rec.explain.words.slots import clean_name
    from kg_rec.explain.words.what_if import tell_counterfactual

    lines = [tell_counterfactual(counterfactual, schema, lang)]
    if counterfactual.removed:
        lines += ["", *(f"  - {clean_name(name)}  ({clean_name(item)})" for item, name in counterfactual.removed)]
        new = {e.item for e in counterfactual.replacements}
        lines += [
            "",
            *(f" {'+' if e.item in new else ' '}{e.rank:>3}  {clean_name(e.name)}" for e in counterfactual.after),
        ]
    return lines


def counterfactual_json(counterfactual: Counterfactual, schema: GraphSchema, lang: str) -> dict[str, Any]:
    """The same as plain data."""
    from kg_rec.explain.words.what_if import tell_counterfactual

    return {**counterfactual.to_dict(), "text": tell_counterfactual(counterfactual, schema, lang), "lang": lang}
