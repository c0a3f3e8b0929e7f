"""The forms that a path can take in a model: everything about it but which nodes it runs through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.types import Ints
from kg_rec.explain.path import Path, PathEdge, PathNode
from kg_rec.model.item_paths import Way

#: The name of similar text among the relation types that can be blocked.
TEXT = "text"

#: What makes two items alike: None for their texts, else a property whose vectors are alike.
Alike: TypeAlias = str | None


@dataclass(frozen=True, slots=True)
class PathPattern:
    """From the user to the recommended item.

    Attributes:
        channel: see :class:`kg_rec.explain.path.Path`.
        crowd: the interacted item leads on through other users who had the next one.
        bridged: there is a known item between the crowd and what leads to the recommended item.
        through: node type of the entity next to the recommended item; None without one.
        edges: the steps.
        pattern: what :attr:`~kg_rec.explain.path.Path.pattern` is for paths of this form.
        together: see :class:`kg_rec.explain.path.Path`.
    """

    channel: str
    crowd: bool
    bridged: bool
    through: str | None
    edges: tuple[PathEdge, ...]
    pattern: tuple[str, ...]
    together: tuple[str, ...] = ()

    @property
    def relations(self) -> frozenset[str]:
        """What may be blocked: relation types, :data:`TEXT`, and properties whose vectors are alike."""
        return frozenset(e.type or e.alike or TEXT for e in self.edges)


@dataclass(frozen=True)
class Forms:
    """Every form, sorted by pattern, and where each is in that order; what is asked of all of them is made once.

    Attributes:
        every: the forms.
        crowd: you - item - others - item.
        alike: per channel of likeness and what makes items alike: you - item - likeness - item.
        ways: per :class:`Way`: you - item - (shared node) - item.
        known_ways: per way, for an item without interactions that is like an item you had.
        bridge_ways: per way, for one that is like an item that others had.
        likeness: what makes items alike, in a fixed order, similar text first.
        known_alike: as ``known_ways``, per :attr:`likeness`.
        bridge_alike: as ``bridge_ways``, per :attr:`likeness`.
    """

    every: tuple[PathPattern, ...]
    crowd: int
    alike: Mapping[tuple[str, Alike], int]
    ways: tuple[int, ...]
    known_ways: tuple[int, ...]
    bridge_ways: tuple[int, ...]
    likeness: tuple[Alike, ...]
    known_alike: tuple[int, ...]
    bridge_alike: tuple[int, ...]

    @cached_property
    def steps(self) -> Ints:
        """Per form, the first form with the same steps: such forms differ in the channel alone."""
        first: dict[tuple[PathEdge, ...], int] = {}
        return np.array([first.setdefault(form.edges, n) for n, form in enumerate(self.every)], np.int64)

    @cached_property
    def last(self) -> Ints:
        """Per form, the number of its last step; equal steps have the same."""
        number: dict[PathEdge, int] = {}
        return np.array([number.setdefault(form.edges[-1], len(number)) for form in self.every], np.int64)

    @cached_property
    def crowded(self) -> NDArray[np.bool_]:
        """Per form, :attr:`PathPattern.crowd`."""
        return np.array([form.crowd for form in self.every], np.bool_)

    @cached_property
    def bridged(self) -> NDArray[np.bool_]:
        """Per form, :attr:`PathPattern.bridged`."""
        return np.array([form.bridged for form in self.every], np.bool_)

    @cached_property
    def sharing(self) -> NDArray[np.bool_]:
        """Per form, whether its paths share an entity."""
        return np.array([form.through is not None for form in self.every], np.bool_)


@lru_cache(maxsize=64)
def forms_of(
    names: tuple[str, str, str],
    ways: tuple[Way, ...],
    crowd: tuple[str, ...],
    texts: tuple[tuple[str, Alike], ...],
    vectors: tuple[str, ...] = (),
) -> Forms:
    """All forms of a model.

    Args:
        names: of the users' node type, the items', and the interaction.
        ways: between items, through the graph.
        crowd: the channels that score what users have in common and whose paths may be shown.
        texts: the channels that score likeness, each with what makes items alike.
        vectors: the properties by which items without interactions may be like others, besides their texts.
    """
    user, item, acted = names

    def form(channel: str, crowd: bool, bridged: bool, way: Way | None, *alike: Alike) -> PathPattern:
        edges, nodes = [PathEdge(acted, True)], [PathNode(user, "", None), PathNode(item, "", None)]
        if crowd:
            edges += [PathEdge(acted, False), PathEdge(acted, True)]
            nodes += [PathNode(user, None, None), PathNode(item, "", None)]
        if alike:
            edges.append(PathEdge(None, True, alike[0]))
        if way is not None:
            edges.append(PathEdge(way.relation, way.forward))
            if way.through is not None:
                edges.append(PathEdge(way.relation, not way.forward))
                nodes.append(PathNode(way.through, "", None))
        if alike or way is not None:
            nodes.append(PathNode(item, "", None))
        # other users are counted, so the path that lends its pattern has no other named node of their type
        pattern = Path(channel, tuple(nodes), tuple(edges), 0.0, 0.0).pattern
        return PathPattern(channel, crowd, bridged, None if way is None else way.through, tuple(edges), pattern)

    liked = replace(form(crowd[0] if crowd else "taste", True, False, None), together=crowd if len(crowd) > 1 else ())
    alike = {by: form(by[0], False, False, None, by[1]) for by in texts}
    direct = [form("knowledge", False, False, way) for way in ways]
    known = [form("relational", False, False, way) for way in ways]
    bridge = [form("relational", True, True, way) for way in ways]
    likeness: tuple[Alike, ...] = (None, *vectors)
    known_alike, bridge_alike = ([form("relational", b, b, None, by) for by in likeness] for b in (False, True))
    forms = {liked, *alike.values(), *direct, *known, *bridge, *known_alike, *bridge_alike}
    every = tuple(sorted(forms, key=lambda f: f.pattern))
    place = {f: n for n, f in enumerate(every)}
    return Forms(
        every=every,
        crowd=place[liked],
        alike={by: place[form] for by, form in alike.items()},
        ways=tuple(place[f] for f in direct),
        known_ways=tuple(place[f] for f in known),
        bridge_ways=tuple(place[f] for f in bridge),
        likeness=likeness,
        known_alike=tuple(place[f] for f in known_alike),
        bridge_alike=tuple(place[f] for f in bridge_alike),
    )
