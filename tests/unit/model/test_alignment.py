"""InfoNCE between what the graph and what the text says of an item: known values, and gates that follow it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_graph import CONFIG, films

from kg_rec.errors import ConfigError
from kg_rec.model.channels import gnn
from kg_rec.model.channels.alignment import Alignment
from kg_rec.model.channels.base import TrainingData
from kg_rec.model.channels.knowledge import KNOWLEDGE, KnowledgeConfig, factors_of
from kg_rec.model.channels.registry import kind_of
from kg_rec.model.config import TrainConfig
from kg_rec.model.histories import histories


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_loss_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(1)
    text = unit(rng.normal(size=(7, 5)))
    text[3] = 0  # no text: neither aligned nor a negative
    mix = torch.from_numpy(rng.normal(size=(7, 7)).astype(np.float32))
    aligned = Alignment(text, 16, 0.5, 0, "cpu")
    found = float(aligned.loss(lambda features: mix @ features))
    told = [0, 1, 2, 4, 5, 6]
    centred = np.zeros((7, 5))
    centred[told] = text[told] - text[told].mean(axis=0)
    centred[told] /= np.linalg.norm(centred[told], axis=1, keepdims=True)
    other = mix.numpy().astype(np.float64) @ centred
    cosine = other[told] / np.linalg.norm(other[told], axis=1, keepdims=True) @ centred[told].T / 0.5
    logs = [np.diag(c - np.log(np.exp(c).sum(axis=1, keepdims=True))).mean() for c in (cosine, cosine.T)]
    assert found == pytest.approx(-sum(logs) / 2, rel=1e-4)


def test_views_that_agree_cost_less_and_none_costs_nothing() -> None:
    text = unit(np.random.default_rng(2).normal(size=(40, 8)))
    aligned = Alignment(text, 16, 0.1, 0, "cpu")
    same, turned = (float(aligned.loss(lambda f, n=n: torch.roll(f, n, 0))) for n in (0, 1))
    assert same < 0.5 < turned
    assert len(aligned.batches) == 3
    assert float(Alignment(np.zeros((4, 3), np.float32), 16, 0.1, 0, "cpu").loss(lambda f: f)) == 0


def test_gates_learned_jointly_agree_more_with_texts() -> None:
    """The gates of L_T + L_C have less of L_C than those of L_T alone."""
    graph, config = films(), KnowledgeConfig()
    text = np.zeros((45, 4), np.float32)
    text[np.arange(45), np.arange(45) % 3] = 1  # the plots of three kinds
    text = unit(text + 0.2 * np.random.default_rng(3).normal(size=text.shape))
    edges = graph.liked()
    rows = histories(edges, (60, 45), 0)
    factors = factors_of(graph, config)
    batch = gnn.batch_of(rows, 20.0, 0.3, 0.2, 0.4, 60, 45, 0, "cpu")
    assert batch is not None
    aligned = Alignment(text, 45, 0.1, 0, "cpu")

    def gates(weight: float) -> gnn.Gates:
        return gnn.learn(graph, factors, batch, 0.3, 20, "cpu", beside=lambda hop: weight * aligned.loss(hop))[0]

    def cost(found: gnn.Gates) -> float:
        hop = gnn.GatedHop(graph, factors, "cpu")
        values = [
            torch.from_numpy((found.mean[f.relation] * (1 + found.deviation[f.relation])).astype(np.float32))
            for f in factors
        ]
        with torch.no_grad():
            return float(aligned.loss(lambda features: hop(values, features)))

    plain, joint = gates(0.0), gates(5.0)
    assert cost(joint) < cost(plain)


def test_it_is_a_setting_of_the_gnn_and_off_by_default() -> None:
    assert TrainConfig().knowledge.alignment == 0
    assert kind_of("knowledge") is KNOWLEDGE
    with pytest.raises(ConfigError, match=r"knowledge\.alignment"):
        TrainConfig.from_dict({"knowledge": {"alignment": -1.0}})
    graph = films()
    text = unit(np.random.default_rng(4).normal(size=(45, 6)))

    def means(alignment: float, given: np.ndarray | None) -> dict[str, float]:
        config = CONFIG.with_parts(KnowledgeConfig(alignment=alignment))
        edges = graph.liked()
        data = TrainingData(
            graph, edges, histories(edges, (60, 45), 0), config.parts, {}, seed=1, device="cpu", text=given
        )
        chosen, _ = next(iter(KNOWLEDGE.candidates(data)))
        return dict(chosen["mean"])

    assert means(0.0, text) == means(0.0, None) == means(0.05, None)
    assert means(0.05, text) != means(0.0, text)
