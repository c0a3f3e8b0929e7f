"""What may be in a list: masks over the items, evaluated once a run."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.errors import ConfigError
from kg_rec.jobs.rules import CandidatesConfig
from kg_rec.model.item_groups import items_of_group
from kg_rec.snapshot import Snapshot
from kg_rec.store.base import GraphStore
from kg_rec.store.catalog import SHOWN_KEYS
from kg_rec.store.cypher import missing_keys
from kg_rec.textfile import read_lines

_MOST_KEYS = 50_000_000


def queried_keys(store: GraphStore, cypher: str, setting: str) -> list[str]:
    """The distinct texts of a query's first column, in their order.

    Raises:
        ConfigError: they are no texts.
        StoreError: the query was refused or failed.
    """
    rows = store.query(cypher, limit=_MOST_KEYS, timeout=600)
    return list(dict.fromkeys(_texts(rows.column(0).to_pylist(), setting, "in the first column")))


def queried_pairs(store: GraphStore, cypher: str, setting: str) -> list[tuple[str, str]]:
    """The distinct pairs of texts of a query's two columns, in their order.

    Raises:
        ConfigError: there are not two columns, or they hold other things than keys of users and of items.
        StoreError: the query was refused or failed.
    """
    rows = store.query(cypher, limit=_MOST_KEYS, timeout=600)
    if rows.num_columns != 2:
        raise ConfigError(
            f"{setting}: expected two columns, keys of users and of items, got {', '.join(rows.column_names)}"
        )
    columns = [_texts(column.to_pylist(), setting, "in both columns") for column in rows.columns]
    schema = store.schema()
    for place, node, column in zip(("first", "second"), (schema.user, schema.item), columns, strict=True):
        some = list(dict.fromkeys(column))[:SHOWN_KEYS]
        if some and len(store.query(missing_keys(node), {"keys": some})) == len(some):
            raise ConfigError(
                f"{setting}: expected the key of a {node.name} in the {place} column, got {some[0]!r}, and the next "
                "ones are none either; return users first, then items"
            )
    return list(dict.fromkeys(zip(*columns, strict=True)))


def _texts(column: list[Any], setting: str, where: str) -> list[str]:
    wrong = [value for value in column if not isinstance(value, str)]
    if wrong:
        raise ConfigError(f"{setting}: expected keys {where}, as texts, got {wrong[0]!r}")
    return column


def file_keys(path: str | Path, stream: IO[bytes] | None = None) -> list[str]:
    """The lines of a file that are not blank, as they are written, each once.

    Raises:
        ConfigError: it cannot be read or is no text; the message names the line.
    """
    return list(dict.fromkeys(read_lines(path, ConfigError, stream)))


def allowed_items(
    config: CandidatesConfig, store: GraphStore | None, snapshot: Snapshot
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """The items that may be in a list, shape (n,), and how many each rule leaves by itself.

    Args:
        config: the rules.
        store: the graph that rules in Cypher ask.
        snapshot: the same graph.

    Raises:
        ConfigError: a rule needs a graph and there is none, finds no keys, or names a fact that is not there.
    """
    items = snapshot.items
    allowed, counts = np.ones(len(items), dtype=bool), {}

    def apply(rule: str, mask: NDArray[np.bool_]) -> None:
        counts[rule] = int(mask.sum())
        np.logical_and(allowed, mask, out=allowed)

    if store is None and config.never_for:
        raise ConfigError("candidates.never_for: Cypher needs a graph to ask; give --graph")
    for name, texts in (("only", config.only), ("never", config.never)):
        for n, text in enumerate(texts):
            if store is None:
                raise ConfigError(f"candidates.{name}: Cypher needs a graph to ask; give --graph")
            keys = queried_keys(store, text, f"candidates.{name}")
            named = items.mask(keys)
            if keys and not named.any():
                raise ConfigError(
                    f"candidates.{name}: expected keys of items, got {keys[0]!r}, and no other is one either"
                )
            apply(f"{name}[{n}]", named if name == "only" else ~named)
    for n, group in enumerate(config.never_facts):
        apply(f"never_facts[{n}]", ~items_of_group(snapshot, group, f"candidates.never_facts[{n}]")[1])
    if config.allow_file:
        apply("allow_file", items.mask(file_keys(config.allow_file)))
    if config.block_file:
        apply("block_file", ~items.mask(file_keys(config.block_file)))
    if config.minimum_novelty > 0:
        apply("minimum_novelty", novelty(snapshot) >= config.minimum_novelty)
    return allowed, counts


def blocked_pairs(
    config: CandidatesConfig, store: GraphStore, snapshot: Snapshot
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """What may not be in the list of one user, and how many pairs each rule names.

    Returns:
        Dense indices of users and items, shape (pairs, 2), sorted; keys that the graph does not have are left out.
    """
    parts, counts = [np.empty((0, 2), dtype=np.int64)], {}
    for n, text in enumerate(config.never_for):
        pairs = queried_pairs(store, text, "candidates.never_for")
        users = snapshot.users.indices([user for user, _ in pairs])
        blocked = np.stack([users, snapshot.items.indices([item for _, item in pairs])], axis=1)
        parts.append(blocked[(blocked >= 0).all(axis=1)])
        counts[f"never_for[{n}]"] = len(parts[-1])
    return np.unique(np.concatenate(parts), axis=0), counts


def novelty(snapshot: Snapshot) -> NDArray[np.float64]:
    """-log2 of the share of the users who interacted with each item, shape (n,); infinite for none."""
    counts = np.bincount(snapshot.interactions.target, minlength=len(snapshot.items))
    with np.errstate(divide="ignore"):
        return -np.log2(counts / max(len(snapshot.users), 1))
