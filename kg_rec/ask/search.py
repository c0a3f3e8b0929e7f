"""Find users and items by name as people type: near matches, without accents, words in any order."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz, process

from kg_rec.arrays.types import Floats64, Ints

#: How near a name is that is what was typed, that begins with it, and that has a word which begins with it.
_SAME, _BEGINS, _HAS = 100.0, 95.0, 90.0
#: Most that a name gets which has the words that were typed, and one that has letters like them.
_WORDS, _LETTERS = 89.0, 85.0
#: A match below this is none.
_LEAST = 60.0


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
        counts: of equal matches that with the larger one comes first, such as interactions, shape (n,); None for none.
        earlier: an index whose work is taken over if its keys and names are the same.
    """

    def __init__(
        self, keys: pa.Array, names: pa.Array, counts: Ints | None = None, earlier: NameIndex | None = None
    ) -> None:
        self._keys, self._names = keys, names
        self._counts = np.zeros(len(keys), np.int64) if counts is None else counts
        if earlier is not None and keys.equals(earlier._keys) and names.equals(earlier._names):
            self._plain: tuple[pa.Array, ...] = earlier._plain  # names, keys, and both in one
        else:
            ones, others = ([plain(text) for text in column.to_pylist()] for column in (names, keys))
            both = [one if one == other else f"{one} {other}" for one, other in zip(ones, others, strict=True)]
            self._plain = tuple(pa.array(column, pa.string()) for column in (ones, others, both))

    def find(self, text: str, limit: int = 10) -> list[Match]:
        """The best matches, best first; equal ones by their counts, the largest first, then by key.

        Args:
            text: what was typed.
            limit: most matches.
        """
        typed = plain(text)
        if not typed:
            return []
        scores = self._literal(typed)
        if (scores > 0).sum() < limit:  # where as many say what was typed, nobody looks for what is only alike
            scores = np.maximum(scores, self._alike(typed))
        best = np.lexsort((-self._counts, -scores))[:limit]
        return [
            Match(self._keys[n].as_py(), self._names[n].as_py(), float(scores[n])) for n in best if scores[n] >= _LEAST
        ]

    def _literal(self, typed: str) -> Floats64:
        """Names and keys that are, begin with, or have a word that begins with what was typed; 0 for others."""
        names, keys, both = self._plain
        scores = np.zeros(len(both))
        for found, score in (
            (pc.match_substring(both, f" {typed}"), _HAS),
            (pc.starts_with(both, typed), _BEGINS),
            (pc.or_(pc.equal(names, typed), pc.equal(keys, typed)), _SAME),
        ):
            scores[found.to_numpy(zero_copy_only=False)] = score
        return scores

    def _alike(self, typed: str) -> Floats64:
        """How alike words, in any order, and letters are."""
        both = self._plain[2].to_pylist()
        words, letters = (
            process.cdist([typed], both, scorer=scorer, dtype=np.float64)[0]
            for scorer in (fuzz.token_set_ratio, fuzz.partial_ratio)
        )
        alike: Floats64 = np.maximum(np.minimum(words, _WORDS), np.minimum(letters, _LETTERS))
        return alike


def plain(text: str) -> str:
    """Lower case, without accents and punctuation."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text[:200].casefold()) if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in bare).split())
