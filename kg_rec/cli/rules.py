"""``kg-rec rules``, and the options for rules of lists that ``kg-rec recommend`` and ``kg-rec audit`` take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kg_rec.cli.console import Command, print_json, print_table, progress_bar
from kg_rec.cli.options import json_option, key_values

if TYPE_CHECKING:
    from kg_rec.api import Model
    from kg_rec.jobs.rules import CandidatesConfig

F = TypeVar("F", bound=Callable[..., Any])


def _floors(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, float]]:
    floors = []
    for value in values:
        group, _separator, share = value.rpartition(":")
        try:
            floors.append((group.strip(), float(share)))
        except ValueError:
            raise click.BadParameter(f"expected GROUP:SHARE such as genre:Documentary:0.1, got {value!r}") from None
        if not group.strip() or not 0 < floors[-1][1] <= 1:
            raise click.BadParameter(f"expected GROUP:SHARE with a share above 0, at most 1, got {value!r}")
    return floors


_never_option = click.option(
    "--never", multiple=True, metavar="RELATION:NODE", help="Leave out what has a fact: genre:Horror. Repeatable."
)
_limit_option = click.option(
    "--limit",
    "limits",
    multiple=True,
    callback=key_values,
    metavar="ITEM=USER",
    help="List items only to users whose number reaches the item's: min_age=age. Repeatable.",
)


def rule_options(command: F) -> F:
    """Everything that a list may keep; passed on together, for :func:`read_rules`."""
    options = (
        click.option(
            "--calibrate",
            default="",
            metavar="RELATION",
            help="Bring the list's mix of kinds, such as genre, near that of what the user liked.",
        ),
        click.option(
            "--strength",
            type=click.FloatRange(0, 1),
            help="Of --calibrate: 0 by score alone, 1 by the mix alone.  [default: 0.5; audit: as validation chooses]",
        ),
        click.option(
            "--floor",
            "floors",
            multiple=True,
            callback=_floors,
            metavar="GROUP:SHARE",
            help="Keep a share of each list's exposure for a group: genre:Documentary:0.1, tail:0.2 (less popular "
            "items), new:0.1. Repeatable.",
        ),
        _never_option,
        _limit_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def read_rules(flags: Mapping[str, Any]) -> CandidatesConfig | None:
    """The rules of :func:`rule_options`; None where there is none.

    Raises:
        UsageError: ``--strength`` without ``--calibrate``.
    """
    if flags["strength"] is not None and not flags["calibrate"]:
        raise click.UsageError("--strength needs --calibrate")
    if not any(flags[name] for name in ("calibrate", "floors", "never", "limits")):
        return None
    from kg_rec.jobs.rules import CandidatesConfig, FloorConfig
    from kg_rec.model.shown import LimitConfig

    chosen = {} if flags["strength"] is None else {"strength": flags["strength"]}
    return CandidatesConfig(
        calibrate=flags["calibrate"],
        floors=tuple(FloorConfig(group, share) for group, share in flags["floors"]),
        never_facts=tuple(flags["never"]),
        limits=tuple(LimitConfig(item, user) for item, user in flags["limits"]),
        **chosen,
    )


@click.command(cls=Command, short_help="Rules that every list of a model keeps to.")
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_never_option
@_limit_option
@click.option("--clear", is_flag=True, help="Take all rules away.")
@json_option
def rules(model: Path, never: tuple[str, ...], limits: list[tuple[str, str]], clear: bool, as_json: bool) -> None:
    """Show the rules of a MODEL, or give it others in their place.

    They hold in every list that is made by the model, whoever asks for it: recommend, jobs, the service, ask, newcomer,
    prefer, similar, feedback show, and what-if. Nothing is trained; scores and explanations stay as they are.
    Over a graph without the fact or the property of a rule no list is made.

    \b
      kg-rec rules model --never genre:Horror
      kg-rec rules model --limit min_age=age
      kg-rec rules model
      kg-rec rules model --clear
    """
    if clear and (never or limits):
        raise click.UsageError("--clear takes all rules away: give no others with it")
    with progress_bar() as progress:
        progress(0, None, "starting")
        from kg_rec.api import Model
        from kg_rec.model.shown import LimitConfig, ShownConfig

        loaded = Model.load(model)
        if clear or never or limits:
            own = ShownConfig(never, tuple(LimitConfig(item, user) for item, user in limits))
            loaded = loaded.with_rules(own)
            loaded.save(model)
        rows = list(_told(loaded))
    if as_json:
        print_json({"model": str(model), "rules": rows})
        return
    if rows:
        print_table(["rule", "items"], [(row["rule"], row["items"]) for row in rows], ["items"])
    else:
        click.echo("no rules: every item may be listed to everybody")


def _told(model: Model) -> list[dict[str, Any]]:
    """Each rule and how many items it concerns: those that nobody is shown, or that have a number to be reached."""
    from dataclasses import replace

    own = model.recommender.config.shown
    told = []
    for fact in own.never_facts:
        alone = model.with_rules(replace(own, never_facts=(fact,), limits=())).recommender.shown
        told.append({"rule": f"never {fact}", "items": int((~alone.items).sum())})
    for n, limit in enumerate(own.limits):
        numbers = model.recommender.shown.limits.of_items[n]
        rule = f"{limit.item} of an item at most {limit.user} of the user"
        told.append({"rule": rule, "items": int((numbers > float("-inf")).sum())})
    return told
