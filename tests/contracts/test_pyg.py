"""PyTorch Geometric on a graph in a store: mini-batches hold what those of the exported graph hold, on both stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch_geometric.data import HeteroData
from torch_geometric.loader import LinkNeighborLoader, NeighborLoader
from torch_geometric.nn import HeteroConv, SAGEConv
from torch_geometric.sampler import NegativeSampling
from torch_geometric.transforms import ToUndirected
from toy_graph import fill, films

from kg_rec import pyg
from kg_rec.errors import ArgumentError, NotFoundError, StoreError
from kg_rec.snapshot import NO_TIME, Snapshot
from kg_rec.store import GraphStore, connect

RATED = ("User", "RATED", "Film")
BACK = ("Film", "rev_RATED", "User")
#: Features of every kind.
OPTIONS: dict[str, Any] = {
    "numbers": True,
    "text": pa.table({"item": ["f07", "f02", "gone"], "vector": [[1.0, 2.0], [0.5, 0.0], [9.0, 9.0]]}),
    "drop_empty": True,
}


@pytest.fixture(scope="module", params=["embedded", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphStore]:
    """The films in a store."""
    if request.param == "neo4j":
        url = request.getfixturevalue("neo4j_url")
        request.getfixturevalue("neo4j_driver").execute_query("MATCH (n) DETACH DELETE n")
    else:
        url = str(tmp_path_factory.mktemp("pyg") / "graph")
    found = connect(url)
    fill(found, films())
    yield found
    found.close()


@pytest.fixture(scope="module")
def live(store: GraphStore) -> tuple[pyg.StoreFeatures, pyg.StoreGraph]:
    return pyg.remote_backend(store, label="year", **OPTIONS)


def memory(label: str | None = "year", graph: Snapshot | None = None) -> HeteroData:
    """The exported graph with its edges in both directions."""
    return ToUndirected(merge=False)((graph or films()).to_pyg(label=label, **OPTIONS))


def assert_equal(one: HeteroData, other: HeteroData) -> None:
    """Two mini-batches are equal in all that the second has, and the first has all that counts."""
    assert sorted(one.node_types) == sorted(other.node_types)
    assert sorted(one.edge_types) == sorted(other.edge_types)
    for place in [*other.node_types, *other.edge_types]:
        compared = set(one[place].keys()) - {"e_id"}  # where an edge stands in the export
        assert compared == set(other[place].keys()), place
        for name in compared:
            mine, theirs = one[place][name], other[place][name]
            if not isinstance(mine, torch.Tensor):
                assert mine == theirs, (place, name)
            elif mine.is_floating_point():
                torch.testing.assert_close(mine, theirs, equal_nan=True)
            else:
                assert torch.equal(mine, theirs), (place, name)


def links(data: Any, transform: Any = None, *, num_neighbors: Any = (4, 3), seed: int = 7, **options: Any) -> Any:
    """A loader over all interactions."""
    sampler = pyg.SeededNeighborSampler(data, num_neighbors, seed=seed, disjoint=options.pop("disjoint", False))
    settings = {"edge_label_index": RATED, "batch_size": 100, **options}
    return LinkNeighborLoader(data, [0], neighbor_sampler=sampler, transform=transform, **settings)


# --- equal to the loader of the exported graph --------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"neg_sampling": "binary"},
        {"neg_sampling": NegativeSampling("triplet", 2)},
        {"neg_sampling": NegativeSampling("binary", 0.5, dst_weight=torch.arange(45.0)), "num_neighbors": (-1, 2, 1)},
        {"disjoint": True, "neg_sampling": "binary"},
        {"num_neighbors": {k: [2, 2] if "RATED" in k[1] else [0, 1] for k in memory().edge_types}},
    ],
    ids=["binary", "triplets", "weighted, three hops", "disjoint", "by edge type"],
)
def test_links_as_of_the_exported_graph(live: Any, options: dict[str, Any]) -> None:
    batches = list(links(live, live[1].add_edge_attributes, **options))
    expected = list(links(memory(), **options))
    assert len(batches) == len(expected) > 3
    for mine, theirs in zip(expected, batches, strict=True):
        assert_equal(mine, theirs)
    again = list(links(live, live[1].add_edge_attributes, **options))
    for mine, theirs in zip(batches, again, strict=True):
        assert_equal(mine, theirs)


@pytest.mark.parametrize("of", ["User", "Film", "Genre"])
def test_nodes_as_of_the_exported_graph(store: GraphStore, of: str) -> None:
    live, exported = pyg.remote_backend(store, label="HAS_GENRE", **OPTIONS), memory("HAS_GENRE")

    def loader(data: Any, **options: Any) -> NeighborLoader:
        sampler = pyg.SeededNeighborSampler(data, [3, 3], seed=1)
        return NeighborLoader(data, [0], of, neighbor_sampler=sampler, batch_size=16, **options)

    for mine, theirs in zip(loader(exported), loader(live, transform=live[1].add_edge_attributes), strict=True):
        assert_equal(mine, theirs)
        assert theirs[of].batch_size == len(theirs[of].input_id)
        assert torch.equal(theirs[of].n_id[: theirs[of].batch_size], theirs[of].input_id)
    assert live[0].feature_names == exported.feature_names
    assert live[0].label_names.tolist() == films().ids["Genre"].keys.to_pylist()


def test_times_as_of_the_exported_graph_and_nothing_later(live: Any) -> None:
    exported, every = memory(), live[1].links(RATED)
    options = {
        "edge_label_index": (RATED, every.edge_index[:, ::7]),
        "edge_label_time": every.time[::7],
        "time_attr": "edge_time",
        "neg_sampling": "binary",
    }
    walked = 0
    for mine, theirs in zip(
        links(exported, **options), links(live, live[1].add_edge_attributes, **options), strict=True
    ):
        assert_equal(mine, theirs)
        moment = theirs[RATED].edge_label_time
        for kind in (RATED, BACK):
            owner = theirs[kind[2]].batch[theirs[kind].edge_index[1]]
            assert (theirs[kind].edge_time < moment[owner]).all()
            walked += len(owner)
    assert walked > 100


@pytest.mark.parametrize("cache_mib", [0, 256])
def test_every_small_cache_gives_the_same(store: GraphStore, cache_mib: int) -> None:
    live = pyg.remote_backend(store, label="year", cache_mib=cache_mib, **OPTIONS)
    batches = list(links(live, live[1].add_edge_attributes, batch_size=300))
    for mine, theirs in zip(links(memory(), batch_size=300), batches, strict=True):
        assert_equal(mine, theirs)


def test_ahead_of_time_in_a_thread(live: Any) -> None:
    loader = pyg.prefetched(links(live, live[1].add_edge_attributes))
    assert len(loader) == len(links(live))
    for mine, theirs in zip(links(memory()), loader, strict=True):
        assert_equal(mine, theirs)


# --- what is drawn --------------------------------------------------------------------------------------


def test_a_sample_is_of_edges_that_are_there_and_no_more_than_asked_for(live: Any) -> None:
    graph = films()
    pairs = {(u, i) for u, i in zip(graph.interactions.source, graph.interactions.target, strict=True)}
    full = short = 0
    for batch in links(live, num_neighbors=[3, 2], shuffle=True, generator=torch.Generator().manual_seed(0)):
        rows, columns = batch[BACK].edge_index
        ends = batch["User"].n_id[columns].tolist(), batch["Film"].n_id[rows].tolist()
        assert set(zip(*ends, strict=True)) <= pairs
        drawn = torch.bincount(columns)
        assert drawn.max() <= 3
        full, short = full + int((drawn == 3).sum()), short + int((drawn < 3).sum())
        assert len({*zip(*ends, strict=True)}) == len(rows)  # none twice
    assert full > short


def test_draws_are_uniform(live: Any) -> None:
    """Of the films that a user rated each is drawn as often as the others, within four standard errors."""
    user = torch.tensor([0])
    rated = live[1].incoming(BACK, np.array([0])).source
    counts = np.zeros(45)
    for seed in range(400):
        sampler = pyg.SeededNeighborSampler(live, [5], seed=seed)
        (batch,) = NeighborLoader(live, [0], ("User", user), neighbor_sampler=sampler)
        counts[batch["Film"].n_id] += 1
    assert counts.sum() == 400 * 5
    chance = 5 / len(rated)
    error = np.sqrt(400 * chance * (1 - chance))
    assert np.abs(counts[rated] - 400 * chance).max() < 4 * error


def test_another_seed_draws_others_and_no_order_changes_a_draw(live: Any) -> None:
    first, other = next(iter(links(live))), next(iter(links(live, seed=8)))
    assert not torch.equal(first[BACK].edge_index, other[BACK].edge_index)
    loader = links(live)
    last = list(loader)[-1]
    assert_equal(
        loader(list(range(len(loader.dataset)))[-len(last[RATED].input_id) :]), last
    )  # alone, not after others


def test_the_links_to_predict_are_not_walked_along(live: Any) -> None:
    seen = 0
    for leave_out in (True, False):
        sampler = pyg.SeededNeighborSampler(live, [-1], seed=0, leave_out_links=leave_out)
        loader = LinkNeighborLoader(live, [0], RATED, neighbor_sampler=sampler, batch_size=200)
        for batch in loader:
            asked = batch[RATED].edge_label_index
            wanted = {*zip(*asked.tolist(), strict=True)}
            there = {*zip(*batch[RATED].edge_index.tolist(), strict=True)}
            back = {*zip(*batch[BACK].edge_index.flip(0).tolist(), strict=True)}
            assert (wanted & (there | back) == set()) == leave_out
            seen += len(there)
    assert seen > 100


# --- training -------------------------------------------------------------------------------------------


def train(data: Any, metadata: tuple[list[str], list[Any]], transform: Any = None) -> list[float]:
    """A small heterogeneous GraphSAGE that learns who rated what; the loss of every epoch."""
    torch.manual_seed(0)
    nodes, kinds = metadata
    start = torch.nn.ModuleDict({name: torch.nn.Embedding(60, 16) for name in nodes})
    layers = [
        HeteroConv({k: SAGEConv((16, 16), 16) for k in kinds if k[2] in ("User", "Film", "Person")}) for _ in range(2)
    ]
    parameters = [*start.parameters(), *(p for layer in layers for p in layer.parameters())]
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    losses = []
    for _ in range(4):
        total, count = 0.0, 0
        for batch in links(data, transform, neg_sampling="binary", batch_size=256):
            h = {name: start[name](batch[name].n_id) for name in nodes}
            for layer in layers:
                h |= {name: torch.relu(value) for name, value in layer(h, batch.edge_index_dict).items()}
            user, film = batch[RATED].edge_label_index
            score = (h["User"][user] * h["Film"][film]).sum(1)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(score, batch[RATED].edge_label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, count = total + loss.item() * len(score), count + len(score)
        losses.append(total / count)
    return losses


def test_a_network_learns_the_same_from_the_store_as_from_memory(live: Any) -> None:
    exported = memory()
    losses = train(live, (sorted(exported.node_types), live[1].edge_types))
    assert losses[-1] < 0.8 * losses[0]
    assert losses == pytest.approx(
        train(exported, (sorted(exported.node_types), sorted(exported.edge_types))), rel=1e-4
    )


# --- the two stores themselves ----------------------------------------------------------------------------


def test_the_whole_of_a_type_is_read_when_asked_for(live: Any) -> None:
    exported = memory()
    for kind in live[1].edge_types:
        found = torch.stack(live[1].get_edge_index(kind, "coo"))
        assert torch.equal(found, exported[kind].edge_index)
        every, some = live[1].links(kind), live[1].links(kind, [2, 0])
        assert torch.equal(every.edge_index, found)
        assert set(some.edge_index[1].tolist()) <= {0, 2}
        assert some.edge_index.shape[1] == int(torch.isin(found[1], torch.tensor([0, 2])).sum())
    rated = live[1].links(RATED)
    assert torch.equal(rated.liked, exported[RATED].liked)
    assert torch.equal(rated.time, exported[RATED].edge_time)
    features, _ = live
    torch.testing.assert_close(features["Film", "x", None], exported["Film"].x)
    assert torch.equal(features["Film", "y", None], exported["Film"].y)
    assert features.get_tensor_size("Film", "x") == tuple(exported["Film"].x.shape)
    assert features.keys("Film", torch.tensor([2, 0])) == ["f02", "f00"]
    assert features.indices("Film", ["f02", "f00"]).tolist() == [2, 0]
    assert "StoreFeatures(Film: n_id x y, Genre: n_id" in repr(features)
    assert repr(live[1]) == "StoreGraph(117 nodes, 10 edge types; in a store)"


def test_what_the_store_has_not_is_said(store: GraphStore, live: Any) -> None:
    features, graph = live
    for wrong, message in (
        (lambda: graph.links(("User", "SAW", "Film")), r"expected one of the edge types .*'RATED'.*got .*'SAW'"),
        (lambda: graph.links(RATED, [45]), "Film: expected nodes from 0 to 44, got 45"),
        (lambda: features["Film", "x", torch.tensor([-1])], "Film: expected nodes from 0 to 44, got -1"),
        (lambda: features["Film", "z", None], "expected one of n_id, x, y of Film, got z"),
        (lambda: features["Films", "x", None], "expected one of the node types Film, Genre.*got Films"),
        (lambda: graph.put_edge_index(torch.zeros(2, 1), RATED, "coo"), "for reading only"),
        (lambda: features.put_tensor(torch.zeros(1), "Film", "x", None), "for reading only"),
        (lambda: pyg.remote_backend(store, label="colour"), "label: expected a property or relation type of Film"),
        (lambda: pyg.remote_backend(store, cache_mib=-1), "cache_mib: expected at least 0, got -1"),
        (lambda: pyg.SeededNeighborSampler(live, [2], seed=-1), "seed: expected an integer of at least 0, got -1"),
        (lambda: pyg.SeededNeighborSampler(films(), [2], seed=1), "expected a HeteroData .*got Snapshot"),
        (lambda: pyg.prefetched([], 0), "ahead: expected at least 1"),
        (lambda: list(links(live, edge_label_index=(RATED, torch.tensor([[60], [0]])))), "User: .*0 to 59, got 60"),
    ):
        with pytest.raises(ArgumentError, match=message):
            wrong()
    with pytest.raises(NotFoundError, match="no Film with key 'f99'"):
        features.indices("Film", ["f99"])


def test_a_graph_that_changes_while_it_is_learned_from(films_store: GraphStore) -> None:
    """What comes after the keys were read is not seen; a node that goes has no values and no edges."""
    fill(films_store, films())
    live = pyg.remote_backend(films_store, label="year", **OPTIONS)
    films_store.write_nodes("Film", pa.table({"item_id": ["a-new-one"], "title": ["New"]}))
    films_store.write_edges("RATED", pa.table({"source": ["u00"], "target": ["a-new-one"], "rating": [5.0]}))
    films_store.transact([("MATCH (f:Film {item_id: $key}) DETACH DELETE f", {"key": "f03"})])
    old = memory()
    (batch,) = NeighborLoader(
        live,
        [0],
        ("User", torch.tensor([0])),
        neighbor_sampler=pyg.SeededNeighborSampler(live, [-1], seed=0),
        transform=live[1].add_edge_attributes,
    )
    rated = films().interactions
    assert batch["Film"].n_id.tolist() == [i for i in rated.target[rated.source == 0] if i != 3]
    assert live[0]["Film", "y", torch.tensor([3, 4])].tolist() == [-1, int(old["Film"].y[4])]
    names = live[0].feature_names["Film"]
    gone = dict(zip(names, live[0]["Film", "x", torch.tensor([3])][0].tolist(), strict=True))
    assert (gone["year"], gone["year missing"]) == (0, 1)
    assert live[1].incoming(RATED, np.array([3])).source.tolist() == []


def test_edges_without_a_time_count_as_always_there(films_store: GraphStore) -> None:
    fill(films_store, films())
    films_store.write_nodes("User", pa.table({"user_id": ["z"]}))
    films_store.write_edges("RATED", pa.table({"source": ["z"], "target": ["f00"], "rating": [4.0]}))
    live = pyg.remote_backend(films_store)
    (batch,) = NeighborLoader(
        live,
        [0],
        ("Film", torch.tensor([0])),
        torch.tensor([1]),
        time_attr="edge_time",
        neighbor_sampler=pyg.SeededNeighborSampler(live, [-1], seed=0),
        transform=live[1].add_edge_attributes,
    )
    assert live[0].keys("User", batch["User"].n_id) == ["z"]
    assert batch[RATED].edge_time.tolist() == [NO_TIME]


def test_an_error_of_the_store_comes_through_the_thread(tmp_path: Path) -> None:
    store = connect(str(tmp_path / "graph"))
    fill(store, films())
    live = pyg.remote_backend(store)

    def fail(*_: Any, **__: Any) -> pa.Table:
        raise StoreError("the line is cut")

    store.read_edges = fail  # type: ignore[method-assign]
    loader = links(live, edge_label_index=(RATED, torch.tensor([[0], [0]])))
    with pytest.raises(StoreError, match="the line is cut"):
        list(pyg.prefetched(loader))
