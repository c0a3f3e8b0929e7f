"""Find users and items by name as people type: near matches, without accents, words in any order."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import pyarrow as pa
from rapidfuzz import fuzz, process

#: A match below this (0 to 100) is none.
_LEAST = 60


@dataclass(frozen=True)
class Match:
    """Something found.

    Attributes:
        key: its key.
        name: its name.
        score: how near the name is to what was typed, 0 to 100.
    """

    key: str
    name: str
    score: float


class NameIndex:
    """Names of nodes, ready to be searched.

    Args:
        keys: Arrow strings, shape (n,).
        names: Arrow strings, shape (n,).
    """

    def __init__(self, keys: pa.Array, names: pa.Array) -> None:
        self._keys, self._names = keys.to_pylist(), names.to_pylist()
        self._plain = [
            plain(f"{name} {key}" if name != key else name) for key, name in zip(self._keys, self._names, strict=True)
        ]

    def find(self, text: str, limit: int = 10) -> list[Match]:
        """The best matches, best first; equal ones by name.

        Args:
            text: what was typed.
            limit: most matches.
        """
        typed = plain(text)
        if not typed:
            return []
        found = process.extract(typed, self._plain, scorer=_score, limit=limit, score_cutoff=_LEAST)
        matches = [Match(self._keys[place], self._names[place], float(score)) for _, score, place in found]
        return sorted(matches, key=lambda m: (-m.score, m.name, m.key))


def plain(text: str) -> str:
    """Lower case, without accents and punctuation."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text[:200].casefold()) if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in bare).split())


def _score(typed: str, name: str, *, score_cutoff: float | None = None) -> float:
    """Words in any order; what begins or is contained counts more than what is only alike."""
    value = float(fuzz.token_set_ratio(typed, name, score_cutoff=0))
    if name == typed:
        return 100.0
    if name.startswith(typed):
        value = max(value, 95.0 + 4 * len(typed) / len(name))
    elif f" {typed}" in f" {name}":
        value = max(value, 90.0 + 4 * len(typed) / len(name))
    else:
        value = max(min(value, 89.0), min(float(fuzz.partial_ratio(typed, name)), 85.0))
    return value if score_cutoff is None or value >= score_cutoff else 0.0
