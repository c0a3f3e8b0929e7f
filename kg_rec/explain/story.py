"""From paths to what is to be said: which kind of sentence, and which slots it has.

The kinds are those of the model.  From an item the user interacted with, one step of taste ("others who had both")
leads to the recommended item or to a bridge, a known item next to it; one link leads on: a shared attribute, a
direct relation, or similar text.  Any other chain of steps is still told, as a chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from kg_rec.errors import SchemaError
from kg_rec.explain.explanation import Path, PathEdge, PathGroup, PathNode
from kg_rec.explain.slots import Slots
from kg_rec.schema import GraphSchema

T = TypeVar("T")
Link = Literal["none", "shared", "mixed", "direct", "text", "chain"]

#: Interacted items that are counted one by one before the others are summed up.
MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """How a path runs.

    Attributes:
        crowd: it passes through other users who had both items.
        link: what leads to the recommended item: nothing more, an attribute shared through the same relation, an
            attribute joined through two relations, a relation between the items, similar text, or something else.
        start: position of the node where the link starts: the interacted item, or the bridge.
    """

    crowd: bool
    link: Link
    start: int


@dataclass(frozen=True, slots=True)
class Mention:
    """A slot in a sentence, ``[FILM_1]``, and whether it stands for several nodes."""

    tag: str
    several: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """So many others (slot) who had this item (slot)."""

    others: str
    item: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A step of the graph, read from its subject, and the slot of its object (empty where the sentence knows it)."""

    edge: PathEdge
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """What one sentence says, in slots.

    Attributes:
        link: see :class:`Shape`.
        liked: the items the user interacted with; None if the path starts otherwise, or if ``counts`` names them.
        crowd: there are others who had both items.
        counts: how many others had each item, if each is counted.
        rest: more interacted items with others, not counted one by one.
        bridge: items that lie between the others and the recommended item.
        facts: ``shared``: the steps from the recommended item and the attributes; ``direct``: the step from it to
            the known item; ``mixed``: from the attribute to the known item, and to the recommended one.
        through: slots of what lies between: the attribute of ``mixed``, the nodes of ``chain``.
        item: slot of the recommended item; None where it was named before.
    """

    link: Link
    liked: Mention | None
    crowd: bool
    counts: tuple[Count, ...]
    rest: Mention | None
    bridge: Mention | None
    facts: tuple[Fact, ...]
    through: tuple[str, ...]
    item: str | None


class Language(Protocol):
    """What a language adds to the lexicon: how names and numbers look, and the sentences."""

    def names(self, nodes: Sequence[PathNode]) -> str:
        """Names of nodes of one type as a list, cut where it is long."""
        ...

    def other_items(self, node_type: str, count: int) -> str:
        """ "3 other films"."""
        ...

    def people(self, count: int, first: bool) -> str:
        """Number of other users: "37 viewers", or the number alone where the noun came before."""
        ...

    def sentence(self, story: Story) -> str:
        """The sentence, with slots, with its full stop."""
        ...


def shape_of(path: Path, schema: GraphSchema) -> Shape:
    """Recognise how a path runs.

    Args:
        path: from the user to the recommended item.
        schema: tells the interaction and the roles of the types.

    Raises:
        SchemaError: the path has a type that the schema does not have.
    """
    unknown = {n.type for n in path.nodes} - schema.node_types.keys()
    unknown |= {e.type for e in path.edges if e.type is not None} - schema.relation_types.keys()
    if unknown:
        raise SchemaError(
            f"schema {schema.name} has no type {', '.join(sorted(unknown))}; the path was made with another schema"
        )
    user, item, acted = schema.user.name, schema.item.name, schema.interaction.name
    nodes, edges = path.nodes, path.edges
    if len(nodes) < 3 or nodes[1].type != item or edges[0] != PathEdge(acted, True):
        return Shape(False, "chain", 0)
    crowd = (
        len(nodes) > 3
        and nodes[2].type == user
        and nodes[2].key is None
        and (edges[1], edges[2]) == (PathEdge(acted, False), PathEdge(acted, True))
    )
    start = 3 if crowd else 1
    tail = edges[start:]
    link: Link = "chain"
    if not tail:
        link = "none"
    elif len(tail) == 1:
        link = "text" if tail[0].type is None else "direct"
    elif len(tail) == 2 and all(e.type not in (None, acted) for e in tail):
        same = tail[0].type == tail[1].type and tail[0].forward != tail[1].forward
        link = "shared" if same else "mixed"
    return Shape(crowd, link, start)


def merge(groups: Sequence[PathGroup], schema: GraphSchema) -> tuple[tuple[Path, ...], ...]:
    """Paths to be told in one sentence each, most important first.

    Groups that differ only in the channel are told together, and so are attributes that the same items share.
    Paths that speak against the item, and paths through nobody, are left out.
    Chains of no known kind are told one by one.
    """
    told: dict[object, list[Path]] = {}
    for group in groups:
        paths = [p for p in group.paths if p.value > 0 and all(n.count > 0 for n in p.nodes)]
        if not paths:
            continue
        shape = shape_of(paths[0], schema)
        key: object = (paths[0].pattern[1:], paths[0].nodes[-2])
        if shape.link == "shared" and not shape.crowd:
            key = frozenset(p.nodes[1].key for p in paths)
        elif shape.link == "none" or (shape.link in ("text", "direct") and not shape.crowd):
            key = paths[0].pattern[1:]
        for path in paths:
            told.setdefault(path.nodes if shape.link == "chain" else key, []).append(path)
    return tuple(_distinct(paths, lambda p: tuple(n.key for n in p.nodes) + p.pattern[1:]) for paths in told.values())


def build(paths: Sequence[Path], schema: GraphSchema, language: Language, slots: Slots, item: PathNode | None) -> Story:
    """The story of paths that :func:`merge` put together.

    Args:
        paths: of one shape; at least one.
        schema: the schema.
        language: makes the texts of the slots.
        slots: takes the slots: the interacted items first, the recommended item last.
        item: the recommended item, or None where it was named before.
    """
    shape = shape_of(paths[0], schema)

    def mention(position: int, among: Sequence[Path] = paths) -> Mention:
        nodes = _distinct((p.nodes[position] for p in among), lambda n: n.key or str(n.count))
        several = len(nodes) > 1
        kind = nodes[0].type + ("s" if several else "")
        if nodes[0].key is None:
            return Mention(slots.add("count", language.people(nodes[0].count, True)))
        return Mention(slots.add(kind, language.names(nodes)), several)

    bridged = shape.crowd and shape.link != "none"
    counted = shape.crowd and not (bridged and len({p.nodes[shape.start].key for p in paths}) > 1)
    counts, rest = _counts(_distinct(paths, lambda p: p.nodes[1].key), language, slots) if counted else ((), None)
    liked = mention(1) if shape.start and not counts else None
    bridge = mention(shape.start) if bridged else None
    facts: list[Fact] = []
    through: list[str] = []
    last = paths[0].edges[-1]
    if shape.link == "shared":
        steps = _distinct((p.edges[-1] for p in paths), lambda e: e)
        facts = [Fact(_back(e), mention(-2, [p for p in paths if p.edges[-1] == e]).tag) for e in steps]
    elif shape.link == "mixed":
        through = [mention(-2).tag]
        facts = [Fact(_back(paths[0].edges[-2])), Fact(last)]
    elif shape.link == "direct":
        facts = [Fact(_back(last))]
    elif shape.link == "chain":
        through = [mention(position).tag for position in range(shape.start + 1, len(paths[0].nodes) - 1)]
    return Story(
        link=shape.link,
        liked=liked,
        crowd=shape.crowd,
        counts=counts,
        rest=rest,
        bridge=bridge,
        facts=tuple(facts),
        through=tuple(through),
        item=None if item is None else slots.add(item.type, language.names([item])),
    )


def _counts(paths: Sequence[Path], language: Language, slots: Slots) -> tuple[tuple[Count, ...], Mention | None]:
    named = paths if len(paths) <= MAX_NAMED else paths[: MAX_NAMED - 1]
    counts = tuple(
        Count(
            others=slots.add("count", language.people(p.nodes[2].count, first=position == 0)),
            item=slots.add(p.nodes[1].type, language.names([p.nodes[1]])),
        )
        for position, p in enumerate(named)
    )
    left = len(paths) - len(named)
    kind = paths[0].nodes[1].type
    return counts, Mention(slots.add(f"{kind}s", language.other_items(kind, left)), True) if left else None


def _back(edge: PathEdge) -> PathEdge:
    return PathEdge(edge.type, not edge.forward)


def _distinct(values: Iterable[T], key: Callable[[T], object]) -> tuple[T, ...]:
    """The first value of each key, in order."""
    first: dict[object, T] = {}
    for value in values:
        first.setdefault(key(value), value)
    return tuple(first.values())
