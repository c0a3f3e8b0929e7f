"""``kg-rec feedback``: show, record, learn, take back."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kg_rec.cli.console import Command, figure, note, print_json, print_table, progress_bar
from kg_rec.cli.options import graph_option, json_option, opened
from kg_rec.quantity import quantity

if TYPE_CHECKING:
    import pyarrow as pa

    from kg_rec.feedback.learn import Learned, LearnedFile
    from kg_rec.feedback.policy import Policy
    from kg_rec.feedback.posterior import Posterior
    from kg_rec.model.recommender import Recommender
    from kg_rec.snapshot import IdMap
    from kg_rec.store import GraphStore

_MODEL = click.argument("model", type=click.Path(path_type=Path))
_POLICY_HELP = (
    "greedy; epsilon:E (with probability E any item); plackett-luce:T (softmax at temperature T); thompson (by what is "
    "known of the channels' weights)."
)


@click.group(short_help="Show, record, learn: lists that learn from what people do.")
def feedback() -> None:
    """Lists whose chances are logged, and what people did with them.

    Events are relationships of kg_rec's own between users and items (KG_REC_SHOWN, KG_REC_REACTED). What was learned
    is a file beside the model, in versions that can be taken back.

    \b
      kg-rec feedback show model --users 1 --policy thompson    a list, and its chances, logged in the graph
      kg-rec feedback record 1 50 click                         what the user did
      kg-rec feedback learn model                               the channels' weights move
      kg-rec evaluate --replay model --policy greedy            what would another policy have brought?
      kg-rec feedback rollback model                            take the last lesson back
    """


def policy_of(text: str, posterior: Posterior) -> Policy:
    """The policy that a text names.

    Raises:
        BadParameter: it names none.
    """
    from kg_rec.errors import ConfigError
    from kg_rec.feedback.policy import EpsilonGreedy, Greedy, PlackettLuce, Thompson

    name, _, value = text.partition(":")
    makers: dict[str, Any] = {"epsilon": EpsilonGreedy, "plackett-luce": PlackettLuce}
    try:
        if name == "greedy" and not value:
            return Greedy()
        if name == "thompson" and not value:
            return Thompson(posterior)
        if name in makers and value:
            made: Policy = makers[name](float(value))
            return made
    except (ValueError, ConfigError) as error:
        raise click.BadParameter(f"{text}: {error}", param_hint="--policy") from error
    raise click.BadParameter(
        f"expected greedy, thompson, epsilon:E or plackett-luce:T, got {text}", param_hint="--policy"
    )


@feedback.command(cls=Command, short_help="Choose lists by a policy and log them.")
@_MODEL
@graph_option
@click.option("--users", required=True, metavar="KEY,KEY,…", help="Keys of users.")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="Length of the lists.")
@click.option("--policy", default="thompson", show_default=True, metavar="POLICY", help=_POLICY_HELP)
@click.option("--pool", type=click.IntRange(min=1), default=100, show_default=True, help="Best items to choose from.")
@click.option(
    "--most-loss",
    type=click.FloatRange(min=0),
    default=0.5,
    show_default=True,
    help="What a shown item may lack of the k-th best score, as a share of the pool's spread: bounds the cost.",
)
@click.option("--candidates", metavar="CYPHER", help="Read-only; its first column holds the keys of items allowed.")
@click.option("--seed", type=click.IntRange(min=0), help="Of the draws; default: the time.")
@click.option("--dry-run", is_flag=True, help="Print; log nothing.")
@json_option
def show(
    model: Path,
    graph: str,
    users: str,
    k: int,
    policy: str,
    pool: int,
    most_loss: float,
    candidates: str | None,
    seed: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Choose lists that leave something to chance, and log each item with its probability.

    What people did before counts: clicks, likes and buys are interactions, dismissed items are not shown again, and the
    weights are those learned last. An item that the best list would not hold is marked: it is shown to learn.
    """
    import numpy as np
    import pyarrow as pa

    from kg_rec.feedback.apply import with_reactions
    from kg_rec.feedback.events import EventLog
    from kg_rec.feedback.explore import ExploreConfig
    from kg_rec.feedback.explore import show as choose_lists
    from kg_rec.feedback.learn import segments_of
    from kg_rec.jobs.candidates import queried_keys
    from kg_rec.model import persist
    from kg_rec.model.recommender import positions
    from kg_rec.snapshot import export

    now = int(time.time())
    keys = list(dict.fromkeys(key.strip() for key in users.split(",") if key.strip()))
    with progress_bar() as progress, opened(graph, read_only=dry_run) as store:
        log = EventLog.of(store)
        trained = persist.load(model).with_snapshot(export(store, progress))
        learned = _current(model, trained)
        current = with_reactions(trained, log.reactions())
        allowed = None
        if candidates is not None:
            allowed = np.zeros(len(current.items), dtype=bool)
            allowed[positions(current.items, queried_keys(store, candidates, "--candidates"))] = True
        tables = []
        chosen = now if seed is None else seed
        segments = segments_of(current, keys, learned.property)
        for segment in dict.fromkeys(segments):
            mine = [user for user, of in zip(keys, segments, strict=True) if of == segment]
            posterior = learned.of(segment)
            tables.append(
                choose_lists(
                    current,
                    mine,
                    k,
                    policy_of(policy, posterior),
                    at=now,
                    seed=chosen,
                    config=ExploreConfig(pool, most_loss),
                    candidates=allowed,
                    factors=posterior.weights,
                )
            )
        rows = pa.concat_tables(tables)
        if not dry_run:
            log.record_shown(rows)
    if as_json:
        print_json({"logged": 0 if dry_run else len(rows), "rows": rows.to_pylist()})
        return
    _print_shown(rows, current.snapshot.names(current.snapshot.schema.item.name), current.items)


def _print_shown(rows: pa.Table, names: pa.Array, items: IdMap) -> None:
    table = []
    for row in rows.to_pylist():
        mark = "shown to learn" if row["explored"] else None
        user = row["user"] if row["rank"] == 1 else None
        name = names[items.index(row["item"])].as_py()
        table.append((user, row["rank"], name, row["item"], f"{row['score']:.4f}", f"{row['propensity']:.4f}", mark))
    print_table(["user", "rank", "name", "item", "score", "probability", ""], table, ["score", "probability"])
    lists = {row["list"]: row["loss"] for row in rows.select(["list", "loss"]).to_pylist()}
    if lists:
        mean = sum(lists.values()) / len(lists)
        click.echo(f"\nexploring costs {mean:.2%} of the score of the best lists")


@feedback.command(cls=Command, short_help="Write what people did.")
@click.argument("user", required=False)
@click.argument("item", required=False)
@click.argument("kind", required=False)
@graph_option
@click.option("--list", "in_list", default="", metavar="ID", help="The list it was done in; default: the latest.")
@click.option("--event", metavar="ID", help="Id of the event; writing it again changes nothing.")
@click.option("--value", type=float, default=1.0, show_default=True, help="What it is worth, such as a price.")
@click.option("--at", type=int, metavar="SECONDS", help="When, Unix seconds; default: now.")
@click.option(
    "--file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Many: JSON Lines with event, user, item, kind and optionally list, at, value; - is stdin.",
)
@json_option
def record(
    user: str | None,
    item: str | None,
    kind: str | None,
    graph: str,
    in_list: str,
    event: str | None,
    value: float,
    at: int | None,
    file: Path | None,
    as_json: bool,
) -> None:
    """Write what people did: click, like, buy or dismiss.

    \b
      kg-rec feedback record 196 242 click
      kg-rec feedback record --file events.jsonl
    """
    import pyarrow as pa

    from kg_rec.feedback.events import REACTED, EventLog
    from kg_rec.feedback.file import read_reactions

    now = int(time.time())
    if (file is None) == (kind is None):
        raise click.UsageError("give USER ITEM KIND, or --file")
    if file is not None:
        rows = read_reactions(file, now, sys.stdin.buffer if str(file) == "-" else None)
    else:
        name = event or uuid.uuid4().hex
        row = {"event": name, "list": in_list, "user": user, "item": item, "kind": kind, "value": value}
        rows = pa.Table.from_pylist([{**row, "at": now if at is None else at}], schema=REACTED)
    with opened(graph, read_only=False) as store:
        written = EventLog.of(store).record_reactions(rows)
    if as_json:
        print_json({"written": written})
        return
    click.echo(f"wrote {quantity(written, 'event')}")


def _file(model: Path) -> LearnedFile:
    from kg_rec.feedback.learn import LearnedFile

    return LearnedFile.beside(model)


def _current(model: Path, recommender: Recommender) -> Learned:
    from kg_rec.feedback.learn import start

    return _file(model).newest() or start(recommender)


def with_feedback(
    model: Path, trained: Recommender, store: GraphStore | None, users: list[str] | None
) -> Iterator[tuple[Recommender, list[str]]]:
    """``--learned``: the model with what people did in a graph, and with the weights beside it; one of each segment."""
    from kg_rec.feedback import apply
    from kg_rec.feedback.events import REACTED, EventLog

    reactions = REACTED.empty_table() if store is None else EventLog.of(store).reactions()
    yield from apply.with_feedback(trained, reactions, _file(model).newest(), users)


@feedback.command(cls=Command, short_help="Move the channels' weights by what was logged.")
@_MODEL
@graph_option
@click.option("--segment", metavar="PROPERTY", help="Learn apart for each value of this property of users.")
@click.option("--since", type=int, metavar="SECONDS", help="Learn anew from events from that Unix time on.")
@click.option(
    "--forget",
    type=click.FloatRange(0.9, 1),
    default=1.0,
    show_default=True,
    help="How much the past counts after one more shown item.",
)
@json_option
def learn(model: Path, graph: str, segment: str | None, since: int | None, forget: float, as_json: bool) -> None:
    """Learn from the events that came after the last lesson; a new version is kept beside the model."""
    import numpy as np

    from kg_rec.feedback import learn as lessons
    from kg_rec.feedback.events import EventLog
    from kg_rec.feedback.posterior import LearningConfig
    from kg_rec.model import persist

    with progress_bar() as progress, opened(graph) as store:
        progress(0, None, "read the events")
        recommender = persist.load(model)
        log = EventLog.of(store)
        versions = _file(model).versions()
        fresh = since is not None or not versions or versions[-1].property != segment
        known = lessons.start(recommender, LearningConfig(forget=forget), segment) if fresh else versions[-1]
        shown = log.shown(known.until + 1 if since is None else since)
        mine = np.array([u in recommender.users for u in shown.column("user").to_pylist()], dtype=bool)
        shown = shown.filter(mine)
        earned = lessons.rewards(shown, log.reactions())
        segments = lessons.segments_of(recommender, shown.column("user").to_pylist(), segment)
        learned = lessons.learn(known, shown, earned, segments)
    count = _file(model).add(learned) if len(shown) else len(versions)
    if as_json:
        print_json({"events": len(shown), "version": count, **learned.to_dict()})
        return
    if not len(shown):
        note("nothing new was shown since the last lesson")
        return
    click.echo(f"learned from {quantity(len(shown), 'shown item')}; version {count}\n")
    _print_weights(learned)


def _print_weights(learned: Learned) -> None:
    rows = []
    for segment, posterior in learned.posteriors.items():
        if not posterior.observed and len(learned.posteriors) > 1:
            continue
        for n, name in enumerate(posterior.channels):
            weight, deviation = posterior.weights[n], posterior.deviations[n]
            who = (segment or "everybody") if n == 0 else None
            rows.append(
                (who, name, figure(float(weight)), figure(float(deviation)), posterior.observed if n == 0 else None)
            )
    print_table(
        ["users", "channel", "factor", "standard deviation", "items shown"], rows, ["factor", "standard deviation"]
    )


@feedback.command(cls=Command, short_help="What was learned, and how much was logged.")
@_MODEL
@graph_option
@json_option
def status(model: Path, graph: str, as_json: bool) -> None:
    """What was learned so far: the factor of each channel's weight, 1 as trained."""
    from kg_rec.feedback.events import EventLog
    from kg_rec.model import persist

    with opened(graph) as store:
        log = EventLog.of(store)
        counts = {"shown": len(log.shown()), "reactions": len(log.reactions())}
    versions = _file(model).versions()
    learned = _current(model, persist.load(model))
    if as_json:
        print_json({**counts, "versions": len(versions), **learned.to_dict()})
        return
    click.echo(
        f"{quantity(counts['shown'], 'item')} shown, {quantity(counts['reactions'], 'reaction')}; "
        f"{quantity(len(versions), 'version')}\n"
    )
    _print_weights(learned)


def print_replay(model: Path, graph: str, policy: str, as_json: bool, out: Path | None) -> None:
    """``kg-rec evaluate --replay``: the value of lists that a policy would have chosen, from those that were logged."""
    from kg_rec.feedback.events import EventLog
    from kg_rec.feedback.learn import EVERYBODY
    from kg_rec.feedback.replay import replay
    from kg_rec.model import persist
    from kg_rec.snapshot import export as export_graph

    with progress_bar() as progress, opened(graph) as store:
        log = EventLog.of(store)
        recommender = persist.load(model).with_snapshot(export_graph(store, progress))
        posterior = _current(model, recommender).of(EVERYBODY)
        progress(0, None, "replay")
        estimate = replay(
            recommender, policy_of(policy, posterior), log.shown(), log.reactions(), factors=posterior.weights
        )
    result = asdict(estimate)
    if out is not None:
        print_json(result, out)
    if as_json:
        print_json(result)
        return
    click.echo(
        f"{estimate.lists:,} lists were replayed, {estimate.left_out:,} left out; "
        f"logged: {estimate.logged:.4f} per list\n"
    )
    rows = [
        (name, figure(v.value), f"{v.interval[0]:.4f} … {v.interval[1]:.4f}", f"{v.effective:,.0f}")
        for name, v in estimate.estimates.items()
    ]
    names = [f"value of {estimate.policy}", "95 % interval", "effective lists"]
    print_table(["estimator", *names], rows, [names[0], names[2]])
    click.echo("\nThese are estimates of what people would do. kg-rec what-if says exactly what the model would do.")


@feedback.command(cls=Command, short_help="Take the last lesson back.")
@_MODEL
@json_option
def rollback(model: Path, as_json: bool) -> None:
    """Take back what was learned last; lists are as before it."""
    left = _file(model).rollback()
    versions = len(_file(model).versions())
    if as_json:
        print_json({"versions": versions})
        return
    click.echo("back to the trained weights" if left is None else f"back to version {versions}")


@feedback.command(cls=Command, short_help="Write the events into files.")
@graph_option
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="Folder.")
@click.option("--since", type=int, metavar="SECONDS", help="From that Unix time on.")
@json_option
def export(graph: str, out: Path, since: int | None, as_json: bool) -> None:
    """Write shown.parquet and reactions.parquet."""
    from kg_rec.feedback.events import REACTED, EventLog
    from kg_rec.feedback.explore import SHOWN
    from kg_rec.tables import write_table

    out.mkdir(parents=True, exist_ok=True)
    with opened(graph) as store:
        log = EventLog.of(store)
        found = {"shown": (log.shown(since), SHOWN), "reactions": (log.reactions(since), REACTED)}
    counts = {
        name: write_table(iter(table.to_batches()), out / f"{name}.parquet", fields)
        for name, (table, fields) in found.items()
    }
    if as_json:
        print_json({"out": str(out), **counts})
        return
    click.echo(f"wrote {counts['shown']:,} shown items and {counts['reactions']:,} reactions to {out}")


@feedback.command(cls=Command, short_help="Delete old events.")
@graph_option
@click.option("--before", type=int, required=True, metavar="SECONDS", help="Delete events before that Unix time.")
@json_option
def prune(graph: str, before: int, as_json: bool) -> None:
    """Delete events from the graph; what was learned from them stays."""
    from kg_rec.feedback.events import EventLog

    with opened(graph, read_only=False) as store:
        count = EventLog.of(store).prune(before)
    if as_json:
        print_json({"deleted": count})
        return
    click.echo(f"deleted {quantity(count, 'event')}")
