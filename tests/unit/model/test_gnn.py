"""The relational GNN against its formula in dense numpy."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse
from toy_graph import edges, films

from kg_rec.errors import ConfigError
from kg_rec.model.channels import gnn as gnn_module
from kg_rec.model.channels.gnn import LinearRelationalGnn, embed, fit
from kg_rec.model.channels.gnn_numbers import GnnConfig, GnnParameters
from kg_rec.model.histories import histories
from kg_rec.model.kernel import FactorKernel
from kg_rec.snapshot import EdgeTable, IdMap, Snapshot

CONFIG = GnnConfig(dimensions=(4, 8), exponents=(0.3,), epochs=3, batch_users=30, learning_rate=0.05)
SIZES = {"RATED": ("User", 60), "HAS_GENRE": ("Genre", 3), "DIRECTED_BY": ("Person", 9), "FOLLOWED_BY": ("Film", 45)}


@pytest.fixture(scope="module")
def seen() -> Snapshot:
    """The films with liked interactions only, as training sees them."""
    return films().with_edges("RATED", films().liked())


@pytest.fixture(scope="module")
def interactions(seen: Snapshot) -> sparse.csr_array:
    return histories(seen.interactions, (60, 45), 0)


def incidence(snapshot: Snapshot, relation: str) -> np.ndarray:
    """R: items x other nodes, dense; a relation between items is followed from source to target."""
    e = snapshot.edges[relation]
    ends = (e.target, e.source) if relation == "RATED" else (e.source, e.target)
    matrix = np.zeros((45, SIZES[relation][1]))
    matrix[ends] = 1
    return matrix


def dense_hop(r: np.ndarray, a: float, b: float) -> np.ndarray:
    """A = D_item^-b R D_other^-2a R^T D_item^-b."""
    items, others = np.maximum(r.sum(axis=1), 1), np.maximum(r.sum(axis=0), 1)
    left = items[:, None] ** -b * r * others[None, :] ** -a
    return left @ left.T


def random_parameters(gnn: LinearRelationalGnn, seed: int = 0) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    return {name: float(rng.uniform(0.1, 0.6)) for name in gnn.parameters_by_name()}


@pytest.mark.parametrize("relation", list(SIZES))
def test_a_hop_is_the_dense_formula(seen: Snapshot, relation: str) -> None:
    gnn = LinearRelationalGnn(seen, 0.3, 1, "cpu")
    values = random_parameters(gnn)
    gnn.set_parameters(values)
    features = np.random.default_rng(1).normal(size=(45, 5)).astype(np.float32)
    operator = dense_hop(
        incidence(seen, relation), values[f"{relation}.other_exponent"], values[f"{relation}.item_exponent"]
    )
    found = gnn.hop(relation, torch.from_numpy(features)).detach().numpy()
    np.testing.assert_allclose(found, operator @ features, rtol=1e-4, atol=1e-4)


def test_the_embeddings_are_the_formula(seen: Snapshot) -> None:
    gnn = LinearRelationalGnn(seen, 0.3, 2, "cpu")
    values = random_parameters(gnn, 2)
    gnn.set_parameters(values)
    features = np.random.default_rng(3).normal(size=(45, 4))
    operators = {}
    for name in gnn.relations:
        e = seen.edges[name]
        r = incidence(seen, name) if name in SIZES else np.zeros((45, 9))
        if name not in SIZES:
            r[e.source, e.target] = 1
        operators[name] = dense_hop(r, values[f"{name}.other_exponent"], values[f"{name}.item_exponent"])
    layer, total = features, features
    for hop in range(2):
        layer = sum(values[f"{name}.weight.{hop}"] * operators[name] @ layer for name in operators)
        total = total + layer
    popularity = np.maximum(incidence(seen, "RATED").sum(axis=1), 1)[:, None]
    source, target = gnn(torch.from_numpy(features.astype(np.float32)))
    np.testing.assert_allclose(source.detach(), popularity ** -values["source_exponent"] * total, rtol=2e-4, atol=1e-4)
    np.testing.assert_allclose(target.detach(), popularity ** values["target_exponent"] * total, rtol=2e-4, atol=1e-3)


def test_only_relations_with_edges_take_part(seen: Snapshot) -> None:
    gnn = LinearRelationalGnn(seen, 0.3, 1, "cpu")
    assert gnn.relations == ["RATED", "DIRECTED_BY", "FOLLOWED_BY", "HAS_GENRE", "STARRING"]


@pytest.mark.parametrize(("exponent", "iterations"), [(0.3, 12), (0.5, 40)])
def test_the_input_is_the_leading_eigenvectors(seen: Snapshot, exponent: float, iterations: int) -> None:
    gnn = LinearRelationalGnn(seen, exponent, 1, "cpu")
    found = gnn.spectral_input(6, iterations, seed=9).numpy()
    values, vectors = np.linalg.eigh(dense_hop(incidence(seen, "RATED"), exponent, exponent))
    expected = vectors[:, ::-1][:, :6]
    assert np.diff(values[::-1][:7]).max() < -1e-3  # else the eigenvectors would not be determined
    cosine = np.abs((found * expected).sum(axis=0))
    np.testing.assert_allclose(cosine, 1, atol=2e-3)
    np.testing.assert_allclose(found.T @ found, np.eye(6), atol=1e-5)
    largest = np.abs(found).argmax(axis=0)
    assert (found[largest, np.arange(6)] > 0).all()  # the sign rule


def test_the_input_does_not_depend_on_the_random_start(seen: Snapshot) -> None:
    gnn = LinearRelationalGnn(seen, 0.3, 1, "cpu")
    one, two = (gnn.spectral_input(6, 12, seed).numpy() for seed in (1, 2))
    np.testing.assert_allclose(one, two, atol=2e-3)
    assert gnn.spectral_input(6, 12, 1).equal(torch.from_numpy(one))


def test_more_dimensions_than_items(seen: Snapshot) -> None:
    assert LinearRelationalGnn(seen, 0.3, 1, "cpu").spectral_input(200, 12, 0).shape == (45, 45)


def test_parameters_round_trip(seen: Snapshot) -> None:
    one, two = (LinearRelationalGnn(seen, e, 2, "cpu") for e in (0.2, 0.5))
    values = random_parameters(one)
    one.set_parameters(values)
    two.set_parameters(one.parameters_by_name())
    assert two.parameters_by_name() == one.parameters_by_name()
    assert one.parameters_by_name() == pytest.approx(values, abs=1e-6)
    features = torch.randn(45, 3, generator=torch.Generator().manual_seed(0))
    assert one(features)[0].equal(two(features)[0])


def test_parameters_of_a_relation_that_is_gone_are_ignored_and_a_new_one_adds_nothing(seen: Snapshot) -> None:
    gnn = LinearRelationalGnn(seen, 0.3, 1, "cpu")
    values = random_parameters(gnn)
    without = LinearRelationalGnn(seen.with_edges("HAS_GENRE", edges([])), 0.3, 1, "cpu")
    without.set_parameters(values)
    assert "HAS_GENRE.weight.0" not in without.parameters_by_name()
    gnn.set_parameters({name: v for name, v in values.items() if not name.startswith("HAS_GENRE")})
    features = torch.randn(45, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(gnn(features)[1], without(features)[1])


def test_the_gradient_reaches_every_parameter(seen: Snapshot, interactions: sparse.csr_array) -> None:
    """Relation weights start at 0, which hides the exponents behind them; after one step nothing is hidden."""
    rng = np.random.default_rng(0)
    for relation in ("HAS_GENRE", "DIRECTED_BY", "FOLLOWED_BY"):  # where each film has one, its exponent does nothing
        ends = [(i, int(a)) for i in range(45) for a in rng.choice(SIZES[relation][1], rng.integers(1, 4), False)]
        seen = seen.with_edges(relation, edges(ends))
    gnn = LinearRelationalGnn(seen, 0.3, 2, "cpu")
    features = gnn.spectral_input(8, 12, 0)
    temperature = torch.nn.Parameter(torch.tensor(1.0))
    optimiser = torch.optim.SGD([*gnn.parameters(), temperature], lr=0.1)
    for _ in range(2):
        optimiser.zero_grad()
        loss = gnn_module._loss(gnn, features, temperature, interactions, CONFIG, rng, "cpu")
        assert loss is not None
        assert torch.isfinite(loss)
        loss.backward()  # type: ignore[no-untyped-call]
        first_step = {name: p.grad.clone() for name, p in gnn.named_parameters() if p.grad is not None}
        optimiser.step()
    assert set(first_step) == {"item_exponent", "other_exponent", "source_exponent", "target_exponent", "weight"}
    for name, gradient in first_step.items():
        assert torch.isfinite(gradient).all(), name
        assert (gradient != 0).all(), name
    assert temperature.grad is not None
    assert temperature.grad != 0


def test_with_few_negatives_the_softmax_holds_the_targets(seen: Snapshot, interactions: sparse.csr_array) -> None:
    gnn = LinearRelationalGnn(seen, 0.3, 1, "cpu")
    features = gnn.spectral_input(8, 12, 0)
    losses = [
        gnn_module._loss(
            gnn,
            features,
            torch.tensor(0.0),
            interactions,
            replace(CONFIG, negatives=n),
            np.random.default_rng(1),
            "cpu",
        )
        for n in (5, 44, 45)
    ]
    assert all(loss is not None and torch.isfinite(loss) for loss in losses)


def test_no_loss_where_nothing_is_held_out(seen: Snapshot) -> None:
    gnn = LinearRelationalGnn(seen, 0.3, 1, "cpu")
    empty = sparse.csr_array((3, 45), dtype=np.float32)
    found = gnn_module._loss(
        gnn, gnn.spectral_input(4, 5, 0), torch.tensor(0.0), empty, CONFIG, np.random.default_rng(1), "cpu"
    )
    assert found is None


def spread(kernel: FactorKernel) -> float:
    """A figure that only says whether films of one kind are close."""
    k = np.asarray(kernel.source) @ np.asarray(kernel.target).T
    same = np.equal.outer(np.arange(39) % 3, np.arange(39) % 3)
    k = k[:39, :39]
    return float(k[same].mean() - k[~same].mean()) / float(k.std())


def test_fit_is_reproducible_and_keeps_the_best_epoch(seen: Snapshot, interactions: sparse.csr_array) -> None:
    logs: list[dict[str, object]] = []
    found = [
        fit(seen, interactions, spread, CONFIG, seed, "cpu", log=lambda r: logs.append(dict(r))) for seed in (3, 3, 4)
    ]
    assert found[0] == found[1]
    assert found[0].values != found[2].values
    first = logs[: len(logs) // 3]
    best = max(first, key=lambda r: float(str(r["ndcg@10"])))
    assert best["epoch"] == found[0].epoch
    assert spread(embed(seen, found[0], CONFIG, 3, "cpu")) == pytest.approx(best["ndcg@10"], rel=1e-4)
    assert [r["epoch"] for r in first] == [0, 0, 1, 2, 3]


def test_training_ends_when_the_figure_does_not_improve(seen: Snapshot, interactions: sparse.csr_array) -> None:
    logs: list[dict[str, object]] = []
    config = replace(CONFIG, epochs=9, patience=2)
    found = fit(seen, interactions, lambda _: 0.5, config, 0, "cpu", log=lambda r: logs.append(dict(r)))
    assert found.epoch == 0
    assert logs[-1]["epoch"] == 2


def test_no_epochs_keep_the_start(seen: Snapshot, interactions: sparse.csr_array) -> None:
    found = fit(seen, interactions, spread, replace(CONFIG, epochs=0), 0, "cpu")
    assert found.epoch == 0
    assert found.values["RATED.weight.0"] == 0
    assert found.values["source_exponent"] == pytest.approx(0.3)


def test_settings_without_a_value_are_an_error(seen: Snapshot, interactions: sparse.csr_array) -> None:
    with pytest.raises(ConfigError, match=r"gnn\.exponents and gnn\.dimensions need at least one value"):
        fit(seen, interactions, spread, replace(CONFIG, exponents=()), 0, "cpu")


def permuted(snapshot: Snapshot, order: np.ndarray) -> Snapshot:
    """The same graph with item ``i`` numbered ``order[i]``."""
    films_table = snapshot.nodes["Film"]
    inverse = np.argsort(order)
    nodes = {**snapshot.nodes, "Film": films_table.take(inverse)}
    relations: dict[str, EdgeTable] = {}
    for name, relation in snapshot.schema.relation_types.items():
        e = snapshot.edges[name]
        source = order[e.source] if relation.source == "Film" else e.source
        target = order[e.target] if relation.target == "Film" else e.target
        relations[name] = EdgeTable(source, target, e.weight, e.time).take(np.lexsort((target, source)))
    return Snapshot(snapshot.schema, snapshot.source, nodes, relations)


def test_numbering_the_items_otherwise_permutes_the_scores(seen: Snapshot, interactions: sparse.csr_array) -> None:
    order = np.random.default_rng(8).permutation(45)
    other = permuted(seen, order)
    assert isinstance(other.ids["Film"], IdMap)
    gnn = LinearRelationalGnn(seen, 0.3, 2, "cpu")
    parameters = GnnParameters(0.3, 6, 2, random_parameters(gnn, 5), 1)
    config = replace(CONFIG, iterations=40)
    one, two = (embed(s, parameters, config, 1, "cpu") for s in (seen, other))
    eye = sparse.csr_array(sparse.eye_array(45))
    first, second = one.scores(eye), two.scores(eye)
    np.testing.assert_allclose(second[np.ix_(order, order)], first, atol=2e-3 * np.abs(first).max())


def test_without_interactions_every_embedding_is_zero(seen: Snapshot) -> None:
    bare = seen.with_edges("RATED", edges([], weight=[], time=[]))
    parameters = GnnParameters(0.3, 6, 1, {"source_exponent": 0.3, "target_exponent": 0.3}, 0)
    kernel = embed(bare, parameters, CONFIG, 0, "cpu")
    assert not np.asarray(kernel.source).any()
    assert len(kernel.source) == 45


def test_items_without_interactions_are_reached_through_the_graph(seen: Snapshot) -> None:
    gnn = LinearRelationalGnn(seen, 0.3, 1, "cpu")
    values = {**gnn.parameters_by_name(), "HAS_GENRE.weight.0": 0.5}
    kernel = embed(seen, GnnParameters(0.3, 6, 1, values, 1), CONFIG, 1, "cpu")
    targets = np.asarray(kernel.target)
    assert np.abs(targets[39:]).max() > 0.01
    cosines = targets[39:] @ targets[:39].T
    same = np.equal.outer(np.arange(39, 45) % 3, np.arange(39) % 3)
    assert cosines[same].mean() > cosines[~same].mean()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; torch sees none here")
def test_cuda_gives_what_the_cpu_gives(seen: Snapshot, interactions: sparse.csr_array) -> None:
    parameters = fit(seen, interactions, spread, CONFIG, 3, "cuda")
    one, two = (embed(seen, parameters, CONFIG, 3, device) for device in ("cpu", "cuda"))
    eye = sparse.csr_array(sparse.eye_array(45))
    np.testing.assert_allclose(one.scores(eye), two.scores(eye), atol=1e-2 * np.abs(one.scores(eye)).max())


def test_building_it_warns_of_nothing(seen: Snapshot) -> None:
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            LinearRelationalGnn(seen, 0.3, 1, "cpu").spectral_input(4, 2, 0)
    finally:
        torch.set_warn_always(False)
