"""Agreement: do the facts belong to the items that the interactions are about?

A knowledge graph that is linked to the wrong items makes no error; it only does nothing for a recommender.  So,
per relation type: do two items that share an attribute share users more than chance?

**Measure.**  For a sample of item pairs that a relation type ties (through a shared attribute, or directly), the
mean cosine of the two items' columns of positive interactions, divided by its mean after shuffling which item has
which facts.  The shuffle permutes the items of the sampled pairs, so the structure of the facts stays as it is, and
only among items about as popular as each other (tenths of the items by number of users): popular items both have
more users in common and are better described, and without this control that alone looks like agreement.  p is that
of a permutation test, (1 + shuffles that reach the observed value) / (1 + shuffles); see Phipson and Smyth,
"Permutation p-values should never be zero", 2010.

**Verdict on a relation type.**  It *fits* when p <= 0.01 and the ratio is at least 1.1: a large sample makes a
ratio of 1.02 significant, but not useful.  It *does not fit* when even the ratio plus two standard deviations of the
shuffled ratios stays under 1.1.  Otherwise there is *too few to say*.

**Verdict on the graph.**  It fits when at least half of the relation types with a verdict fit.  Each type counts
once: weighted by facts, the largest type (37,000 of 70,000 facts are STARRING) would decide alone.  One type may
rightly not fit (a film's language says little about who likes it), and one may fit beside a wrong link (genres that
came with the items); a wrong link shows in most types at once.

Figures on MovieLens-100K (ratio, seed 2026; f fits, n does not fit, - too few to say):

=================  ========  =============  ========
facts from         Freebase  Freebase,      DBpedia,
                             wrong link     by name
=================  ========  =============  ========
ABOUT              1.17 f    0.99 n
DIRECTED_BY        1.62 f    0.98 n         1.58 f
FOLLOWED_BY        1.86 f    1.21 -
FROM_COUNTRY       1.21 f    0.98 n         1.21 f
HAS_CERTIFICATE    1.24 f    1.01 n
HAS_GENRE          1.27 f    1.04 n         1.28 f
IN_LANGUAGE        1.04 n    1.01 n         1.19 f
MADE_BY_COMPANY    1.21 f    1.03 n
NOMINATED_FOR      1.26 f    1.04 n
PHOTOGRAPHED_BY    1.35 f    1.01 n
PRODUCED_BY        1.38 f    1.03 n
STARRING           1.21 f    0.99 n         1.22 f
WON_AWARD          1.25 f    0.97 n
WRITTEN_BY         1.60 f    1.06 -
=================  ========  =============  ========
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.errors import ArgumentError
from kg_rec.progress import Progress, no_progress
from kg_rec.quantity import quantity
from kg_rec.schema import RelationType
from kg_rec.snapshot import Snapshot

Verdict = Literal["fits", "does not fit", "too few to say"]

#: Largest p and least ratio of a relation type that fits.
MAX_P = 0.01
MIN_RATIO = 1.1

_MIN_PAIRS = 20
_PAIRS_PER_ATTRIBUTE = 100
_STRATA = 10
_ROWS = 512


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well one relation type agrees with the interactions.

    Attributes:
        relation: the relation type.
        ratio: mean cosine of the interaction columns of tied items over its mean after shuffling; NaN where the
            items have no users in common at all, or nothing is tied.
        spread: standard deviation of the shuffled mean cosines over their mean; NaN likewise.
        p_value: of the permutation test, one-sided.
        pairs: item pairs measured.
        items: items in these pairs.
        verdict: see the module.
    """

    relation: str
    ratio: float
    spread: float
    p_value: float
    pairs: int
    items: int
    verdict: Verdict

    def line(self) -> str:
        """The finding in one sentence."""
        if np.isnan(self.ratio):
            return f"{self.relation}: {self.verdict} ({self.pairs} pairs of items with interactions)"
        return (
            f"{self.relation}: {self.verdict}; items that it ties share users {self.ratio:.2f} times as much as "
            f"chance (p = {self.p_value:.3f}; {self.pairs} pairs of {self.items} items)"
        )

    def to_dict(self) -> dict[str, str | float | int | None]:
        """The fields for JSON; NaN becomes None."""
        ratio, spread = (None if np.isnan(x) else x for x in (self.ratio, self.spread))
        return {
            "relation": self.relation,
            "ratio": ratio,
            "spread": spread,
            "p_value": self.p_value,
            "pairs": self.pairs,
            "items": self.items,
            "verdict": self.verdict,
        }


def agreement(
    snapshot: Snapshot,
    *,
    permutations: int = 200,
    seed: int = 2026,
    max_pairs: int = 3000,
    progress: Progress = no_progress,
) -> tuple[Agreement, ...]:
    """Measure every relation type that ties items and has edges.

    Work grows with the edges and with ``max_pairs`` squared, never with the square of the items.

    Args:
        snapshot: the graph; its positive interactions are used.
        permutations: shuffles; at least 99, or p cannot get small enough.
        seed: of the sample and the shuffles.
        max_pairs: most item pairs measured per relation type.
        progress: called per relation type.

    Returns:
        One entry per relation type with edges, by name.

    Raises:
        ArgumentError: fewer than 99 permutations, or no pairs allowed.
    """
    if permutations < 99 or max_pairs < 1:
        raise ArgumentError(f"expected permutations >= 99 and max_pairs >= 1, got {permutations} and {max_pairs}")
    liked = snapshot.liked()
    ones = np.ones(len(liked), np.float32)
    users = sparse.csr_array((ones, (liked.target, liked.source)), shape=(len(snapshot.items), len(snapshot.users)))
    popularity = np.diff(users.indptr)
    relations = [r for r in snapshot.schema.knowledge_relations if len(snapshot.edges[r.name])]
    found = []
    for done, relation in enumerate(relations):
        progress(done, len(relations), f"agreement {relation.name}")
        rng = np.random.default_rng(seed)
        pairs = _pairs(snapshot, relation, popularity, max_pairs, rng)
        found.append(_measure(relation.name, pairs, users, permutations, rng))
    progress(len(relations), len(relations), "agreement")
    return tuple(found)


def graph_fits(agreements: Sequence[Agreement]) -> bool | None:
    """Whether the graph as a whole fits the interactions; None where no relation type has a verdict."""
    told = [a.verdict == "fits" for a in agreements if a.verdict != "too few to say"]
    return 2 * sum(told) >= len(told) if told else None


def conclusion(agreements: Sequence[Agreement]) -> str:
    """:func:`graph_fits` in one sentence, with what to do."""
    told = [a for a in agreements if a.verdict != "too few to say"]
    fitting = sum(a.verdict == "fits" for a in told)
    whole = graph_fits(agreements)
    types = f"{quantity(len(told), 'relation type')} with enough facts"
    if whole is None:
        return (
            "cannot say whether the graph fits the interactions: no relation type ties enough items to tell from chance"
        )
    ties = f"{fitting or 'none'} {'ties' if fitting <= 1 else 'tie'} items that share users more than chance"
    if whole:
        return f"graph fits the interactions: of {types} {ties}"
    return (
        f"graph does not fit the interactions: of {types} {'only ' if fitting else ''}{ties}; the facts may be linked "
        "to the wrong items (check the file that links item ids to entities)"
    )


def _pairs(
    snapshot: Snapshot, relation: RelationType, popularity: NDArray[np.int32], max_pairs: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """A sample of different pairs of items with users that the relation ties, shape (pairs, 2)."""
    edges = snapshot.edges[relation.name]
    inward = relation.source != snapshot.schema.item.name
    items, others = (edges.target, edges.source) if inward else (edges.source, edges.target)
    known = popularity[items] > 0
    if relation.source == relation.target:
        known &= popularity[others] > 0
        pairs = np.stack([items[known], others[known]], axis=1)
    else:
        pairs = _sharing(items[known], others[known], 4 * max_pairs, rng)
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    if len(pairs) > max_pairs:
        pairs = pairs[np.sort(rng.choice(len(pairs), max_pairs, replace=False))]
    return np.asarray(pairs, np.int64)


def _sharing(
    items: NDArray[np.int64], attributes: NDArray[np.int64], enough: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Pairs of items with a common attribute: attributes in random order, a bounded number of pairs from each."""
    if not len(items):
        return np.empty((0, 2), np.int64)
    items = items[np.argsort(attributes, kind="stable")]
    degree = np.bincount(attributes)
    start = np.cumsum(degree) - degree
    chosen = np.flatnonzero((degree >= 2) & (degree < len(np.unique(items))))  # what all share tells nothing apart
    rng.shuffle(chosen)
    yields = np.minimum(degree[chosen] * (degree[chosen] - 1) // 2, _PAIRS_PER_ATTRIBUTE)
    chosen = chosen[: int(np.searchsorted(np.cumsum(yields), enough)) + 1]
    parts = [np.empty((0, 2), np.int64)]
    for attribute in chosen:
        n = int(degree[attribute])
        group = items[start[attribute] : start[attribute] + n]
        if n * (n - 1) // 2 <= _PAIRS_PER_ATTRIBUTE:
            first, second = np.triu_indices(n, 1)
        else:
            first = rng.integers(0, n, _PAIRS_PER_ATTRIBUTE)
            second = (first + rng.integers(1, n, _PAIRS_PER_ATTRIBUTE)) % n
        parts.append(np.stack([group[first], group[second]], axis=1))
    return np.concatenate(parts)


def _measure(
    relation: str, pairs: NDArray[np.int64], users: sparse.csr_array, permutations: int, rng: np.random.Generator
) -> Agreement:
    items = np.unique(pairs)
    first, second = np.searchsorted(items, pairs).T
    if len(pairs) < _MIN_PAIRS:
        return Agreement(relation, np.nan, np.nan, 1.0, len(pairs), len(items), "too few to say")
    cosine = _cosines(users[items])
    observed = float(cosine[first, second].mean(dtype=np.float64))
    strata = np.array_split(
        np.argsort(np.diff(users.indptr)[items], kind="stable"), min(_STRATA, max(1, len(items) // _STRATA))
    )
    shuffled = np.empty(permutations)
    place = np.arange(len(items))
    for i in range(permutations):
        for stratum in strata:
            place[stratum] = rng.permutation(stratum)
        shuffled[i] = cosine[place[first], place[second]].mean(dtype=np.float64)
    chance = float(shuffled.mean())
    if chance == 0:
        return Agreement(relation, np.nan, np.nan, 1.0, len(pairs), len(items), "too few to say")
    ratio, spread = observed / chance, float(shuffled.std()) / chance
    # a shuffle that gives the same mean up to rounding reaches it
    p_value = (1 + int((shuffled >= observed * (1 - 1e-9)).sum())) / (1 + permutations)
    return Agreement(relation, ratio, spread, p_value, len(pairs), len(items), _verdict(ratio, spread, p_value))


def _verdict(ratio: float, spread: float, p_value: float) -> Verdict:
    if p_value <= MAX_P and ratio >= MIN_RATIO:
        return "fits"
    return "does not fit" if ratio + 2 * spread < MIN_RATIO else "too few to say"


def _cosines(rows: sparse.csr_array) -> NDArray[np.float32]:
    """Cosine of every two rows of a binary matrix without empty rows, shape (rows, rows)."""
    count = np.diff(rows.indptr)
    data = np.repeat(1 / np.sqrt(count), count).astype(np.float32)
    unit = sparse.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)
    across = sparse.csr_array(unit.T)
    cosine = np.empty((len(count), len(count)), np.float32)
    for begin in range(0, len(count), _ROWS):
        cosine[begin : begin + _ROWS] = (unit[begin : begin + _ROWS] @ across).toarray()
    return cosine
