"""From paths to what is to be said: which kind of sentence, and what fills its slots.

The kinds are those of the model.  From an item the user interacted with, one step of taste ("others who had both")
leads to the recommended item or to a bridge, a known item next to it; one link leads on: a shared attribute, a
direct relation, or similar text.  Any other chain of steps is still told, as a chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, TypeVar

from kg_rec.errors import SchemaError
from kg_rec.explain.path import Path, PathEdge, PathGroup, PathNode
from kg_rec.schema import GraphSchema

T = TypeVar("T")
Lead = Literal["you", "one", "several", "counted", "counts", "crowd"]
Link = Literal["none", "shared", "mixed", "direct", "text", "chain"]
Role = Literal["count", "liked", "bridge", "shared", "through", "item", "share"]

#: Names in a list before the others are summed up.
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
class Kind:
    """What one sentence says, whatever the names: finitely many for a schema.

    Attributes:
        lead: how it starts: with one item that the user had, with ``several``, with one item and how many others had
            it (``counted``), with several and their counts, with others who are not counted (``crowd``: several
            bridges), or with ``you`` alone.
        link: see :class:`Shape`.
        steps: relations, each read from its subject: ``shared``: from the recommended item to the attribute;
            ``direct``: from it to the known item; ``mixed``: from the attribute to the known item, and to the
            recommended one.
        several: several attributes are shared.
    """

    lead: Lead
    link: Link
    steps: tuple[PathEdge, ...] = ()
    several: bool = False

    @property
    def key(self) -> str:
        """Stable name, the same in all languages: ``several shared DIRECTED_BY one``, ``one direct ^FOLLOWED_BY``.

        ``^`` marks a relation read against its direction; the last word of ``shared`` tells the number of attributes.
        """
        steps = [f"{'' if e.forward else '^'}{e.type}" for e in self.steps]
        number = ["several" if self.several else "one"] if self.link == "shared" else []
        return " ".join([self.lead, self.link, *steps, *number])

    @property
    def bridged(self) -> bool:
        """Whether a known item stands between the others and the recommended one."""
        return self.lead in ("counted", "counts", "crowd") and self.link != "none"

    @property
    def roles(self) -> tuple[tuple[Role, bool], ...]:
        """The slots, in a fixed order: what stands there, and whether it may be several."""
        found: list[tuple[Role, bool]] = [("count", False)] if self.lead == "counted" else []
        if self.lead != "you":
            found.append(("liked", self.lead in ("several", "counts", "crowd")))
        if self.bridged:
            found.append(("bridge", self.lead == "crowd"))
        if self.link == "shared":
            found.append(("shared", self.several))
        if self.link in ("mixed", "chain"):
            found.append(("through", self.link == "chain"))
        return (*found, ("item", False))


class Language(Protocol):
    """What a language adds to the lexicon: how names and numbers look, and the sentences of the grammar."""

    #: Between two sentences.
    gap: ClassVar[str]

    def name(self, node: PathNode) -> str:
        """A node's name, cleaned, in the quotes of the language."""
        ...

    def join(self, names: Sequence[str], more: int, node_type: str, *, either: bool = False) -> str:
        """Names as a list that ends in ``more`` others; joined with "or" where ``either``."""
        ...

    def people(self, count: int, *, noun: bool = True) -> str:
        """Number of other users: "37 viewers", or the number alone."""
        ...

    def beside(self, name: str, number: str) -> str:
        """A name with its number: "Heat (25)"."""
        ...

    def this_item(self) -> str:
        """What stands for the recommended item where it was named before: "this film"."""
        ...

    def sentence(self, kind: Kind, tags: dict[Role, str]) -> str:
        """The grammar's sentence, with the slots' tags, with its full stop."""
        ...


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads paths of one schema; keeps what it found out about each pattern of path.

    Attributes:
        schema: tells the interaction and the roles of the types.
    """

    schema: GraphSchema
    _shapes: dict[object, Shape] = field(default_factory=dict, repr=False)

    def shape(self, path: Path) -> Shape:
        """How a path from the user to the recommended item runs.

        Raises:
            SchemaError: the path has a type that the schema does not have.
        """
        nodes = path.nodes
        key = (path.edges, len(nodes) > 3 and nodes[2].key is None, *[n.type for n in nodes])
        found = self._shapes.get(key)
        if found is None:
            found = self._shapes[key] = _shape(path, self.schema)
        return found

    def merge(self, groups: Sequence[PathGroup]) -> tuple[tuple[Path, ...], ...]:
        """Paths to be told in one sentence each, most important first.

        Groups that differ in the channel only are told together, and so are attributes of one relation that the same
        items share.  Paths that speak against the item, and paths through nobody, are left out.  Chains of no known
        kind are told one by one.

        Raises:
            SchemaError: see :meth:`shape`.
        """
        told: dict[object, list[Path]] = {}
        for group in groups:
            paths = [p for p in group.paths if p.value > 0 and all(n.count > 0 for n in p.nodes)]
            if not paths:
                continue
            first = paths[0]
            shape = self.shape(first)
            if shape.link == "chain":
                for path in paths:
                    told.setdefault(path.nodes, []).append(path)
                continue
            key: object = (first.edges, first.nodes[-2])
            if shape.link == "shared" and not shape.crowd:
                key = (first.edges, frozenset([p.nodes[1].key for p in paths]))
            elif shape.link == "none" or (shape.link in ("text", "direct") and not shape.crowd):
                key = (first.edges, shape.link)
            told.setdefault(key, []).extend(paths)
        return tuple([_distinct(paths, lambda p: tuple([n.key for n in p.nodes])) for paths in told.values()])

    def kind(self, paths: Sequence[Path]) -> Kind:
        """The kind of sentence for paths that :meth:`merge` put together.

        Raises:
            SchemaError: see :meth:`shape`.
        """
        first = paths[0]
        shape = self.shape(first)
        liked = len({p.nodes[1].key for p in paths}) if shape.start else 0
        lead: Lead = "you" if not liked else "one" if liked == 1 else "several"
        if shape.crowd:
            bridged = shape.link != "none" and any(p.nodes[3].key != first.nodes[3].key for p in paths)
            lead = "crowd" if bridged else "counted" if liked == 1 else "counts"
        steps: tuple[PathEdge, ...] = ()
        if shape.link in ("shared", "direct"):
            steps = (_back(first.edges[-1]),)
        elif shape.link == "mixed":
            steps = (_back(first.edges[-2]), first.edges[-1])
        shared = shape.link == "shared" and any(p.nodes[-2].key != first.nodes[-2].key for p in paths)
        return Kind(lead, shape.link, steps, shared)


def _shape(path: Path, schema: GraphSchema) -> Shape:
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


def texts_of(paths: Sequence[Path], kind: Kind, language: Language, item: PathNode | None) -> dict[Role, str]:
    """What fills the slots of a sentence about these paths.

    Args:
        paths: what :meth:`Reader.merge` put together.
        kind: their kind.
        language: how names look.
        item: the recommended item, or None where it was named before: then ``item`` is left out.
    """
    said: dict[Role, str] = {}
    start = 3 if kind.lead in ("counted", "counts", "crowd") else 1 if kind.lead != "you" else 0
    for role, _ in kind.roles:
        if role == "count":
            said[role] = language.people(paths[0].nodes[2].count)
        elif role == "liked" and kind.lead == "counts":
            said[role] = _counted(_distinct(paths, lambda p: p.nodes[1].key), language)
        elif role == "liked":
            said[role] = _list([p.nodes[1] for p in paths], language, either=kind.lead == "crowd")
        elif role == "bridge":
            said[role] = _list([p.nodes[3] for p in paths], language)
        elif role == "shared" or (role == "through" and kind.link == "mixed"):
            said[role] = _list([p.nodes[-2] for p in paths], language)
        elif role == "through":
            between = paths[0].nodes[start + 1 : -1]
            names = [language.name(n) if n.key is not None else language.people(n.count) for n in between]
            said[role] = language.join(names, 0, paths[0].nodes[-1].type)
        elif item is not None:
            said[role] = language.name(item)
    return said


def _list(nodes: Iterable[PathNode], language: Language, *, either: bool = False) -> str:
    distinct = _distinct(nodes, lambda n: n.key)
    named = distinct if len(distinct) <= MAX_NAMED else distinct[: MAX_NAMED - 1]
    return language.join([language.name(n) for n in named], len(distinct) - len(named), distinct[0].type, either=either)


def _counted(paths: Sequence[Path], language: Language) -> str:
    """ "Fargo (37 viewers), Heat (25) or Ronin (12)"."""
    named = paths if len(paths) <= MAX_NAMED else paths[: MAX_NAMED - 1]
    names = [
        language.beside(language.name(p.nodes[1]), language.people(p.nodes[2].count, noun=position == 0))
        for position, p in enumerate(named)
    ]
    return language.join(names, len(paths) - len(named), paths[0].nodes[1].type, either=True)


def _back(edge: PathEdge) -> PathEdge:
    return PathEdge(edge.type, not edge.forward)


def _distinct(values: Iterable[T], key: Callable[[T], object]) -> tuple[T, ...]:
    """The first value of each key, in order."""
    first: dict[object, T] = {}
    for value in values:
        first.setdefault(key(value), value)
    return tuple(first.values())
