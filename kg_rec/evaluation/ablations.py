"""A graph or a setting without one part, to measure what the part adds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kg_rec.model.channels.meaning import MeaningConfig
from kg_rec.model.config import TrainConfig
from kg_rec.schema import RelationType
from kg_rec.snapshot import EdgeTable, Snapshot

#: What can be left out: the facts; the right facts, which other items get, any or equally popular ones; the text
#: model; the relational GNN; what users have again.
ABLATIONS = ("no_graph", "shuffled_graph", "popularity_shuffled", "no_text", "no_gnn", "no_again")

#: Items that are called equally popular: so many neighbours in the order of popularity.
_PEERS = 10


def without(
    name: str, snapshot: Snapshot, popularity: NDArray[np.int64], config: TrainConfig
) -> tuple[Snapshot, TrainConfig]:
    """The graph and the settings without a part.

    Args:
        name: one of :data:`ABLATIONS`.
        snapshot: the graph.
        popularity: training interactions of each item, shape (items,).
        config: settings; their seed decides who gets whose facts.
    """
    if name == "no_text":
        return snapshot, config.with_parts(replace(config.of(MeaningConfig), encoder="none"))
    if name == "no_again":
        return snapshot, replace(config, again=replace(config.again, days=()))
    if name == "no_gnn":
        return snapshot, replace(config, channels=tuple(c for c in config.channels if c != "relational"))
    rng = np.random.default_rng(config.seed)
    for relation in snapshot.schema.knowledge_relations:
        edges = snapshot.edges[relation.name]
        if name == "no_graph":
            edges = edges.take(np.zeros(len(edges), dtype=bool))
        else:
            shuffle = name == "popularity_shuffled"
            order = among_equals(popularity, rng) if shuffle else rng.permutation(len(snapshot.items))
            edges = _dealt(edges, relation, snapshot.schema.item.name, order)
        snapshot = snapshot.with_edges(relation.name, edges)
    return snapshot, config


def among_equals(popularity: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """A permutation that gives each item's facts to one that is about as popular, int64, shape (items,).

    Items are ordered by popularity, equal ones by chance, and dealt within every ten neighbours of that order.
    """
    order = np.lexsort((rng.random(len(popularity)), popularity))
    place = np.arange(len(order)) // _PEERS
    dealt = order[np.lexsort((rng.random(len(order)), place))]
    shuffled = np.empty_like(order)
    shuffled[order] = dealt
    return shuffled


def _dealt(edges: EdgeTable, relation: RelationType, item: str, order: NDArray[np.int64]) -> EdgeTable:
    """The facts of each item given to another item: degrees stay, agreement with the interactions goes."""
    source = order[edges.source] if relation.source == item else edges.source
    target = order[edges.target] if relation.target == item else edges.target
    rows = np.lexsort((target, source))
    return EdgeTable(source, target, edges.weight, edges.time).take(rows)
