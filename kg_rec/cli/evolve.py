"""``kg-rec evolve``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kg_rec.cli.console import Command, note, print_json, print_table, progress_bar, put
from kg_rec.cli.lists import read_model
from kg_rec.cli.options import html_options, json_option, lang_option, live_graph_option, one_form

if TYPE_CHECKING:
    from kg_rec.people.evolution import Evolution, ScoreChange
    from kg_rec.snapshot import Snapshot

_DAY = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@click.command(cls=Command, short_help="How what a user likes changes.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("user", required=False)
@live_graph_option
@click.option("--windows", type=click.IntRange(min=1), default=4, show_default=True, help="Windows of time.")
@click.option("-n", "features", type=click.IntRange(min=1), default=5, show_default=True, help="Most features shown.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the test's random orders.")
@click.option("--item", metavar="KEY", help="What changed the score of this item from --since to --until?")
@click.option("--since", type=_DAY, metavar="DATE", help="With --item: the earlier time, UTC.")
@click.option("--until", type=_DAY, metavar="DATE", help="With --item: the later time, UTC.  [default: now]")
@html_options
@lang_option
@json_option
def evolve(
    model: Path,
    user: str | None,
    graph: str | None,
    windows: int,
    features: int,
    seed: int,
    item: str | None,
    since: datetime | None,
    until: datetime | None,
    html: bool,
    out: Path | None,
    lang: str,
    as_json: bool,
) -> None:
    """How what a USER likes changes over time, by the MODEL; without USER, what everybody likes.

    For each feature (a genre, a director, a decade) how many of the liked items of each window of time have it, and
    what these add to how much higher items with it score now; and the time where all features together changed most,
    with the p value of a permutation test. With --item, the change of one score between two times, as an exact sum.

    \b
      kg-rec evolve model 1
      kg-rec evolve model 1 --item 50 --since 1998-01-01
      kg-rec evolve model --json
      kg-rec evolve model 1 --html --out change.html
    """
    one_form(html=html, as_json=as_json, out=out)
    if html and item is not None:
        raise click.UsageError("--html goes without --item")
    if (item is None) != (since is None) or (until is not None and item is None) or (item is not None and user is None):
        raise click.UsageError("--item needs USER and --since, and --since and --until need --item")
    from kg_rec.people.evolution import EvolutionConfig
    from kg_rec.people.evolution_words import change_json, evolution_json

    with progress_bar() as progress:
        loaded = read_model(model, graph, progress)
        progress(0, None, "look for change")
        snapshot = loaded.recommender.snapshot
        if item is not None and since is not None and user is not None:
            times = [int(t.replace(tzinfo=UTC).timestamp()) for t in (since, until or datetime.now(UTC))]
            change = loaded.score_change(user, item, *times)
            if as_json:
                print_json(change_json(snapshot, change, lang))
            else:
                _print_change(snapshot, change, lang)
            return
        evolution = loaded.evolution(user, config=EvolutionConfig(windows=windows, features=features, seed=seed))
    if as_json:
        print_json(evolution_json(snapshot, evolution, lang))
    elif html:
        from kg_rec.people.card import evolution_card

        put(evolution_card(snapshot, evolution, lang, page=True), out)
    else:
        _print(snapshot, evolution, lang)


def _print(snapshot: Snapshot, evolution: Evolution, lang: str) -> None:
    from kg_rec.people.evolution_words import date_of, tell_drift, tell_strand

    click.echo(tell_drift(snapshot, evolution, lang))
    for strand in evolution.strands:
        text = tell_strand(snapshot, evolution, strand, lang)
        if text:
            click.echo(f"  {text}")
    if not evolution.windows:
        return
    click.echo()
    heads = [date_of(window.first) for window in evolution.windows]
    rows = [["liked", *(str(window.total) for window in evolution.windows)]]
    for strand in evolution.strands:
        added = [""] * len(heads) if strand.values is None else [f" ({v:+.3f})" for v in strand.values]
        rows.append([strand.feature.name, *(f"{n}{a}" for n, a in zip(strand.counts, added, strict=True))])
    print_table(["from", *heads], rows, heads)
    if any(strand.values is not None for strand in evolution.strands):
        note("in brackets: what was done then adds so much to how much higher items of this kind score")


def _print_change(snapshot: Snapshot, change: ScoreChange, lang: str) -> None:
    from kg_rec.people.evolution_words import date_of, tell_shift

    click.echo(f"{date_of(change.since)}  {change.before:9.4f}")
    for shift in change.shifts:
        click.echo(f"            {shift.value:+9.4f}  {tell_shift(snapshot, shift, lang)}")
    click.echo(f"{date_of(change.until)}  {change.after:9.4f}")
