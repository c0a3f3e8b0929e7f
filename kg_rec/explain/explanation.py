"""What an explanation is: plain frozen data, independent of how it was computed and how it is shown.

``base + sum(term.value) == score`` and every path's value is a part of one term, so paths are parts of the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from kg_rec.errors import ArgumentError

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.figure import Figure

    from kg_rec.schema import GraphSchema

Channel = Literal["taste", "relational", "sequence", "knowledge", "meaning"]


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
        type: relation type of the schema; None stands for similar text, which the model computes and the
            graph does not hold.
        forward: True if the edge points along the path, False if against it.
    """

    type: str | None
    forward: bool


@dataclass(frozen=True, slots=True)
class Path:
    """One path from the user to the item, with its part of the score.

    Attributes:
        channel: the part of the model that scores this path; ``taste`` stands for all parts that score what users
            have in common (taste, relational, sequence), whose terms for one interaction are one path.
        nodes: user, the interacted item, ..., the recommended item; one more than edges.
        edges: the steps between them.
        value: what the path adds to the score, in the score's unit.
        share: ``value`` divided by the sum of all positive addends: terms, or paths where a term splits into paths.
    """

    channel: Channel
    nodes: tuple[PathNode, ...]
    edges: tuple[PathEdge, ...]
    value: float
    share: float

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
        steps = [f"{'' if e.forward else '^'}{e.type or '~text'}" for e in self.edges]
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

    channel: Channel
    source: str
    source_name: str
    value: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an item has its score for a user.

    Attributes:
        user: user key.
        item: item key.
        item_name: name of the item as shown to people.
        score: the model's score.
        base: what the item gets whoever asks (b_i).
        terms: every addend; ``base`` plus all values is ``score`` (relative error at most 1e-5).
        groups: the paths shown, grouped, largest first.
        shown_share: the part of all positive addends that the shown paths account for, 0 to 1.
        notes: language-independent remarks, each a word of a fixed set: ``already_interacted``, ``no_interactions``.
        text: the explanation in words.
        lang: language of ``text``.
        cypher: statement that returns exactly the shown paths from the store.
        parameters: its parameters.
        schema: gives the words of pictures and lists; None shows the names of the types.
    """

    user: str
    item: str
    item_name: str
    score: float
    base: float
    terms: tuple[Term, ...]
    groups: tuple[PathGroup, ...]
    shown_share: float
    notes: tuple[str, ...]
    text: str
    lang: str
    cypher: str
    parameters: Mapping[str, Any]
    schema: GraphSchema | None = field(default=None, repr=False, compare=False)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All shown paths, largest value first."""
        return tuple(sorted((p for g in self.groups for p in g.paths), key=lambda p: -p.value))

    def shap_values(self, channel: str | None = None) -> dict[str, float]:
        """Exact Shapley values of the user's interactions, in the score's unit; ``base`` is the expected value.

        The score is linear in the weights a_uj of the interactions, s = base + sum of a_uj K(j, i), so the Shapley
        value of an interaction is its addend: no sampling, no approximation; with ``base`` they sum to ``score``.
        Features are the user's interactions with the values a_uj; the background is 0 for all: "did not interact".
        This is what ``shap.LinearExplainer((K, base), background)`` gives with the background row 0 (interventional).

        Other methods give the same numbers here, because they agree on linear functions: integrated gradients from
        the baseline 0 (the gradient is K all along the way, times a_uj), gradient x input, occlusion (the score falls
        by the addend when an interaction is left out and the others keep their weights), and LIME's linear surrogate
        on interactions switched on and off (least squares finds a linear function exactly, whatever the nearness
        weights, if it is not regularised).

        Args:
            channel: the addends of one channel, whose Shapley values they are (the values are additive over parts
                of a model); None for their sum over all channels.

        Returns:
            Value by key of the item interacted with, in the order of ``terms``; an interaction without an effect on
            the item is left out, its value is 0.
        """
        found: dict[str, float] = {}
        for term in self.terms:
            if channel is None or term.channel == channel:
                found[term.source] = found.get(term.source, 0.0) + term.value
        return found

    def to_networkx(self) -> nx.MultiDiGraph[tuple[Any, ...]]:
        """The shown paths as a graph; see :func:`kg_rec.explain.show.networkx.to_networkx`."""
        from kg_rec.explain.show.networkx import to_networkx

        return to_networkx(self)

    def to_figure(self, schema: GraphSchema | None = None) -> Figure:
        """The shown paths as a matplotlib figure; see :func:`kg_rec.explain.show.figure.figure`."""
        from kg_rec.explain.show.figure import figure  # matplotlib takes long to import

        return figure(self, schema)

    def _repr_html_(self) -> str:
        """The card that notebooks show."""
        from kg_rec.explain.show.text import to_html  # rendering is only needed when shown

        return to_html(self)
