"""Training with differential privacy per user: the graph and the texts are public, two noised sums are learned.

    q = sum_u x_u / |x_u| + noise                       how popular items are
    V = first eigenvectors of q^1/2 K q^1/2             K: how alike items are by public facts, numbers and texts
    M = sum_u f_u f_u^T / |f_u|^2 + noise               f_u = V^T q^-1/2 x_u, without the direction of q
    B = q^-1/2 V g(M) V^T q^1/2                         g: what stands out of the noise

x_u is the set of items that user u liked.  Everything after the two sums uses public data and these sums alone, so it
costs nothing more.  No validation data is looked at: the constants below are fixed.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from kg_rec.arrays.types import Floats32, Floats64
from kg_rec.errors import ModelError
from kg_rec.model.chosen import Chosen
from kg_rec.model.cold.similarity import Similarity
from kg_rec.model.config import TrainConfig
from kg_rec.model.histories import histories
from kg_rec.model.kernel import FactorKernel
from kg_rec.model.recommender import Channel, Recommender
from kg_rec.model.shown import shown_of
from kg_rec.model.train.new_items import similarity_of
from kg_rec.model.train.train import encode_items
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import EdgeTable, Snapshot
from kg_rec.snapshot.item_facts import without_relations
from kg_rec.trust.gaussian import Budget, Guarantee, Look, mu_of, noised, noised_symmetric

#: Share of the budget (of mu squared) for popularities; the rest is for M.
POPULARITY_SHARE = 0.3
#: Public directions in which tastes are summed.
DIRECTIONS = 64
#: Least noised popularity: below it an item cannot be told from one that nobody liked.
LEAST_POPULARITY = 1.0
#: An eigenvalue of M above the noise weighs half at this many times the mean eigenvalue.
HALF_WEIGHT = 0.3
#: Weight of popularity beside taste, small: it orders lists of users without a history.
BASE = 1e-3
#: Largest catalogue: K and its eigenvectors are dense.
MAX_ITEMS = 6_000


def train_private(
    snapshot: Snapshot,
    budget: Budget,
    config: TrainConfig | None = None,
    *,
    random: np.random.Generator | None = None,
    progress: Progress = no_progress,
) -> Recommender:
    """Train a model that tells next to nothing of any one user.

    Args:
        snapshot: the graph; items, facts and texts are public, users and interactions private.
        budget: epsilon and delta, for adding or removing one user with all interactions.
        config: text encoder and similarity settings; its seed is not used, as who knows the noise can take it off.
        random: source of the noise; None draws a seed from the operating system.
        progress: called as the work advances.

    Returns:
        The model, over a snapshot **without users**: give it the histories with
        :meth:`~kg_rec.model.recommender.Recommender.with_snapshot`.  ``chosen.privacy`` holds the guarantee.

    Raises:
        ModelError: there is nothing public to tell items apart by, there are too many items, or the defence against
            fake users is on.
        ConfigError: a rule of lists (``config.shown``) does not fit the graph.
    """
    random = random or new_noise()
    part = PublicPart.of(snapshot, config or TrainConfig(), progress)
    liked = PublicPart.liked_of(snapshot)
    progress(0, 1, "sum with noise")
    basis, kernel, guarantee = fit(liked, part.likeness, budget, random)
    return part.model(basis, kernel, guarantee.to_dict())


@dataclass(frozen=True)
class PublicPart:
    """What everybody may know of the items.

    Attributes:
        snapshot: the graph without its users.
        config: settings.
        text: text embeddings, or None.
        similarity: k, how alike items are by public facts, numbers and texts.
        likeness: its matrix K, shape (items, items).
    """

    snapshot: Snapshot
    config: TrainConfig
    text: Floats32 | None
    similarity: Similarity
    likeness: Floats64

    @classmethod
    def of(cls, snapshot: Snapshot, config: TrainConfig, progress: Progress = no_progress) -> PublicPart:
        """The public part of a graph.

        Raises:
            ModelError: there is nothing public to tell items apart by, there are too many items, or the defence against
                fake users is on.
            ConfigError: a rule of lists (``config.shown``) does not fit the graph.
        """
        if config.robust.fakes:
            raise ModelError("private training sees two noised sums alone, robust.fakes every user; set it to 0")
        shown_of(config.shown, snapshot, config.blocked)
        public = without_users(without_relations(snapshot, config.blocked))
        if not 2 <= len(public.items) <= MAX_ITEMS:
            raise ModelError(
                f"private training takes 2 to {MAX_ITEMS:,} items, got {len(public.items):,}; train without --epsilon"
            )
        text = encode_items(public, replace(config, channels=TrainConfig().channels), progress)
        similarity = similarity_of(public, config, text)
        if not similarity.weights:
            raise ModelError("private training needs public facts, numbers or texts of the items; the graph has none")
        every, config = np.arange(len(public.items)), replace(config, channels=("taste",))
        return cls(public, config, text, similarity, similarity(every, every).astype(np.float64))

    @staticmethod
    def liked_of(snapshot: Snapshot) -> sparse.csr_array:
        """x_u of the users of a graph, binary CSR, float64, shape (users, items)."""
        return histories(snapshot.liked(), (len(snapshot.users), len(snapshot.items)), 0).astype(np.float64)

    def model(self, basis: Basis, kernel: FactorKernel, privacy: Mapping[str, Any]) -> Recommender:
        """The model that holds these and nothing else of any user."""
        items, popularity = len(basis.popularity), basis.popularity
        chosen = Chosen(
            channels={"taste": {"directions": kernel.source.shape[1]}},
            recency=0.0,
            rating=None,
            similarity=self.similarity.weights,
            ridge=self.config.cold.ridge[0],
            warm={"taste": 1.0, "base": BASE},
            cold={},
            units={"taste": 1.0, "base": 1.0},
            valid=0.0,
            alone={},
            privacy=dict(privacy),
        )
        base = (BASE * popularity / popularity.max()).astype(np.float32)
        channel = Channel("taste", kernel, np.ones(items, np.float32))
        known = np.zeros(items, dtype=np.bool_)  # which items nobody liked is private: none is called new
        parts = (channel,), base, known, (), self.similarity, None, self.text
        return Recommender(self.snapshot, self.config, chosen, *parts)


def fit(
    liked: sparse.csr_array, likeness: Floats64, budget: Budget, random: np.random.Generator
) -> tuple[Basis, FactorKernel, Guarantee]:
    """The basis with the noised popularities, B as factors, and what both cost.

    Args:
        liked: private: x_u, binary CSR, float64, shape (users, items).
        likeness: public: K, symmetric, shape (items, items).
        budget: epsilon and delta.
        random: source of the noise.
    """
    looks = looks_of(budget, liked.shape[1])
    basis = Basis.of(noised(popularities(liked), looks[0].sigma, random), likeness)
    moments = noised_symmetric(basis.moments(liked), looks[1].sigma, random)
    return basis, basis.kernel(moments, looks[1].sigma), Guarantee(budget, looks)


def looks_of(budget: Budget, items: int) -> tuple[Look, Look]:
    """The two looks that a budget is spent on."""
    mu, directions = mu_of(budget), min(DIRECTIONS, items)
    return (
        Look("popularity of items", items, 1 / (mu * math.sqrt(POPULARITY_SHARE))),
        Look(
            "products of tastes in public directions",
            directions * (directions + 1) // 2,
            1 / (mu * math.sqrt(1 - POPULARITY_SHARE)),
        ),
    )


def new_noise() -> np.random.Generator:
    """A generator that is seeded by the operating system."""
    return np.random.default_rng(secrets.randbits(256))


@dataclass(frozen=True)
class Basis:
    """Directions in which tastes are summed: public facts, and popularities that are noised already.

    Attributes:
        popularity: q, at least :data:`LEAST_POPULARITY`, shape (items,).
        vectors: V, shape (items, directions).
    """

    popularity: Floats64
    vectors: Floats64

    @classmethod
    def of(cls, popularity: Floats64, likeness: Floats64) -> Basis:
        """The basis of noised popularities and K."""
        popularity = np.maximum(popularity, LEAST_POPULARITY)
        root = np.sqrt(popularity)
        _, vectors = np.linalg.eigh(root[:, None] * likeness * root)
        return cls(popularity, np.ascontiguousarray(vectors[:, ::-1][:, : min(DIRECTIONS, len(root))]))

    def moments(self, liked: sparse.csr_array) -> Floats64:
        """M without its noise, shape (directions, directions); private."""
        root = np.sqrt(self.popularity)
        tastes = projected(liked, self.vectors / root[:, None], self.vectors.T @ root)
        return np.asarray(tastes.T @ tastes)

    def kernel(self, moments: Floats64, sigma: float) -> FactorKernel:
        """B as factors.

        Args:
            moments: M with its noise.
            sigma: standard deviation of that.
        """
        root, directions = np.sqrt(self.popularity), self.vectors.shape[1]
        values, axes = np.linalg.eigh(moments)
        excess = np.maximum(values - math.sqrt(2 * directions) * sigma, 0)  # the edge of the noise's spectrum
        kept = excess > 0
        mean = max(float(np.trace(moments)), 1.0) / directions
        gain = excess[kept] / (excess[kept] + HALF_WEIGHT * mean)
        factors = self.vectors @ axes[:, kept] if kept.any() else np.zeros((len(root), 1))
        gain = gain if kept.any() else np.zeros(1)
        source: Floats32 = (factors * gain / root[:, None]).astype(np.float32)
        target: Floats32 = (factors * root[:, None]).astype(np.float32)
        return FactorKernel(source, target)


def popularities(liked: sparse.csr_array) -> Floats64:
    """sum_u x_u / |x_u|, shape (items,): one user moves it by 1 in Euclidean norm."""
    counts = np.maximum(np.diff(liked.indptr), 1)
    return np.asarray((1 / np.sqrt(counts)) @ liked, dtype=np.float64)


def projected(liked: sparse.csr_array, basis: Floats64, common: Floats64) -> Floats64:
    """f_u / |f_u|, or zeros, shape (users, directions): one user moves sum f f^T by at most 1 in Frobenius norm.

    Args:
        liked: x_u, CSR, shape (users, items).
        basis: public directions, shape (items, directions).
        common: the direction that is taken out, shape (directions,).
    """
    unit = common / max(float(np.linalg.norm(common)), 1e-12)
    product = np.asarray(liked @ basis)
    product -= np.outer(product @ unit, unit)
    norms = np.linalg.norm(product, axis=1, keepdims=True)
    return np.where(norms > 1e-9, product / np.maximum(norms, 1e-9), 0.0)


def without_users(snapshot: Snapshot) -> Snapshot:
    """The public part of a graph: no user, and no edge of one."""
    user = snapshot.schema.user.name
    nodes = {**snapshot.nodes, user: snapshot.nodes[user].slice(0, 0)}
    none = np.empty(0, dtype=np.int64)
    edges = {
        name: EdgeTable(
            none, none, None if edges.weight is None else edges.weight[:0], None if edges.time is None else none
        )
        if user in (snapshot.schema.relation_types[name].source, snapshot.schema.relation_types[name].target)
        else edges
        for name, edges in snapshot.edges.items()
    }
    return Snapshot(snapshot.schema, "public part", nodes, edges)
