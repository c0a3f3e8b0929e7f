"""The linear relational GNN: relational item embeddings by message passing over the PyG export.

    H(0)   = leading eigenvectors of the interaction operator, found by orthogonal iteration (propagate, then
             orthonormalise): a low-pass filter of few spectral dimensions
    H(l+1) = sum_r w_r(l) A_r H(l),   A_r = D_item^-b_r R_r D_other^-2a_r R_r^T D_item^-b_r
    Z      = sum_l H(l);   source embeddings h = D_item^-c Z, target embeddings z = D_item^e Z

R_r is the incidence of items and other nodes (users, people, genres, ...) under relation type r, D are degrees.
There is no non-linearity between input and score, so <h_j, z_i> is a kernel.  Relation and hop weights w, the
degree exponents a, b and the role exponents c, e are learned by gradient on a softmax over items, where each
epoch predicts some of the interactions from the others, with early stopping on validation.

The parts: R-GCN's relation weights (Schlichtkrull et al. 2018) without activation (SGC, Wu et al. 2019;
LightGCN, He et al. 2020), and the linear low-pass filter of GF-CF (Shen et al. 2021) with learned exponents.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import spmm

from kg_rec.errors import ConfigError
from kg_rec.model.channels.gnn_numbers import GnnConfig, GnnParameters
from kg_rec.model.kernel import FactorKernel
from kg_rec.model.shards import HERE, Shards, row_ranges
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import Snapshot

#: Scores that an epoch computes at most: of a large graph it sees some of the users, which is enough for few numbers.
_EPOCH_CELLS = 40_000_000


class Propagate(MessagePassing):  # type: ignore[misc]
    """Sum of the neighbours' features: out = adj_t @ x, without normalisation."""

    def __init__(self) -> None:
        super().__init__(aggr="sum")

    def forward(self, x: Tensor, adj_t: Tensor) -> Tensor:
        """Args: x (n_source, d); adj_t sparse CSR (n_target, n_source).  Returns (n_target, d)."""
        out: Tensor = self.propagate(adj_t, x=x, size=(adj_t.size(1), adj_t.size(0)))
        return out

    def message_and_aggregate(self, adj_t: Tensor, x: Tensor) -> Tensor:
        """Fused form of message and aggregation."""
        out: Tensor = spmm(adj_t, x, reduce="sum")
        return out


class LinearRelationalGnn(nn.Module):
    """See the module's formula.

    Args:
        snapshot: the graph; its interactions are the training interactions.
        exponent: initial value of all degree exponents.
        hops: propagation layers.
        device: torch device.
        shards: where rows of a propagation without a gradient are computed; if there are several, on processors.
    """

    def __init__(self, snapshot: Snapshot, exponent: float, hops: int, device: str, shards: Shards = HERE) -> None:
        super().__init__()
        self.hops = hops
        self.shards = shards
        self._held: dict[int, list[object]] = {}
        data = snapshot.to_pyg()
        interaction = snapshot.schema.interaction
        n = len(snapshot.items)
        self.relations = [interaction.name]
        self.propagate_once = Propagate()
        self.forth: dict[str, Tensor] = {}
        self.back: dict[str, Tensor] = {}
        for relation in (interaction, *snapshot.schema.knowledge_relations):
            ends = data[relation.source, relation.name, relation.target].edge_index
            if relation.source == snapshot.schema.item.name:
                ends = ends.flip(0)
            other = relation.source if relation.target == snapshot.schema.item.name else relation.target
            if ends.size(1):
                self.back[relation.name] = _csr(ends.flip(0), (n, data[other].num_nodes), device)
                self.forth[relation.name] = _csr(ends, (data[other].num_nodes, n), device)
                if not relation.interaction:
                    self.relations.append(relation.name)
        self.degree = {r: (_degree(self.back[r]), _degree(self.forth[r])) for r in self.back}
        self.popularity = self.degree[interaction.name][0] if interaction.name in self.degree else torch.ones(n, 1)
        self.item_exponent = nn.Parameter(torch.full((len(self.relations),), exponent))
        self.other_exponent = nn.Parameter(torch.full((len(self.relations),), exponent))
        self.source_exponent = nn.Parameter(torch.tensor(exponent))
        self.target_exponent = nn.Parameter(torch.tensor(exponent))
        self.weight = nn.Parameter(torch.zeros(hops, len(self.relations)))
        self.to(device)

    def hop(self, relation: str, features: Tensor) -> Tensor:
        """One step A_r H: item to other node and back; shape (items, d)."""
        r = self.relations.index(relation)
        items, others = self.degree[relation]
        scale = items ** -self.item_exponent[r]
        middle = self._sums(self.forth[relation], scale * features)
        middle = others ** (-2 * self.other_exponent[r]) * middle
        out: Tensor = scale * self._sums(self.back[relation], middle)
        return out

    def _sums(self, matrix: Tensor, features: Tensor) -> Tensor:
        """Sums over the neighbours; where no gradient is wanted, in parts of the rows."""
        if torch.is_grad_enabled() or matrix.size(0) <= self.shards.rows:
            out: Tensor = self.propagate_once(features, matrix)
            return out
        if id(matrix) not in self._held:  # the matrices live as long as this module
            self._held[id(matrix)] = [self.shards.hold(part) for part in _row_parts(matrix, self.shards.rows)]
        found = self.shards.map(_part_sums, self._held[id(matrix)], features.cpu())
        return torch.cat(list(found)).to(features.device)

    @torch.no_grad()
    def spectral_input(self, dimensions: int, iterations: int, seed: int) -> Tensor:
        """Leading eigenvectors of the interaction operator, largest eigenvalue first; shape (items, dimensions)."""
        n = self.popularity.size(0)
        generator = torch.Generator().manual_seed(seed)
        width = min(dimensions + 16, n)
        features = torch.randn(n, width, generator=generator).to(self.popularity.device)
        for _ in range(iterations):
            features = torch.linalg.qr(self.hop(self.relations[0], features))[0]
        small = features.T @ self.hop(self.relations[0], features)
        _, vectors = torch.linalg.eigh((small + small.T) / 2)
        found = features @ vectors.flip(1)[:, :dimensions]
        # an eigenvector's sign is arbitrary: the largest entry is made positive, so that the result is reproducible
        largest = found.gather(0, found.abs().argmax(0, keepdim=True))
        signed: Tensor = found * torch.where(largest < 0, -1.0, 1.0)
        return signed

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Source and target embeddings from the spectral input; each (items, d)."""
        total = layer = features
        for weights in self.weight:
            steps = [self.hop(r, layer) for r in self.relations]
            layer = torch.stack([w * s for w, s in zip(weights, steps, strict=True)]).sum(0)
            total = total + layer
        source: Tensor = self.popularity**-self.source_exponent * total
        target: Tensor = self.popularity**self.target_exponent * total
        return source, target

    def parameters_by_name(self) -> dict[str, float]:
        """The learned numbers, named as in :class:`GnnParameters`."""
        values = {
            "source_exponent": self.source_exponent.item(),
            "target_exponent": self.target_exponent.item(),
        }
        for r, name in enumerate(self.relations):
            values[f"{name}.item_exponent"] = self.item_exponent[r].item()
            values[f"{name}.other_exponent"] = self.other_exponent[r].item()
            for hop in range(self.hops):
                values[f"{name}.weight.{hop}"] = self.weight[hop, r].item()
        return values

    @torch.no_grad()
    def set_parameters(self, values: Mapping[str, float]) -> None:
        """Inverse of :meth:`parameters_by_name`; a relation type without a value keeps its initial state."""
        self.source_exponent.fill_(values["source_exponent"])
        self.target_exponent.fill_(values["target_exponent"])
        for r, name in enumerate(self.relations):
            if f"{name}.item_exponent" in values:
                self.item_exponent[r] = values[f"{name}.item_exponent"]
                self.other_exponent[r] = values[f"{name}.other_exponent"]
                for hop in range(self.hops):
                    self.weight[hop, r] = values[f"{name}.weight.{hop}"]


def embed(
    snapshot: Snapshot, parameters: GnnParameters, config: GnnConfig, seed: int, device: str, shards: Shards = HERE
) -> FactorKernel:
    """Relational embeddings of all items under learned parameters, as a kernel with factors (items, d)."""
    gnn = LinearRelationalGnn(snapshot, parameters.exponent, parameters.hops, device, shards)
    if not len(snapshot.interactions):
        empty = np.zeros((len(snapshot.items), 1), dtype=np.float32)
        return FactorKernel(empty, empty)
    features = gnn.spectral_input(parameters.dimensions, config.iterations, seed)
    gnn.set_parameters(parameters.values)
    with torch.no_grad():
        return _kernel(gnn, features)


def fit(
    snapshot: Snapshot,
    interactions: sparse.csr_array,
    judge: Callable[[FactorKernel], float],
    config: GnnConfig,
    seed: int,
    device: str,
    progress: Progress = no_progress,
    log: Callable[[Mapping[str, object]], None] = lambda _: None,
    shards: Shards = HERE,
) -> GnnParameters:
    """Learn the parameters.

    Args:
        snapshot: the graph with the training interactions.
        interactions: the same as binary CSR, shape (users, items).
        judge: validation figure of a kernel, larger is better.
        config: settings.
        seed: of the spectral start, the hold-outs and the batches.
        device: torch device.
        progress: called per epoch.
        log: receives one record per epoch.
        shards: where rows of the propagations without a gradient are computed.
    """
    best, exponent, dimensions, gnn, features = -1.0, 0.0, 0, None, None
    for start in config.exponents:
        trial = LinearRelationalGnn(snapshot, start, config.hops, device, shards)
        everything = trial.spectral_input(max(config.dimensions), config.iterations, seed)
        for d in sorted(config.dimensions):  # eigenvectors of fewer dimensions are the leading ones
            with torch.no_grad():
                figure = judge(_kernel(trial, everything[:, :d]))
            log({"stage": "gnn", "epoch": 0, "exponent": start, "dimensions": d, "ndcg@10": figure})
            if figure > best:
                best, exponent, dimensions, gnn, features = figure, start, d, trial, everything[:, :d]
    if gnn is None or features is None:
        raise ConfigError("gnn.exponents and gnn.dimensions need at least one value each")
    best_values, best_epoch = gnn.parameters_by_name(), 0
    rng = np.random.default_rng(seed)
    with torch.no_grad():  # the softmax starts with scores of about unit spread
        source, target = gnn(features)
        spread = ((_torch(interactions[: config.batch_users], device) @ source) @ target.T).std()
    temperature = nn.Parameter((1 / spread.clamp(min=1e-6)).log().to(device))
    optimiser = torch.optim.Adam([*gnn.parameters(), temperature], lr=config.learning_rate)
    steps = max(1, _EPOCH_CELLS // (config.batch_users * interactions.shape[1]))
    for epoch in range(1, config.epochs + 1):
        progress(epoch - 1, config.epochs, "train gnn")
        losses = []
        for rows in _batches(rng, interactions.shape[0], config.batch_users)[:steps]:
            loss = _loss(gnn, features, temperature, interactions[rows], config, rng, device)
            if loss is None:
                continue
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(loss.item())
        with torch.no_grad():
            figure = judge(_kernel(gnn, features))
        mean = float(np.mean(losses)) if losses else None
        log({"stage": "gnn", "epoch": epoch, "loss": mean, "ndcg@10": figure})
        if figure > best:
            best, best_values, best_epoch = figure, gnn.parameters_by_name(), epoch
        if epoch - best_epoch >= config.patience:
            break
    progress(config.epochs, config.epochs, "train gnn")
    return GnnParameters(exponent, dimensions, config.hops, best_values, best_epoch)


def _loss(
    gnn: LinearRelationalGnn,
    features: Tensor,
    temperature: Tensor,
    rows: sparse.csr_array,
    config: GnnConfig,
    rng: np.random.Generator,
    device: str,
) -> Tensor | None:
    """Softmax cross-entropy of held-out interactions given the others, or None for an empty batch."""
    held = rng.random(rows.nnz) < config.holdout
    if not held.any() or held.all():
        return None
    given, wanted = rows.copy(), rows.copy()
    given.data, wanted.data = np.where(held, 0, rows.data), np.where(held, 1, 0).astype(np.float32)
    n = rows.shape[1]
    columns = np.arange(n)
    if n > config.negatives:
        columns = np.union1d(rows.indices[held], rng.choice(n, config.negatives, replace=False))
    source, target = gnn(features)
    scores = temperature.exp() * ((_torch(given, device) @ source) @ target[torch.from_numpy(columns).to(device)].T)
    seen = torch.from_numpy(given[:, columns].toarray() > 0).to(device)
    truth = torch.from_numpy(wanted[:, columns].toarray()).to(device)
    logs = torch.log_softmax(scores.masked_fill(seen, -torch.inf), dim=1)
    return -(truth * logs.masked_fill(seen, 0)).sum() / truth.sum()


def _kernel(gnn: LinearRelationalGnn, features: Tensor) -> FactorKernel:
    source, target = gnn(features)
    return FactorKernel(
        np.ascontiguousarray(source.detach().cpu().numpy()), np.ascontiguousarray(target.detach().cpu().numpy())
    )


def _batches(rng: np.random.Generator, n: int, size: int) -> list[NDArray[np.int64]]:
    order = rng.permutation(n)
    return [np.sort(order[start : start + size]) for start in range(0, n, size)]


def _csr(ends: Tensor, shape: tuple[int, int], device: str) -> Tensor:
    ones = torch.ones(ends.size(1))
    with _no_beta_warning():
        return torch.sparse_coo_tensor(ends, ones, shape, check_invariants=False).coalesce().to_sparse_csr().to(device)


def _row_parts(matrix: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Row pointers and columns of ranges of rows, each in memory of its own."""
    pointers, columns = matrix.crow_indices().cpu(), matrix.col_indices().cpu()
    for part in row_ranges(matrix.size(0), size):
        own = pointers[part.start : part.stop + 1]
        yield own - own[0], columns[int(own[0]) : int(own[-1])].clone()


def _part_sums(part: tuple[Tensor, Tensor], features: Tensor) -> Tensor:
    """:class:`Propagate` for some rows, by the product that it takes: a row's bytes do not depend on the others."""
    pointers, columns = part
    shape = (len(pointers) - 1, features.size(0))
    with _no_beta_warning():
        matrix = torch.sparse_csr_tensor(pointers, columns, torch.ones(len(columns)), shape, check_invariants=False)
    out: Tensor = spmm(matrix, features, reduce="sum")
    return out


@contextmanager
def _no_beta_warning() -> Iterator[None]:
    """torch warns that the CSR layout is a beta when one is made; what is used of it here is tested."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        yield


def _torch(matrix: sparse.csr_array, device: str) -> Tensor:
    return torch.from_numpy(matrix.toarray()).to(device)


def _degree(matrix: Tensor) -> Tensor:
    counts: Tensor = matrix.crow_indices().diff().clamp(min=1).to(torch.float32)
    return counts.unsqueeze(1)
