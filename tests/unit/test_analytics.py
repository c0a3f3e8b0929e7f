from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import toy_graph
from matplotlib.figure import Figure

from kg_rec import notebook as analytics
from kg_rec.api import Model
from kg_rec.errors import ConfigError, NotFoundError


def test_neighbourhood_is_what_networkx_finds() -> None:
    films = toy_graph.films()
    found = analytics.neighbourhood(films, "Film", "f03", hops=2, relations=["HAS_GENRE", "FOLLOWED_BY"])
    whole = films.to_networkx().edge_subgraph(
        [e for e in films.to_networkx().edges(keys=True) if e[2] in ("HAS_GENRE", "FOLLOWED_BY")]
    )
    expected = nx.single_source_shortest_path_length(whole.to_undirected(), ("Film", "f03"), cutoff=2)
    assert dict(found.nodes(data="distance")) == expected
    assert found.has_edge(("Film", "f00"), ("Film", "f03"), key="FOLLOWED_BY")
    assert found.nodes["Genre", "western"]["name"] == "western"
    assert set(found.edges(keys=True)) <= set(whole.edges(keys=True))


def test_neighbourhood_of_no_hops_is_the_node() -> None:
    found = analytics.neighbourhood(toy_graph.films(), "Person", "p0", hops=0)
    assert list(found.nodes(data="name")) == [(("Person", "p0"), "p0")]  # without a name, the key


def test_faults_are_told() -> None:
    films = toy_graph.films()
    with pytest.raises(NotFoundError, match="f99"):
        analytics.neighbourhood(films, "Film", "f99")
    with pytest.raises(ConfigError, match="LIKES"):
        analytics.neighbourhood(films, "Film", "f03", relations=["LIKES"])
    with pytest.raises(ConfigError, match="Movie"):
        analytics.centrality(films, "Movie")
    with pytest.raises(ConfigError, match="damping"):
        analytics.centrality(films, "Film", damping=1.0)
    with pytest.raises(ConfigError, match="at least 0"):
        analytics.neighbourhood(films, "Film", "f03", hops=-1)


@pytest.mark.parametrize("relation", ["HAS_GENRE", "STARRING", "FOLLOWED_BY", "RATED"])
def test_item_graph_counts_what_two_items_share(relation: str) -> None:
    films = toy_graph.films()
    found = analytics.item_graph(films, relation)
    edges = films.liked() if relation == "RATED" else films.edges[relation]
    items, others = (edges.target, edges.source) if relation == "RATED" else (edges.source, edges.target)
    of = {i: set(others[items == i].tolist()) for i in range(len(films.items))}
    for i in range(0, len(films.items), 4):
        for j in range(i + 1, len(films.items), 3):
            shared = (j in of[i]) + (i in of[j]) if relation == "FOLLOWED_BY" else len(of[i] & of[j])
            data = found.get_edge_data(films.items.key(i), films.items.key(j), default={"weight": 0})
            assert data["weight"] == shared
    assert found.number_of_nodes() == len(films.items)


def test_centrality_is_pagerank_of_the_undirected_graph() -> None:
    films = toy_graph.films()
    facts = analytics.knowledge(films)
    assert facts == ("DIRECTED_BY", "FOLLOWED_BY", "HAS_GENRE", "STARRING")
    graph = nx.MultiGraph()
    directed = films.to_networkx()
    graph.add_nodes_from(directed.nodes)
    graph.add_edges_from((a, b) for a, b, key in directed.edges(keys=True) if key in facts)
    expected = nx.pagerank(graph, tol=1e-12, max_iter=1000)
    table = analytics.centrality(films, "Person")
    assert table.column_names == ["key", "name", "degree", "pagerank"]
    rows = table.to_pylist()
    assert [r["pagerank"] for r in rows] == sorted((r["pagerank"] for r in rows), reverse=True)
    for row in rows:
        assert row["pagerank"] == pytest.approx(expected["Person", row["key"]], rel=1e-6)
        assert row["degree"] == graph.degree(("Person", row["key"]))
    total = sum(np.sum(analytics.centrality(films, name)["pagerank"].to_numpy()) for name in films.ids)
    assert total == pytest.approx(1)


def test_drawings_show_every_node() -> None:
    model = Model(toy_graph.everything())
    user = model.recommender.users.key(0)
    explanation = model.explain(user, model.recommend([user], 1)["item"][0].as_py())
    paths = explanation.to_networkx()
    shares = sum(share for _, _, share in paths.edges(data="share"))
    assert shares == pytest.approx(sum(p.share * len(p.edges) for p in explanation.paths))
    piece = analytics.neighbourhood(toy_graph.films(), "Film", "f03", relations=["HAS_GENRE", "FOLLOWED_BY"])
    for graph in (paths, piece):
        axes = Figure().subplots()
        analytics.draw(graph, axes, labels={"HAS_GENRE": "genre"})
        written = [text.get_text() for text in axes.texts]
        assert {about["name"][:20] for _, about in graph.nodes(data=True)} <= {text[:20] for text in written}
    assert "genre" in written
