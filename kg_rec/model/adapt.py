"""A trained model for another state of its graph: items, facts and texts that came, went or changed, without training.

What was learned stays as it is: embeddings, weights, degrees, norms.  An item that went takes its row and column of
every kernel with it.  One that came is scored as an item without interactions is (:mod:`kg_rec.model.cold`), from its
facts, numbers and text.  A fact that went takes its paths with it; one that came ties the item as training on the
graph of now would tie it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats32
from kg_rec.errors import MissingDependencyError, ModelError
from kg_rec.model.adapt_facts import mean_gate, with_facts, with_gates
from kg_rec.model.channels.knowledge import KnowledgeConfig
from kg_rec.model.channels.meaning import MeaningConfig, meaning_kernel
from kg_rec.model.channels.registry import kind_of, kinds
from kg_rec.model.channels.vectors import VectorsConfig, vectors_kernel
from kg_rec.model.chosen import Chosen
from kg_rec.model.cold.similarity import (
    ColdItems,
    Similarity,
    centred_texts,
    centred_vectors,
    fit_cold,
    popular,
    profile,
)
from kg_rec.model.config import TrainConfig
from kg_rec.model.encoders.text import TextEncoder, find_encoder, item_texts
from kg_rec.model.fashion import Fashion
from kg_rec.model.item_paths import (
    GatedPaths,
    PathFactors,
    incidence,
)
from kg_rec.model.kernel import FactorKernel, Kernel, Matrix, MatrixKernel
from kg_rec.model.vanished import vanished
from kg_rec.quantity import quantity
from kg_rec.schema import RelationType
from kg_rec.snapshot import EdgeTable, Snapshot
from kg_rec.snapshot.item_facts import other_end, without_relations

_log = logging.getLogger(__name__)
#: Training again is advised when more than this share of the items is new to the model.
_MANY = 0.1


class Channel(Protocol):
    """See :class:`kg_rec.model.recommender.Channel`."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def kernel(self) -> Kernel: ...  # noqa: D102
    @property
    def weight(self) -> Floats32: ...  # noqa: D102


class Trained(Protocol):
    """What :func:`adapted` reads of a :class:`kg_rec.model.recommender.Recommender`, and replaces."""

    snapshot: Snapshot
    config: TrainConfig
    chosen: Chosen
    channels: tuple[Any, ...]
    base: Floats32
    cold: NDArray[np.bool_]
    shared: tuple[GatedPaths, ...]
    similarity: Similarity
    regression: ColdItems | None
    text: Floats32 | None
    fashion: Fashion | None


M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Difference:
    """How the catalogue differs from that of the training.

    Attributes:
        items: items there are now.
        added: of them those that are new to the model.
        dropped: items of the model that are gone.
        bare: of the new items those without a text embedding, in a model that reads texts.
    """

    items: int
    added: int
    dropped: int
    bare: int

    def line(self) -> str:
        """The difference in one line, with the advice to train again where there is a reason."""
        parts = [f"{quantity(self.added, 'item')} added", f"{self.dropped:,} dropped"]
        parts += [f"{self.bare:,} of the new ones could not be embedded"] if self.bare else []
        share = self.added / max(self.items, 1)
        advice = f"; {share:.0%} of the items are new: training again is advised" if share > _MANY else ""
        return f"the catalogue changed since training: {', '.join(parts)}{advice}"


def adapted(model: M, after: Snapshot) -> M:
    """The model over another state of its graph.

    Args:
        model: a :class:`~kg_rec.model.recommender.Recommender`, best as it was trained.
        after: the graph now.

    Raises:
        ModelError: a relation type of the model is not in the schema; train again.
    """
    trained = cast("Trained", model)
    after = without_relations(after, [name for name in trained.config.blocked if name in after.schema.relation_types])
    before = trained.snapshot
    unknown = [f.relation for f in trained.similarity.factors if f.relation not in after.schema.relation_types]
    if unknown:
        raise ModelError(f"the model uses the relation type {unknown[0]}, which the schema lacks; train again")
    gone = vanished(before, after)
    if gone:
        _log.warning("the graph has none now of what training knew: %s; was it deleted, or renamed?", "; ".join(gone))
    changes: dict[str, Any] = {"snapshot": after}
    item = after.schema.item.name
    same = after.nodes[item].equals(before.nodes[item])
    if not same:
        place = before.items.indices(after.items.keys)
        changes |= _renumbered(trained, after, place)
        before = _of_items(before, after, place)
    similarity: Similarity = changes.get("similarity", trained.similarity)
    factors = tuple(with_facts(f, before, after, trained.config) for f in similarity.factors)
    shared = tuple(
        with_gates(p, before, after, trained.config, trained.chosen) for p in changes.get("shared", trained.shared)
    )
    if same and all(new is old for new, old in zip(factors, similarity.factors, strict=True)):
        return cast("M", replace(cast("Any", model), **changes))
    similarity = replace(similarity, factors=factors)
    cold = changes.get("cold", trained.cold)
    channels = changes.get("channels", trained.channels)
    regression = changes.get("regression", trained.regression)
    if regression is None and not same:
        regression = _regression(trained, before, similarity, channels, cold)
    changes |= {
        "similarity": similarity,
        "shared": shared,
        "regression": regression,
        "channels": tuple(
            replace(c, kernel=kind_of(c.name).without_edges(c.kernel, shared, similarity, regression, cold))
            for c in channels
        ),
    }
    return cast("M", replace(cast("Any", model), **changes))


def _renumbered(model: Trained, after: Snapshot, place: NDArray[np.int64]) -> dict[str, Any]:
    """The parts of a model for the items of ``after``, of which ``place`` says where each was, -1 for a new one."""
    new, old = place < 0, model.similarity
    text, told_anew = _texts(model, after, place)
    numbers = {name: _numbers(after, name, model.config.cold.number_scale) for name in old.numbers}
    centred = old.text
    if text is not None and old.centre is not None:
        centred = _rows(cast("Floats32", old.text), place)
        centred[told_anew] = centred_texts(text[told_anew], old.centre)
    similarity = replace(
        old,
        factors=tuple(_moved(f, model.snapshot.schema.relation_types[f.relation], place) for f in old.factors),
        text=centred,
        numbers=numbers,
        profile=_profile(model, after, place),
        vectors=centred_vectors(after, old.vector_centres),
    )
    channels = []
    for channel in model.channels:
        weight = np.where(new, np.float32(_new_weight(channel, model)), channel.weight[place])
        kernel = _moved_kernel(channel.kernel, place)
        if channel.name == "meaning" and centred is not None and told_anew.any():
            kernel = meaning_kernel(centred, model.config.of(MeaningConfig))
        if channel.name == "vectors":
            chosen = model.chosen.channels[channel.name]
            kernel = vectors_kernel(similarity.vectors, chosen, model.config.of(VectorsConfig))
        channels.append(replace(channel, kernel=kernel, weight=weight.astype(np.float32)))
    bare = 0 if text is None else int((new & ~text.any(axis=1)).sum())
    difference = Difference(len(place), int(new.sum()), len(model.base) - int((~new).sum()), bare)
    if difference.added or difference.dropped:
        _log.warning("%s", difference.line())
    fashion = model.fashion
    if fashion is not None:  # it is counted anew afterwards
        fashion = replace(fashion, lasting=np.where(new, np.float32(0), fashion.lasting[place]))
    return {
        "fashion": fashion,
        "channels": tuple(channels),
        "base": np.where(new, np.float32(0), model.base[place]),
        "cold": np.where(new, True, model.cold[place]),
        "similarity": similarity,
        "shared": tuple(_moved_gates(p, model, place) for p in model.shared),
        "regression": _moved_regression(model.regression, place, len(model.base)),
        "text": text,
    }


def _rows(matrix: Matrix, place: NDArray[np.int64]) -> Matrix:
    """Rows by new number; zeros for a new item.  Dense or CSR, shape (new items, m)."""
    if sparse.issparse(matrix):
        chosen = sparse.csr_array(
            (np.ones(int((place >= 0).sum()), matrix.dtype), _ends(place)), shape=(len(place), matrix.shape[0])
        )
        return sparse.csr_array(chosen @ matrix)
    rows = np.zeros((len(place), *matrix.shape[1:]), matrix.dtype)
    rows[place >= 0] = matrix[place[place >= 0]]
    return rows


def _ends(place: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    kept = np.flatnonzero(place >= 0)
    return kept, place[kept]


def _moved_kernel(kernel: Kernel, place: NDArray[np.int64]) -> Kernel:
    if isinstance(kernel, FactorKernel):
        return FactorKernel(_rows(kernel.source, place), _rows(kernel.target, place))
    if isinstance(kernel, MatrixKernel):
        half = _rows(kernel.matrix, place)
        return MatrixKernel(_rows(sparse.csr_array(half.T) if sparse.issparse(half) else half.T, place).T)
    raise ModelError(f"cannot renumber the items of a {type(kernel).__name__}; train again")


def _moved(factors: PathFactors, relation: RelationType, place: NDArray[np.int64]) -> PathFactors:
    source = _rows(factors.source, place)
    if relation.source != relation.target:
        target = source if factors.target is factors.source else _rows(factors.target, place)
        return PathFactors(factors.relation, source, target)
    identity = sparse.csr_array(sparse.eye_array(len(place), dtype=np.float32))
    return PathFactors(factors.relation, sparse.csr_array(_rows(sparse.csr_array(source.T), place).T), identity)


def _moved_gates(paths: GatedPaths, model: Trained, place: NDArray[np.int64]) -> GatedPaths:
    relation = model.snapshot.schema.relation_types[paths.factors.relation]
    factors = _moved(paths.factors, relation, place)
    if relation.source != relation.target:
        return GatedPaths(factors, paths.gate)
    gate = np.where(place < 0, np.float32(mean_gate(model.chosen, relation.name)), paths.gate[place])
    return GatedPaths(factors, gate.astype(np.float32))


def _moved_regression(regression: ColdItems | None, place: NDArray[np.int64], n_before: int) -> ColdItems | None:
    """The regression without the landmarks that are gone."""
    if regression is None:
        return None
    now = np.full(n_before, -1)
    now[place[place >= 0]] = np.flatnonzero(place >= 0)
    landmarks = now[regression.landmarks]
    there = landmarks >= 0
    return replace(regression, landmarks=landmarks[there], coefficients=regression.coefficients[there])


def _regression(
    model: Trained, before: Snapshot, similarity: Similarity, channels: tuple[Any, ...], cold: NDArray[np.bool_]
) -> ColdItems | None:
    """Where training had no item without interactions: how the known items place new ones."""
    kernel = next((c.kernel for c in channels if c.name == "relational"), None)
    counts = np.bincount(before.liked().target, minlength=len(cold)) * ~cold
    if not isinstance(kernel, FactorKernel) or not any(similarity.weights.values()) or not counts.any():
        return None
    return fit_cold(similarity, kernel.target, popular(counts, model.config.cold.landmarks), model.chosen.ridge)


def _new_weight(channel: Channel, model: Trained) -> float:
    """The weight of a channel for items without interactions."""
    if model.cold.any():
        return float(channel.weight[model.cold][0])
    return new_item_weight(model.chosen, channel.name)


def new_item_weight(chosen: Chosen, channel: str) -> float:
    """The weight of a channel for items without interactions, as it was chosen; 0 for one that says nothing of them."""
    first = anchor(chosen.cold)
    return chosen.cold.get(channel, 0.0) * ((chosen.warm.get(first) or 1.0) / chosen.units.get(first, 1.0))


def anchor(channels: Collection[str]) -> str:
    """The channel whose weight for new items is that for the others; the other channels' are relative to it.

    It is the first of those that score new items; empty where there is none.
    """
    return next((kind.name for kind in kinds() if kind.cold_start is not None and kind.name in channels), "")


def _texts(model: Trained, after: Snapshot, place: NDArray[np.int64]) -> tuple[Floats32 | None, NDArray[np.bool_]]:
    """Text embeddings of the items there are now, and which of them are not those of training.

    These are the new items and those whose own name, numbers or texts changed.  Names of neighbours are part of a text
    when it is embedded; a fact that comes or goes does not embed it again, as paths tell of it.
    """
    anew = place < 0
    if model.text is None:
        return None, np.zeros(len(place), bool)
    item, kept = after.schema.item, np.flatnonzero(~anew)
    told = [p.name for p in item.properties if p.use in ("name", "text") or p.datatype == "integer"]
    old = model.snapshot.nodes[item.name].take(place[kept])
    now = after.nodes[item.name].take(kept)
    for name in told:
        if name in old.column_names:
            differs = pc.not_equal(old[name], now[name])
            one_null = pc.xor(pc.is_null(old[name]), pc.is_null(now[name]))
            anew[kept] |= np.asarray(pc.or_(pc.fill_null(differs, False), one_null))
    text = cast("Floats32", _rows(model.text, place))
    if anew.any():
        words = item_texts(after)
        meaning = model.config.of(MeaningConfig)
        text[anew] = 0
        try:
            encoder = TextEncoder(find_encoder(meaning.encoder), meaning.batch_size, meaning.max_tokens)
            text[anew] = encoder.encode([words[i] for i in np.flatnonzero(anew)])
        except (MissingDependencyError, ModelError) as error:  # they are scored by their facts, and counted
            _log.warning("new items have no text embedding: %s", error)
    return text, anew


def _numbers(after: Snapshot, name: str, scale: float) -> Floats32:
    values = np.array(after.nodes[after.schema.item.name].column(name).to_pylist(), dtype=np.float32)
    return values / np.float32(scale)


def _profile(model: Trained, after: Snapshot, place: NDArray[np.int64]) -> Floats32:
    """Profiles of the items there are now: as in training, and for new ones on the scales of training."""
    old = model.similarity.profile
    filled = cast("Floats32", _rows(old, place))
    new = place < 0
    relations = [model.snapshot.schema.relation_types[f.relation] for f in model.similarity.factors]
    if not old.shape[1] or not new.any():
        return filled
    exponent = model.config.of(KnowledgeConfig).degree_exponent
    pairs = [(incidence(model.snapshot, r), _for_old_nodes(model.snapshot, after, r)) for r in relations]
    of_new = profile(
        [before for before, _ in pairs], exponent, model.config.cold, len(old), [now[new] for _, now in pairs]
    )
    if of_new.shape[1] == old.shape[1]:  # else the model was adapted before: a new item is then taken for average
        filled[new] = of_new
    return filled


def _for_old_nodes(before: Snapshot, after: Snapshot, relation: RelationType) -> sparse.csr_array:
    """Which item of ``after`` is tied to which node of ``before``, binary CSR."""
    matrix = incidence(after, relation)
    other = other_end(after.schema, relation)
    column = before.ids[other].indices(after.ids[other].keys)
    cells = matrix.tocoo()
    known = column[cells.col] >= 0
    ends = (cells.row[known], column[cells.col[known]])
    return sparse.csr_array((cells.data[known], ends), shape=(matrix.shape[0], len(before.ids[other])))


def _of_items(before: Snapshot, after: Snapshot, place: NDArray[np.int64]) -> Snapshot:
    """The graph before, with the items of ``after``: none of the new ones has an edge."""
    item = after.schema.item.name
    now = np.full(len(before.items), -1)
    now[place[place >= 0]] = np.flatnonzero(place >= 0)
    edges: dict[str, EdgeTable] = {}
    for name, relation in before.schema.relation_types.items():
        table = before.edges[name]
        source = now[table.source] if relation.source == item else table.source
        target = now[table.target] if relation.target == item else table.target
        edges[name] = replace(table, source=source, target=target).take((source >= 0) & (target >= 0))
    nodes: Mapping[str, Any] = {**before.nodes, item: after.nodes[item]}
    return Snapshot(before.schema, before.source, nodes, edges)
