"""Which channels there are: those of this package, those that were registered, those of installed packages."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from kg_rec.errors import ModelError
from kg_rec.model.channels.about import BASE, About
from kg_rec.model.channels.base import ChannelKind
from kg_rec.model.channels.knowledge import KNOWLEDGE
from kg_rec.model.channels.meaning import MEANING
from kg_rec.model.channels.relational import RELATIONAL
from kg_rec.model.channels.sequence import SEQUENCE
from kg_rec.model.channels.taste import TASTE

#: The channels of this package, in the order in which they are shown; these are used if nothing else is said.
SHIPPED: tuple[ChannelKind, ...] = (TASTE, RELATIONAL, SEQUENCE, KNOWLEDGE, MEANING)

_GROUP = "kg_rec.channels"
_registered: dict[str, ChannelKind] = {}


def register(kind: ChannelKind) -> None:
    """Make a channel known in this process, as an entry point of the group ``kg_rec.channels`` does for good.

    Raises:
        ModelError: there is another channel of this name, or one with the same name of its settings.
    """
    for other in kinds():
        if other is not kind and (other.name == kind.name or other.table == kind.table):
            raise ModelError(f"there is a channel {other.name!r} with settings {other.table!r}; take other names")
    _registered[kind.name] = kind


def unregister(name: str) -> None:
    """Undo :func:`register`."""
    _registered.pop(name, None)


def kinds() -> tuple[ChannelKind, ...]:
    """All channels, in the order in which they are shown."""
    found = {kind.name: kind for kind in (*SHIPPED, *_installed(), *_registered.values())}
    return tuple(found.values())


@cache
def _installed() -> tuple[ChannelKind, ...]:
    return tuple(point.load() for point in sorted(entry_points(group=_GROUP), key=lambda point: point.name))


def kind_of(name: str) -> ChannelKind:
    """The channel of a name.

    Raises:
        ModelError: there is none.
    """
    known = {kind.name: kind for kind in kinds()}
    if name not in known:
        raise ModelError(f"unknown channel {name!r}; expected some of {sorted(known)}")
    return known[name]


def about_of(name: str) -> About:
    """What people are told of a part of the score: a channel, or ``base``.

    Raises:
        ModelError: there is no such channel.
    """
    return BASE if name == "base" else kind_of(name).about
