"""Who is attacked: this package's model, without and with its defence, EASE, ItemKNN and LightGCN.

Hyperparameters are chosen once, on validation, without any fake user, and kept: who attacks adds few users, and what is
measured is what these do to what is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn
from torch_geometric.nn import LGConv
from torch_geometric.nn.models import LightGCN

from benchmarks.quality.linear import ItemKnn, LinearAutoencoder
from benchmarks.quality.peers import Task, ease, item_knn
from benchmarks.robustness.world import World
from kg_rec.arrays.types import Floats
from kg_rec.model.config import TrainConfig
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.train import fit_again, train
from kg_rec.progress import Progress
from kg_rec.split import Split

#: Scores of all items for the real users, shape (real users, items), from the world that is learned from.
Fit = Callable[[World], Floats]

#: LightGCN: interactions a step, learning rate, most epochs, and epochs without a better validation before it ends.
BATCH, RATE, EPOCHS, PATIENCE = 8_192, 0.01, 100, 5


def ours(world: World, split: Split, config: TrainConfig, progress: Progress) -> tuple[Fit, Recommender]:
    """This package's model: chosen on the world as it is, then fitted again; and the model of the world as it is."""
    model = train(world.snapshot, config, split=split, progress=progress)

    def fit(given: World) -> Floats:
        return fit_again(model, given.snapshot).scores(np.arange(given.real))

    return fit, model


def defended(model: Recommender, strength: float) -> Fit:
    """The same hyperparameters, with the defence."""
    guarded = replace(model, config=replace(model.config, robust=replace(model.config.robust, fakes=strength)))

    def fit(given: World) -> Floats:
        return fit_again(guarded, given.snapshot).scores(np.arange(given.real))

    return fit


def of_ease(world: World, split: Split, progress: Progress, seed: int) -> Fit:
    """EASE, its penalty chosen on validation."""
    l2 = ease(Task(split, _shape(world)), progress, seed).chosen["l2"]

    def fit(given: World) -> Floats:
        return LinearAutoencoder(given.interactions, l2).scores(given.interactions[: given.real])

    return fit


def of_itemknn(world: World, split: Split, progress: Progress, seed: int) -> Fit:
    """ItemKNN, neighbours and shrinkage chosen on validation."""
    chosen = item_knn(Task(split, _shape(world)), progress, seed).chosen

    def fit(given: World) -> Floats:
        return ItemKnn(given.interactions, int(chosen["k"]), chosen["shrink"]).scores(given.interactions[: given.real])

    return fit


def of_lightgcn(world: World, split: Split, progress: Progress, seed: int) -> Fit:
    """LightGCN: 64 dimensions, 2 layers, BPR with Adam; the number of epochs is chosen on validation."""
    task = Task(split, _shape(world))
    best, epochs = -1.0, 0
    for done, scores in enumerate(_epochs(world, seed, EPOCHS), 1):
        progress(done, EPOCHS, "LightGCN")
        metric = task.valid(lambda users, _, s=scores: s[users])  # type: ignore[misc]
        if metric > best:
            best, epochs = metric, done
        if done - epochs == PATIENCE:
            break

    def fit(given: World) -> Floats:
        *_, last = _epochs(given, seed, epochs)
        return last

    return fit


def _epochs(world: World, seed: int, epochs: int) -> Iterator[NDArray[np.float32]]:
    """The real users' scores after each epoch."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    n_users, n_items = _shape(world)
    model = light_gcn(n_users + n_items)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    edges = world.edges
    users, items = torch.from_numpy(edges.source), torch.from_numpy(edges.target) + n_users
    both = normalised(world)
    for _ in range(epochs):
        for batch in torch.from_numpy(rng.permutation(len(users))).split(BATCH):
            other = torch.from_numpy(rng.integers(0, n_items, len(batch))) + n_users
            nodes = torch.cat([users[batch], items[batch], other])
            u, i, j = model.get_embedding(both)[nodes].chunk(3)
            optimizer.zero_grad()
            loss = model.recommendation_loss((u * i).sum(1), (u * j).sum(1), nodes.unique(), lambda_reg=1e-4)
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            found = model.get_embedding(both).numpy()
        yield found[: world.real] @ found[n_users:].T


class _Symmetric(torch.autograd.Function):
    """A x, where A is its own transpose: autograd would transpose it anew at each step, most of the time of it."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, x: Tensor) -> Tensor:
        ctx.matrix = matrix
        return matrix @ x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, ctx.matrix @ gradient


class SymmetricConv(LGConv):  # type: ignore[misc]
    """A layer of LightGCN over a matrix that is symmetric and normalised already."""

    def message_and_aggregate(self, adj_t: Tensor, x: Tensor) -> Tensor:
        """See :class:`LGConv`."""
        product: Tensor = _Symmetric.apply(adj_t, x)  # type: ignore[no-untyped-call]
        return product


def light_gcn(nodes: int) -> LightGCN:
    """LightGCN of 64 dimensions and 2 layers, for :func:`normalised`."""
    model = LightGCN(nodes, 64, 2)
    model.convs = nn.ModuleList(SymmetricConv(normalize=False) for _ in model.convs)
    return model


def normalised(world: World) -> Tensor:
    """D^-1/2 A D^-1/2 of users and items, sparse CSR: ten times as fast as the list of edges that it stands for."""
    x = world.interactions.astype(np.float32)
    scale = [1 / np.sqrt(np.maximum(np.asarray(x.sum(axis=axis)).ravel(), 1)) for axis in (1, 0)]
    x = sparse.csr_array(sparse.diags_array(scale[0]) @ x @ sparse.diags_array(scale[1]))
    both = sparse.csr_array(sparse.block_array([[None, x], [x.T, None]]))
    parts = [torch.from_numpy(part.astype(np.int64)) for part in (both.indptr, both.indices)]
    return torch.sparse_csr_tensor(*parts, torch.from_numpy(both.data.astype(np.float32)), both.shape)


def _shape(world: World) -> tuple[int, int]:
    users, items = world.interactions.shape
    return users, items
