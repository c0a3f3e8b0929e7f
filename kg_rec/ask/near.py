"""Words near in meaning to the names of kinds (genres, categories, subjects), by the model's own text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np

from kg_rec.arrays.types import Floats32
from kg_rec.ask.names import KINDS, Names
from kg_rec.ask.request import Node
from kg_rec.ask.words import Words
from kg_rec.errors import MissingDependencyError, ModelError
from kg_rec.model.encoders.text import TextEncoder, find_encoder
from kg_rec.snapshot import Snapshot

#: Least cosine of "a scary film" and "a horror film" at which the one is taken for the other.
LEAST = 0.74
#: Node types whose names say what an item is; a country is no such kind.
_NOT_KINDS = ("country", "language", "brand", "company", "person", "award", "certificate")


class Near:
    """Finds the kind that a word is near to; its vectors stay in memory, so no request is written down.

    Args:
        snapshot: the graph.
        names: its names.
        english: the words in which the text model is asked.
        encoder: as :class:`kg_rec.model.channels.meaning.MeaningConfig` names it; ``none`` finds nothing.
    """

    def __init__(self, snapshot: Snapshot, names: Names, english: Words, encoder: str) -> None:
        self._words, self._name = english, encoder
        self._item = snapshot.schema.item.labels.get("en", snapshot.schema.item.name).lower()
        self._nodes: list[Node] = [
            node
            for node_type in names.types
            if 0 < len(snapshot.ids[node_type]) <= KINDS and node_type.lower() not in _NOT_KINDS
            for node in names.of_type(node_type)
        ]
        self._find = lru_cache(maxsize=4096)(self._nearest)

    @cached_property
    def _encoder(self) -> TextEncoder | None:
        if self._name == "none" or not self._nodes:
            return None
        try:
            return TextEncoder(find_encoder(self._name))
        except MissingDependencyError:
            return None

    @cached_property
    def _vectors(self) -> Floats32:
        return np.stack([self._vector(node.name.lower()) for node in self._nodes])

    def _vector(self, word: str) -> Floats32:
        assert self._encoder is not None  # noqa: S101  asked by nearest alone
        vector: Floats32 = self._encoder.addends(self._words.article.format(word, self._item))[0].sum(axis=0)
        return vector

    def _nearest(self, word: str) -> Node | None:
        try:
            if self._encoder is None:
                return None
            likeness = self._vectors @ self._vector(word)
        except ModelError:  # the folder of the text model is gone: nothing is near
            return None
        best = int(likeness.argmax())
        return self._nodes[best] if likeness[best] >= LEAST else None

    def nearest(self, words: Sequence[str]) -> Node | None:
        """The kind that some words are near to; None where none is near enough, or there is no text model."""
        return self._find(" ".join(words)[:60].lower())

    def ready(self) -> None:
        """Load the text model now, so that no request waits for it."""
        if self._encoder is not None:
            self.nearest(("warm",))
