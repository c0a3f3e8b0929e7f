"""English sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kg_rec.explain.explanation import PathEdge, PathNode
from kg_rec.explain.lexicon import Lexicon
from kg_rec.explain.slots import clean_name
from kg_rec.explain.story import MAX_NAMED, Mention, Story

REMARKS = {
    "already_interacted": "It is already in your history.",
    "no_interactions": "Nothing is known about your taste yet; {item} is scored by its general popularity.",
    "base_only": "Nothing in your history leads to {item}; it is scored by its general popularity.",
    "no_path": "No single path speaks for {item}; its score comes from its popularity and your history as a whole.",
}


@dataclass(frozen=True, slots=True)
class English:
    """See :class:`kg_rec.explain.story.Language`."""

    words: Lexicon

    def names(self, nodes: Sequence[PathNode]) -> str:
        """Names joined with commas and 'and'; more than three are cut to "Heat, Ronin and 3 other films"."""
        names = [clean_name(n.name, n.key) for n in nodes]
        if len(names) > MAX_NAMED:
            names = [*names[: MAX_NAMED - 1], self.other_items(nodes[0].type, len(names) - MAX_NAMED + 1)]
        return _and(names)

    def other_items(self, node_type: str, count: int) -> str:
        """ "3 other films"."""
        return f"{count:,} other {self.words.noun(node_type, count)}"

    def people(self, count: int, first: bool) -> str:
        """ "37 viewers", then "25"."""
        return f"{count:,} {self.words.noun(self.words.schema.user.name, count)}" if first else f"{count:,}"

    def sentence(self, story: Story) -> str:
        """One sentence with slots."""
        if story.crowd:
            return f"{self._crowd(story)}{self._onward(story)}."
        item = story.item or self._this()
        if story.link == "chain" or story.liked is None:
            start = f"{self._yours(story.liked)}," if story.liked else "you"
            return f"{_capital(item)} is linked with {start}{_through(story)}."
        liked = self._yours(story.liked)
        if story.link == "shared":
            return f"Like {liked}, {story.item or 'it'} {self._facts(story)}."
        if story.link == "mixed":
            return f"{self._mixed(story, liked + ',', item)}."
        if story.link == "direct":
            return f"{self._direct(story, story.item or 'it', liked)}."
        whose = f"The description of {story.item}" if story.item else "Its description"
        return f"{whose} is close to {'those' if story.liked.several else 'that'} of {liked}."

    def _crowd(self, story: Story) -> str:
        """ "37 viewers who, like you, liked A and 25 who liked B also liked C"."""
        did = self.words.did()
        people = [
            f"{count.others} {'who' if position else 'who, like you,'} {_put(did, count.item)}"
            for position, count in enumerate(story.counts)
        ]
        if story.rest:
            people.append(f"others who {_put(did, story.rest.tag)}")
        if story.liked:
            plural = self.words.noun(self.words.schema.user.name, 2)
            people.append(f"{_capital(plural)} who, like you, {_put(did, story.liked.tag)}")
        reached = story.bridge.tag if story.bridge else story.item or self._this()
        return f"{_and(people)} also {_put(did, reached)}"

    def _onward(self, story: Story) -> str:
        """How it goes on from the bridge to the item."""
        if story.bridge is None:
            return ""
        item, it = story.item or self._this(), "them" if story.bridge.several else "it"
        if story.link == "shared":
            return f"; like {it}, {item} {self._facts(story)}"
        if story.link == "mixed":
            return f"; {self._mixed(story, it, item)}"
        if story.link == "direct":
            return f"; {self._direct(story, item, it, capital=False)}"
        if story.link == "text":
            whose = "whose descriptions are" if story.bridge.several else "whose description is"
            return f", {whose} close to that of {item}"
        return f"; {item} is linked with {it}{_through(story)}"

    def _facts(self, story: Story) -> str:
        return _and([_put(self.words.verb(fact.edge), fact.tag) for fact in story.facts])

    def _mixed(self, story: Story, known: str, item: str) -> str:
        to_known, to_item = (self.words.verb(fact.edge) for fact in story.facts)
        return f"{story.through[0]} {_put(to_known, known)} and {_put(to_item, item)}"

    def _direct(self, story: Story, item: str, known: str, capital: bool = True) -> str:
        edge = story.facts[0].edge
        forth = PathEdge(edge.type, not edge.forward)
        if self.words.phrase(edge) is None and (phrase := self.words.phrase(forth)) is not None:
            comma = "," if known not in ("it", "them") else ""
            return f"{known}{comma} {_put(phrase, self._this() if item == 'it' else item)}"
        return f"{_capital(item) if capital else item} {_put(self.words.verb(edge), known)}"

    def _yours(self, liked: Mention) -> str:
        """ "A, which you liked" — or "A (you gave it five stars)" where the phrase has no open end."""
        did = self.words.did()
        if did.endswith(" {}"):
            return f"{liked.tag}, which you {did[:-3]}"
        return f"{liked.tag} (you {_put(did, 'them' if liked.several else 'it')})"

    def _this(self) -> str:
        return f"this {self.words.noun(self.words.schema.item.name)}"


def _put(phrase: str, what: str) -> str:
    return phrase.replace("{}", what)


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _through(story: Story) -> str:
    return f" through {_and(story.through)}" if story.through else ""
