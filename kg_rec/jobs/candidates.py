"""What may be in a list: masks over the items, evaluated once a run, and re-ranking of a user's best items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.errors import ConfigError
from kg_rec.jobs.config import CandidatesConfig
from kg_rec.model.kernel import FactorKernel
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot import IdMap, Snapshot
from kg_rec.store.base import GraphStore
from kg_rec.textfile import read_lines

_MOST_KEYS = 50_000_000
_BLOCK = 128


def queried_keys(store: GraphStore, cypher: str, setting: str) -> list[str]:
    """The distinct texts of a query's first column, in their order.

    Raises:
        ConfigError: they are no texts.
        StoreError: the query was refused or failed.
    """
    found = store.query(cypher, limit=_MOST_KEYS, timeout=600)
    return list(dict.fromkeys(_texts(found.column(0).to_pylist(), setting, "in the first column")))


def queried_pairs(store: GraphStore, cypher: str, setting: str) -> list[tuple[str, str]]:
    """The distinct pairs of texts of a query's two columns, in their order.

    Raises:
        ConfigError: there are not two columns, or they hold other things than texts.
        StoreError: the query was refused or failed.
    """
    found = store.query(cypher, limit=_MOST_KEYS, timeout=600)
    if found.num_columns != 2:
        raise ConfigError(
            f"{setting}: expected two columns, keys of users and of items, got {', '.join(found.column_names)}"
        )
    columns = [_texts(column.to_pylist(), setting, "in both columns") for column in found.columns]
    return list(dict.fromkeys(zip(*columns, strict=True)))


def _texts(column: list[Any], setting: str, where: str) -> list[str]:
    wrong = [value for value in column if not isinstance(value, str)]
    if wrong:
        raise ConfigError(f"{setting}: expected keys {where}, as texts, got {wrong[0]!r}")
    return column


def file_keys(path: str | Path, stream: IO[bytes] | None = None) -> list[str]:
    """The lines of a file that are not blank, as they are written, each once.

    Raises:
        ConfigError: it cannot be read or is no text; the message names the line.
    """
    return list(dict.fromkeys(read_lines(path, ConfigError, stream)))


def allowed_items(
    config: CandidatesConfig, store: GraphStore, snapshot: Snapshot
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """The items that may be in a list, shape (n,), and how many each rule leaves by itself."""
    items = snapshot.items
    allowed, counts = np.ones(len(items), dtype=bool), {}

    def apply(rule: str, mask: NDArray[np.bool_]) -> None:
        counts[rule] = int(mask.sum())
        np.logical_and(allowed, mask, out=allowed)

    for n, text in enumerate(config.only):
        apply(f"only[{n}]", _mask(items, queried_keys(store, text, "candidates.only")))
    for n, text in enumerate(config.never):
        apply(f"never[{n}]", ~_mask(items, queried_keys(store, text, "candidates.never")))
    if config.allow_file:
        apply("allow_file", _mask(items, file_keys(config.allow_file)))
    if config.block_file:
        apply("block_file", ~_mask(items, file_keys(config.block_file)))
    if config.minimum_novelty > 0:
        apply("minimum_novelty", novelty(snapshot) >= config.minimum_novelty)
    return allowed, counts


def blocked_pairs(
    config: CandidatesConfig, store: GraphStore, snapshot: Snapshot
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """What may not be in the list of one user, and how many pairs each rule names.

    Returns:
        Dense indices of users and items, shape (pairs, 2), sorted; keys that the graph does not have are left out.
    """
    parts, counts = [np.empty((0, 2), dtype=np.int64)], {}
    for n, text in enumerate(config.never_for):
        pairs = queried_pairs(store, text, "candidates.never_for")
        users = snapshot.users.indices([user for user, _ in pairs])
        found = np.stack([users, snapshot.items.indices([item for _, item in pairs])], axis=1)
        parts.append(found[(found >= 0).all(axis=1)])
        counts[f"never_for[{n}]"] = len(parts[-1])
    return np.unique(np.concatenate(parts), axis=0), counts


def novelty(snapshot: Snapshot) -> NDArray[np.float64]:
    """-log2 of the share of the users who interacted with each item, shape (n,); infinite for none."""
    counts = np.bincount(snapshot.interactions.target, minlength=len(snapshot.items))
    with np.errstate(divide="ignore"):
        return -np.log2(counts / max(len(snapshot.users), 1))


def _mask(items: IdMap, keys: Sequence[str]) -> NDArray[np.bool_]:
    mask = np.zeros(len(items), dtype=bool)
    found = items.indices(keys)
    mask[found[found >= 0]] = True
    return mask


@dataclass(frozen=True)
class Reranker:
    """Chooses a list among a user's best items, by caps, diversity and places for new items.

    Attributes:
        categories: per cap, the categories of each item, padded with -1, shape (n, width).
        most: per cap, items of one category in a list.
        vectors: unit vectors of the items, float32, shape (n, d); None without diversity.
        diversity: weight of dissimilarity.
        pool: items to choose from.
        new: which items had no interaction when the model was trained, boolean, shape (n,).
        reserved: places of a list for these: its last ones, where the others hold fewer.
    """

    categories: tuple[NDArray[np.int64], ...]
    most: tuple[int, ...]
    vectors: NDArray[np.float32] | None
    diversity: float
    pool: int
    new: NDArray[np.bool_]
    reserved: int

    def __call__(
        self, items: NDArray[np.int64], scores: NDArray[np.float64], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Choose k of the items of each row, greedily.

        Args:
            items: dense indices, best first, -1 for none, shape (b, p).
            scores: theirs, shape (b, p).
            k: length of the lists.

        Returns:
            Items and scores in the order chosen, shape (b, k); -1 and -inf where there are fewer.
        """
        shape = (len(items), k)
        found, values = np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf)
        for start in range(0, len(items), _BLOCK):
            block = slice(start, start + _BLOCK)
            places = self._block(items[block], scores[block], k)
            rows, filled = np.arange(len(places))[:, None], places >= 0
            found[block] = np.where(filled, items[block][rows, places], -1)
            values[block] = np.where(filled, scores[block][rows, places], -np.inf)
        return found, values

    def _block(self, items: NDArray[np.int64], scores: NDArray[np.float64], k: int) -> NDArray[np.int64]:
        """Places in the pool, -1 for none."""
        b, rows = len(items), np.arange(len(items))
        free = items >= 0
        with np.errstate(invalid="ignore"):
            low = np.where(free, scores, np.inf).min(axis=1, keepdims=True)
            span = np.maximum(scores.max(axis=1, keepdims=True) - low, 1e-12)
            relevance = np.where(free, (scores - low) / span, 0.0) * (1 - self.diversity)
        near = np.zeros(items.shape)
        pooled = None if self.vectors is None else self.vectors[items]
        held = [c[items] for c in self.categories]
        new, owed = self.new[items] & free, np.full(b, self.reserved)
        counts = [np.zeros((b, int(c.max(initial=-1)) + 2), dtype=np.int32) for c in self.categories]
        places = np.full((b, k), -1, dtype=np.int64)
        for step in range(k):
            usable = free.copy()
            for cats, count, most in zip(held, counts, self.most, strict=True):
                usable &= ~((count[rows[:, None, None], cats] >= most) & (cats >= 0)).any(axis=2)
            due = (owed >= k - step) & (usable & new).any(axis=1)
            usable &= new | ~due[:, None]
            worth = np.where(usable, relevance - self.diversity * near, -np.inf)
            best = worth.argmax(axis=1)
            there = usable[rows, best]
            if not there.any():
                break
            places[there, step] = best[there]
            free[rows[there], best[there]] = False
            owed -= there & new[rows, best]
            for cats, count in zip(held, counts, strict=True):
                chosen = cats[rows, best]
                held_by = np.broadcast_to(rows[:, None], chosen.shape)
                count[held_by[there], chosen[there]] += 1  # padding counts in the last column, which nothing reads
            if pooled is not None:
                cosine = np.einsum("bpd,bd->bp", pooled, pooled[rows, best]).astype(np.float64)
                near = cosine if step == 0 else np.maximum(near, cosine)
        return places


def reranker(config: CandidatesConfig, model: Recommender, k: int) -> Reranker | None:
    """The rule that re-ranks a user's best items; None where there is none.

    Raises:
        ConfigError: a cap names no relation type from the item, or the model has no embeddings for diversity.
    """
    if not config.caps and not config.diversity and not config.new_items:
        return None
    schema, snapshot = model.snapshot.schema, model.snapshot
    known = {r.name: r for r in schema.item_relations}
    categories = []
    for n, cap in enumerate(config.caps):
        if cap.relation not in known:
            raise ConfigError(
                f"candidates.caps[{n}].relation: expected one of {', '.join(known)}, which leave {schema.item.name}; "
                f"got {cap.relation}"
            )
        edges = snapshot.edges[cap.relation]
        categories.append(_padded(edges.source, edges.target, len(snapshot.items)))
    vectors = embeddings(model) if config.diversity else None
    if config.diversity and vectors is None:
        raise ConfigError("candidates.diversity: the model has neither text nor relational embeddings; set it to 0")
    most, pool = tuple(c.most for c in config.caps), max(config.pool, k)
    return Reranker(tuple(categories), most, vectors, config.diversity, pool, model.cold, min(config.new_items, k))


def embeddings(model: Recommender) -> NDArray[np.float32] | None:
    """Unit vectors of the items: the text and the relational embedding side by side, each of length 1 before."""
    parts = [] if model.text is None else [model.text]
    kernels = [c.kernel for c in model.channels if c.name == "relational"]
    parts += [np.asarray(kernel.target) for kernel in kernels if isinstance(kernel, FactorKernel)]
    units = [p / np.maximum(np.linalg.norm(p, axis=1, keepdims=True), 1e-12) for p in parts]
    if not units:
        return None
    joined = np.concatenate(units, axis=1)
    return np.asarray(joined / np.maximum(np.linalg.norm(joined, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def _padded(source: NDArray[np.int64], target: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Targets of each source in a row, -1 beyond, shape (n, width)."""
    counts = np.bincount(source, minlength=n)
    padded = np.full((n, max(int(counts.max(initial=0)), 1)), -1, dtype=np.int64)
    starts = np.cumsum(counts) - counts
    padded[source, np.arange(len(source)) - starts[source]] = target
    return padded
