"""What a path of the graph is, and what an addend of a score is: plain frozen data that every room works on."""

from __future__ import annotations

from dataclasses import dataclass

from kg_rec.errors import ArgumentError


@dataclass(frozen=True, slots=True)
class PathNode:
    """A node on a path.

    Attributes:
        type: node type of the schema.
        key: its key; None stands for a set of other users, who are counted, never named.
        name: text shown to people: the name property, or the key. It is data from the graph: escape it.
        count: how many nodes stand here: 1, or the number of other users.
    """

    type: str
    key: str | None
    name: str | None
    count: int = 1


@dataclass(frozen=True, slots=True)
class PathEdge:
    """An edge on a path, from the node before it to the node after it.

    Attributes:
        type: relation type of the schema; None stands for likeness, which the model computes and the graph does not
            hold.
        forward: True if the edge points along the path, False if against it.
        alike: the property whose vectors are alike; None for similar text, and for a relation.
    """

    type: str | None
    forward: bool
    alike: str | None = None

    @property
    def likeness(self) -> str:
        """What a step of likeness is called: ``~text``, or ``~picture`` of a property of that name."""
        return f"~{self.alike or 'text'}"


@dataclass(frozen=True, slots=True)
class Path:
    """One path from the user to the item, with its part of the score.

    Attributes:
        channel: the part of the model that scores this path; the first of ``together`` where there are several.
        nodes: user, the interacted item, ..., the recommended item; one more than edges.
        edges: the steps between them.
        value: what the path adds to the score, in the score's unit.
        share: ``value`` divided by the sum of all positive addends: terms, or paths where a term splits into paths.
        together: the channels whose terms are one path, as those that score what users have in common (taste,
            relations, sequence) are for one interaction; empty for ``channel`` alone.
    """

    channel: str
    nodes: tuple[PathNode, ...]
    edges: tuple[PathEdge, ...]
    value: float
    share: float
    together: tuple[str, ...] = ()

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels whose terms the value is a part of."""
        return self.together or (self.channel,)

    def __post_init__(self) -> None:
        if len(self.nodes) != len(self.edges) + 1:
            raise ArgumentError(
                f"a path has one node more than edges, got {len(self.nodes)} nodes and {len(self.edges)} edges"
            )
        if any(n.type == self.nodes[0].type and n.key is not None for n in self.nodes[1:]):
            raise ArgumentError("other users on a path are counted, never named: expected key None")

    @property
    def pattern(self) -> tuple[str, ...]:
        """Channel, node types and steps without the names: what a sentence template depends on."""
        steps = [f"{'' if e.forward else '^'}{e.type or e.likeness}" for e in self.edges]
        types = [n.type if n.key is not None else f"{n.type}*" for n in self.nodes]
        return (self.channel, *(x for pair in zip(types, [*steps, ""], strict=True) for x in pair if x))


@dataclass(frozen=True, slots=True)
class PathGroup:
    """Paths told together: one pattern, one shared entity, several interacted items ("three films by ...").

    Attributes:
        paths: largest value first.
        value: sum of the paths' values.
        share: sum of the paths' shares.
    """

    paths: tuple[Path, ...]
    value: float
    share: float


@dataclass(frozen=True, slots=True)
class Term:
    """One addend of the score: what one interaction contributes through one channel.

    Attributes:
        channel: part of the model.
        source: key of the item the user interacted with.
        source_name: its name as shown to people.
        value: the addend.
    """

    channel: str
    source: str
    source_name: str
    value: float
