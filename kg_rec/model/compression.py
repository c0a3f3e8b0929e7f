"""A smaller model: what matters least is left out, what is left is kept in few bits, the rest is made again.

An entry K(j, i) of a learned matrix moves the score of i for those who like j.  Over all users the squares of these
moves sum to

    n_j (lambda(i) K(j, i))^2            n_j: users who like j

so the entries of all learned matrices are ordered by it, together, and the smallest are left out.  Embeddings of texts
are kept in the directions in which they are largest.  What is made of facts and texts (W, the likeness of items, the
kernel of texts) is not kept, but made again when the model is read.  What is left is the model: its scores are the sums
of its own addends, exactly as before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats32
from kg_rec.errors import ArgumentError, ModelError
from kg_rec.model.channels.knowledge import KnowledgeConfig, gated, prior_of
from kg_rec.model.channels.meaning import MeaningConfig, meaning_kernel
from kg_rec.model.channels.registry import kind_of
from kg_rec.model.channels.vectors import VectorsConfig, vectors_kernel
from kg_rec.model.chosen import Chosen
from kg_rec.model.cold.similarity import ColdItems, Similarity, build
from kg_rec.model.config import TrainConfig
from kg_rec.model.item_paths import GatedPaths
from kg_rec.model.kernel import FactorKernel, Kernel, MatrixKernel
from kg_rec.model.packing import BITS, Compression, Directions, rounded, rounded_pair
from kg_rec.model.recommender import Channel, Recommender
from kg_rec.snapshot import Snapshot

#: Channels whose kernels are made of facts, texts and vectors alone.
MADE_AGAIN = frozenset({"knowledge", "meaning", "vectors"})
#: Entries of a product of factors that are in memory at a time.
_CELLS = 1 << 25


def compressed(model: Recommender, keep: float, bits: int, text: Directions | None) -> Recommender:
    """A model with the share ``keep`` of the entries of its learned matrices, and its texts as ``text`` has them.

    Args:
        model: as it was trained.
        keep: above 0, at most 1.
        bits: of each number that is kept, one of :data:`.packing.BITS`.
        text: the embeddings of the items' texts in few directions; None for a model without texts.

    Raises:
        ArgumentError: ``keep`` or ``bits`` is out of range.
        ModelError: a channel cannot be compressed.
    """
    if not 0 < keep <= 1:
        raise ArgumentError(f"keep: expected a share above 0, at most 1, got {keep}")
    if bits not in BITS:
        raise ArgumentError(f"bits: expected one of {', '.join(map(str, BITS))}, got {bits}")
    for channel in model.channels:
        if kind_of(channel.name).is_prior and channel.name not in MADE_AGAIN:
            raise ModelError(f"a model with the channel {channel.name!r} cannot be compressed")
    vectors = None if text is None else text.vectors
    regression = model.regression
    if regression is not None:
        regression = replace(regression, coefficients=rounded(regression.coefficients, 16))  # they cancel
    similarity, shared = of_facts(model.snapshot, model.config, model.chosen, vectors, model.cold)
    pruned = _pruned([c for c in model.channels if _is_operator(c)], _popularity(model), keep, bits)
    channels = []
    for channel in model.channels:
        kernel = None if channel.name in MADE_AGAIN else pruned.get(channel.name) or _rounded(channel, bits)
        kernel = made_again(
            channel.name, kernel, similarity, shared, regression, model.cold, model.config, model.chosen
        )
        channels.append(replace(channel, kernel=kernel))
    return replace(
        model,
        channels=tuple(channels),
        shared=shared,
        similarity=similarity,
        regression=regression,
        text=vectors,
        compression=Compression(keep, bits, text, model.snapshot.facts_digest),
    )


def made_again(
    channel: str,
    kernel: Kernel | None,
    similarity: Similarity,
    shared: Sequence[GatedPaths],
    regression: ColdItems | None,
    cold: NDArray[np.bool_],
    config: TrainConfig,
    chosen: Chosen,
) -> Kernel:
    """The kernel of a channel, of which what is made of facts, texts and vectors is made again.

    Args:
        channel: its name.
        kernel: what was kept of it; None for :data:`MADE_AGAIN`.
        similarity: the likeness of items.
        shared: the paths of W.
        regression: how items without interactions are placed.
        cold: True for items without interactions, shape (items,).
        config: settings of the kernels of texts and of vectors.
        chosen: the weights of vectors.
    """
    if channel == "meaning" and similarity.text is not None:
        kernel = meaning_kernel(similarity.text, config.of(MeaningConfig))
    elif channel == "vectors":
        kernel = vectors_kernel(similarity.vectors, chosen.channels[channel], config.of(VectorsConfig))
    elif kernel is None:
        kernel = prior_of(shared) or FactorKernel(*[sparse.csr_array((len(cold), 1))] * 2)
    return kind_of(channel).without_edges(kernel, shared, similarity, regression, cold)


def of_facts(
    snapshot: Snapshot, config: TrainConfig, chosen: Chosen, text: Floats32 | None, cold: NDArray[np.bool_]
) -> tuple[Similarity, tuple[GatedPaths, ...]]:
    """The likeness of items, and the paths of W, as training makes them of facts and texts.

    Args:
        snapshot: the graph.
        config: how facts are weighed.
        chosen: gates, and weights of the likeness.
        text: embeddings of the items' texts.
        cold: True for items without interactions, shape (items,).
    """
    knowledge = config.of(KnowledgeConfig)
    known = np.flatnonzero(~cold)
    similarity = build(snapshot, text, knowledge.degree_exponent, knowledge.max_degree, config.cold, known)
    similarity = replace(similarity, weights={name: chosen.similarity.get(name, 0.0) for name in similarity.weights})
    own = chosen.channels.get("knowledge")
    shared = () if own is None else gated(snapshot, knowledge, own)
    return similarity, shared if prior_of(shared) is not None else ()


def _is_operator(channel: Channel) -> bool:
    """Whether a channel's kernel is learned, entry by entry: a matrix, or factors as wide as users are many."""
    kind = kind_of(channel.name)
    return kind.paths == "co-users" and (kind.beyond_prior or isinstance(channel.kernel, MatrixKernel))


def _popularity(model: Recommender) -> Floats32:
    """n_j, shape (items,); 1 where nobody likes the item yet."""
    liked = np.bincount(model.snapshot.liked().target, minlength=len(model.items))
    return np.maximum(liked, 1).astype(np.float32)


def _rounded(channel: Channel, bits: int) -> Kernel:
    """Embeddings that were learned, in few bits; what else a channel computes stays as it is."""
    kernel = channel.kernel
    if kind_of(channel.name).paths != "co-users" or not isinstance(kernel, FactorKernel):
        return kernel
    if sparse.issparse(kernel.source) or sparse.issparse(kernel.target):
        return FactorKernel(rounded(kernel.source, bits), rounded(kernel.target, bits))
    return FactorKernel(*rounded_pair(np.asarray(kernel.source), np.asarray(kernel.target), bits))


def _pruned(channels: Sequence[Channel], popularity: Floats32, keep: float, bits: int) -> dict[str, Kernel]:
    """The largest entries of the matrices, of all together, in few bits."""
    reach = np.sqrt(popularity)
    parts = {c.name: sparse.csr_array(sparse.vstack(list(_entries(c, reach, keep)), format="csr")) for c in channels}
    moves = {c.name: _moves(parts[c.name], c.weight, reach) for c in channels}
    every = np.concatenate([np.empty(0, np.float32), *moves.values()])
    kept = min(len(every), max(1, round(keep * sum(map(_count, channels)))))
    least = np.partition(every, len(every) - kept)[len(every) - kept] if kept else np.float32(0)
    kernels: dict[str, Kernel] = {}
    for name, matrix in parts.items():
        matrix.data = np.where(moves[name] >= least, matrix.data, np.float32(0))
        matrix.eliminate_zeros()
        matrix.sort_indices()
        kernels[name] = MatrixKernel(rounded(matrix, bits))
    return kernels


def entries(model: Recommender) -> int:
    """How many entries the learned matrices have that are not zero; of which :func:`compressed` keeps a share."""
    return sum(_count(channel) for channel in model.channels if _is_operator(channel))


def _count(channel: Channel) -> int:
    kernel = channel.kernel
    if isinstance(kernel, MatrixKernel):
        matrix = kernel.matrix
        return int(matrix.nnz if sparse.issparse(matrix) else np.count_nonzero(matrix))
    n = len(kernel.source)  # type: ignore[attr-defined]
    return int(n * (n - 1))


def _entries(channel: Channel, reach: Floats32, keep: float) -> Iterator[sparse.csr_array]:
    """Rows of a kernel as CSR, block by block; of factors the largest entries of each block."""
    kernel = channel.kernel
    if isinstance(kernel, MatrixKernel):
        yield sparse.csr_array(kernel.matrix, dtype=np.float32)
        return
    if not isinstance(kernel, FactorKernel):
        raise ModelError(f"a channel with a kernel of type {type(kernel).__name__} cannot be compressed")
    n = kernel.source.shape[0]
    size = max(1, _CELLS // n)
    for start in range(0, n, size):
        block = slice(start, min(start + size, n))
        values = np.asarray(kernel.source[block] @ kernel.target.T, dtype=np.float32)
        values[np.arange(len(values)), np.arange(block.start, block.stop)] = 0
        moves = np.abs(values * channel.weight) * reach[block, None]
        kept = max(1, round(keep * moves.size))
        values[moves < np.partition(moves.ravel(), moves.size - kept)[moves.size - kept]] = 0
        yield sparse.csr_array(values)


def _moves(matrix: sparse.csr_array, weight: Floats32, reach: Floats32) -> Floats32:
    """sqrt(n_j) |lambda(i) K(j, i)| of each entry."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    moves: Floats32 = np.abs(matrix.data * weight[matrix.indices]) * reach[rows]
    return moves
