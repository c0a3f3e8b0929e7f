"""Words near in meaning to the names of kinds (genres, categories, subjects), by the model's own text encoder."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property, lru_cache

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
#: Words whose kind is kept.
_KEPT = 4096


class _Encoder:
    """The text model, for one thread at a time: its tokenizer is not made for several."""

    def __init__(self, name: str) -> None:
        self._encoder, self._turn = TextEncoder(find_encoder(name)), threading.Lock()

    def vectors(self, texts: Sequence[str]) -> Floats32:
        """Unit vectors of some texts; see :meth:`TextEncoder.vectors`."""
        with self._turn:
            return self._encoder.vectors(texts)


@lru_cache(maxsize=1)
def _encoder_of(name: str) -> _Encoder:
    """One for all languages and all states of a graph, as it takes seconds to load."""
    return _Encoder(name)


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
        self._found: dict[str, Node | None] = {}

    @cached_property
    def _encoder(self) -> _Encoder | None:
        if self._name == "none" or not self._nodes:
            return None
        try:
            return _encoder_of(self._name)
        except MissingDependencyError:
            return None

    @cached_property
    def _vectors(self) -> Floats32:
        """Of the kinds, shape (kinds, d)."""
        return self._embedded([node.name.lower() for node in self._nodes])

    def _embedded(self, words: Sequence[str]) -> Floats32:
        assert self._encoder is not None  # noqa: S101  asked by _nearest alone
        return self._encoder.vectors([self._words.article.format(word, self._item) for word in words])

    def _nearest(self, words: Sequence[str]) -> list[Node | None]:
        try:
            if self._encoder is None:
                return [None] * len(words)
            likeness = self._embedded(words) @ self._vectors.T
        except ModelError:  # the folder of the text model is gone: nothing is near
            return [None] * len(words)
        best = likeness.argmax(axis=1).tolist()
        return [self._nodes[n] if row[n] >= LEAST else None for row, n in zip(likeness, best, strict=True)]

    def nearest(self, words: Sequence[str], soon: Sequence[Sequence[str]] = ()) -> Node | None:
        """The kind that some words are near to; None where none is near enough, or there is no text model.

        Args:
            words: the words.
            soon: what is likely to be asked next: several texts cost the text model less together than one by one.
        """
        asked = _text(words)
        try:
            return self._found[asked]
        except KeyError:
            new = [asked, *(text for text in map(_text, soon) if text not in self._found)]
            new = list(dict.fromkeys(new))
            kinds = self._nearest(new)
            if len(self._found) > _KEPT:
                self._found.clear()
            self._found.update(zip(new, kinds, strict=True))
            return kinds[0]

    def ready(self) -> None:
        """Load the text model now, so that no request waits for it."""
        if self._encoder is not None:
            self.nearest(("warm",))


def _text(words: Sequence[str]) -> str:
    return " ".join(words)[:60].lower()
