"""Groups of users by what the graph says of them, and of items by popularity or by their facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats64, Ints
from kg_rec.audit.config import AuditConfig
from kg_rec.errors import ArgumentError
from kg_rec.model.item_groups import popularity_parts
from kg_rec.model.item_paths import incidence
from kg_rec.model.recommender import Recommender
from kg_rec.people.groups import Choices
from kg_rec.schema import RelationType
from kg_rec.snapshot import Snapshot
from kg_rec.snapshot.columns import floats
from kg_rec.snapshot.item_facts import item_relation, other_end

#: The grouping of users by how many items they liked, and of items by how many users liked them.
HISTORY, POPULARITY = "history", "popularity"
#: Parts of the items by popularity: each of the first three holds about a third of all likes.
POPULARITY_GROUPS = ("head third of likes", "middle third of likes", "tail third of likes", "new, liked by nobody")
#: A relation type is the main one only if it sorts this share of the items, into groups of so many on average.
_SORTED, _PER_NODE = 0.5, 5.0


@dataclass(frozen=True)
class Grouping:
    """One way to group users or items; groups may overlap.

    Attributes:
        name: the property or relation type, or :data:`HISTORY` or :data:`POPULARITY`.
        labels: of the groups.
        members: boolean, shape (groups, n).
        too_small: groups that are left out as they are too small.
        beyond: groups that are left out as more are told than ``config.groups``.
        unknown: how many of those who count are in no group at all, as the graph says nothing of them.
    """

    name: str
    labels: tuple[str, ...]
    members: NDArray[np.bool_]
    too_small: int = 0
    beyond: int = 0
    unknown: int = 0

    @property
    def left_out(self) -> int:
        """How many groups are left out."""
        return self.too_small + self.beyond


def user_groupings(model: Recommender, config: AuditConfig, active: Ints) -> tuple[Grouping, ...]:
    """The groups of users that the settings ask for, those of two groups or more.

    Args:
        model: its snapshot says what users have and did.
        config: settings.
        active: dense indices of the users who count; a group of fewer of them than ``config.least`` is left out.

    Raises:
        ArgumentError: users have no such property or relation type, bounds are no rising numbers or are given for what
            is no number, or one that was asked for makes no two groups.
    """
    asked = config.by or (HISTORY, *Choices(model, 1).properties)
    groupings = []
    for text in asked:
        name, _, bounds = text.partition("=")
        grouping = _of_users(model, name.strip(), bounds, config, active)
        if len(grouping.labels) >= 2:
            groupings.append(grouping)
        elif config.by and grouping.unknown == len(active):
            raise ArgumentError(
                f"by {text!r}: expected users with {name.strip()}, got none: the graph has it of no user with "
                "something to find; load it with the users, or group by history"
            )
        elif config.by:
            raise ArgumentError(
                f"by {text!r}: expected at least two groups of {config.least} users with something to find, got "
                f"{len(grouping.labels)} ({grouping.left_out} smaller ones left out); give bounds as in age=18,35 or a "
                "smaller least"
            )
    return tuple(groupings)


def _of_users(model: Recommender, name: str, bounds: str, config: AuditConfig, active: Ints) -> Grouping:
    snapshot = model.snapshot
    properties = Choices(model, 1).properties
    counts = np.zeros(len(snapshot.users), np.bool_)
    counts[active] = True
    if name == HISTORY:
        return _bands(name, np.diff(model.histories.indptr).astype(np.float64), bounds, config, counts)
    if name in properties:
        column = snapshot.nodes[snapshot.schema.user.name].column(name)
        if properties[name].datatype in ("integer", "float"):
            return _bands(name, floats(properties[name], column), bounds, config, counts)
        _no_bounds(name, bounds, "texts")
        texts = [t.strip() for t in pc.fill_null(column.cast(pa.string()), "").to_pylist()]
        spellings = {text.casefold(): text for text in reversed(texts) if text}
        place = {folded: n for n, folded in enumerate(sorted(spellings))}
        codes = np.array([place.get(text.casefold(), -1) for text in texts], np.int64)
        return _kept(name, [spellings[folded] for folded in place], _matrix(codes, len(place)), counts, config)
    relation = next((r for r in _user_relations(snapshot) if r.name == name), None)
    if relation is None:
        known = ", ".join([HISTORY, *properties, *(r.name for r in _user_relations(snapshot))])
        raise ArgumentError(
            f"by {name!r}: expected one of {known}, which the graph says of {snapshot.schema.user.name}"
        )
    _no_bounds(name, bounds, "a relation type")
    edges, shape = snapshot.edges[name], (len(snapshot.users), len(snapshot.ids[relation.target]))
    tied = sparse.csr_array((np.ones(len(edges)), (edges.source, edges.target)), shape=shape)
    return _kept(name, snapshot.names(relation.target).to_pylist(), tied, counts, config)


def _no_bounds(name: str, bounds: str, got: str) -> None:
    if bounds:
        raise ArgumentError(
            f"by {name}={bounds}: expected a property of numbers, which bounds cut into bands, got {got}; "
            f"give {name} without bounds"
        )


def _user_relations(snapshot: Snapshot) -> list[RelationType]:
    user, item = snapshot.schema.user.name, snapshot.schema.item.name
    relations = snapshot.schema.relation_types.values()
    return [r for r in relations if r.source == user and r.target not in (user, item)]


def _bands(name: str, numbers: Floats64, bounds: str, config: AuditConfig, counts: NDArray[np.bool_]) -> Grouping:
    """Bands of a number: at the given bounds, or so that they are about equally large."""
    known = numbers[counts & np.isfinite(numbers)]
    if bounds:
        try:
            starts = np.array([float(part) for part in bounds.split(",")])
        except ValueError:
            starts = np.array([np.nan])
        if not (np.isfinite(starts).all() and (np.diff(starts) > 0).all()):
            raise ArgumentError(f"by {name}={bounds}: expected rising numbers where bands begin, as in {name}=18,35,50")
    else:
        cuts = np.linspace(0, 1, config.bands + 1)[1:-1]
        starts = np.unique(np.quantile(known, cuts, method="higher")) if len(known) else np.empty(0)
    codes = np.where(np.isfinite(numbers), np.searchsorted(starts, numbers, "right"), -1)
    labels = _band_labels(starts, all((v == np.floor(v)).all() for v in (starts, known)))
    return _kept(name, labels, _matrix(codes, len(labels)), counts, config)


def _band_labels(starts: Floats64, whole: bool) -> list[str]:
    """Bands by their bounds, whatever numbers are in them; of whole numbers the last one in a band is told."""
    if not len(starts):
        return ["all"]
    labels = [f"up to {starts[0] - 1:.10g}" if whole else f"below {starts[0]:.10g}"]
    for low, end in pairwise(starts.tolist()):
        last = f"{low:.10g} to {end - 1:.10g}" if end - 1 > low else f"{low:.10g}"
        labels.append(last if whole else f"{low:.10g} to below {end:.10g}")
    return [*labels, f"from {starts[-1]:.10g}"]


def _matrix(codes: Ints, groups: int) -> sparse.csr_array:
    """Which of n is in which group, shape (n, groups), by the place of its group; -1 for none."""
    rows = np.flatnonzero(codes >= 0)
    return sparse.csr_array((np.ones(len(rows)), (rows, codes[rows])), shape=(len(codes), groups))


def _kept(
    name: str, labels: Sequence[str], tied: sparse.csr_array, counts: NDArray[np.bool_], config: AuditConfig
) -> Grouping:
    """The groups that are large enough; of too many the largest, in their order."""
    sizes = np.bincount(tied[np.flatnonzero(counts)].indices, minlength=tied.shape[1])
    large = np.flatnonzero(sizes >= config.least)
    largest = np.sort(large[np.argsort(-sizes[large], kind="stable")[: config.groups]])
    members = (tied.tocsc()[:, largest].toarray().T > 0) & counts
    unknown = int((counts & (np.diff(tied.indptr) == 0)).sum())
    too_small, beyond = int((sizes > 0).sum()) - len(large), len(large) - len(largest)
    return Grouping(name, tuple(labels[n] for n in largest.tolist()), members, too_small, beyond, unknown)


def item_groupings(model: Recommender, config: AuditConfig, candidates: NDArray[np.bool_]) -> tuple[Grouping, ...]:
    """The groups of the items that are ranked: by popularity, and by the nodes of relation types.

    Args:
        model: its snapshot's interactions are those of training.
        config: settings.
        candidates: items that are ranked, shape (items,).

    Raises:
        ArgumentError: no such relation type, or one that was asked for makes no group.
    """
    groupings = [by_popularity(np.diff(model.users_of_items.indptr), candidates)]
    main = main_relation(model.snapshot)
    words = config.items or (() if main is None else (main.name,))
    for word in words:
        relation = item_relation(model.snapshot.schema, word, "items")
        other = other_end(model.snapshot.schema, relation)
        names = model.snapshot.names(other).to_pylist()
        grouping = _kept(relation.name, names, incidence(model.snapshot, relation), candidates, config)
        if config.items and not grouping.labels:
            raise ArgumentError(
                f"items {word!r}: expected at least one group of {config.least} ranked items, got none "
                f"({grouping.left_out} smaller ones left out); give a smaller least, or another relation type"
            )
        groupings.append(grouping)
    return tuple(groupings)


def by_popularity(likes: Ints, candidates: NDArray[np.bool_]) -> Grouping:
    """Head, middle and tail, each with about a third of all likes, and the items without any.

    Args:
        likes: how many users liked each item in training, shape (items,).
        candidates: items that count, shape (items,).
    """
    part = popularity_parts(likes)
    members = np.array([(part == group) & candidates for group in range(4)])
    there = np.flatnonzero(members.any(axis=1))
    labels = tuple(POPULARITY_GROUPS[group] for group in there.tolist())
    return Grouping(POPULARITY, labels, members[there])


def main_relation(snapshot: Snapshot) -> RelationType | None:
    """The relation type that sorts most items into kinds; None where none sorts half of them.

    Of those that tie at least half of the items to attributes, of which each has five items or more on average, the
    one with most items; of several, that with fewest nodes.
    """
    sorting: list[tuple[int, int, str]] = []
    for relation in snapshot.schema.knowledge_relations:
        if other_end(snapshot.schema, relation) == snapshot.schema.item.name:
            continue
        matrix = incidence(snapshot, relation)
        items, nodes = int((np.diff(matrix.indptr) > 0).sum()), len(np.unique(matrix.indices))
        if nodes >= 2 and items >= _SORTED * matrix.shape[0] and matrix.nnz >= _PER_NODE * nodes:
            sorting.append((-items, nodes, relation.name))
    return snapshot.schema.relation_types[min(sorting)[2]] if sorting else None
