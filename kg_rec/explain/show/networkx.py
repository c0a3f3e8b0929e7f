"""The shown paths of an explanation as a networkx graph."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import networkx as nx

from kg_rec.explain.explanation import Explanation

if TYPE_CHECKING:
    Graph = nx.MultiDiGraph[tuple[Any, ...]]

#: Relation of an edge that stands for similar text; for alike vectors it is "similar" and the property.
SIMILAR = "similar text"


def to_networkx(explanation: Explanation) -> Graph:
    """The shown paths as one directed multigraph; names are as they are in the graph.

    Returns:
        Nodes are (type, key), or (type, None, number) for a set of other users, one node a path, with ``type``,
        ``name``, ``role`` (``user``, ``item``, ``attribute``), ``count`` and ``distance`` (steps from the user; the
        recommended item is farthest).  Edges point as in the store and are keyed by (relation, channel), with
        ``relation`` (``similar text`` where the graph holds none), ``share`` and ``value`` (summed over the paths that
        use them) and ``paths`` (positions in ``explanation.paths``).  The graph holds ``user``, ``item``, ``score``.
    """
    paths = explanation.paths
    graph: Graph = nx.MultiDiGraph(user=explanation.user, item=explanation.item, score=explanation.score)
    last = max((len(p.nodes) for p in paths), default=1) - 1
    item_type = paths[0].nodes[-1].type if paths else None
    for number, path in enumerate(paths):
        names: list[tuple[Any, ...]] = []
        for position, node in enumerate(path.nodes):
            end = position == len(path.nodes) - 1
            name: tuple[Any, ...] = (node.type, node.key) if node.key is not None else (node.type, None, number)
            shown = f"{node.count:,} others" if node.key is None else "you" if not position else node.name or node.key
            role = "user" if position == 0 or node.key is None else "item" if node.type == item_type else "attribute"
            if name not in graph:
                about = {"type": node.type, "name": shown, "role": role, "count": node.count}
                graph.add_node(name, **about, distance=last if end else position)
            names.append(name)
        for (tail, head), edge in zip(pairwise(names), path.edges, strict=True):
            ends = (tail, head) if edge.forward else (head, tail)
            relation = edge.type or (SIMILAR if edge.alike is None else f"similar {edge.alike}")
            key = (relation, path.channel)
            nothing: dict[str, Any] = {"share": 0.0, "value": 0.0, "paths": ()}
            before: dict[str, Any] = graph.get_edge_data(*ends, key=key, default=nothing)
            graph.add_edge(
                *ends,
                key=key,
                relation=relation,
                channel=path.channel,
                share=before["share"] + path.share,
                value=before["value"] + path.value,
                paths=(*before["paths"], number),
            )
    return graph
