"""What an explanation is: plain frozen data, independent of how it was computed and how it is shown.

``base + sum(term.value) == score`` and every path's value is a part of one term, so paths are parts of the score.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kg_rec.explain.formats import display
from kg_rec.explain.path import Path, PathGroup, Term
from kg_rec.model.channels.registry import paths_of
from kg_rec.quantity import quantity
from kg_rec.schema import GraphSchema
from kg_rec.tabular import Tabular, columns

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class InFashion:
    """How many users chose an item in the days before the list, and what that adds to its score.

    Attributes:
        value: the addend, a part of the base.
        count: users who liked the item in these days.
        days: how many.
        since: their start, in Unix seconds.
        until: their end, in Unix seconds; what happens from then on does not count.
        cypher: statement that returns ``count`` from the store.
        parameters: its parameters.
    """

    value: float
    count: int
    days: int
    since: int
    until: int
    cypher: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HadAgain:
    """How often and how lately the user had the item, and what that adds to its score.

    Attributes:
        value: the addend; it is the term of the channel ``again``.
        count: how many times.
        gap: mean time between two, in days; 0 where there was one, or all at one time.
        since: how long before the list the latest was, in days.
        until: the time of the list, in Unix seconds.
        cypher: statement that returns the times from the store.
        parameters: its parameters.
    """

    value: float
    count: int
    gap: float
    since: float
    until: int
    cypher: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Explanation(Tabular):
    """Why an item has its score for a user.

    Attributes:
        user: user key.
        item: item key.
        item_name: name of the item as shown to people.
        score: the model's score.
        base: what the item gets whoever asks (b_i), with what it gets for being in fashion and by ``stated``.
        terms: every addend; ``base`` plus all values is ``score``.  Rankings add in single precision: theirs
            differs by at most 1e-5 of it, or of a tenth of what speaks for the item and against it.
        groups: the paths shown, grouped, largest first.
        shown_share: the part of all positive addends that the shown paths account for, 0 to 1.
        notes: language-independent remarks, each a word of a fixed set: ``already_interacted``, ``no_interactions``.
        text: the explanation in words.
        lang: language of ``text``.
        cypher: statement that returns exactly the shown paths from the store.
        parameters: its parameters.
        schema: gives the words of pictures and lists.
        fashion: the part of ``base`` that says what is in fashion at the time of the list; None where it is off.
        stated: the parts of ``base`` that come from what the user said of themselves: in words, and how much.
        again: how the user had the item, where it may be had again; None where that is off, or the user did not.
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
    schema: GraphSchema = field(compare=False)
    fashion: InFashion | None = None
    stated: tuple[tuple[str, float], ...] = ()
    again: HadAgain | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All shown paths, largest value first."""
        return tuple(sorted((p for g in self.groups for p in g.paths), key=lambda p: -p.value))

    @property
    def speaks_for(self) -> float:
        """What speaks for the item: the user's interactions that add to the score, over all channels, and the base."""
        return sum(max(value, 0.0) for value in (self.base, *self.shap_values().values()))

    @property
    def speaks_against(self) -> float:
        """What speaks against it, at least 0; ``speaks_for - speaks_against == score``."""
        return sum(max(-value, 0.0) for value in (self.base, *self.shap_values().values()))

    @property
    def by_facts(self) -> float:
        """What facts of the graph that the item shares with the user's interactions add to the score."""
        return sum(t.value for t in self.terms if paths_of(t.channel) == "facts")

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
        by_source: dict[str, float] = {}
        for term in self.terms:
            if channel is None or term.channel == channel:
                by_source[term.source] = by_source.get(term.source, 0.0) + term.value
        return by_source

    def to(self, name: str) -> Any:
        """The explanation in a display of :func:`kg_rec.explain.formats.displays`: ``text``, ``json``, ``html``, ...

        Raises:
            ConfigError: there is no display of this name.
        """
        return display(name).load()(self)

    def to_arrow(self) -> pa.Table:
        """The addends of the score: columns ``channel``, ``source`` (item key), ``source_name`` and ``value``."""
        text = pa.string()
        return columns(self.terms, channel=text, source=text, source_name=text, value=pa.float64())

    def to_networkx(self) -> nx.MultiDiGraph[tuple[Any, ...]]:
        """The shown paths as a graph; see :func:`kg_rec.explain.show.networkx.to_networkx`."""
        graph: nx.MultiDiGraph[tuple[Any, ...]] = self.to("networkx")
        return graph

    def to_figure(self) -> Figure:
        """The shown paths as a matplotlib figure; see :func:`kg_rec.explain.show.figure.figure`."""
        figure: Figure = self.to("figure")
        return figure

    def __repr__(self) -> str:
        item, user, count = reprlib.repr(self.item_name), reprlib.repr(self.user), len(self.paths)
        shown = f"{quantity(count, 'path')} shown, {100 * self.shown_share:.0f} % of what speaks for it"
        return f"Explanation({item} for user {user}: score {self.score:.4g}; {shown})"

    def _repr_html_(self) -> str:
        """The card that notebooks show."""
        card: str = self.to("card")
        return card
