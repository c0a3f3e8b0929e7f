"""What an edge is said to add to a score, against the change when it is really deleted in the store.

The edges of one kind are deleted in one transaction, the graph is exported again, and the model scores it with its
parameters kept; then they are written back.  Pairs are chosen so that no other deletion touches their score.

- interactions: the user's interaction at the start of a path; stated is the sum of its terms, or, where the others
  would be weighed anew (recency), the change of :func:`kg_rec.explain.counterfactuals.what_if.what_if`.
- facts: on a path through an attribute, the fact about the item that the user had, or the relation between the two
  items that a path is; stated is the path's value.  The items are known ones: of new ones facts decide an embedding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.counterfactuals.what_if import what_if
from kg_rec.explain.path import Path
from kg_rec.explain.single import explain
from kg_rec.model.recommender import Recommender
from kg_rec.progress import Progress, no_progress
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import Snapshot, export
from kg_rec.store import GraphStore


@dataclass(frozen=True)
class Deletion:
    """An edge, and what it is said to add to one score.

    Attributes:
        relation: relation type.
        source: key of its start.
        target: key of its end.
        user: user of the score.
        item: item of the score.
        stated: its part of the score.
    """

    relation: str
    source: str
    target: str
    user: str
    item: str
    stated: float


def measured(
    model: Recommender, store: GraphStore, count: int, seed: int, progress: Progress
) -> dict[str, dict[str, float]]:
    """The largest relative difference between what was stated and what was measured, of each kind of edge.

    Args:
        model: a model over the store's graph.
        store: its edges are deleted and written back.
        count: most edges of each kind.
        seed: of the sample.
        progress: called as the work advances.
    """
    found = {}
    for kind, some in _chosen(model, count, seed, progress).items():
        after = without(model, store, some, progress)
        worst = max((difference(model, after, d) for d in some), default=0.0)
        found[kind] = {"edges": len(some), "max_relative_error": worst}
    return found


def without(
    model: Recommender, store: GraphStore, deletions: Sequence[Deletion], progress: Progress = no_progress
) -> Recommender:
    """The model over the store's graph while some edges are deleted; then they are written back."""
    rows = {relation: _rows(model.snapshot, relation, deletions) for relation in {d.relation for d in deletions}}
    try:
        delete(store, deletions)
        return model.with_snapshot(export(store, progress))
    finally:
        for relation, table in rows.items():
            store.write_edges(relation, table)


def delete(store: GraphStore, deletions: Sequence[Deletion]) -> None:
    """Delete edges in one transaction."""
    schema = store.schema()
    store.transact([(_statement(schema, d.relation), {"source": d.source, "target": d.target}) for d in deletions])


def _statement(schema: GraphSchema, relation: str) -> str:
    kind = schema.relation_types[relation]
    start, end = schema.node_types[kind.source], schema.node_types[kind.target]
    return (
        f"MATCH (a:`{start.name}` {{`{start.key}`: $source}})-[e:`{relation}`]->"
        f"(b:`{end.name}` {{`{end.key}`: $target}}) DELETE e"
    )


def _chosen(model: Recommender, count: int, seed: int, progress: Progress) -> dict[str, list[Deletion]]:
    rng = np.random.default_rng(seed)
    interactions: list[Deletion] = []
    facts: list[Deletion] = []
    users = rng.permutation(len(model.users)).tolist()
    for n, user in enumerate(users):
        progress(n, len(users), "choose edges to delete")
        if len(interactions) >= count and len(facts) >= count:
            break
        key = model.users.key(user)
        top, _ = model.rank(np.array([user]), 10)
        e = explain(model, key, model.items.key(int(rng.choice(top[0]))))
        if len(facts) < count:
            through = explain(model, key, e.item, config=ExplainConfig(groups=10, channels=("knowledge",))).paths
            fitting = (d for path in through if (d := fact_of(model, path)) and _apart(model, d, facts))
            facts += [d for d in [next(fitting, None)] if d]
        if e.paths and len(interactions) < count:
            source = str(e.paths[0].nodes[1].key)
            stated = sum(t.value for t in e.terms if t.source == source)
            if model.chosen.recency:
                changes = what_if(model, key, removed=[source], k=len(model.items)).changes
                stated = next(c.score - c.score_after for c in changes if c.item == e.item)
            interactions.append(Deletion(model.snapshot.schema.interaction.name, key, source, key, e.item, stated))
    return {"interactions": interactions, "facts": facts}


def fact_of(model: Recommender, path: Path) -> Deletion | None:
    """The fact about the interacted item on a path through an attribute, or the relation between two items."""
    if path.channel != "knowledge" or model.cold[model.items.index(str(path.nodes[-1].key))]:
        return None
    ends = (path.nodes[1], path.nodes[2]) if path.edges[1].forward else (path.nodes[2], path.nodes[1])
    source, target = (str(node.key) for node in ends)
    user, item = str(path.nodes[0].key), str(path.nodes[-1].key)
    return Deletion(str(path.edges[1].type), source, target, user, item, path.value)


def _apart(model: Recommender, new: Deletion, others: Sequence[Deletion]) -> bool:
    """No deletion touches the score of another: its item is not the other's, nor among the other user's history."""
    concerned: defaultdict[str, set[str]] = defaultdict(set)
    item_type = model.snapshot.schema.item.name

    def about(d: Deletion) -> set[str]:
        kind = model.snapshot.schema.relation_types[d.relation]
        return {key for key, end in ((d.source, kind.source), (d.target, kind.target)) if end == item_type}

    for d in (new, *others):
        row = model.histories[[model.users.index(d.user)]].indices
        concerned[d.user] |= {d.item, *(model.items.key(int(j)) for j in row)}
    return all(not about(one) & concerned[two.user] for d in others for one, two in ((new, d), (d, new)))


def _rows(snapshot: Snapshot, relation: str, deletions: Sequence[Deletion]) -> pa.Table:
    """The edges with their properties, to write them back."""
    table = snapshot.to_arrow()[relation]
    ends = pa.array([f"{d.source}\n{d.target}" for d in deletions if d.relation == relation])
    return table.filter(pc.is_in(pc.binary_join_element_wise(table["source"], table["target"], "\n"), ends))


def difference(before: Recommender, after: Recommender, d: Deletion) -> float:
    """How far the change of the score is from what was stated, as a share of that."""
    cell = before.users.index(d.user), before.items.index(d.item)
    scores = [float(m.scores(np.array([cell[0]]))[0, cell[1]]) for m in (before, after)]
    return abs((scores[0] - scores[1]) - d.stated) / max(abs(d.stated), 1e-9)
