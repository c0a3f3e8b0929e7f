"""Which channels there are: those of this package, those of installed packages, those that were registered.

Their names are known without importing them, so that a help text stays quick.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from kg_rec.errors import ModelError
from kg_rec.model.channels.about import AGAIN, BASE, FASHION, STATED, About, PathKind
from kg_rec.plugins import installed

if TYPE_CHECKING:
    from kg_rec.model.channels.base import ChannelKind

#: The channels of this package and where each is, in the order in which they are shown.  These are used if nothing
#: else is said.
SHIPPED = {
    "taste": "kg_rec.model.channels.taste:TASTE",
    "relational": "kg_rec.model.channels.relational:RELATIONAL",
    "sequence": "kg_rec.model.channels.sequence:SEQUENCE",
    "knowledge": "kg_rec.model.channels.knowledge:KNOWLEDGE",
    "meaning": "kg_rec.model.channels.meaning:MEANING",
    "vectors": "kg_rec.model.channels.vectors:VECTORS",
}

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


def channel_names() -> tuple[str, ...]:
    """The names of all channels, in the order in which they are shown."""
    return tuple(dict.fromkeys((*SHIPPED, *(point.name for point in installed(_GROUP)), *_registered)))


def kinds() -> tuple[ChannelKind, ...]:
    """All channels, in the order in which they are shown.

    Raises:
        ModelError: an installed channel has another name than its entry point.
    """
    return tuple(_registered.get(name) or _loaded(name) for name in channel_names())


@cache
def _loaded(name: str) -> ChannelKind:
    if name in SHIPPED:
        module, _, attribute = SHIPPED[name].partition(":")
        kind: ChannelKind = getattr(import_module(module), attribute)
    else:
        kind = next(point for point in installed(_GROUP) if point.name == name).load()
    if kind.name != name:
        raise ModelError(f"the entry point {name!r} of {_GROUP} gives a channel {kind.name!r}; call both the same")
    return kind


def kind_of(name: str) -> ChannelKind:
    """The channel of a name.

    Raises:
        ModelError: there is none.
    """
    if name not in SHIPPED and name not in channel_names():
        raise ModelError(f"unknown channel {name!r}; expected some of {sorted(channel_names())}")
    return _registered.get(name) or _loaded(name)


def kinds_of(names: Collection[str]) -> tuple[ChannelKind, ...]:
    """The channels of some names, in the order in which channels are shown.

    Raises:
        ModelError: there is none of a name.
    """
    named = {kind_of(name).name for name in sorted(names)}
    return tuple(kind for kind in kinds() if kind.name in named)


def about_of(name: str) -> About:
    """What people are told of a part of the score: a channel, ``again``, ``base``, ``fashion`` or ``stated``.

    Raises:
        ModelError: there is no such channel.
    """
    others = {"again": AGAIN, "base": BASE, "fashion": FASHION, "stated": STATED}
    return others[name] if name in others else kind_of(name).about


def paths_of(name: str) -> PathKind | None:
    """What the addends under a name become in an explanation; None for ``again``, which is told by itself.

    Raises:
        ModelError: there is no such channel.
    """
    return None if name == "again" else kind_of(name).paths
