"""The forms that a path can take in a model: everything about it but which nodes it runs through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from kg_rec.explain.path import Path, PathEdge, PathNode
from kg_rec.model.item_paths import Way

#: The name of similar text among the relation types that can be blocked.
TEXT = "text"


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
        """What may be blocked: relation types, and :data:`TEXT`."""
        return frozenset(e.type or TEXT for e in self.edges)


@dataclass(frozen=True, slots=True)
class Forms:
    """Every form, sorted by pattern, and where each is in that order.

    Attributes:
        every: the forms.
        crowd: you - item - others - item.
        texts: per channel of similar text: you - item - similar text - item.
        ways: per :class:`Way`: you - item - (shared node) - item.
        known_ways: per way, for an item without interactions that is like an item you had.
        bridge_ways: per way, for one that is like an item that others had.
        known_text: as ``known_ways``, by similar text.
        bridge_text: as ``bridge_ways``, by similar text.
    """

    every: tuple[PathPattern, ...]
    crowd: int
    texts: Mapping[str, int]
    ways: tuple[int, ...]
    known_ways: tuple[int, ...]
    bridge_ways: tuple[int, ...]
    known_text: int
    bridge_text: int


@lru_cache(maxsize=64)
def forms_of(
    names: tuple[str, str, str], ways: tuple[Way, ...], crowd: tuple[str, ...], texts: tuple[str, ...]
) -> Forms:
    """All forms of a model.

    Args:
        names: of the users' node type, the items', and the interaction.
        ways: between items, through the graph.
        crowd: the channels that score what users have in common and whose paths may be shown.
        texts: the channels that score similar text.
    """
    user, item, acted = names

    def form(channel: str, crowd: bool, bridged: bool, way: Way | None, text: bool = False) -> PathPattern:
        edges, nodes = [PathEdge(acted, True)], [PathNode(user, "", None), PathNode(item, "", None)]
        if crowd:
            edges += [PathEdge(acted, False), PathEdge(acted, True)]
            nodes += [PathNode(user, None, None), PathNode(item, "", None)]
        if text:
            edges.append(PathEdge(None, True))
        if way is not None:
            edges.append(PathEdge(way.relation, way.forward))
            if way.through is not None:
                edges.append(PathEdge(way.relation, not way.forward))
                nodes.append(PathNode(way.through, "", None))
        if text or way is not None:
            nodes.append(PathNode(item, "", None))
        # other users are counted, so the path that lends its pattern has no other named node of their type
        pattern = Path(channel, tuple(nodes), tuple(edges), 0.0, 0.0).pattern
        return PathPattern(channel, crowd, bridged, None if way is None else way.through, tuple(edges), pattern)

    liked = replace(form(crowd[0] if crowd else "taste", True, False, None), together=crowd if len(crowd) > 1 else ())
    alike = [form(channel, False, False, None, text=True) for channel in texts]
    direct = [form("knowledge", False, False, way) for way in ways]
    known = [form("relational", False, False, way) for way in ways]
    bridge = [form("relational", True, True, way) for way in ways]
    known_text, bridge_text = (form("relational", b, b, None, text=True) for b in (False, True))
    every = tuple(sorted({liked, *alike, *direct, *known, *bridge, known_text, bridge_text}, key=lambda f: f.pattern))
    place = {f: n for n, f in enumerate(every)}
    return Forms(
        every=every,
        crowd=place[liked],
        texts={form.channel: place[form] for form in alike},
        ways=tuple(place[f] for f in direct),
        known_ways=tuple(place[f] for f in known),
        bridge_ways=tuple(place[f] for f in bridge),
        known_text=place[known_text],
        bridge_text=place[bridge_text],
    )
