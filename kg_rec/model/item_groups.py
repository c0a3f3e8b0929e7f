"""Groups of items that rules name: those that have a fact, those in the tail, new ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.types import Ints
from kg_rec.errors import ArgumentError
from kg_rec.model.item_paths import incidence
from kg_rec.schema import RelationType
from kg_rec.snapshot import Snapshot
from kg_rec.snapshot.item_facts import item_relation, other_end

#: Codes of :func:`popularity_parts`.
HEAD, MIDDLE, TAIL, NEW = range(4)
_BY_POPULARITY = {"tail": TAIL, "new": NEW}


def popularity_parts(likes: Ints) -> Ints:
    """Head, middle and tail, each with about a third of all likes, and the items without any; int64, shape (items,).

    Args:
        likes: how many users liked each item, shape (items,).
    """
    order = np.lexsort((np.arange(len(likes)), -likes))
    before = np.cumsum(likes[order]) - likes[order]
    part = np.empty(len(likes), np.int64)
    part[order] = np.minimum(3 * before // max(int(likes.sum()), 1), TAIL)
    part[likes == 0] = NEW
    return part


def items_of_group(
    snapshot: Snapshot, group: str, setting: str
) -> tuple[tuple[RelationType, str] | str, NDArray[np.bool_]]:
    """What a group is, and which items are in it, boolean, shape (items,).

    It is a relation type and the name of its node; or ``tail`` or ``new``.

    Args:
        snapshot: the graph.
        group: ``RELATION:NODE`` (the node by its key, or by its name in small or capital letters), ``tail`` or ``new``.
        setting: what it was given for, for messages.

    Raises:
        ArgumentError: there is no such relation type or node, or several nodes have the name.
    """
    word = group.strip()
    if word.casefold() in _BY_POPULARITY:
        likes = np.bincount(snapshot.liked().target, minlength=len(snapshot.items))
        return word.casefold(), popularity_parts(likes) == _BY_POPULARITY[word.casefold()]
    relation, name, members = items_of_fact(snapshot, group, setting, ", tail or new")
    return (relation, name), members


def items_of_fact(
    snapshot: Snapshot, fact: str, setting: str, others: str = ""
) -> tuple[RelationType, str, NDArray[np.bool_]]:
    """The relation type of a fact, the name of its node, and which items have it, boolean, shape (items,).

    Args:
        snapshot: the graph.
        fact: ``RELATION:NODE``, as for :func:`items_of_group`.
        setting: what it was given for, for messages.
        others: what else may be given there, for messages.

    Raises:
        ArgumentError: there is no such relation type or node, or several nodes have the name.
    """
    name, separator, node = fact.strip().partition(":")
    if not separator or not node.strip():
        raise ArgumentError(f"{setting}: expected RELATION:NODE such as genre:Documentary{others}, got {fact!r}")
    relation = item_relation(snapshot.schema, name, setting)
    kind = other_end(snapshot.schema, relation)
    place = _node(snapshot, kind, node.strip(), setting)
    tied = incidence(snapshot, relation).tocsc()
    members = np.zeros(len(snapshot.items), np.bool_)
    members[tied.indices[tied.indptr[place] : tied.indptr[place + 1]]] = True
    return relation, snapshot.name(kind, place), members


def _node(snapshot: Snapshot, kind: str, text: str, setting: str) -> int:
    if text in snapshot.ids[kind]:
        return snapshot.ids[kind].index(text)
    names = snapshot.names(kind).to_pylist()
    matches = [n for n, name in enumerate(names) if name.casefold() == text.casefold()]
    if len(matches) == 1:
        return matches[0]
    if matches:
        keys = ", ".join(snapshot.ids[kind].key(n) for n in matches[:5])
        raise ArgumentError(f"{setting}: {len(matches)} nodes of {kind} are called {text!r}; give a key: {keys}")
    near = ", ".join(names[:5])
    raise ArgumentError(f"{setting}: expected the name or key of a {kind} ({near} ...), got {text!r}")
