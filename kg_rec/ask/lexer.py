"""From text to tokens: the longest phrase of the language or name of the graph at each place, as one token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import process
from rapidfuzz.distance import OSA

from kg_rec.ask.atoms import Atom, Key, atoms, key
from kg_rec.ask.names import Names
from kg_rec.ask.request import Node
from kg_rec.ask.words import Words
from kg_rec.schema import GraphSchema

_STOPS, _COMMAS = ".!?;:。！？；：…\n", ",，、/"
#: Kinds of words that are looked for where one is misspelt.
_TYPED = ("not", "bound", "than", "field", "unit", "decade", "nearly", "relation", "like", "between")
_QUOTES = {"“": "”", '"': '"', "《": "》", "«": "»", "「": "」", "‘": "’", "『": "』"}


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a request.

    Attributes:
        kind: of :mod:`kg_rec.ask.words.base`, or ``number``, ``node``, ``title``, ``comma``, ``stop``, ``unknown``.
        value: what the kind gives.
        said: as written.
        first, last: its atoms, ``last`` not included.
    """

    kind: str
    value: Any
    said: str
    first: int
    last: int


class Lexer:
    """Reads texts in one language over one graph.

    Args:
        words: the language.
        names: names of the graph, for this language.
        schema: gives words for items, relations and properties.
    """

    def __init__(self, words: Words, names: Names, schema: GraphSchema) -> None:
        self.words, self.names = words, names
        self.phrases: dict[Key, tuple[str, Any]] = {}
        for phrase, kind, value in words.entries():
            self.phrases.setdefault(key(phrase), (kind, value))
        labels: dict[str, list[str]] = {}
        for relation in schema.knowledge_relations:
            for label in {relation.labels.get(words.code), relation.labels.get("en")} - {None}:
                labels.setdefault(str(label), []).append(relation.name)
        for phrase, meant in words.relation.items():
            relations = tuple(r for label in meant for r in labels.get(label, ()))
            if relations:
                self.phrases[key(phrase)] = ("relation", relations)
            elif self.phrases[key(phrase)][0] == "relation":  # the graph has no such relation
                self.phrases[key(phrase)] = ("filler", None)
        for label, some in labels.items():
            self.phrases.setdefault(key(label), ("relation", tuple(some)))
        for name in (schema.item.labels.get(words.code), schema.item.plurals.get(words.code)):
            if name:
                self.phrases[key(name)] = ("item", None)
        self._longest = max((*(len(p) for p in self.phrases), names.longest))
        self._small = {k for k, (kind, _) in self.phrases.items() if len(k) == 1 and kind != "nearly"}

        self._long = [
            k[0] for k, (kind, _) in self.phrases.items() if len(k) == 1 and len(k[0]) >= 6 and kind in _TYPED
        ]

    def tokens(self, text: str) -> tuple[list[Token], list[Atom]]:
        """The tokens of a text, and its atoms."""
        parts = atoms(text)
        tokens: list[Token] = []
        place = 0
        while place < len(parts):
            token = self._quoted(parts, place, text) or self._token(parts, place, text)
            tokens.append(token)
            place = token.last
        return tokens, parts

    def _quoted(self, parts: Sequence[Atom], place: int, text: str) -> Token | None:
        """A title in quotation marks."""
        closing = _QUOTES.get(parts[place].plain) if parts[place].kind == "mark" else None
        end = next((n for n in range(place + 1, len(parts)) if parts[n].plain == closing), None) if closing else None
        if end is None or end == place + 1:
            return None
        said = text[parts[place + 1].start : parts[end - 1].end]
        title = self.names.title(key(said))
        if title is not None:
            return Token("title", title, said, place, end + 1)
        mention = self.names.nodes.get(key(said)) or self.names.misspelt(key(said), loose=True)
        return Token("node" if mention else "unknown", mention, said, place, end + 1)

    def _token(self, parts: Sequence[Atom], place: int, text: str) -> Token:
        atom = parts[place]
        best: Token | None = None
        for length in range(min(self._longest, len(parts) - place), 0, -1):
            some = tuple(a.plain for a in parts[place : place + length])
            if some in self.phrases and best is None:
                kind, value = self.phrases[some]
                best = Token(kind, value, text[atom.start : parts[place + length - 1].end], place, place + length)
        name = self._name(parts, place, text)
        if name is not None and (
            best is None or name.last > best.last or (name.last == best.last and name.kind == "node")
        ):
            best = name
        if best is not None:
            return best
        said = text[atom.start : atom.end]
        if atom.kind == "number" and len(atom.plain) <= 12 and not self._of_a_name(parts, place, text):
            return Token("number", float(atom.plain), said, place, place + 1)
        if atom.kind == "word":
            meant = self._meant(atom.plain)
            if meant is not None:
                return Token(*self.phrases[meant], said, place, place + 1)
        if atom.kind == "mark":
            kind = "stop" if atom.plain in _STOPS else "comma" if atom.plain in _COMMAS else "mark"
            return Token(kind, atom.plain, said, place, place + 1)
        return Token("unknown", None, said, place, place + 1)

    def _of_a_name(self, parts: Sequence[Atom], place: int, text: str) -> bool:
        """Whether a number is a part of a name or key: ``u07``, ``sim-0012``; not after a unit: 2h15."""
        atom = parts[place]
        if len(atom.plain) > 1 and atom.plain[0] == "0" and atom.plain[1] != ".":
            return True
        before = parts[place - 1] if place else None
        if before is None or before.kind != "word":
            return False
        between = text[before.end : atom.start]
        return between == "-" or (not between and self.phrases.get((before.plain,), ("", None))[0] != "unit")

    def _meant(self, word: str) -> Key | None:
        """The word of the language of which an unknown one is a misspelling: one letter more, fewer, other or moved."""
        if len(word) < 6 or self.names.misspelt((word,), loose=False) is not None:
            return None
        nearest = process.extractOne(word, self._long, scorer=OSA.distance, score_cutoff=1)
        return None if nearest is None or nearest[0][0] != word[0] else (nearest[0],)

    def _name(self, parts: Sequence[Atom], place: int, text: str) -> Token | None:
        """The longest name at a place: of a node, or of an item of several words."""
        some: list[str] = []
        best: Token | None = None
        for n in range(place, len(parts)):
            if parts[n].kind == "mark":
                if n == place:
                    return None
                if parts[n].plain in ";；" or parts[n].plain in _QUOTES:
                    break
                continue
            some.append(parts[n].plain)
            if len(some) > self.names.longest:
                break
            this, said = tuple(some), text[parts[place].start : parts[n].end]
            mention = self.names.nodes.get(this)
            if mention is not None and (not mention.loose or self._may_be_loose(parts, place, this)):
                best = Token("node", mention, said, place, n + 1)
            if this in self.names.titles and len(this) > 1 and self._is_title(parts, place, n + 1):
                best = Token("title", (self.names.titles[this][0], "exact"), said, place, n + 1)
        return best

    def _may_be_loose(self, parts: Sequence[Atom], place: int, name: Key) -> bool:
        """Whether a surname may be one here: it has a capital letter, or a word such as "by" before it."""
        if name in self.phrases:
            return False
        before = parts[place - 1].plain if place else ""
        return parts[place].kind == "han" or parts[place].capital or before in ("by", "with", "starring", "without")

    def _is_title(self, parts: Sequence[Atom], first: int, last: int) -> bool:
        """Whether words that are some item's name are meant as one: one of them is no common word and has a capital."""
        return any(a.capital and (a.plain,) not in self._small for a in parts[first:last] if a.kind == "word")

    def title_at(self, parts: Sequence[Atom], place: int, text: str) -> tuple[Token, bool] | None:
        """The longest name of an item that begins at a place, of one word too, and whether it begins with a capital."""
        some: list[str] = []
        best: Token | None = None
        for n in range(place, min(len(parts), place + 3 * self.names.longest)):
            if parts[n].kind == "mark":
                if n == place:
                    return None
                continue
            some.append(parts[n].plain)
            if tuple(some) in self.names.titles:
                node: Node = self.names.titles[tuple(some)][0]
                best = Token("title", (node, "exact"), text[parts[place].start : parts[n].end], place, n + 1)
        return None if best is None else (best, any(a.capital or a.kind == "number" for a in parts[place : best.last]))
