"""Statements made ready for the engine once: a service asks the same ones of every user, with other parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kg_rec.store.embedded.bounded import check_ends, only_builds
from kg_rec.store.embedded.names import translated
from kg_rec.store.embedded.optimizer import left_out
from kg_rec.store.gate import check_read_only, tokens, with_limit
from kg_rec.store.results import column_names

#: Statements that are kept.
_KEPT = 256


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query that only reads.

    Attributes:
        text: as the engine takes it.
        names: of its columns; None where the text does not tell them.
        left_out: steps of the optimizer that must not touch it.
        builds: whether it reads nothing from the graph.
    """

    text: str
    names: tuple[str, ...] | None
    left_out: tuple[str, ...]
    builds: bool


@lru_cache(_KEPT)
def prepared(cypher: str, limit: int) -> Prepared:
    """A query of at most ``limit`` rows.

    Raises:
        QueryRefusedError: it is not one statement that only reads.
    """
    found = check_read_only(cypher)
    check_ends(found)
    names = column_names(cypher, found)
    text = with_limit(cypher, found, limit)
    found = tokens(text)
    return Prepared(
        translated(text, found), None if names is None else tuple(names), tuple(left_out(found)), only_builds(found)
    )


@lru_cache(_KEPT)
def stored_statement(cypher: str) -> str:
    """A statement of our own with every property name as it is stored."""
    return translated(cypher, tokens(cypher))
