"""What items have in the graph, one column each: nodes that a relation type ties them to, and decades."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats64, Ints
from kg_rec.ask.fields import Fields
from kg_rec.model.item_paths import incidence
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot.item_facts import other_end

#: A feature of fewer items is left out: it says no more than the item itself.
_LEAST_ITEMS = 2


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that items have.

    Attributes:
        relation: relation type that ties items to the node; for years the item's property.
        type: node type; empty for years.
        key: key of the node; for years the first and the last, as in "1970-1979".
        name: name of the node as shown to people; for years the key.
        years: first and last year; None for a node.
    """

    relation: str
    type: str
    key: str
    name: str
    years: tuple[int, int] | None = None

    @property
    def identity(self) -> tuple[str, str, str]:
        """What tells it from others, whatever its name: relation, type and key."""
        return self.relation, self.type, self.key

    @classmethod
    def of_years(cls, name: str, low: int, high: int) -> Feature:
        """The items whose property ``name`` lies between two years, both included."""
        key = f"{low}-{high}"
        return cls(name, "", key, key, (low, high))


@dataclass(frozen=True)
class Features:
    """The features of a model's items, and who liked how many of each.

    Attributes:
        model: the model.
    """

    model: Recommender

    @cached_property
    def _parts(self) -> tuple[sparse.csr_array, tuple[str, ...], Ints, Ints]:
        """The matrix; the relation types and at last the years' property; per column its place there, and its node."""
        snapshot = self.model.snapshot
        n = len(snapshot.items)
        names, blocks, places, nodes = list[str](), list[sparse.csr_array](), list[Ints](), list[Ints]()

        def add(name: str, matrix: sparse.csr_array, node: Ints) -> None:
            degree = np.bincount(matrix.indices, minlength=matrix.shape[1])
            kept = np.flatnonzero((degree >= _LEAST_ITEMS) & (degree < n))
            names.append(name)
            blocks.append(sparse.csr_array(matrix.tocsc()[:, kept]))
            places.append(np.full(len(kept), len(names) - 1))
            nodes.append(node[kept])

        for relation in snapshot.schema.knowledge_relations:
            if relation.source != relation.target:
                matrix = incidence(snapshot, relation)
                add(relation.name, matrix, np.arange(matrix.shape[1]))
        fields = Fields(snapshot)
        year = fields.property_of("year")
        if year is not None:
            years = fields.values("year")
            known = np.flatnonzero(np.isfinite(years))
            decades, place = np.unique(years[known].astype(np.int64) // 10 * 10, return_inverse=True)
            ones = np.ones(len(known), np.float32)
            add(year, sparse.csr_array((ones, (known, place)), shape=(n, len(decades))), decades)
        stacked = sparse.hstack(blocks, format="csr") if blocks else sparse.csr_array((n, 0))
        whole = sparse.csr_array(stacked.astype(np.float64))
        none = [np.empty(0, np.int64)]
        return whole, tuple(names), np.concatenate([*none, *places]), np.concatenate([*none, *nodes])

    @property
    def matrix(self) -> sparse.csr_array:
        """Which item has what, binary CSR, float64, shape (items, features)."""
        return self._parts[0]

    @cached_property
    def items(self) -> Ints:
        """How many items have each feature, shape (features,)."""
        counts: Ints = np.bincount(self.matrix.indices, minlength=self.matrix.shape[1])
        return counts

    @cached_property
    def liked(self) -> sparse.csr_array:
        """Who liked what, binary CSR, float64, shape (users, items)."""
        return sparse.csr_array(self.model.users_of_items.tocsr().astype(np.float64))

    @cached_property
    def everybody(self) -> Ints:
        """Of all likes, how many are of items with each feature, shape (features,)."""
        of_items = np.bincount(self.liked.indices, minlength=self.liked.shape[1]).astype(np.float64)
        counts: Ints = np.rint(of_items @ self.matrix).astype(np.int64)
        return counts

    @property
    def likes(self) -> int:
        """How many likes there are, of all users."""
        return int(self.liked.nnz)

    def feature(self, column: int) -> Feature:
        """What a column stands for."""
        _, names, places, nodes = self._parts
        name, node = names[int(places[column])], int(nodes[column])
        snapshot = self.model.snapshot
        relation = snapshot.schema.relation_types.get(name)
        if relation is None:
            return Feature.of_years(name, node, node + 9)
        kind = other_end(snapshot.schema, relation)
        return Feature(name, kind, snapshot.ids[kind].key(node), snapshot.name(kind, node))

    def contrast(self, scores: Floats64, columns: Ints | None = None) -> Floats64:
        """How much higher items with a feature score, on average, than those without.

        Args:
            scores: shape (b, items).
            columns: some of the features; None for all.

        Returns:
            float64, shape (b, features).
        """
        matrix = self.matrix if columns is None else sparse.csr_array(self.matrix.tocsc()[:, columns])
        items = (self.items if columns is None else self.items[columns]).astype(np.float64)
        inside: Floats64 = np.asarray(scores @ matrix)
        rest = scores.sum(axis=1, keepdims=True) - inside
        difference: Floats64 = inside / items - rest / (len(self.model.items) - items)
        return difference

    def has(self, feature: Feature) -> NDArray[np.bool_]:
        """Which items have a feature, shape (items,), also one that :attr:`matrix` has no column for.

        An empty relation stands for all that tie items to the node.  No item has a node that is not in the graph.
        """
        snapshot = self.model.snapshot
        if feature.years is not None:
            years = Fields(snapshot).values("year")
            with np.errstate(invalid="ignore"):
                inside: NDArray[np.bool_] = (years >= feature.years[0]) & (years <= feature.years[1])
            return inside
        tied = np.zeros(len(snapshot.items), np.bool_)
        if feature.key not in snapshot.ids.get(feature.type, ()):
            return tied
        node = snapshot.ids[feature.type].index(feature.key)
        ends = {snapshot.schema.item.name, feature.type}
        for relation in snapshot.schema.knowledge_relations:
            if {relation.source, relation.target} == ends and feature.relation in ("", relation.name):
                matrix = incidence(snapshot, relation).tocsc()
                tied[matrix.indices[matrix.indptr[node] : matrix.indptr[node + 1]]] = True
        return tied
