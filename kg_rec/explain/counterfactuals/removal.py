"""The smallest set of interactions without which an item leaves the top k: exact search on arrays.

With the interactions of a user in order, latest first, a set S taken out, and w the weight by rank (1, or the recency
decay of :mod:`kg_rec.model.histories`), the score of item x is

    s_S(x) = b_x + c_|S| * sum over kept r of w(r - q_r) K(r, x),   q_r: how many of S are later than r

The m - s interactions that stay take the ranks 0 ... m - s - 1 whichever they are, so the scale to mean 1,
c_s = (m - s) / sum of w(0 ... m - s - 1), depends on the size s alone, and multiplies all but the base b.  Item i
leaves the top k if k items x overtake it: s_S(x) > s_S(i), or equal with the smaller index.  What is had again adds to
s_S(x) a number for each r that is kept, which neither rank nor size changes.

1. A greedy set gives an upper bound.
2. For each size s and item x, the largest lead that any S of that size gives x over i, by dynamic programming over the
   interactions with the number taken out so far as the state (for equal weights: the s largest differences).
   Sizes at which fewer than k items can overtake are ruled out, and items that cannot overtake are left out.
3. What is left open is a mixed-integer program with one binary per interaction and per item that can overtake
   (HiGHS, through :func:`scipy.optimize.milp`), where w makes the layers of a flow if it is not equal.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float64]

#: Leads within this part of the largest score may be rounding: the search keeps them, the true scores decide.
_TOLERANCE = 1e-6

#: Items nearest to the list that the greedy search looks at.
_NEAR = 200


@dataclass(frozen=True)
class Removal:
    """The result of a search for the smallest set of interactions to take out.

    Attributes:
        rows: positions taken out, ascending; None if no set was found.
        at_least: no smaller set does it.
        proven: ``rows`` is a smallest set, or there is none.
    """

    rows: tuple[int, ...] | None
    at_least: int
    proven: bool


@dataclass(frozen=True)
class Contest:
    """The items that could overtake one item.

    Attributes:
        gains: K(r, x) - K(r, i), latest interaction first, shape (m, n).
        leads: b_x - b_i, shape (n,).
        decay: w by rank, positive, shape (m,).
        k: length of the list.
        own: what interaction r adds to x less what it adds to i whatever its rank, as what is had again does,
            shape (m, n); None for 0.  Only where the weights are not equal: else it is a part of ``gains``.
    """

    gains: Array
    leads: Array
    decay: Array
    k: int
    own: Array | None = None

    @property
    def equal(self) -> bool:
        """All weights are 1, whatever is taken out."""
        return bool((self.decay == 1).all())

    def scale(self, kept: int) -> float:
        """c for a number of interactions kept."""
        return kept / float(self.decay[:kept].sum()) if kept else 1.0


def smallest_removal(contest: Contest, leaves: Callable[[tuple[int, ...]], bool], seconds: float) -> Removal:
    """The smallest set of rows without which the item is not in the top k.

    Args:
        contest: the item against the others.
        leaves: whether it does without some rows, by the model's own scores; decides on ties and rounding.
        seconds: how long the mixed-integer programs may take together.
    """
    m, n = contest.gains.shape
    if n < contest.k:
        return Removal(None, m + 1, True)
    upper = _greedy(contest, leaves)
    largest = m if upper is None else len(upper) - 1
    slack = _TOLERANCE * float(np.abs(contest.gains).sum(axis=0).max(initial=0) + np.abs(contest.leads).max())
    best = _largest_sums(contest, largest)
    scales = np.array([contest.scale(m - s) for s in range(largest + 1)])
    leads = contest.leads if contest.own is None else contest.leads + np.maximum(contest.own, 0).sum(axis=0)
    can = best * scales[:, None] + leads >= -slack
    sizes = [s for s in range(1, largest + 1) if can[s].sum() >= contest.k]
    ranges = [(s, s) for s in sizes]
    if contest.equal and sizes:
        ranges = [(sizes[0], sizes[-1])]
    deadline = time.monotonic() + seconds
    for low, high in ranges:
        columns = np.flatnonzero(can[low : high + 1].any(axis=0))
        program = _flat(contest, columns, low, high, slack) if contest.equal else _layered(contest, columns, low, slack)
        while True:
            rows, bound, done = program.solve(deadline - time.monotonic())
            if rows is None or leaves(rows):
                break
            program = program.without(rows)
        if rows is not None and done:
            return Removal(rows, len(rows), True)
        if rows is not None and (upper is None or len(rows) < len(upper)):
            upper = rows
        if not done:
            return Removal(upper, max(low, bound), upper is not None and max(low, bound) >= len(upper))
    return Removal(upper, m + 1 if upper is None else len(upper), True)


def _greedy(contest: Contest, leaves: Callable[[tuple[int, ...]], bool]) -> tuple[int, ...] | None:
    """A set, if taking out what helps the k strongest others most leads to one; made minimal by inclusion."""
    m, k = len(contest.gains), contest.k
    now = contest.leads + contest.scale(m) * (contest.decay @ contest.gains)
    near = np.argsort(-now, kind="stable")[: max(_NEAR, 2 * k)]
    gains, leads = contest.gains[:, near], contest.leads[near]
    kept = np.arange(m)
    while len(kept):
        g, w = gains[kept], contest.decay[: len(kept), None]
        before = np.cumsum(w * g, axis=0) - w * g
        after = np.cumsum((w[:-1] * g[1:])[::-1], axis=0)[::-1]
        sums = before + np.vstack([after, np.zeros((1, g.shape[1]))])
        margins = np.minimum(contest.scale(len(kept) - 1) * sums + leads, 0)
        behind = np.partition(margins, -k, axis=1)[:, -k:].sum(axis=1)
        kept = np.delete(kept, int(behind.argmax()))
        if behind.max() >= 0:
            out = tuple(np.setdiff1d(np.arange(m), kept).tolist())
            if leaves(out):
                return _minimal(out, leaves)
    everything = tuple(range(m))
    return _minimal(everything, leaves) if leaves(everything) else None


def _minimal(rows: tuple[int, ...], leaves: Callable[[tuple[int, ...]], bool]) -> tuple[int, ...]:
    for row in rows:
        without = tuple(r for r in rows if r != row)
        if without and leaves(without):
            rows = without
    return rows


def _largest_sums(contest: Contest, largest: int) -> Array:
    """For s = 0 ... largest and each x, the largest sum of w(r - q) gain that a set of size s leaves, (s, n)."""
    m, n = contest.gains.shape
    if contest.equal:
        ascending = np.sort(contest.gains, axis=0)[:largest]
        out = np.vstack([np.zeros((1, n)), np.cumsum(ascending, axis=0)])
        return np.asarray(contest.gains.sum(axis=0) - out, dtype=np.float64)
    best = np.full((largest + 1, n), -np.inf)
    best[0] = 0
    for r in range(m):
        top = min(r, largest)
        kept = best[: top + 1] + contest.decay[r - np.arange(top + 1)][:, None] * contest.gains[r]
        out = best[: min(r + 1, largest)].copy()
        best[: top + 1] = kept
        best[1 : len(out) + 1] = np.maximum(best[1 : len(out) + 1], out)
    return best


@dataclass(frozen=True)
class _Program:
    """min cost v, low <= A v <= high, v within [0, 1]; the first m variables say which rows are taken out."""

    m: int
    cost: Array
    matrix: Any
    low: Array
    high: Array
    binary: NDArray[np.int64]

    def solve(self, seconds: float) -> tuple[tuple[int, ...] | None, int, bool]:
        """Rows taken out (None if none were found), a lower bound of their number, whether the search ended."""
        if seconds <= 0:
            return None, 0, False
        from scipy import optimize  # takes a while to import, and most questions are settled without it

        solution = optimize.milp(
            self.cost,
            integrality=self.binary,
            bounds=optimize.Bounds(0, 1),
            constraints=optimize.LinearConstraint(self.matrix, self.low, self.high),
            options={"time_limit": seconds, "mip_rel_gap": 0.0},
        )
        rows = None if solution.x is None else tuple(np.flatnonzero(solution.x[: self.m] > 0.5).tolist())
        bound = getattr(solution, "mip_dual_bound", None)
        least = int(np.ceil(bound - 1e-6)) if bound is not None and np.isfinite(bound) else 0
        return rows, least, solution.status in (0, 2)

    def without(self, rows: tuple[int, ...]) -> _Program:
        """The program that leaves out one set of rows."""
        cut = np.zeros((1, len(self.cost)))
        cut[0, : self.m] = -1
        cut[0, list(rows)] = 1
        return _Program(
            self.m,
            self.cost,
            sparse.vstack([self.matrix, sparse.csr_array(cut)], format="csr"),
            np.append(self.low, -np.inf),
            np.append(self.high, len(rows) - 1),
            self.binary,
        )


def _flat(contest: Contest, columns: NDArray[np.int64], low: int, high: int, slack: float) -> _Program:
    """For equal weights: variables y (m rows out) and z (who overtakes)."""
    gains = contest.gains[:, columns]
    start = contest.leads[columns] + gains.sum(axis=0) + slack
    lost = -np.sort(-np.maximum(gains, 0), axis=0)[:high].sum(axis=0)
    return _assemble(contest, -gains.T, start, lost, (low, high), sparse.csr_array((0, len(gains))), np.zeros(0))


def _layered(contest: Contest, columns: NDArray[np.int64], size: int, slack: float) -> _Program:
    """For decaying weights and a given size: y, z, and the flow through the states (row, number out so far)."""
    gains, decay, m = contest.gains[:, columns], contest.decay, len(contest.gains)
    states = [(r, q) for r in range(m) for q in range(max(0, size - (m - r)), min(r, size) + 1)]
    number = {state: n for n, state in enumerate(states)}
    keeps = [s for s in states if m - s[0] > size - s[1]]
    drops = [s for s in states if s[1] < size]
    width = m + len(keeps) + len(drops)
    lines, ends = np.zeros((len(columns), width)), np.zeros(len(states))
    ends[number[0, 0]] = 1
    flow = sparse.lil_array((len(states) + m, width))
    for n, (r, q) in enumerate(keeps, start=m):
        lines[:, n] = decay[r - q] * gains[r]
        flow[number[r, q], n] = 1
        if r + 1 < m:
            flow[number[r + 1, q], n] = -1
    for n, (r, q) in enumerate(drops, start=m + len(keeps)):
        flow[number[r, q], n] = 1
        flow[len(states) + r, n] = 1
        if r + 1 < m:
            flow[number[r + 1, q + 1], n] = -1
    for r in range(m):
        flow[len(states) + r, r] = -1
    scale = contest.scale(m - size)
    latest = decay[np.maximum(np.arange(m) - size, 0)][:, None]
    lost = scale * (latest * np.maximum(-gains, 0)).sum(axis=0)
    start = contest.leads[columns] + slack
    lines = scale * lines
    if contest.own is not None:  # whatever is taken out, what stays adds the same
        own = contest.own[:, columns]
        lines[:, :m] -= own.T
        start, lost = start + own.sum(axis=0), lost + np.maximum(own, 0).sum(axis=0)
    return _assemble(contest, lines, start, lost, (size, size), sparse.csr_array(flow), np.append(ends, np.zeros(m)))


def _assemble(
    contest: Contest,
    lines: Array,
    start: Array,
    lost: Array,
    size: tuple[int, int],
    flow: Any,
    flow_value: Array,
) -> _Program:
    """The program from who leads by what: start + lines v >= 0 for k of the items, where start - lost bounds it."""
    m, (count, width) = len(contest.gains), lines.shape
    unit = np.maximum(np.abs(lines).max(axis=1, initial=0), 1e-300)  # each row in its own unit: solvers' tolerances
    big = np.maximum(lost - start, 0)
    overtake = sparse.hstack([sparse.csr_array(lines / unit[:, None]), sparse.diags_array(-big / unit)])
    sizes = np.zeros((1, width + count))
    sizes[0, :m] = 1
    enough = np.zeros((1, width + count))
    enough[0, width:] = 1
    padded = sparse.hstack([flow, sparse.csr_array((flow.shape[0], count))])
    matrix = sparse.vstack([overtake, sparse.csr_array(sizes), sparse.csr_array(enough), padded], format="csr")
    binary = np.concatenate([np.ones(m), np.zeros(width - m), np.ones(count)]).astype(np.int64)
    cost = np.concatenate([np.ones(m), np.zeros(width - m + count)])
    low = np.concatenate([-(start + big) / unit, [size[0], contest.k], flow_value])
    high = np.concatenate([np.full(count, np.inf), [size[1], np.inf], flow_value])
    return _Program(m, cost, matrix, low, high, binary)
