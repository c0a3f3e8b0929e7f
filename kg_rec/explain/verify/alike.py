"""Which parts of two texts make them alike, computed anew from the texts.

The embedding of a text is the mean of its tokens' vectors, made a unit vector, and the model takes the mean m of all
texts away from it: t = (e - m) / |e - m|.  So the cosine of two texts is a sum over the n tokens of one of them, whose
addends h_x of e_i sum to it: ``t_j . t_i = sum_x t_j . (h_x - m / n) / |e_i - m|``.  Summed over the name, the numbers,
the descriptions and the facts that an item's text is made of, this tells what makes two items alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kg_rec.arrays.types import Floats32
from kg_rec.errors import ArgumentError
from kg_rec.explain.path import Path
from kg_rec.model.channels.meaning import MeaningConfig
from kg_rec.model.cold.similarity import centred_texts
from kg_rec.model.encoders.text import SEPARATOR, TextEncoder, find_encoder, text_parts
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot import Snapshot

#: The model's embeddings are stored as float32, and a text is embedded beside others, padded to their length.
_TOLERANCE = 1e-3
#: The same of a compressed model, whose embeddings have eight bits a number.
_EIGHT_BITS = 1e-2


@dataclass(frozen=True)
class AlikeTexts:
    """How alike the texts of two items are; of a compressed model, in the directions that it keeps of texts.

    Attributes:
        first: key of an item.
        second: key of the item whose text is taken apart.
        cosine: as the model holds it.
        recomputed: the same from the texts of the snapshot; None if they are not those that the model embedded, as
            facts of an item changed since.
        tolerance: how far the two may be apart: the rounding of what the model keeps.
        parts: name of a property or relation type and what this part of the second text adds to ``recomputed``, the
            largest first; the marks that the tokenizer puts around a text are the part ``""``.
    """

    first: str
    second: str
    cosine: float
    recomputed: float | None
    tolerance: float
    parts: tuple[tuple[str, float], ...]

    @property
    def holds(self) -> bool:
        """The model's cosine is that of the texts."""
        return self.recomputed is not None and abs(self.cosine - self.recomputed) <= self.tolerance

    def line(self) -> str:
        """In one line, numbers to two digits."""
        pair = f"texts of {self.first} and {self.second}: cosine {self.cosine:.2f}"
        if self.recomputed is None:
            return f"{pair}, of texts that changed since the model embedded them"
        shown = [f"{name or 'marks around the text'} {value:+.2f}" for name, value in self.parts]
        same = "the same" if self.holds else f"NOT the same ({self.recomputed:.2f})"
        return f"{pair}, {same} from the texts: {', '.join(shown)}"


def text_pairs(paths: Sequence[Path]) -> list[tuple[str, str]]:
    """Keys of the items at the two ends of every step of similar text, each pair once."""
    pairs = [
        (str(path.nodes[n].key), str(path.nodes[n + 1].key))
        for path in paths
        for n, edge in enumerate(path.edges)
        if edge.type is None and edge.alike is None
    ]
    return list(dict.fromkeys(pairs))


def alike(
    model: Recommender, pairs: Sequence[tuple[str, str]], *, trained_on: Snapshot | None = None
) -> list[AlikeTexts]:
    """How alike texts are, and why.

    Args:
        model: with text embeddings.
        pairs: keys of two items each.
        trained_on: the snapshot that the model was trained on, where ``model`` is over a newer one: texts of known
            items are embedded in training, and not again when a fact comes or goes.

    Raises:
        ArgumentError: the model has no texts.
        NotFoundError: an item is unknown.
        MissingDependencyError: the text model is not installed.
        ModelError: it cannot be loaded.
    """
    similarity, meaning = model.similarity, model.config.of(MeaningConfig)
    embedded = model.text
    if similarity.text is None or similarity.centre is None or embedded is None:
        raise ArgumentError("expected a model that embedded the texts of its items, got one without texts")
    encoder = TextEncoder(find_encoder(meaning.encoder), meaning.batch_size, meaning.max_tokens)
    sources = [trained_on, model.snapshot] if trained_on is not None else [model.snapshot]
    texts = [(snapshot, text_parts(snapshot)) for snapshot in sources]
    known: dict[str, _Taken | None] = {}
    small = model.compression
    tolerance = _TOLERANCE if small is None else _EIGHT_BITS

    def taken(key: str) -> _Taken | None:
        """The text that the model embedded, or None if no snapshot has it."""
        if key not in known:
            stored = embedded[model.items.index(key)]
            likenesses = [parts[s.items.index(key)] for s, parts in texts if key in s.items]
            taken_apart = (_taken(encoder, parts) for parts in likenesses if parts)
            if small is not None and small.text is not None:
                directions = small.text
                taken_apart = (replace(one, addends=directions.project(one.addends)) for one in taken_apart)
            known[key] = next((one for one in taken_apart if np.allclose(one.vector, stored, atol=tolerance)), None)
        return known[key]

    result = []
    for first, second in pairs:
        ends = similarity.text[[model.items.index(first), model.items.index(second)]].astype(np.float64)
        cosine, one, other = float(ends[0] @ ends[1]), taken(first), taken(second)
        if one is None or other is None:
            result.append(AlikeTexts(first, second, cosine, None, tolerance, ()))
            continue
        towards = centred_texts(one.vector[None], similarity.centre)[0]
        length = float(np.linalg.norm(other.vector - similarity.centre)) or 1.0
        values = (other.addends - similarity.centre / len(other.addends)) @ towards / length
        sums = dict.fromkeys(other.names, 0.0)
        for name, value in zip(other.names, values.tolist(), strict=True):
            sums[name] += value
        parts = tuple(sorted(sums.items(), key=lambda part: -part[1]))
        result.append(AlikeTexts(first, second, cosine, float(values.sum()), tolerance, parts))
    return result


@dataclass(frozen=True)
class _Taken:
    """A text taken apart: the addends of its embedding, shape (n, d), and the part that each token belongs to."""

    addends: Floats32
    names: tuple[str, ...]

    @property
    def vector(self) -> Floats32:
        """The embedding."""
        total: Floats32 = self.addends.sum(axis=0)
        return total


def _taken(encoder: TextEncoder, parts: Sequence[tuple[str, str]]) -> _Taken:
    text = SEPARATOR.join(words for _, words in parts)
    addends, places = encoder.addends(text)
    ends = np.cumsum([len(words) + len(SEPARATOR) for _, words in parts])
    names = tuple(
        "" if start == end else parts[int(np.searchsorted(ends, start, side="right"))][0] for start, end in places
    )
    return _Taken(addends, names)
