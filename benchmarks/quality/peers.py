"""Peers, run beside the model on the same split: EASE in closed form and LightGCN by PyTorch Geometric."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch_geometric.nn.models import LightGCN

from kg_rec.arrays.topk import masked, top_k
from kg_rec.metrics import ValidationSet, per_user
from kg_rec.model.histories import histories
from kg_rec.progress import Progress
from kg_rec.split import Split

Scores = Callable[[NDArray[np.int64]], NDArray[np.float32]]


def ease(split: Split, shape: tuple[int, int], progress: Progress, seed: int) -> dict[str, float]:
    """EASE (Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019); l2 chosen on validation."""
    x = histories(split.train, shape, 0)
    gram = (x.T @ x).toarray().astype(np.float64)
    judge, rows = _judge(split, shape)
    best, chosen, seconds = -1.0, np.zeros_like(gram), 0.0
    for done, l2 in enumerate((50.0, 100.0, 250.0, 500.0, 1000.0)):
        progress(done, 5, "EASE")
        start = time.perf_counter()
        precision = np.linalg.inv(gram + l2 * np.eye(shape[1]))
        operator = -precision / np.diag(precision)
        np.fill_diagonal(operator, 0)
        fit = time.perf_counter() - start
        figure = judge.ndcg(np.asarray(x[rows] @ operator))
        if figure > best:
            best, chosen, seconds = figure, operator, fit
    return {
        "fit_seconds": seconds,
        "valid_ndcg@10": best,
        **_test(split, shape, lambda users: np.asarray(x[users] @ chosen)),
    }


def lightgcn(split: Split, shape: tuple[int, int], progress: Progress, seed: int) -> dict[str, float]:
    """LightGCN (He et al., SIGIR 2020): 64 dimensions, 2 layers, BPR with Adam, early stopping on validation."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    n_users, n_items = shape
    model = LightGCN(n_users + n_items, 64, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    users, items = torch.from_numpy(split.train.source), torch.from_numpy(split.train.target) + n_users
    edges = torch.cat([torch.stack([users, items]), torch.stack([items, users])], dim=1)
    had = histories(split.train, shape, 0)
    judge, rows = _judge(split, shape)
    best, state, waited, start = -1.0, copy.deepcopy(model.state_dict()), 0, time.perf_counter()
    for epoch in range(300):
        progress(epoch, 300, "LightGCN")
        for batch in torch.from_numpy(rng.permutation(len(users))).split(2048):
            negative = _negatives(split.train.source[batch.numpy()], had, rng)
            nodes = torch.cat([users[batch], items[batch], torch.from_numpy(negative) + n_users])
            embedding = model.get_embedding(edges)
            u, i, j = embedding[nodes].chunk(3)
            optimizer.zero_grad()
            loss = model.recommendation_loss((u * i).sum(1), (u * j).sum(1), nodes.unique(), lambda_reg=1e-4)
            loss.backward()
            optimizer.step()
        figure = judge.ndcg(_embedded(model, edges, n_users)(rows))
        waited = 0 if figure > best else waited + 1
        if figure > best:
            best, state = figure, copy.deepcopy(model.state_dict())
        if waited == 10:
            break
    seconds = time.perf_counter() - start
    model.load_state_dict(state)
    return {"fit_seconds": seconds, "valid_ndcg@10": best, **_test(split, shape, _embedded(model, edges, n_users))}


PEERS = {"ease": ease, "lightgcn": lightgcn}


def _negatives(users: NDArray[np.int64], had: sparse.csr_array, rng: np.random.Generator) -> NDArray[np.int64]:
    """A random item for each user that the user did not have."""
    drawn = rng.integers(0, had.shape[1], len(users))
    while (again := np.flatnonzero(np.asarray(had[users, drawn]).ravel())).size:
        drawn[again] = rng.integers(0, had.shape[1], len(again))
    return drawn


def _embedded(model: LightGCN, edges: torch.Tensor, n_users: int) -> Scores:
    with torch.no_grad():
        embedding = model.get_embedding(edges).numpy()
    return lambda users: embedding[users] @ embedding[n_users:].T


def _judge(split: Split, shape: tuple[int, int]) -> tuple[ValidationSet, NDArray[np.int64]]:
    relevant = histories(split.valid, shape, 0)
    rows = np.flatnonzero(np.diff(relevant.indptr))
    given = histories(split.train, shape, 0)[rows]
    return ValidationSet(given, given, relevant[rows], split.valid_candidates), rows


def _test(split: Split, shape: tuple[int, int], scores: Scores) -> dict[str, float]:
    relevant, known = histories(split.test, shape, 0), histories(split.known, shape, 0)
    users = np.flatnonzero(np.diff(relevant.indptr))
    top = top_k(masked(scores(users), known[users], split.test_candidates), 20)
    return {f"{name}@{k}": float(v.mean()) for k in (10, 20) for name, v in per_user(top, relevant[users], k).items()}
