"""Notebook helpers: pieces of the graph as networkx views, centralities as Arrow tables, drawing.

::

    piece = neighbourhood(snapshot, "Film", "heat-1995", hops=2, relations=["DIRECTED_BY", "STARRING"])
    draw(piece, plt.gca())
    centrality(snapshot, "Person").to_pandas().head()
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec import theme
from kg_rec.errors import ConfigError
from kg_rec.explain.words.slots import clean_name
from kg_rec.schema import RelationType
from kg_rec.snapshot import Snapshot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Graph = nx.MultiDiGraph[tuple[Any, ...]]

#: Colours of :func:`draw`, by role of a node, and of text, lines and background.
COLOURS: Mapping[str, str] = {
    "user": theme.LIGHT.ink,
    "item": theme.FOR,
    "attribute": theme.AGAINST,
    "ink": theme.LIGHT.ink,
    "line": theme.EDGE,
    "paper": theme.LIGHT.paper,
}
_LONGEST = 26


def knowledge(snapshot: Snapshot) -> tuple[str, ...]:
    """Relation types with edges that tie neither end to a user: what the graph knows of the items, by name."""
    user = snapshot.schema.user.name
    relations = snapshot.schema.relation_types.values()
    return tuple(r.name for r in relations if len(snapshot.edges[r.name]) and user not in (r.source, r.target))


def neighbourhood(
    snapshot: Snapshot, node_type: str, key: str, hops: int = 1, relations: Sequence[str] | None = None
) -> Graph:
    """The nodes within some steps of a node, along edges in either direction, and the edges that lead outward.

    Args:
        snapshot: the graph.
        node_type: type of the node in the middle.
        key: its key.
        hops: most steps.
        relations: relation types to follow; None follows all.

    Returns:
        Nodes are (type, key) with ``type``, ``name``, ``role`` and ``distance`` (steps from the middle); edges are
        keyed by relation type, as in :meth:`~kg_rec.snapshot.Snapshot.to_networkx`.

    Raises:
        NotFoundError: no such node.
        ConfigError: an unknown relation type or node type, or fewer than 0 hops.
    """
    if hops < 0:
        raise ConfigError(f"expected hops of at least 0, got {hops}")
    followed = _relations(snapshot, relations)
    middle = (_type(snapshot, node_type), snapshot.ids[node_type].index(key))
    distance = {middle: 0}
    graph: Graph = nx.MultiDiGraph()
    _add(graph, snapshot, *middle, 0)
    frontier = [middle]
    for step in range(1, hops + 1):
        nodes: dict[tuple[str, int], None] = {}
        for tail, relation, head, outward in _edges_at(snapshot, followed, frontier):
            reached = head if outward else tail
            if distance.setdefault(reached, step) == step:
                nodes[reached] = None
                _add(graph, snapshot, *reached, step)
                graph.add_edge(_key(snapshot, tail), _key(snapshot, head), key=relation)
        frontier = list(nodes)
    return graph


def item_graph(snapshot: Snapshot, relation: str) -> nx.Graph[str]:
    """Items tied by what they share through one relation type.

    Two items are joined where they share a node (a person, or for the interaction: a user who liked both);
    ``weight`` is how many.  For a relation between items, two items are joined by the relation itself.  The work is
    the square of a node's items, summed over the nodes.

    Returns:
        Nodes are item keys with ``name``; items that share nothing are there without edges.

    Raises:
        ConfigError: no such relation type, or it does not touch the items.
    """
    (tied,) = _relations(snapshot, [relation])
    item = snapshot.schema.item.name
    if item not in (tied.source, tied.target):
        raise ConfigError(f"expected a relation type of {item}, got {relation} from {tied.source} to {tied.target}")
    edges = snapshot.liked() if tied.interaction else snapshot.edges[relation]
    items, others = (edges.source, edges.target) if tied.source == item else (edges.target, edges.source)
    other = tied.target if tied.source == item else tied.source
    n = len(snapshot.items)
    matrix = _binary(items, others, (n, len(snapshot.ids[other])))
    shared = sparse.coo_array(sparse.triu(matrix + matrix.T if other == item else matrix @ matrix.T, k=1))
    graph: nx.Graph[str] = nx.Graph()
    keys = snapshot.items.keys.to_pylist()
    graph.add_nodes_from((key, {"name": snapshot.name(item, i)}) for i, key in enumerate(keys))
    graph.add_weighted_edges_from(
        (keys[i], keys[j], int(w)) for i, j, w in zip(*shared.coords, shared.data, strict=True)
    )
    return graph


def centrality(
    snapshot: Snapshot, node_type: str, relations: Sequence[str] | None = None, damping: float = 0.85
) -> pa.Table:
    """How central the nodes of a type are, the most central first.

    PageRank (Brin & Page 1998) of the undirected graph that the relation types make, over nodes of all types; a
    node without edges jumps anywhere.

    Args:
        snapshot: the graph.
        node_type: nodes listed.
        relations: relation types that count; None counts what the graph knows of the items (:func:`knowledge`).
        damping: probability of following an edge, in [0, 1).

    Returns:
        Columns ``key``, ``name``, ``degree`` (edges at the node) and ``pagerank`` (sums to 1 over all node types).

    Raises:
        ConfigError: an unknown node or relation type, or damping out of range.
    """
    if not 0 <= damping < 1:
        raise ConfigError(f"expected damping of at least 0 and below 1, got {damping}")
    _type(snapshot, node_type)
    followed = _relations(snapshot, knowledge(snapshot) if relations is None else relations)
    starts, total = {}, 0
    for name, ids in snapshot.ids.items():
        starts[name], total = total, total + len(ids)
    tails, heads = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for relation in followed:
        edges = snapshot.edges[relation.name]
        tails += [edges.source + starts[relation.source], edges.target + starts[relation.target]]
        heads += [edges.target + starts[relation.target], edges.source + starts[relation.source]]
    joined = sparse.csr_array((np.ones(sum(map(len, tails))), (np.concatenate(heads), np.concatenate(tails))),
                              shape=(total, total))  # fmt: skip
    degree = np.asarray(joined.sum(axis=0)).ravel()
    rank = _pagerank(joined, degree, damping)
    ids = snapshot.ids[node_type]
    rows = slice(starts[node_type], starts[node_type] + len(ids))
    order = np.lexsort((np.arange(len(ids)), -degree[rows], -rank[rows]))
    names = [snapshot.name(node_type, int(i)) for i in order]
    columns = {"key": ids.keys.take(pa.array(order)), "name": pa.array(names, pa.string())}
    columns |= {"degree": pa.array(degree[rows][order].astype(np.int64)), "pagerank": pa.array(rank[rows][order])}
    return pa.table(columns)


def draw(
    graph: Graph,
    axes: Axes,
    *,
    labels: Mapping[str, str] | None = None,
    colours: Mapping[str, str] = COLOURS,
) -> None:
    """Draw a :func:`neighbourhood`, or an ``explanation.to_networkx()``, in columns by distance on a matplotlib axis.

    The order in a column follows the mean height of the neighbours (barycentre method, Sugiyama et al. 1981).

    Args:
        graph: nodes carry ``distance``, ``name`` and ``role``.
        axes: where to; made bare.
        labels: words for the relation types, as edge labels between the first two columns; None shows none.
        colours: see :data:`COLOURS`.
    """
    places = _columns(graph)
    width = max((x for x, _ in places.values()), default=0)
    axes.set_axis_off()
    axes.set_xlim(-0.45, width + 0.45)
    axes.set_ylim(-0.02, 1.02)
    told: set[tuple[Any, Any]] = set()
    for tail, head, key in sorted(graph.edges(keys=True), key=repr):
        (x1, y1), (x2, y2) = sorted((places[tail], places[head]))
        bend = np.linspace(0, 1, 24)
        ease = bend * bend * (3 - 2 * bend)
        axes.plot(x1 + (x2 - x1) * bend, y1 + (y2 - y1) * ease, color=colours["line"], lw=1.1, alpha=0.55, zorder=1)
        relation = graph.edges[tail, head, key].get("relation", key)
        if labels is not None and x1 == 0 and (tail, head) not in told:
            told.add((tail, head))
            at = 0.62
            height = y1 + (y2 - y1) * at * at * (3 - 2 * at)
            _write(axes, x1 + (x2 - x1) * at, height, labels.get(relation, relation), 8, colours["line"], colours)
    for node, (x, y) in places.items():
        about = graph.nodes[node]
        axes.scatter([x], [y], s=46, color=colours[about["role"]], zorder=2)
        up = 0.012 + 0.02 * (len(places) < 16)
        name = clean_name(about["name"], str(node[1]))
        name = name if len(name) <= _LONGEST else name[: _LONGEST - 1].rstrip() + "…"
        _write(axes, x, y + up, name, 9, colours["ink"], colours)


def _write(axes: Axes, x: float, y: float, text: str, size: float, colour: str, colours: Mapping[str, str]) -> None:
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=3, foreground=colours["paper"])]
    axes.text(
        x, y, text, ha="center", va="bottom", size=size, color=colour, path_effects=halo, parse_math=False, zorder=3
    )


def _columns(graph: Graph) -> dict[Any, tuple[float, float]]:
    columns: dict[int, list[Any]] = {}
    for node, about in graph.nodes(data=True):
        columns.setdefault(int(about["distance"]), []).append(node)
    height: dict[Any, float] = {}

    def spread(nodes: list[Any]) -> None:
        for place, node in enumerate(nodes):
            height[node] = 1 - (place + 0.5) / len(nodes)

    for nodes in columns.values():
        spread(sorted(nodes, key=repr))
    undirected = graph.to_undirected(as_view=True)
    for sweep in range(8):
        for column in sorted(columns, reverse=sweep % 2 == 1):
            mean = {n: float(np.mean([height[o] for o in undirected[n]] or [0.5])) for n in columns[column]}
            spread(sorted(columns[column], key=lambda n: (-mean[n], repr(n))))
    return {node: (float(column), height[node]) for column, nodes in columns.items() for node in nodes}


def _pagerank(joined: sparse.csr_array, degree: NDArray[np.float64], damping: float) -> NDArray[np.float64]:
    n = len(degree)
    rank = np.full(n, 1 / max(n, 1))
    for _ in range(200):
        lost = rank[degree == 0].sum()
        step = damping * (joined @ (rank / np.maximum(degree, 1)) + lost / n) + (1 - damping) / n
        moved, rank = np.abs(step - rank).sum(), step
        if moved < 1e-10:
            break
    return rank


def _edges_at(
    snapshot: Snapshot, relations: Sequence[RelationType], nodes: Sequence[tuple[str, int]]
) -> Iterator[tuple[tuple[str, int], str, tuple[str, int], bool]]:
    """Edges at the nodes: tail, relation type, head, and whether the edge starts at one of the nodes."""
    of_type: dict[str, list[int]] = {}
    for node_type, index in nodes:
        of_type.setdefault(node_type, []).append(index)
    for relation in relations:
        edges = snapshot.edges[relation.name]
        for outward, near, end in ((True, edges.source, relation.source), (False, edges.target, relation.target)):
            for row in np.flatnonzero(np.isin(near, of_type.get(end, []))):
                tail, head = (relation.source, int(edges.source[row])), (relation.target, int(edges.target[row]))
                yield tail, relation.name, head, outward


def _add(graph: Graph, snapshot: Snapshot, node_type: str, index: int, distance: int) -> None:
    role = snapshot.schema.node_types[node_type].role
    graph.add_node(
        _key(snapshot, (node_type, index)),
        type=node_type,
        name=snapshot.name(node_type, index),
        role=role,
        distance=distance,
    )


def _key(snapshot: Snapshot, node: tuple[str, int]) -> tuple[str, str]:
    return node[0], snapshot.ids[node[0]].key(node[1])


def _binary(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.csr_array((np.ones(len(rows), np.int64), (rows, columns)), shape=shape)


def _relations(snapshot: Snapshot, names: Sequence[str] | None) -> list[RelationType]:
    known = snapshot.schema.relation_types
    unknown = sorted(set(names or ()) - set(known))
    if unknown:
        raise ConfigError(f"unknown relation type {unknown[0]!r}; expected some of {', '.join(known)}")
    return [known[name] for name in (known if names is None else dict.fromkeys(names))]


def _type(snapshot: Snapshot, node_type: str) -> str:
    if node_type not in snapshot.ids:
        raise ConfigError(f"unknown node type {node_type!r}; expected one of {', '.join(snapshot.ids)}")
    return node_type
