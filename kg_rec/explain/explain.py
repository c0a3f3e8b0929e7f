"""From the addends of a score to an explanation: real paths, grouped, told and checkable."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from kg_rec.errors import ConfigError, ModelError
from kg_rec.explain.cypher import cypher_for
from kg_rec.explain.explanation import Channel, Explanation, Path, PathEdge, PathGroup, PathNode, Term
from kg_rec.explain.grammar import verbalize
from kg_rec.model.kernel import FactorKernel
from kg_rec.model.knowledge import PathFactors
from kg_rec.model.recommender import Contributions, Recommender
from kg_rec.model.similarity import TEXT

#: Channels that score what users have in common: their addends for one interaction are one path in the graph.
_TOGETHER = frozenset({"taste", "relational", "sequence"})

#: A group below this share of the score is not shown as a reason, unless there is no other.
_LEAST_SHARE = 0.002

#: Interactions and known items followed into paths per channel, the largest addends first.
_FOLLOWED = 30


def explain(
    model: Recommender,
    user: str,
    item: str,
    *,
    lang: str = "en",
    top: int = 3,
    paths_per_group: int = 3,
    channels: Collection[str] | None = None,
) -> Explanation:
    """Explain the score of an item for a user.

    Args:
        model: a trained model.
        user: user key.
        item: item key.
        lang: ``en`` or ``zh``.
        top: most path groups shown.
        paths_per_group: most paths shown per group.
        channels: show paths of these channels only; terms always list all.

    Raises:
        NotFoundError: the user or the item is not in the model's graph.
        ConfigError: ``top`` or ``paths_per_group`` is below 1, or a channel is unknown.
        SchemaError: the schema has no words for ``lang``.
    """
    known = [c.name for c in model.channels]
    if top < 1 or paths_per_group < 1:
        raise ConfigError(f"expected top and paths_per_group of at least 1, got {top} and {paths_per_group}")
    if channels is not None and not set(channels) <= set(known):
        raise ConfigError(f"expected channels among {known}, got {sorted(channels)}")
    u, i = model.users.index(user), model.items.index(item)
    parts = model.contributions(u, i)
    paths, positive = _Finder(model, u, i, parts, paths_per_group * top).paths(known if channels is None else channels)
    groups = _group(paths, paths_per_group)[:top]
    groups = tuple(g for n, g in enumerate(groups) if n == 0 or g.share >= _LEAST_SHARE)
    item_type = model.snapshot.schema.item.name
    notes = []
    if i in model.seen.indices[slice(*model.seen.indptr[u : u + 2])]:
        notes.append("already_interacted")
    if not len(parts.sources):
        notes.append("no_interactions")
    shown = [p for g in groups for p in g.paths]
    statement, parameters = cypher_for(model.snapshot.schema, user, item, shown)
    terms = tuple(
        Term(cast(Channel, channel), model.items.key(int(j)), model.snapshot.name(item_type, int(j)), float(value))
        for channel, values in parts.values.items()
        for j, value in zip(parts.sources, values, strict=True)
        if value != 0
    )
    name = model.snapshot.name(item_type, i)
    return Explanation(
        user=user,
        item=item,
        item_name=name,
        score=parts.score,
        base=parts.base,
        terms=terms,
        groups=groups,
        shown_share=min(1.0, sum(p.value for p in shown) / positive) if positive else 0.0,  # 1.0: rounding
        notes=tuple(notes),
        text=verbalize(model.snapshot.schema, groups, name, notes, lang, base_only=not terms),
        lang=lang,
        cypher=statement,
        parameters=parameters,
    )


class _Finder:
    """Collects the paths of one score, each with its part of it; only paths that raise the score."""

    def __init__(self, model: Recommender, user: int, item: int, parts: Contributions, most: int) -> None:
        self.model, self.user, self.item, self.parts = model, user, item, parts
        self.most = max(most, _FOLLOWED)
        self.schema = model.snapshot.schema
        self.weight = {c.name: float(c.weight[item]) for c in model.channels}
        self.item_node = self._node(self.schema.item.name, item)
        self.user_node = PathNode(self.schema.user.name, model.users.key(user), model.users.key(user))
        self.acted = PathEdge(self.schema.interaction.name, True)
        self.acted_on = PathEdge(self.schema.interaction.name, False)

    def paths(self, channels: Collection[str]) -> tuple[list[Path], float]:
        """The paths, and the sum of all positive addends, shown or not."""
        found: list[Path] = []
        positive = 0.0
        together = np.zeros(len(self.parts.sources))
        for channel, values in self.parts.values.items():
            cold = channel == "relational" and self.model.cold[self.item] and self.model.regression is not None
            if channel in _TOGETHER and not cold:
                positive += float(values[values > 0].sum())
                together += values * (channel in channels)
                continue
            part, total = self._cold() if cold else self._split(channel, values)
            positive += total
            if channel in channels:
                found += part
        found += self._co_liked(together)
        return [replace(path, share=path.value / positive) for path in found], positive

    def _split(self, channel: str, values: NDArray[np.float64]) -> tuple[list[Path], float]:
        part = self._knowledge(values) if channel == "knowledge" else self._similar(values)
        return part, float(values[values > 0].sum())

    def _node(self, node_type: str, index: int) -> PathNode:
        return PathNode(
            node_type, self.model.snapshot.ids[node_type].key(index), self.model.snapshot.name(node_type, index)
        )

    def _largest(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        order = np.argsort(-values, kind="stable")[: self.most]
        return order[values[order] > 0]

    def _others(self, j: int, i: int) -> int:
        """How many other users liked both items."""
        likers = self.model.likers
        first, second = (likers.indices[likers.indptr[x] : likers.indptr[x + 1]] for x in (j, i))
        both = np.intersect1d(first, second, assume_unique=True)
        return len(both) - int(self.user in both)

    def _co_liked(self, values: NDArray[np.float64]) -> list[Path]:
        """Paths you - j - others - item.  A learned weight without a common user has no path: it stays a term."""
        found = []
        for row in self._largest(values):
            j = int(self.parts.sources[row])
            count = self._others(j, self.item)
            if count:
                others = PathNode(self.schema.user.name, None, None, count)
                nodes = (self.user_node, self._node(self.schema.item.name, j), others, self.item_node)
                found.append(Path("taste", nodes, (self.acted, self.acted_on, self.acted), float(values[row]), 0.0))
        return found

    def _similar(self, values: NDArray[np.float64]) -> list[Path]:
        """Paths you - j - similar text - item."""
        found = []
        for row in self._largest(values):
            j = self._node(self.schema.item.name, int(self.parts.sources[row]))
            nodes, edges = (self.user_node, j, self.item_node), (self.acted, PathEdge(None, True))
            found.append(Path("meaning", nodes, edges, float(values[row]), 0.0))
        return found

    def _through(
        self, factors: PathFactors, start: int, end: int
    ) -> Iterator[tuple[tuple[PathNode, ...], tuple[PathEdge, ...], float]]:
        """The graph's paths between two items along one relation type, without the ends, and their cosine parts."""
        relation = self.schema.relation_types[factors.relation]
        first, second = factors.source[[start]], factors.target[[end]]
        shared, rows, columns = np.intersect1d(first.indices, second.indices, assume_unique=True, return_indices=True)
        item = self.schema.item.name
        for a, row, column in zip(shared, rows, columns, strict=True):
            value = float(first.data[row]) * float(second.data[column])
            if relation.source == relation.target:  # the middle node is the end itself: one step
                edges = self.model.snapshot.edges[relation.name]
                forward = bool(((edges.source == start) & (edges.target == end)).any())
                yield (), (PathEdge(relation.name, forward),), value
                continue
            forward = relation.source == item
            node = self._node(relation.target if forward else relation.source, int(a))
            yield (node,), (PathEdge(relation.name, forward), PathEdge(relation.name, not forward)), value

    def _knowledge(self, values: NDArray[np.float64]) -> list[Path]:
        """Paths you - j - shared entity - item."""
        found = []
        for row in self._largest(values):
            j = int(self.parts.sources[row])
            for factors in self.model.similarity.factors:
                weight = self.model.similarity.weights[factors.relation] * self.weight["knowledge"]
                if weight <= 0 or j == self.item:
                    continue
                for middle, edges, cosine in self._through(factors, j, self.item):
                    value = float(self.parts.weights[row]) * weight * cosine
                    nodes = (self.user_node, self._node(self.schema.item.name, j), *middle, self.item_node)
                    found.append(Path("knowledge", nodes, (self.acted, *edges), value, 0.0))
        return found

    def _cold(self) -> tuple[list[Path], float]:
        """Paths you - j - others - t - shared - item, for an item known by its likeness to items t."""
        regression, similarity = self.model.regression, self.model.similarity
        kernel = next(c.kernel for c in self.model.channels if c.name == "relational")
        if regression is None or not isinstance(kernel, FactorKernel):
            raise ModelError("expected a model with a regression for items without interactions; train again")
        here = np.array([self.item])
        likeness = similarity(here, regression.landmarks)[0].astype(np.float64)
        reasons = self.parts.weights[:, None] * kernel.source[self.parts.sources]
        values = (reasons @ regression.coefficients.T).astype(np.float64) * likeness * self.weight["relational"]
        flat = values.ravel()
        found = []
        for cell in self._largest(flat):
            row, column = divmod(int(cell), values.shape[1])
            j, t = int(self.parts.sources[row]), int(regression.landmarks[column])
            per_unit = float(flat[cell]) / float(likeness[column])
            count = self._others(j, t)
            if j != t and not count:
                continue
            lead_nodes: tuple[PathNode, ...] = (self.user_node, self._node(self.schema.item.name, j))
            lead_edges: tuple[PathEdge, ...] = (self.acted,)
            if j != t:
                others = PathNode(self.schema.user.name, None, None, count)
                lead_nodes += (others, self._node(self.schema.item.name, t))
                lead_edges += (self.acted_on, self.acted)
            for factors in similarity.factors:
                weight = similarity.weights[factors.relation]
                for middle, edges, cosine in self._through(factors, t, self.item) if weight > 0 else ():
                    value = per_unit * weight * cosine
                    nodes = (*lead_nodes, *middle, self.item_node)
                    found.append(Path("relational", nodes, (*lead_edges, *edges), value, 0.0))
            if similarity.text is not None and similarity.weights[TEXT] > 0:
                cosine = max(0.0, float(similarity.text[t] @ similarity.text[self.item])) ** similarity.text_power
                value = per_unit * similarity.weights[TEXT] * cosine
                if value > 0:
                    nodes = (*lead_nodes, self.item_node)
                    found.append(Path("relational", nodes, (*lead_edges, PathEdge(None, True)), value, 0.0))
        return found, float(flat[flat > 0].sum())


def _group(paths: list[Path], most: int) -> tuple[PathGroup, ...]:
    """Paths of one pattern that share the entity before the item are told together; the largest groups first."""
    members: dict[tuple[object, ...], list[Path]] = {}
    for path in paths:
        last = path.nodes[-2]
        entity = last.key if len(path.nodes) > 3 and last.key is not None else None
        members.setdefault((path.pattern, entity), []).append(path)
    groups = []
    for some in members.values():
        best = tuple(sorted(some, key=lambda p: (-p.value, p.nodes[1].key or ""))[:most])
        groups.append(PathGroup(best, sum(p.value for p in best), sum(p.share for p in best)))
    return tuple(sorted(groups, key=lambda g: (-g.value, g.paths[0].pattern)))
