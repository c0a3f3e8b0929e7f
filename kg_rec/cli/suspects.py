"""``kg-rec suspects``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kg_rec.cli.console import Command, figure, print_json, print_table, progress_bar
from kg_rec.cli.lists import read_model
from kg_rec.cli.options import json_option, live_graph_option
from kg_rec.quantity import quantity

if TYPE_CHECKING:
    from kg_rec.trust.suspects import Suspects


@click.command(cls=Command, short_help="Name users who are probably fake, with the numbers against them.")
@click.option(
    "--model",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    metavar="MODEL",
    help="A model of this graph: its facts, and what it was trained with.",
)
@live_graph_option
@click.option(
    "--fakes",
    type=click.FloatRange(min=0, max=0.5, min_open=True, max_open=True),
    help="The share of users that is expected to be fake.  [default: the model's robust.fakes, or 0.05]",
)
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="How many; --json has all.")
@json_option
def suspects(model: Path, graph: str | None, fakes: float | None, top: int, as_json: bool) -> None:
    """Name the users whom `kg-rec train --robust` does not learn from, and why.

    "by chance" is the probability that half or all of somebody's items were picked by chance; "taste" is the share of
    other items that what other users like puts below theirs (0.5 for any items alike), "facts" the same by what the
    graph says. "like" is a user who came before with nearly the same items. "item" is the one of theirs that more named
    users like than chance explains, "liked by" how many do and of how many; "share" is the part of its scores that
    comes from them. People of unusual taste may be among the named: nothing is changed.

    \b
      kg-rec suspects --model model --graph kg.graph
      kg-rec suspects --model model --json
    """
    with progress_bar() as progress:
        progress(0, None, "starting")
        from kg_rec.trust.suspects import suspects as find

        loaded = read_model(model, graph, progress)
        suspected = find(loaded.recommender, fakes, progress)
    if as_json:
        print_json({**asdict(suspected), "named": [asdict(one) for one in suspected.named]})
        return
    _print(suspected, top)


def _print(suspected: Suspects, top: int) -> None:
    figures = ["items", "by chance", "taste", "facts", "overlap", "liked by", "share"]
    rows = [
        (
            one.user,
            one.items,
            figure(one.chance),
            figure(one.coherence),
            None if one.facts is None else figure(one.facts),
            one.alike if one.overlap >= 0.5 else None,
            figure(one.overlap),
            one.item,
            f"{one.pushers:,} of {one.holders:,}",
            figure(one.share),
        )
        for one in suspected.named[:top]
    ]
    if rows:
        print_table(["user", *figures[:4], "like", "overlap", "item", "liked by", "share"], rows, figures)
        click.echo()
    usual = f"usual: taste {figure(suspected.coherence)}" + (
        "" if suspected.facts is None else f", facts {figure(suspected.facts)}"
    )
    click.echo(f"{len(suspected.named):,} of {quantity(suspected.users, 'user', 'users')} named; {usual}")
