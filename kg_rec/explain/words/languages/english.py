"""English: names, numbers and the sentences of the grammar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kg_rec.explain.path import PathEdge, PathNode
from kg_rec.explain.words.lexicon import Lexicon
from kg_rec.explain.words.sentence_kinds import Kind, Role
from kg_rec.explain.words.slots import clean_name

REMARKS = {
    "already_interacted": "It is already in your history.",
    "no_interactions": "Nothing is known about your taste yet; [ITEM_1] is scored by its general popularity.",
    "base_only": "Nothing in your history leads to [ITEM_1]; it is scored by its general popularity.",
    "no_path": "No single path speaks for [ITEM_1]; its score comes from its popularity and your history as a whole.",
}


@dataclass(frozen=True, slots=True)
class English:
    """See :class:`kg_rec.explain.words.sentence_kinds.Language`."""

    words: Lexicon
    gap: ClassVar[str] = " "

    def name(self, node: PathNode) -> str:
        """The cleaned name."""
        return clean_name(node.name, node.key)

    def join(self, names: Sequence[str], more: int, node_type: str, *, either: bool = False) -> str:
        """ "Heat, Ronin and 3 other films"; "Heat, Ronin or one of 3 other films"."""
        if more:
            others = f"{more:,} other {self.words.noun(node_type, more)}"
            names = [*names, f"one of {others}" if either and more > 1 else others]
        return _join(names, "or" if either else "and")

    def people(self, count: int, *, noun: bool = True) -> str:
        """ "2,481 viewers"."""
        return f"{count:,} {self.words.noun(self.words.schema.user.name, count)}" if noun else f"{count:,}"

    def beside(self, name: str, number: str) -> str:
        """ "Heat (25)"."""
        return f"{name} ({number})"

    def this_item(self) -> str:
        """ "this film"."""
        return f"this {self.words.noun(self.words.schema.item.name)}"

    def sentence(self, kind: Kind, tags: dict[Role, str]) -> str:
        """One sentence with slots."""
        item = tags["item"]
        if kind.lead in ("counted", "counts", "crowd"):
            return f"{self._crowd(kind, tags)}{self._onward(kind, tags)}."
        if "liked" not in tags:
            return f"{item} is linked with you{_through(tags)}."
        liked = self._yours(tags["liked"], kind.lead == "several")
        if kind.link == "shared":
            return f"Like {liked}, {item} {self._fact(kind, tags)}."
        if kind.link == "mixed":
            return f"{self._mixed(kind, tags, liked + ',')}."
        if kind.link == "direct":
            return f"{self._direct(kind, item, liked)}."
        if kind.link == "chain":
            return f"{item} is linked with {liked},{_through(tags)}."
        return f"The description of {item} is close to {'those' if kind.lead == 'several' else 'that'} of {liked}."

    def _crowd(self, kind: Kind, tags: dict[Role, str]) -> str:
        """ "37 viewers who, like you, liked A also liked B"."""
        did = self.words.did()
        people = tags.get("count") or _capital(self.words.noun(self.words.schema.user.name, 2))
        reached = tags["bridge"] if kind.bridged else tags["item"]
        return f"{people} who, like you, {_put(did, tags['liked'])} also {_put(did, reached)}"

    def _onward(self, kind: Kind, tags: dict[Role, str]) -> str:
        """How it goes on from the bridge to the item."""
        if not kind.bridged:
            return ""
        several, item = kind.lead == "crowd", tags["item"]
        it = "them" if several else "it"
        if kind.link == "shared":
            return f"; like {it}, {item} {self._fact(kind, tags)}"
        if kind.link == "mixed":
            return f"; {self._mixed(kind, tags, it)}"
        if kind.link == "direct":
            return f"; {self._direct(kind, item, it)}"
        if kind.link == "text":
            return f", whose {'descriptions are' if several else 'description is'} close to that of {item}"
        return f"; {item} is linked with {it}{_through(tags)}"

    def _fact(self, kind: Kind, tags: dict[Role, str]) -> str:
        return _put(self.words.verb(kind.steps[0], several=kind.several), tags["shared"])

    def _mixed(self, kind: Kind, tags: dict[Role, str], known: str) -> str:
        to_known, to_item = (self.words.verb(edge) for edge in kind.steps)
        return f"{tags['through']} {_put(to_known, known)} and {_put(to_item, tags['item'])}"

    def _direct(self, kind: Kind, item: str, known: str) -> str:
        edge = kind.steps[0]
        forth = PathEdge(edge.type, not edge.forward)
        if self.words.phrase(edge) is None and (phrase := self.words.phrase(forth)) is not None:
            comma = "," if known not in ("it", "them") else ""
            return f"{known}{comma} {_put(phrase, item)}"
        return f"{item} {_put(self.words.verb(edge), known)}"

    def _yours(self, liked: str, several: bool) -> str:
        """ "A, which you liked" — or "A (you gave it five stars)" where the phrase has no open end."""
        did = self.words.did()
        if did.endswith(" {}"):
            return f"{liked}, which you {did[:-3]}"
        return f"{liked} (you {_put(did, 'them' if several else 'it')})"


def _put(phrase: str, what: str) -> str:
    return phrase.replace("{}", what)


def _join(parts: Sequence[str], last: str) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _through(tags: dict[Role, str]) -> str:
    return f" through {tags['through']}"
