"""What a request asks for, as plain frozen data, which whoever reads the words fills in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

#: How a word was tied to the graph: a name as it is, another name, a misspelt name, a word near in meaning, a word for
#: an item in the list before, a word that a language model tied to a name.
How: TypeAlias = Literal["exact", "alias", "fuzzy", "near", "list", "model"]
Operator: TypeAlias = Literal["<", "<=", ">", ">=", "in", "not in"]
#: new: forget what was asked before; refine: add to it; more: go on; why, why-not: explain; reset: begin anew.
Kind: TypeAlias = Literal["new", "refine", "more", "why", "why-not", "reset"]
#: Most items that one request asks for.
MOST_ITEMS = 100


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the graph.

    Attributes:
        type: its node type, never the users'.
        key: its key.
        name: its name as shown to people.
    """

    type: str
    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """An item that the answer is to be like.

    Attributes:
        said: the words.
        item: the item.
        how: how they were tied to it.
    """

    said: str
    item: Node
    how: How


@dataclass(frozen=True, slots=True)
class Wish:
    """Something of the graph that items should have, or should not.

    Attributes:
        said: the words.
        nodes: any of these; items themselves where an item is unwanted.
        wanted: False where it is unwanted.
        must: True where every item of the answer has to obey; False for "funnier" and "less violent", which only weigh.
        how: how the words were tied to the nodes.
        relation: the relation type that ties items to the nodes, where the words say so; None for any.
    """

    said: str
    nodes: tuple[Node, ...]
    wanted: bool
    must: bool
    how: How
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound on a number of the items.

    Attributes:
        said: the words.
        field: what is bound: ``year``, ``price``, ``duration`` (minutes), ``rating``, or a property of the schema.
        op: how; ``in`` and ``not in`` take two bounds, both included.
        values: one number, or two; none for "cheaper" and "newer", which compare with what is at hand: the item to
            be like, else the first of the list before.
        property: the item's property in the schema; None where the graph knows no such thing, and nothing is bound.
    """

    said: str
    field: str
    op: Operator
    values: tuple[float, ...]
    property: str | None

    def __str__(self) -> str:
        numbers = " ... ".join(f"{v:g}" for v in self.values)
        return f"{self.field} {self.op} {numbers or '?'}"


@dataclass(frozen=True, slots=True)
class Turn:
    """What a request has to do with those before.

    Attributes:
        kind: see :data:`Kind`.
        rank: the place in the list before that ``why`` is asked of; -1 for the last.
        item: the item that ``why`` or ``why-not`` is asked of.
        like: places in the list before that the answer is to be like.
        drop: places in the list before that are not wanted.
    """

    kind: Kind = "new"
    rank: int | None = None
    item: Node | None = None
    like: tuple[int, ...] = ()
    drop: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What one request asks for.

    Attributes:
        text: the request, without control characters, cut to a bounded length.
        language: its language, ``en`` or ``zh``.
        anchors: items that the answer is to be like.
        wishes: nodes that are wanted or not.
        constraints: bounds on numbers.
        count: how many items; None where it is not said.
        turn: what it has to do with the requests before.
        not_understood: words that none of this says.
        refused: what a language model said of them that is not used, and why, in words.
    """

    text: str
    language: str
    anchors: tuple[Anchor, ...] = ()
    wishes: tuple[Wish, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    count: int | None = None
    turn: Turn = Turn()
    not_understood: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)
