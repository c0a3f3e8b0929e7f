"""``kg-rec evaluate``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from kg_rec.cli.console import Command, figure, note, print_json, print_table, progress_bar, staged
from kg_rec.cli.feedback import print_replay
from kg_rec.cli.options import (
    PROTOCOLS,
    json_option,
    key_values,
    read_settings,
    read_source,
    read_split,
    settings_options,
    source_options,
    toml_value,
)

if TYPE_CHECKING:
    from kg_rec.evaluation.evaluate import EvaluationReport
    from kg_rec.explain.config import ExplainConfig
    from kg_rec.snapshot import Snapshot
    from kg_rec.split import Protocol, Split

_ABLATIONS = ("no_graph", "shuffled_graph", "popularity_shuffled", "no_text", "no_gnn", "no_again")


@click.command(cls=Command, short_help="Measure quality, and what the graph adds.")
@source_options
@click.option("--protocol", type=click.Choice([*PROTOCOLS, "all"]), default="random", show_default=True)
@click.option(
    "--split",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Use its train.tsv, valid.tsv and test.tsv (user, item, rating, timestamp); default: split the graph.",
)
@settings_options
@click.option(
    "--ablate",
    type=click.Choice(_ABLATIONS),
    multiple=True,
    default=("no_graph", "shuffled_graph"),
    show_default=True,
    help="What to leave out to measure what it adds. Repeatable.",
)
@click.option("--explanations", is_flag=True, help="Measure the paths that explain the lists: LIR, SEP, LID, …")
@click.option(
    "--explain-set",
    multiple=True,
    metavar="KEY=VALUE",
    callback=key_values,
    help='Which path is measured, e.g. recency=2 or channels=["knowledge"]; the fields of ExplainConfig. Repeatable.',
)
@click.option(
    "--replay",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="MODEL",
    help="Train nothing: from the lists that `kg-rec feedback show` logged, estimate what MODEL would have brought.",
)
@click.option("--policy", default="greedy", show_default=True, metavar="POLICY", help="With --replay: how it chooses.")
@click.option(
    "--live",
    is_flag=True,
    help="Rank the test with what users did up to it, train and valid, as a live system.",
)
@click.option("--no-lift", is_flag=True, help="Leave nothing out: one training instead of three.")
@json_option
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Also write the JSON here."
)
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    graph: str,
    snapshot: Path | None,
    protocol: str,
    split: Path | None,
    ablate: tuple[str, ...],
    explanations: bool,
    live: bool,
    explain_set: list[tuple[str, str]],
    replay: Path | None,
    policy: str,
    no_lift: bool,
    as_json: bool,
    out: Path | None,
    **settings: Any,
) -> None:
    """Train on a part of the interactions, rank all items, and measure how well the others are found.

    kg_lift is the drop in NDCG@10 when the same model is trained without the graph, or with its facts shuffled among
    the items. Intervals are 95 % bootstrap intervals over users.

    \b
      kg-rec evaluate
      kg-rec evaluate --protocol all --json --out report.json
      kg-rec evaluate --split splits/random --ablate no_text --set fusion.rounds=1
      kg-rec evaluate --explanations --no-lift
      kg-rec evaluate --replay model --policy plackett-luce:0.3
    """
    if replay is not None:
        print_replay(replay, graph, policy, as_json, out)
        return
    if split is not None and protocol == "all":
        raise click.UsageError("--split is one split: name its --protocol")
    config = read_settings(**settings)
    told = _told(explain_set) if explanations or explain_set else None
    names = list(PROTOCOLS) if protocol == "all" else [protocol]
    reports: dict[str, EvaluationReport] = {}
    left_out: dict[str, str] = {}
    with progress_bar() as progress:
        progress(0, None, "starting")
        from kg_rec.errors import SplitError
        from kg_rec.evaluation.evaluate import evaluate as measure

        data = read_source(ctx, graph, snapshot, progress)
        for name in names:
            try:
                parts = read_split(split, data, name) if split else _make_split(data, name, config.seed)
            except SplitError as error:  # no times for a temporal split or one by calendar
                if protocol != "all":
                    raise
                left_out[name] = str(error)
                note(f"{name} left out: {error}")
                continue
            inner = staged(progress, name) if protocol == "all" else progress
            lift = () if no_lift else ablate
            reports[name] = measure(data, parts, config, ablations=lift, explanations=told, live=live, progress=inner)
    record = {name: report.to_dict() for name, report in reports.items()}
    result = {"protocols": record, "left_out": left_out} if protocol == "all" else record[protocol]
    if out is not None:
        print_json(result, out)
    if as_json:
        print_json(result)
        return
    for i, report in enumerate(reports.values()):
        _print_report(report, first=i == 0)
    if out is not None:
        click.echo(f"\nwritten to {out}")


def _told(settings: list[tuple[str, str]]) -> ExplainConfig:
    from kg_rec.explain.config import ExplainConfig
    from kg_rec.settings import from_dict

    return from_dict(ExplainConfig, {key: toml_value(text) for key, text in settings})


def _make_split(snapshot: Snapshot, protocol: str, seed: int) -> Split:
    from kg_rec.split import split_by, with_disliked

    relation, named = snapshot.schema.interaction, cast("Protocol", protocol)
    split = split_by(named, snapshot.liked(), len(snapshot.items), seed, again=relation.again)
    return with_disliked(split, snapshot.interactions, relation)


def _print_report(report: EvaluationReport, *, first: bool) -> None:
    if not first:
        click.echo()
    click.echo(f"{report.protocol}: {report.users:,} users with a test item, {report.items:,} items ranked\n")
    rows = [(name, figure(v), _interval(report.intervals, name)) for name, v in report.metrics.items()]
    print_table(["metric", "test", "95 % interval"], rows, ["test"])
    for name, group in report.groups.items():
        figures = f"NDCG@10 {figure(group['ndcg@10'])} ({_interval(group, 'interval')})"
        click.echo(f"\n{group['users']:,} {name} users: {figures}")
    if report.knowledge_share:
        share = report.knowledge_share
        low, half, high = (f"{100 * share[name]:.1f} %" for name in ("lower", "median", "upper"))
        click.echo(f"\nshare of the top-10 scores that runs through facts: median {half}, quartiles {low} and {high}")
    if report.explanations:
        click.echo()
        measured = [(name, figure(value)) for name, value in report.explanations.items()]
        print_table(["paths that explain the lists", "test"], measured, ["test"])
    if report.kg_lift:
        click.echo()
        lift = [(name, f"{v['drop']:+.4f}", _interval(v, "interval")) for name, v in report.kg_lift.items()]
        print_table(["left out", "drop in NDCG@10", "95 % interval"], lift, ["drop in NDCG@10"])


def _interval(intervals: Mapping[str, Any], name: str) -> str | None:
    if name not in intervals:
        return None
    low, high = intervals[name]
    return f"{low:.4f} … {high:.4f}"
