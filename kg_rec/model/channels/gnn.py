"""Gates: how strongly a node that two items share ties them, learned by the linear relational GNN.

    W = sum_r S_r diag(w_r) T_r^T, zero on the diagonal;   w_e = m_r (1 + z_e)

S_r and T_r tie items to nodes under relation type r (:class:`kg_rec.model.item_paths.PathFactors`), w_e is the gate of
node e, m_r >= 0 the mean of its type, z_e its own deviation, which is shrunk to 0.  Item - node - item is one hop of
message passing over the PyG export, gated at the node in the middle; there is no non-linearity.

The gates are learned jointly with what the interactions say.  With some interactions X given and the others held out,
the item-item operator B that is shrunk to W (:mod:`kg_rec.model.channels.taste`) is, by the Woodbury identity,

    X B = Q W + what does not depend on W - a correction of the diagonal,   Q = (I + X L^-1 X^T)^-1 X

with L its penalties.  So scores are linear in W, and no matrix of items by items is needed.  The loss is a softmax over
the items for what was held out, its gradient goes through the message passing to the gates (L-BFGS).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize, sparse
from torch import Tensor, nn

from kg_rec.model.channels.propagation import Propagate, csr
from kg_rec.model.item_paths import PathFactors
from kg_rec.snapshot import Snapshot


@dataclass(frozen=True)
class Gates:
    """What was learned.

    Attributes:
        mean: m by relation type.
        deviation: z by relation type, one per node, float64, shape (nodes of the other type,).
    """

    mean: dict[str, float]
    deviation: dict[str, NDArray[np.float64]]


class GatedHop(nn.Module):
    """Item - node - item with a gate at each node: (W^T features), shape (items, d) to (items, d).

    Args:
        snapshot: the graph.
        factors: one per relation type; their entries are the weights of the edges.
        device: torch device.
    """

    def __init__(self, snapshot: Snapshot, factors: Sequence[PathFactors], device: str) -> None:
        super().__init__()
        data = snapshot.to_pyg()
        self.propagate_once = Propagate()
        self.forth: list[Tensor] = []
        self.back: list[Tensor] = []
        self.own: list[Tensor] = []
        for factor in factors:
            relation = snapshot.schema.relation_types[factor.relation]
            item, node = data[relation.source, relation.name, relation.target].edge_index
            if relation.source != snapshot.schema.item.name:
                item, node = node, item
            ends = torch.stack([item, node])
            if relation.source == relation.target:  # an item's own neighbourhood is the node in the middle
                every = torch.arange(len(snapshot.items))
                ends = torch.cat([ends, ends.flip(0), torch.stack([every, every])], dim=1)
            ends = torch.unique(ends, dim=1)
            cells = ends[0].numpy().copy(), ends[1].numpy().copy()
            source, target = (
                torch.from_numpy(np.array(matrix[cells], dtype=np.float32)) for matrix in (factor.source, factor.target)
            )
            shape = factor.source.shape
            self.forth.append(csr(ends.flip(0), source, (shape[1], shape[0]), device))
            self.back.append(csr(ends, target, shape, device))
            self.own.append(csr(ends, source * target, shape, device))

    def forward(self, gates: Sequence[Tensor], features: Tensor) -> Tensor:
        """Args: one gate per node and relation type; features, shape (items, d)."""
        total = torch.zeros_like(features)
        for gate, forth, back, own in zip(gates, self.forth, self.back, self.own, strict=True):
            middle = self.propagate_once(features, forth)
            total = total + self.propagate_once(gate[:, None] * middle, back)
            total = total - self.propagate_once(gate[:, None], own) * features
        return total


@dataclass(frozen=True)
class _Batch:
    """Some users, some of whose interactions are held out; all float32.

    Attributes:
        given: X, weighted by user, dense, shape (items, users).
        reach: Q^T, shape (items, users).
        plain: scores without W of the items ranked, shape (ranked, users).
        twice: Q_i / (L_i^2 P_ii) of the items ranked, which the correction multiplies, shape (ranked, users).
        scale: 1 / weight of each user, shape (users,).
        seen: of the items ranked, what was given, shape (ranked, users).
        wanted: of the items ranked, what was held out, shape (ranked, users).
        ranked: dense indices of the items ranked.
    """

    given: Tensor
    reach: Tensor
    plain: Tensor
    twice: Tensor
    scale: Tensor
    seen: Tensor
    wanted: Tensor
    ranked: Tensor


def batch_of(
    interactions: sparse.csr_array,
    l2: float,
    dropout: float,
    user_power: float,
    holdout: float,
    most_users: int,
    most_items: int,
    seed: int,
    device: str,
) -> _Batch | None:
    """Hold out some interactions of some users; None where nothing is left to learn from.

    Args:
        interactions: binary CSR, shape (users, items).
        l2: ridge penalty of the operator over all users.
        dropout: p of its denoising penalty.
        user_power: users are weighted by (number of interactions)^-user_power.
        holdout: share of the interactions held out.
        most_users: users that are drawn, where there are more.
        most_items: items ranked, where there are more.
        seed: of what is drawn.
        device: torch device.
    """
    rng = np.random.default_rng(seed)
    users = np.flatnonzero(np.diff(interactions.indptr) > 1)
    share = min(1.0, most_users / max(len(users), 1))
    if share < 1:
        users = np.sort(rng.choice(users, most_users, replace=False))
    rows = interactions[users]
    held = rng.random(rows.nnz) < holdout
    n = rows.shape[1]
    given, wanted = (_where(rows, keep) for keep in (~held, held))
    both = (np.diff(given.indptr) > 0) & (np.diff(wanted.indptr) > 0)
    if not both.any():
        return None
    given, wanted = given[both], wanted[both]
    ranked = np.arange(n) if n <= most_items else np.sort(rng.choice(n, most_items, replace=False))
    weight = np.maximum(np.diff(given.indptr), 1.0) ** (-user_power / 2)
    weight *= np.sqrt(given.nnz / float((weight**2 * np.diff(given.indptr)).sum()))
    x = torch.from_numpy((sparse.diags_array(weight) @ given).toarray().astype(np.float32)).to(device)
    counts = (x**2).sum(0)
    penalty = l2 * share + dropout / (1 - dropout) * counts
    inner = (x / penalty) @ x.T
    inner.diagonal().add_(1)
    reach = torch.linalg.solve(inner, x)
    precision = 1 / penalty - (x * reach).sum(0) / penalty**2
    some = torch.from_numpy(ranked).to(device)
    part = reach[:, some]
    twice = part / (penalty**2 * precision)[some]
    seen = torch.from_numpy(given[:, ranked].toarray() > 0).to(device)
    truth = torch.from_numpy(wanted[:, ranked].toarray().astype(np.float32)).to(device)
    plain = -part / (penalty * precision)[some]
    scale = torch.from_numpy((1 / weight).astype(np.float32)).to(device)
    return _Batch(
        x.T.contiguous(), reach.T.contiguous(), plain.T.contiguous(), twice.T.contiguous(), scale,
        seen.T.contiguous(), truth.T.contiguous(), some,
    )  # fmt: skip


def scores_of(batch: _Batch, hop: Callable[[Tensor], Tensor]) -> Tensor:
    """X B of the items ranked, per user divided by the user's weight, shape (ranked, users); exact where unseen.

    Args:
        batch: the users.
        hop: features to W^T features.
    """
    moved = hop(batch.reach)
    correction = (batch.given * moved).sum(1)[batch.ranked]
    scores: Tensor = (batch.plain + moved[batch.ranked] + batch.twice * correction[:, None]) * batch.scale
    return scores


def learn(
    snapshot: Snapshot, factors: Sequence[PathFactors], batch: _Batch, spread: float, steps: int, device: str,
    start: float = 0.02, beside: Callable[[Callable[[Tensor], Tensor]], Tensor] | None = None,
) -> tuple[Gates, list[float]]:  # fmt: skip
    """Minimise the softmax loss of what was held out plus sum of z^2 / (2 spread^2), per held-out interaction.

    The means are then scaled down, where needed, so that W alone gives what was held out 1 at most, on average.

    Args:
        snapshot: the graph.
        factors: of the relation types with edges; there is at least one.
        batch: the users.
        spread: how far the gates of a type stray from their mean, as a share of it.
        steps: most steps of L-BFGS.
        device: torch device.
        start: of the means.
        beside: another loss of W, given as features to W^T features, which is added.

    Returns:
        The gates, and the loss after each step.
    """
    hop = GatedHop(snapshot, factors, device)
    widths = [f.source.shape[1] for f in factors]
    shared = [torch.from_numpy(_shared(f)).to(device) for f in factors]
    free = [int(s.sum()) for s in shared]
    ends = np.cumsum([len(factors), *free])
    total = batch.wanted.sum()
    with torch.no_grad():
        spread_of_scores = float((batch.plain * batch.scale).std())

    def gates_of(values: Tensor) -> list[Tensor]:
        found = []
        for r, width in enumerate(widths):
            deviation = torch.zeros(width, device=device)
            deviation = deviation.masked_scatter(shared[r], values[ends[r] : ends[r + 1]])
            found.append(values[r] * (1 + deviation) * shared[r])
        return found

    losses: list[float] = []

    def objective(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        values = torch.tensor(point, dtype=torch.float32, device=device, requires_grad=True)
        gates = gates_of(values)
        scores = values[-1].exp() * scores_of(batch, lambda features: hop(gates, features))
        logs = torch.log_softmax(scores.masked_fill(batch.seen, -torch.inf), dim=0)
        own = values[len(factors) : -1]
        loss = (-(batch.wanted * logs.masked_fill(batch.seen, 0)).sum() + (own**2).sum() / (2 * spread**2)) / total
        if beside is not None:
            loss = loss + beside(lambda features: hop(gates, features))
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.item())
        return loss.item(), values.grad.cpu().numpy().astype(np.float64)  # type: ignore[union-attr]

    first = np.concatenate([np.full(len(factors), start), np.zeros(sum(free)), [-np.log(max(spread_of_scores, 1e-6))]])
    bounds = [(0.0, None)] * len(factors) + [(None, None)] * (sum(free) + 1)
    found = optimize.minimize(
        objective, first, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps, "maxcor": 20}
    ).x
    found[: len(factors)] /= max(
        1.0, _said(batch, hop, gates_of(torch.tensor(found, dtype=torch.float32, device=device)))
    )
    deviation = {}
    for r, factor in enumerate(factors):
        z = np.zeros(widths[r])
        z[shared[r].cpu().numpy()] = found[ends[r] : ends[r + 1]]
        deviation[factor.relation] = z
    return Gates({f.relation: float(found[r]) for r, f in enumerate(factors)}, deviation), losses


def _said(batch: _Batch, hop: GatedHop, gates: Sequence[Tensor]) -> float:
    """What W alone says of the interactions held out, on average: X W there.

    Interactions are 1, so a regression on them says at most about 1.  Where the graph decides taste altogether, the
    softmax knows no bound: any larger W ranks the same or better.
    """
    with torch.no_grad():
        said = hop(gates, batch.given)[batch.ranked] * batch.scale
        return float((said * batch.wanted).sum() / batch.wanted.sum())


def _shared(factor: PathFactors) -> NDArray[np.bool_]:
    """Which nodes tie at least two items."""
    return np.asarray(np.bincount(factor.source.indices, minlength=factor.source.shape[1]) > 1)


def _where(rows: sparse.csr_array, keep: NDArray[np.bool_]) -> sparse.csr_array:
    kept = rows.copy()
    kept.data = rows.data * keep
    kept.eliminate_zeros()
    return kept
