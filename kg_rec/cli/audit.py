"""``kg-rec audit``."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, cast

import click

from kg_rec.cli.console import Command, figure, note, print_json, print_table, progress_bar
from kg_rec.cli.lists import read_model
from kg_rec.cli.options import json_option, live_graph_option
from kg_rec.cli.rules import read_rules, rule_options
from kg_rec.quantity import quantity

if TYPE_CHECKING:
    from kg_rec.audit.cost import Cost, Tried
    from kg_rec.audit.parts import ScoreGap
    from kg_rec.audit.report import AuditReport
    from kg_rec.split import Protocol

_PROTOCOLS = ("random", "temporal", "calendar")


@click.command(cls=Command, short_help="Who is served how well, and what gaps are made of.")
@click.argument("model", type=click.Path(path_type=Path))
@live_graph_option
@click.option(
    "--by",
    multiple=True,
    metavar="NAME[=BOUND,…]",
    help="Group users by a property or relation of theirs, such as gender, or age=18,35,50 (where bands begin); "
    "history: how much they liked. Repeatable.  [default: history and every property that makes groups]",
)
@click.option(
    "--items",
    multiple=True,
    metavar="RELATION",
    help="Group items by what this relation ties them to, besides popularity. Repeatable.  [default: the one that "
    "sorts most items]",
)
@click.option("--calibration", default="", metavar="RELATION", help="Kinds to compare lists and likes by.")
@rule_options
@click.option(
    "--split",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Use its train.tsv, valid.tsv and test.tsv; default: split the model's interactions.",
)
@click.option("--protocol", type=click.Choice(_PROTOCOLS), default="random", show_default=True)
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="Length of the lists.")
@click.option(
    "--least",
    type=click.IntRange(min=2),
    default=20,
    show_default=True,
    help="Smallest group of users, or of items, told of.",
)
@click.option("--seed", type=click.IntRange(min=0), default=2026, show_default=True, help="Of every random choice.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write an HTML page.")
@json_option
def audit(
    model: Path,
    graph: str | None,
    by: tuple[str, ...],
    items: tuple[str, ...],
    calibration: str,
    split: Path | None,
    protocol: str,
    k: int,
    least: int,
    seed: int,
    out: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Compare groups of users, and groups of items, by the lists of a MODEL.

    The model is fitted again, with the numbers that its training chose, to a part of the interactions; the others are
    to be found. Users: quality, how far a list's mix of kinds is from theirs, facts in their scores, how often others'
    reasons count them. Items: exposure against merit. Each gap has its interval, and p values are adjusted for the
    number of gaps. Since scores are sums, so are gaps of scores: what each part adds is told, and each fact.

    With rules, such as --calibrate and --floor, all of that is of the lists by these rules, and what they cost is told.

    \b
      kg-rec audit model
      kg-rec audit model --by history --out audit.html
      kg-rec audit model --by gender --by age=18,25,35,50     # where the graph has these of users
      kg-rec audit model --items country --json
      kg-rec audit model --calibrate genre --floor tail:0.1
    """
    if out is not None:
        _check_place(out)
    with progress_bar() as progress:
        loaded = read_model(model, graph, progress)
        from kg_rec.audit.config import AuditConfig
        from kg_rec.split_files import read_split

        config = AuditConfig(k=k, by=by, items=items, calibration=calibration, least=least, seed=seed)
        named = cast("Protocol", protocol)
        chosen = None if split is None else read_split(split, loaded.recommender.snapshot, named)
        rules, choose = read_rules(flags), flags["strength"] is None
        report = loaded.audit(config, split=chosen, protocol=named, rules=rules, choose=choose, progress=progress)
    if as_json:
        print_json(report.to_dict())
    else:
        print_report(report)
    if out is not None:
        from kg_rec.atomic import new_file
        from kg_rec.audit.page import page

        with new_file(out) as path:
            path.write_text(page(report, f"The model {model}, fitted again to a part of its interactions."), "utf-8")
        if not as_json:
            click.echo(f"\nwritten to {out}")


def _check_place(out: Path) -> None:
    """Refuse a place that cannot be written, before the work and not after it."""
    from kg_rec.errors import ArgumentError

    try:
        with TemporaryFile(dir=out.absolute().parent):
            pass
    except OSError as error:
        raise ArgumentError(
            f"--out {out}: expected a file in a folder that can be written, got {error.strerror} "
            f"({out.absolute().parent}); nothing was done yet: name another place"
        ) from error


def print_report(report: AuditReport) -> None:
    """The tables of an audit."""
    from kg_rec.audit.compare import p_text

    users, items = quantity(report.users, "user"), quantity(report.items, "item")
    click.echo(f"{report.protocol}: {users} with something to find, {items} ranked\n")
    if report.cost is not None:
        print_cost(report.cost)
    if report.gaps:
        _print_users(report)
    else:
        note("nothing tells two groups of users apart, each of as many as --least; see --by")
    shares = [
        (e.by, e.group, e.items, _percent(e.catalogue), _percent(e.merit), _percent(e.exposure),
         None if e.ratio is None else f"{e.ratio:.2f}", f"{e.gap:+z.4f}", _interval(e.gap_interval), p_text(e.adjusted),
         "*" if e.telling else None)
        for e in report.exposure
    ]  # fmt: skip
    figures = ["of catalogue", "merit", "exposure", "ratio", "gap", "adjusted p"]
    head = ["items by", "group", "items", *figures[:4], "gap", "95 % interval", "adjusted p", ""]
    print_table(head, shares, figures)
    for of, title in (
        ("users", "held-out items above the rest, by"),
        ("items", "the group's items above the rest, by"),
    ):
        gaps = [s for s in report.scores if s.of == of]
        if gaps:
            click.echo()
            names = [name for name, _ in gaps[0].parts]
            cells = [(s.by, s.group, f"{s.gap:+z.3f}", *(f"{v:+z.3f}" for _, v in s.parts), _facts(s)) for s in gaps]
            print_table([title, "group", "gap", *names, "facts that add most"], cells, ["gap", *names])
    for name, n in report.left_out.items():
        small = report.too_small.get(name, 0)
        if small:
            note(f"{name}: {quantity(small, 'group')} left out, of fewer than {report.least} each (--least)")
        if n > small:
            note(f"{name}: {quantity(n - small, 'group')} left out, beyond the largest")
    for name, n in report.unknown.items():
        note(f"{name}: the graph has none of {n:,} of {quantity(report.users, 'user')}; they count among the others")
    if report.users == 1:
        note("one user: no interval and no p value can be told")
    alarms = f"at most {100 * report.level:g} % of these are expected to be false alarms"
    if report.tests:
        note(f"*: more than chance, adjusted for {report.tests} gaps; {alarms}. A gap is not a cause.")
    note("gaps of scores are in standard deviations of the user's scores, and exactly the sum of their parts")


def print_cost(cost: Cost) -> None:
    """What rules cost."""
    if cost.tried:
        tried = [(f"{t.strength:g}", figure(t.ndcg), figure(t.divergence), _chosen(t, cost)) for t in cost.tried]
        print_table(["strength, on validation", "NDCG", "divergence", ""], tried, ["NDCG", "divergence"])
        click.echo()
    ends = "no interval" if cost.loss_interval is None else " … ".join(f"{100 * e:+z.1f}" for e in cost.loss_interval)
    loss = "nothing to lose" if cost.loss is None else f"loss {100 * cost.loss:z.1f} %"
    rows = [("NDCG", figure(cost.ndcg_before), figure(cost.ndcg), f"{loss} ({ends})")]
    if cost.divergence_before is not None and cost.divergence is not None:
        less = 1 - cost.divergence / (cost.divergence_before or 1.0)
        rows.append(("divergence", figure(cost.divergence_before), figure(cost.divergence), f"{100 * less:.1f} % less"))
    for floor in cost.floors:
        kept = "kept in every list" if not floor.short else f"below {_percent(floor.share)} in {_percent(floor.short)}"
        rows.append((f"exposure of {floor.group}", _percent(floor.before), _percent(floor.after), kept))
    print_table(["the rules, on the test", "by score", "by rules", ""], rows, ["by score", "by rules"])
    if cost.empty:
        click.echo(f"{cost.empty:,} of {quantity(cost.lists, 'list')} hold nothing because of the rules")
    click.echo(f"of a list {_percent(cost.changed)} would not be there by score\n")


def _chosen(tried: Tried, cost: Cost) -> str | None:
    return "chosen" if tried.strength == cost.strength else None


def _print_users(report: AuditReport) -> None:
    from kg_rec.audit.compare import p_text
    from kg_rec.audit.measures import MEASURES

    titles = {m.name: m.title for m in MEASURES}
    shown = [gap for gap in report.gaps if gap.measure == "ndcg" or gap.telling]
    rows = [
        (titles[g.measure], g.by, g.group, g.users, figure(g.mean), figure(g.others), f"{g.gap:+z.4f}",
         _interval(g.gap_interval), p_text(g.adjusted), "*" if g.telling else None)
        for g in shown
    ]  # fmt: skip
    figures = ["mean", "others", "gap", "adjusted p"]
    head = ["measure", "by", "group", "users", "mean", "others", "gap", "95 % interval", "adjusted p", ""]
    print_table(head, rows, figures)
    if len(shown) < len(report.gaps):
        click.echo(f"{quantity(len(report.gaps) - len(shown), 'more gap')} of other measures: no more than chance")
    click.echo()


def _facts(gap: ScoreGap) -> str:
    return ", ".join(f"{fact.name} {fact.value:+z.3f}" for fact in gap.facts[:2])


def _interval(ends: tuple[float, float] | None) -> str | None:
    return None if ends is None else f"{ends[0]:+z.4f} … {ends[1]:+z.4f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
