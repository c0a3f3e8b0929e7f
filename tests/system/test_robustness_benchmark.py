"""benchmarks.robustness at a tiny size: every key, and figures that mean something."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_split import write_split
from torch_geometric.nn.models import LightGCN
from toy_graph import edges, films

from benchmarks.quality.linear import LinearAutoencoder
from benchmarks.robustness.__main__ import MODELS, main
from benchmarks.robustness.attacks import ATTACKS, DROPOUT, L2, _greedy, attacked
from benchmarks.robustness.models import light_gcn, normalised
from benchmarks.robustness.world import World, random_interactions, wrong_facts, wrong_links


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two groups of users with their own items, some of which few have, and facts that tell the items apart."""
    rng = np.random.default_rng(5)
    weight = 1 / (1 + np.arange(30))
    chosen = {
        f"u-{user:x}": rng.choice(30, 14, replace=False, p=weight / weight.sum()) * 2 + user % 2 for user in range(80)
    }
    return write_split(tmp_path, chosen, 60, [5.0], "T/{}#".format)


def test_one_line_of_json_with_every_attack_and_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = [str(folder), "--facts", str(folder / "facts.tsv"), "--config", str(folder / "quick.toml")]
    out = folder / "found.json"
    assert main([*args, "--quick", "--targets", "2", "--fakes", ".05", "--out", str(out), "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    found = json.loads(lines[0])
    assert found == json.loads(out.read_text(encoding="utf-8"))
    assert found["complete"] is True
    assert set(found["ndcg"]) == set(MODELS)
    assert min(found["ndcg"].values()) > 0.05
    assert set(found["attacks"]) == {f"{name}-5%" for name in ATTACKS}
    for models in found["attacks"].values():
        assert set(models) == set(MODELS)
        for name, figures in models.items():
            assert figures["runs"] == (1 if name == "lightgcn" else 2)
            least = 1 / found["users"]
            ratio = max(figures["exposure_after"], least) / max(figures["exposure_before"], least)
            assert figures["exposure_ratio"] == pytest.approx(ratio)
            assert -1 < figures["ndcg_drop"] < 1
            interval = figures["exposure_ratio_interval"]
            assert interval is None if figures["runs"] == 1 else interval[0] <= ratio <= interval[1]
    assert set(found["noise"]) == {"interactions-10%", "facts-10%", "links-10%"}
    assert set(found["noise"]["facts-10%"]) == {"ours", "ours-robust"}
    assert found["noise"]["interactions-10%"]["ease"]["exposure_ratio"] is None
    assert set(found["suspects"]) == {"nothing", *found["attacks"]}
    copies = found["suspects"]["copied-5%"]
    assert copies["recall"] == 1
    assert copies["fakes"] == 8
    assert copies["named"] * copies["precision"] == pytest.approx(8)


def world() -> World:
    """The toy's films with 240 viewers; the interactions are those of training."""
    return World(films(240), 240)


def test_the_attack_made_for_the_closed_form_raises_the_target_most() -> None:
    clean, target = world(), 7
    rise = {}
    for name in ATTACKS:
        given = attacked(clean, name, target, 0.05, np.random.default_rng(1))
        assert given.interactions.shape[0] == 252
        fakes = given.interactions[240:].toarray()
        assert fakes[:, target].all()
        assert (fakes.sum(axis=1) >= 6).all()
        before, after = (
            LinearAutoencoder(w.interactions, L2, DROPOUT).scores(clean.interactions)[:, target] for w in (clean, given)
        )
        had = clean.interactions[:, [target]].toarray().ravel() > 0
        rise[name] = float((after - before)[~had].mean())
    assert max(rise, key=lambda name: rise[name]) == "whitebox"
    assert rise["whitebox"] > 1.2 * rise["random"]


def test_what_the_greedy_choice_raises_is_the_change_after_fitting_again() -> None:
    """Of all single fillers it takes the one that raises m X B_target most, B fitted with the fake user."""
    rng = np.random.default_rng(3)
    x, m, target, n = (rng.random((40, 9)) < 0.4).astype(float), rng.random(40), 2, 9
    others = np.arange(n) != target
    penalty = np.diag(np.full(n, 3.0))

    def column(rows: np.ndarray) -> np.ndarray:
        b = np.zeros(n)
        left = (rows.T @ rows + penalty)[np.ix_(others, others)]
        b[others] = np.linalg.solve(left, (rows.T @ rows)[others, target])
        return b

    p = np.zeros((n, n))
    p[np.ix_(others, others)] = np.linalg.inv((x.T @ x + penalty)[np.ix_(others, others)])
    gains = []
    for filler in range(n):
        fake = np.zeros(n)
        fake[[filler, target]] = 1
        gains.append(-np.inf if filler == target else m @ x @ (column(np.vstack([x, fake])) - column(x)))
    assert _greedy(p, p @ (x.T @ m), column(x), target, 1).tolist() == [int(np.argmax(gains))]


def test_noise_changes_what_it_says_and_no_more() -> None:
    clean, rng = world(), np.random.default_rng(2)
    noisy = random_interactions(clean, 0.1, rng)
    assert noisy.interactions.nnz == clean.interactions.nnz + round(0.1 * len(clean.edges))
    assert (noisy.interactions - clean.interactions).toarray().min() == 0
    assert noisy.interactions.toarray().max() == 1
    for change in (wrong_facts, wrong_links):
        other = change(clean, 0.3, rng)
        assert other.edges is clean.edges
        old, new = clean.snapshot.edges["DIRECTED_BY"], other.snapshot.edges["DIRECTED_BY"]
        pairs = [set(zip(e.source.tolist(), e.target.tolist(), strict=True)) for e in (old, new)]
        assert 0.5 < len(pairs[0] & pairs[1]) / len(pairs[0]) < 1


def test_copies_come_after_whom_they_copy() -> None:
    clean = world()
    timed = clean.with_edges(
        edges(
            zip(clean.edges.source.tolist(), clean.edges.target.tolist(), strict=True),
            [5.0] * len(clean.edges),
            [1_000 + u for u in clean.edges.source.tolist()],
        )
    )
    given = attacked(timed, "copied", 3, 0.05, np.random.default_rng(0))
    assert given.edges.time is not None
    first = np.array([given.edges.time[given.edges.source == u].min() for u in range(252)])
    both = (given.interactions @ given.interactions.T).toarray()
    for fake in range(240, 252):
        alike = int(np.argmax(both[fake, :240] / np.diff(given.interactions.indptr)[:240]))
        assert first[fake] > first[alike]


def test_lightgcn_by_a_matrix_is_that_by_edges() -> None:
    given = world()
    n_users, n_items = given.interactions.shape
    users, items = torch.from_numpy(given.edges.source), torch.from_numpy(given.edges.target) + n_users
    both = torch.cat([torch.stack([users, items]), torch.stack([items, users])], dim=1)
    plain, quick = LightGCN(n_users + n_items, 64, 2), light_gcn(n_users + n_items)
    quick.load_state_dict(plain.state_dict())
    some = torch.randn(n_users + n_items, 64, generator=torch.Generator().manual_seed(1))
    embeddings = plain.get_embedding(both), quick.get_embedding(normalised(given))
    assert torch.allclose(*embeddings, atol=1e-6)
    for found in embeddings:
        (found * some).sum().backward()
    assert torch.allclose(plain.embedding.weight.grad, quick.embedding.weight.grad, atol=1e-6)
