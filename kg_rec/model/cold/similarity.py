"""How alike two items are in text and graph, and relational embeddings for items without interactions.

    k(i, t) = sum_r w_r cos_r(i, t) + w_text max(0, cos(text_i, text_t))^p + sum_q w_q exp(-|q_i - q_t|)
              + sum_v w_v max(0, cos(v_i, v_t))^p
              + w_profile exp(-|c_i - c_t|^2) prod_q exp(-|q_i - q_t|)

Vectors v are the item's own too (of a picture, a sound), one addend a property.  Numbers q are the item's own (a
year), divided by a scale; the profile c tells per relation type how many facts the
item has, how common these are, and which of the most common ones it has (see :func:`profile`).  How much is known of
an item foretells how much it will be used, and does so differently by age and kind: hence a product, not a sum.

An item without interactions gets z_i = sum_t k(i, t) alpha_t from known items t (kernel ridge regression), so its
score stays a sum over (j, t), each a path: you - j - others - t - what t and i share - i.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.cholesky import inverse, solve
from kg_rec.arrays.types import Floats32
from kg_rec.errors import ModelError
from kg_rec.model.cold.config import ColdConfig
from kg_rec.model.item_paths import PathFactors, incidence, path_factors
from kg_rec.model.item_vectors import item_vectors
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import Snapshot

TEXT = "text"
PROFILE = "profile"


@dataclass(frozen=True)
class Similarity:
    """The kernel k over items.

    Attributes:
        factors: one per relation type that has edges.
        text: centred unit vectors, shape (n, d), 0 for an item without text; None without a text model.
        centre: what texts were centred by, the mean embedding of the known items' texts, shape (d,); None without.
        numbers: scaled numbers q by name, each shape (n,), NaN where missing.
        profile: c, shape (n, m); m is 0 without relation types.
        weights: w by relation type and property, of ``text`` and of ``profile``; see :func:`vector_key`.
        text_power: p.
        vectors: centred unit vectors by property, as ``text``.
        vector_centres: what they were centred by, by property, each shape (d,).
    """

    factors: tuple[PathFactors, ...]
    text: Floats32 | None
    centre: Floats32 | None
    numbers: Mapping[str, Floats32]
    profile: Floats32
    weights: Mapping[str, float]
    text_power: float
    vectors: Mapping[str, Floats32] = field(default_factory=dict)
    vector_centres: Mapping[str, Floats32] = field(default_factory=dict)

    def parts(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> dict[str, Floats32]:
        """Each addend of k without its weight, by name; shape (rows, columns)."""
        parts: dict[str, Floats32] = {
            f.relation: (f.target[rows] @ f.source[columns].T).toarray().astype(np.float32) for f in self.factors
        }
        if self.text is not None:
            parts[TEXT] = np.maximum(self.text[rows] @ self.text[columns].T, 0) ** np.float32(self.text_power)
        for name, vectors in self.vectors.items():
            cosine = np.maximum(vectors[rows] @ vectors[columns].T, 0)
            parts[vector_key(name)] = cosine ** np.float32(self.text_power)
        for name, values in self.numbers.items():
            parts[name] = np.nan_to_num(np.exp(-_abs_difference(values[rows], values[columns]))).astype(np.float32)
        if self.profile.shape[1]:
            left, right = self.profile[rows], self.profile[columns]
            distance = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None, :] - 2 * left @ right.T
            for values in self.numbers.values():  # an item without this number is taken for average
                filled = np.where(np.isnan(values), np.nanmean(values), values)
                distance += _abs_difference(filled[rows], filled[columns])
            parts[PROFILE] = np.exp(-np.maximum(distance, 0))
        return parts

    def __call__(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats32:
        """k(rows, columns), float32."""
        return combine(self.parts(rows, columns), self.weights)


def vector_key(name: str) -> str:
    """Under which name the vectors of a property are weighed; no relation type and no property has such a one."""
    return f"vector:{name}"


def _abs_difference(rows: Floats32, columns: Floats32) -> Floats32:
    """|row - column|, shape (rows, columns)."""
    distance: Floats32 = np.abs(rows[:, None] - columns[None, :])
    return distance


def combine(parts: Mapping[str, Floats32], weights: Mapping[str, float]) -> Floats32:
    """Weighted sum of kernels of equal shape; there is at least one."""
    total = np.zeros_like(next(iter(parts.values())))
    for name, part in parts.items():
        if weights[name]:
            total += np.float32(weights[name]) * part
    return total


def build(
    snapshot: Snapshot,
    text: Floats32 | None,
    degree_exponent: float,
    max_degree: float,
    cold: ColdConfig,
    known: NDArray[np.int64] | None = None,
) -> Similarity:
    """The kernel of a graph with all weights 1.

    Args:
        snapshot: the graph.
        text: unit text embeddings of the items, or None; they are centred here, on the items with interactions.
        degree_exponent: how strongly attributes of many items are discounted.
        max_degree: attributes of more than this share of the items are left out.
        cold: powers and scales.
        known: items with interactions; None for those that have some in the graph.
    """
    relations = [r for r in snapshot.schema.knowledge_relations if len(snapshot.edges[r.name])]
    factors = [path_factors(snapshot, r, degree_exponent, max_degree) for r in relations]
    item = snapshot.schema.item
    numbers = {}
    for column in (p.name for p in item.properties if p.datatype in ("integer", "float") and p.use is None):
        values = np.array(snapshot.nodes[item.name].column(column).to_pylist(), dtype=np.float32)
        if np.isfinite(values).any():
            numbers[column] = values / np.float32(cold.number_scale)
    centred = centre = None
    if text is not None:
        centre = centre_of(text, snapshot.interactions.target if known is None else known)
        centred = centred_texts(text, centre)
    raw = item_vectors(snapshot)
    centres = {name: centre_of(v, snapshot.interactions.target if known is None else known) for name, v in raw.items()}
    vectors = {name: centred_texts(v, centres[name]) for name, v in raw.items()}
    names = [*(f.relation for f in factors), *numbers, *([TEXT] if centred is not None else [])]
    names += [*map(vector_key, vectors), *([PROFILE] if relations else [])]
    about = profile([incidence(snapshot, r) for r in relations], degree_exponent, cold, len(snapshot.items))
    weights = dict.fromkeys(names, 1.0)
    return Similarity(tuple(factors), centred, centre, numbers, about, weights, cold.text_power, vectors, centres)


def centred_vectors(snapshot: Snapshot, centres: Mapping[str, Floats32]) -> dict[str, Floats32]:
    """The vectors of the items of a graph by property, centred as those of the graph that a model was trained on.

    Args:
        snapshot: the graph.
        centres: by property; see :attr:`Similarity.vector_centres`.
    """
    raw, n = item_vectors(snapshot), len(snapshot.items)
    none = {name: np.zeros((n, len(centre)), np.float32) for name, centre in centres.items()}
    return {name: centred_texts(raw.get(name, none[name]), centre) for name, centre in centres.items()}


def centre_of(text: Floats32, known: NDArray[np.int64]) -> Floats32:
    """What the texts (or vectors) of the known items have in common: their mean embedding, shape (d,).

    Args:
        text: unit embeddings, shape (n, d), 0 without a text.
        known: items with interactions; where none has a text, all items that have one.
    """
    told = np.asarray(text.any(axis=1))
    common = np.intersect1d(known, np.flatnonzero(told))
    mean: Floats32 = text[common if len(common) else told].mean(axis=0)
    return mean


def centred_texts(text: Floats32, centre: Floats32) -> Floats32:
    """Unit vectors of texts (or of vectors) without ``centre``; zeros without a text.

    Args:
        text: unit embeddings, shape (m, d).
        centre: see :func:`centre_of`.
    """
    shifted = (text - centre) * np.asarray(text.any(axis=1))[:, None]
    centred: Floats32 = shifted / np.maximum(np.linalg.norm(shifted, axis=1, keepdims=True), 1e-9)
    return centred


def profile(
    incidences: list[sparse.csr_array],
    degree_exponent: float,
    config: ColdConfig,
    n_items: int,
    others: list[sparse.csr_array] | None = None,
) -> Floats32:
    """What kind of item it is by its facts, as coordinates c.

    Per relation type: log(1 + number of facts) and log(1 + number of other items that share them), standardised and
    together of unit expected squared distance; and those attributes that at least ``config.common`` of the items
    have, weighted and scaled to unit length as in :func:`path_factors`, times sqrt(``config.kind``).

    Args:
        incidences: binary, one per relation type, each shape (n_items, other nodes).
        degree_exponent: how strongly common attributes are discounted.
        config: ``common``, ``kind``.
        n_items: n.
        others: the same of other items, tied to the same nodes; None for the profiles of the n items themselves.

    Returns:
        float32, shape (n, m), or (other items, m) on the scales of the n.
    """
    asked = incidences if others is None else others
    columns: list[Floats32] = [np.zeros((n_items if others is None else others[0].shape[0], 0), dtype=np.float32)]
    for matrix, shown in zip(incidences, asked, strict=True):
        degree = np.bincount(matrix.indices, minlength=matrix.shape[1])
        besides = np.maximum(degree - 1, 0) if others is None else degree  # an item that is not among the n
        amounts = (np.diff(matrix.indptr), matrix @ np.maximum(degree - 1, 0))
        for amount, own in zip(amounts, (np.diff(shown.indptr), shown @ besides), strict=True):
            logs = np.log1p(amount)
            scale = max(float(logs.std()), 1e-6) * np.sqrt(4 * len(incidences))
            columns.append(((np.log1p(own) - logs.mean()) / scale).astype(np.float32)[:, None])
        common = np.flatnonzero(degree >= max(config.common * n_items, 2))
        which = shown[:, common].toarray() * degree[common] ** -degree_exponent
        norms = np.maximum(np.linalg.norm(which, axis=1, keepdims=True), 1e-12)
        columns.append((which / norms * np.sqrt(config.kind)).astype(np.float32))
    return np.hstack(columns)


@dataclass(frozen=True)
class ColdItems:
    """Kernel ridge regression from similarity to target embeddings.

    Attributes:
        landmarks: known items t, int64, shape (m,).
        coefficients: alpha, float32, shape (m, d).
        ridge: the penalty.
    """

    landmarks: NDArray[np.int64]
    coefficients: Floats32
    ridge: float

    def embed(self, similarity: Similarity, items: NDArray[np.int64]) -> Floats32:
        """z = k(items, landmarks) alpha, shape (items, d); in blocks, so memory is linear in ``items``."""
        embedded = np.empty((len(items), self.coefficients.shape[1]), np.float32)
        for start in range(0, len(items), 1024):
            block = slice(start, start + 1024)
            embedded[block] = similarity(items[block], self.landmarks) @ self.coefficients
        return embedded


def popular(counts: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Indices of the items with interactions, at most ``most``, the most popular ones; ascending."""
    order = np.lexsort((np.arange(len(counts)), -counts))
    return np.sort(order[: min(most, int((counts > 0).sum()))])


def fit_cold(similarity: Similarity, targets: Floats32, landmarks: NDArray[np.int64], ridge: float) -> ColdItems:
    """alpha = (k(L, L) + ridge I)^-1 z_L for landmarks L and target embeddings z, shape (n, d).

    Raises:
        ModelError: the kernel is not positive definite; set a larger ridge.
    """
    gram = similarity(landmarks, landmarks).astype(np.float64)
    gram[np.diag_indices_from(gram)] += ridge
    return ColdItems(landmarks, solve(gram, targets[landmarks]).astype(np.float32), ridge)


def leave_one_out(gram: Floats32, targets: Floats32, ridge: float) -> Floats32:
    """What kernel ridge regression says of each point without that point: z - alpha / diag((K + ridge I)^-1).

    The closed form of leave-one-out (Rasmussen & Williams 2006, eq. 5.12); shape as ``targets``.
    """
    regularised = gram.astype(np.float64)
    regularised[np.diag_indices_from(regularised)] += ridge
    inverted = inverse(regularised)
    return (targets - (inverted @ targets) / np.diag(inverted)[:, None]).astype(np.float32)


def choose_weights(
    similarity: Similarity,
    targets: Floats32,
    landmarks: NDArray[np.int64],
    judge: Callable[[Floats32], float],
    config: ColdConfig,
    progress: Progress = no_progress,
) -> tuple[Similarity, float]:
    """Weights of text, numbers and relation types, and the ridge penalty, by coordinate ascent.

    Args:
        similarity: the kernel with weights to start from.
        targets: target embeddings, shape (n, d).
        landmarks: known items of the regression, int64, shape (m,).
        judge: figure of merit of the embeddings that each landmark would get if it were new, shape (m, d); larger is
            better.
        config: steps, rounds, ridge penalties.
        progress: called per weight.

    Returns:
        The kernel with the chosen weights, and the penalty.
    """
    parts = similarity.parts(landmarks, landmarks)
    known = targets[landmarks]

    def figure(weights: Mapping[str, float], ridge: float) -> float:
        if not any(weights.values()):
            return -np.inf
        try:
            found = leave_one_out(combine(parts, weights), known, ridge)
        except ModelError:  # clipped cosines can make a kernel that is not positive definite: not a choice
            return -np.inf
        return judge(found)

    weights = dict(similarity.weights)
    ridge = max(config.ridge, key=lambda r: figure(weights, r))
    best = figure(weights, ridge)
    done, total = 0, config.rounds * len(weights)
    for _ in range(config.rounds):
        for name in weights:
            progress(done, total, "weigh the graph's relations")
            done += 1
            for step in config.steps:
                trial = {**weights, name: (weights[name] or 0.2) * step}
                found = figure(trial, ridge)
                if found > best:
                    best, weights = found, trial
        ridge = max(config.ridge, key=lambda r: figure(weights, r))
        best = figure(weights, ridge)
    progress(total, total, "weigh the graph's relations")
    return replace(similarity, weights=weights), ridge
