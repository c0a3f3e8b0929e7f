"""What a channel is: one part of the score, and everything that the rest of the package has to know of it.

A channel is an object of a subclass of :class:`ChannelKind`.  It is written in one file: a new one
beside this file with a line in :mod:`kg_rec.model.channels.registry`, or in a package of its own, which names the
object in the entry-point group ``kg_rec.channels`` or gives it to
:func:`~kg_rec.model.channels.registry.register`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats32, Floats64
from kg_rec.model.channels.about import About, PathKind
from kg_rec.model.channels.sums import Sums
from kg_rec.model.cold.similarity import ColdItems, Similarity
from kg_rec.model.item_paths import GatedPaths
from kg_rec.model.kernel import FactorKernel, Kernel
from kg_rec.model.shards import HERE, Shards
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import NO_TIME, EdgeTable, Snapshot

#: What a channel reads besides the interactions.
Need = Literal["times", "facts", "text", "vectors"]

#: Takes one record of the training log.
Log = Callable[[Mapping[str, object]], None]
#: Numbers chosen for a channel, and its kernel with them.
Candidate = tuple[Mapping[str, Any], Kernel]

#: Under this name an operator's channel keeps k: how many times W it was shrunk to.
PRIOR_FACTOR = "prior"

SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True)
class TrainingData:
    """What a channel learns from.

    Attributes:
        snapshot: the graph, with no other interactions than those of ``edges``.
        edges: the interactions that count.
        interactions: the same as binary CSR, shape (users, items).
        settings: one settings object of each channel; see :meth:`settings_of`.
        chosen: what has been chosen so far, by channel.
        prior: W, what the graph says, which the operators of other channels are shrunk to; None without facts.
        seed: of every random choice.
        device: the torch device.
        similarity: how alike items are by facts, numbers and text; None as long as the weights are not chosen.
        cold: True for items without interactions, shape (items,).
        ridge: penalty of the regression that places items without interactions.
        landmarks: known items of that regression, int64.
        items: dense indices of the items that validation ranks; None for all.  Others need no score.
        judge: validation NDCG@10 of each user under a kernel by itself; None when nothing is chosen any more.
        tolerance: validation NDCG@10 that may be given up for more weight of facts that people can check, in standard
            errors of the difference.
        progress: called as the work advances.
        log: receives records for the training log.
        shards: where heavy sums are computed.
        sums: of users who are elsewhere, in place of ``edges``; None where the users are here.
        text: unit text embeddings of the items, shape (items, d); None without.
        live: lists follow at once on what they are made of (:attr:`kg_rec.split.Split.live`).
    """

    snapshot: Snapshot
    edges: EdgeTable
    interactions: sparse.csr_array
    settings: Sequence[object]
    chosen: Mapping[str, Mapping[str, Any]]
    seed: int
    device: str
    prior: FactorKernel | None = None
    similarity: Similarity | None = None
    cold: NDArray[np.bool_] | None = None
    ridge: float = 1.0
    landmarks: NDArray[np.int64] | None = None
    items: NDArray[np.int64] | None = None
    judge: Callable[[Kernel], Floats64] | None = None
    tolerance: float = 0.0
    progress: Progress = no_progress
    log: Log = field(default=lambda _: None)
    shards: Shards = HERE
    sums: Sums | None = None
    text: Floats32 | None = None
    live: bool = False

    @property
    def timed(self) -> bool:
        """Whether any interaction has a time."""
        return self.edges.time is not None and bool((self.edges.time != NO_TIME).any())

    def settings_of(self, kind: type[SettingsT]) -> SettingsT:
        """The settings of a type."""
        return settings_of(self.settings, kind)


@dataclass(frozen=True)
class Fitted:
    """A channel that was fitted.

    Attributes:
        kernel: what an interaction with one item adds to the score of another.
        regression: how items without interactions got their embedding, where the channel embeds items.
        shared: the paths that a kernel of facts is the sum of.
    """

    kernel: Kernel
    regression: ColdItems | None = None
    shared: tuple[GatedPaths, ...] = ()


class ChannelKind(ABC):
    """One part of the score; a subclass sets the attributes and fills in :meth:`candidates` and :meth:`fit`.

    Attributes:
        name: its name in settings, files and tables.
        about: what people are told of it.
        paths: what its terms become in explanations.
        table: the name of its settings: the table of a TOML file, the first part of ``--set``.
        settings: its settings, a frozen dataclass whose fields have defaults.
        needs: what has to be there besides interactions.  Channels that need facts, text or vectors are fitted after
            the likeness of items has been chosen, and find it in :attr:`TrainingData.similarity`.
        start: the weight that the fusion begins with, in units of the standard deviation of the channel's scores.
        cold_start: the same for items without interactions; None if the channel says nothing of such items.
        beside_others: its candidates are compared in the fused score, not by what each scores alone.
        is_prior: it is fitted first, and its kernel W is what other channels are shrunk to.
        beyond_prior: its kernel is T = B - k W, the rest of an operator B that is shrunk to k W; with its weight
            goes k times that weight of W.  k is what was chosen under :data:`PRIOR_FACTOR`.
    """

    name: str
    about: About
    paths: PathKind
    table: str
    settings: type[Any]
    needs: frozenset[Need] = frozenset()
    start: float
    cold_start: float | None = None
    beside_others: bool = False
    is_prior: bool = False
    beyond_prior: bool = False

    @property
    def reads_similarity(self) -> bool:
        """Whether it is fitted after the likeness of items by facts, texts and vectors has been chosen."""
        return bool(self.needs & {"facts", "text", "vectors"})

    def popularity_exponent(self, settings: Sequence[object], chosen: Mapping[str, Mapping[str, Any]]) -> float:
        """Scores of an item with n interactions are scaled by n to this power.

        Args:
            settings: those of all channels.
            chosen: what was chosen, by channel.
        """
        return 0.0

    @abstractmethod
    def candidates(self, data: TrainingData) -> Iterator[Candidate]:
        """What validation chooses from: numbers that JSON can hold, and the kernel fitted with them.

        They are asked for one at a time, and only the best kernel is kept.  No candidate: the channel has nothing to
        say of this graph and is left out.
        """

    @abstractmethod
    def fit(self, data: TrainingData, chosen: Mapping[str, Any]) -> Fitted | None:
        """The channel with the chosen numbers; None if it has nothing to say of this graph."""

    def without_edges(
        self,
        kernel: Kernel,
        shared: Sequence[GatedPaths],
        similarity: Similarity,
        regression: ColdItems | None,
        cold: NDArray[np.bool_],
    ) -> Kernel:
        """The kernel after facts were deleted from the graph; the same one where facts play no part.

        Args:
            kernel: as it was fitted.
            shared: the paths of W without those through the deleted facts.
            similarity: without what ran through the deleted facts.
            regression: see :class:`Fitted`.
            cold: items without interactions, shape (items,).
        """
        return kernel


def settings_of(settings: Sequence[object], kind: type[SettingsT]) -> SettingsT:
    """The settings object of a type; its defaults if there is none."""
    return next((s for s in settings if isinstance(s, kind)), None) or kind()
