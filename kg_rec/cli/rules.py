"""Options for the rules of lists, as ``kg-rec recommend`` and ``kg-rec audit`` take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kg_rec.cli.options import key_values

if TYPE_CHECKING:
    from kg_rec.jobs.rules import CandidatesConfig

F = TypeVar("F", bound=Callable[..., Any])


def _floors(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, float]]:
    found = []
    for value in values:
        group, _separator, share = value.rpartition(":")
        try:
            found.append((group.strip(), float(share)))
        except ValueError:
            raise click.BadParameter(f"expected GROUP:SHARE such as genre:Documentary:0.1, got {value!r}") from None
        if not group.strip() or not 0 < found[-1][1] <= 1:
            raise click.BadParameter(f"expected GROUP:SHARE with a share above 0, at most 1, got {value!r}")
    return found


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
            help="Of --calibrate: 0 by score alone, 1 by the mix alone.  [default: 0.4; audit: as validation chooses]",
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
        click.option(
            "--never",
            multiple=True,
            metavar="RELATION:NODE",
            help="Leave out what has a fact: genre:Horror. Repeatable.",
        ),
        click.option(
            "--limit",
            "limits",
            multiple=True,
            callback=key_values,
            metavar="ITEM=USER",
            help="List items only to users whose number reaches the item's: min_age=age. Repeatable.",
        ),
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
    from kg_rec.jobs.rules import CandidatesConfig, FloorConfig, LimitConfig

    chosen = {} if flags["strength"] is None else {"strength": flags["strength"]}
    return CandidatesConfig(
        calibrate=flags["calibrate"],
        floors=tuple(FloorConfig(group, share) for group, share in flags["floors"]),
        never_facts=tuple(flags["never"]),
        limits=tuple(LimitConfig(item, user) for item, user in flags["limits"]),
        **chosen,
    )
