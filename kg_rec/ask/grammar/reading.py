"""One pass over the tokens of a request: where the tokens are, and what they add to the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from kg_rec.ask.atoms import Atom, Key, key
from kg_rec.ask.bounds import Bounds
from kg_rec.ask.grammar.state import State
from kg_rec.ask.lexer import Lexer, Token
from kg_rec.ask.names import Mention, Names
from kg_rec.ask.near import Near
from kg_rec.ask.request import Anchor, How, Node, Wish
from kg_rec.ask.ties import Ties
from kg_rec.ask.words import Words

#: Most words of a request that the text model is asked of, some 5 ms each; words beyond are said not to be understood.
_MOST_NEAR = 8


@dataclass(frozen=True)
class Tools:
    """What requests in one language over one graph are read with."""

    words: Words
    names: Names
    lexer: Lexer
    bounds: Bounds
    near: Near
    ties: Ties


class Reading:
    """The tokens of a request and the state that they fill; a place is the number of a token.

    Args:
        tools: the language and the graph.
        tokens: of the request.
        parts: the atoms that the tokens count.
        text: the request.
        state: takes what is read.
        links: what words mean that nothing else takes.
    """

    def __init__(
        self,
        tools: Tools,
        tokens: list[Token],
        parts: list[Atom],
        text: str,
        state: State,
        links: Mapping[Key, Mention],
    ) -> None:
        self.tools, self.tokens, self.parts, self.text, self.state = tools, tokens, parts, text, state
        self._links, self._asked = links, 0

    def after(self, atom: int) -> int:
        """The first token that begins at an atom or later."""
        return next((n for n, t in enumerate(self.tokens) if t.first >= atom), len(self.tokens))

    def ahead(self, place: int, skip: Sequence[str] = ("filler", "of", "mark")) -> int:
        """The first place from here whose token is of none of some kinds."""
        while place < len(self.tokens) and self.tokens[place].kind in skip:
            place += 1
        return place

    def kind(self, place: int) -> str:
        """The kind of a token; empty before the first and after the last."""
        return self.tokens[place].kind if 0 <= place < len(self.tokens) else ""

    def start(self, place: int) -> int:
        """Where a token begins in the text."""
        return self.parts[self.tokens[place].first].start if place < len(self.tokens) else len(self.text)

    def end(self, place: int) -> int:
        """Where a token ends in the text."""
        return self.parts[self.tokens[min(place, len(self.tokens) - 1)].last - 1].end

    def title_at(self, place: int) -> tuple[Token, bool] | None:
        """The item whose name begins with a token, and whether it is written as names are; see the lexer's."""
        return self.tools.lexer.title_at(self.parts, self.tokens[place].first, self.text)

    def item_from(self, place: int) -> tuple[Node, How, int] | None:
        """The item named at a token or, behind small words, soon after; with the token that follows."""
        n = place
        while n < len(self.tokens):
            token = self.tokens[n]
            if token.kind == "title":
                return token.value[0], token.value[1], n + 1
            found = self.title_at(n)
            if found is not None:
                title, capital = found
                longer = token.kind == "node" and token.last > title.last
                common = token.last == title.last and token.kind not in ("unknown", "node", "nearly")
                if not longer and (capital or not common):
                    return title.value[0], title.value[1], self.after(title.last)
            if token.kind not in ("filler", "item", "of", "measure", "mark", "ask"):
                return None
            n += 1
        return None

    def nearest(self, words: Key) -> Node | None:
        """The kind that some words are near to, for the first words of a request that ask for it."""
        self._asked += 1
        return self.tools.near.nearest(words, self._soon) if self._asked <= _MOST_NEAR else None

    @cached_property
    def _soon(self) -> list[Key]:
        """Words that the text model may be asked of, as they stand."""
        found: list[Key] = []
        tools = self.tools
        for place, token in enumerate(self.tokens):
            if token.kind == "nearly" and not tools.names.called(token.value):
                found.append(key(tools.words.gloss.get(token.said, token.said)))
            for size in (2, 1) if token.kind == "unknown" else ():
                said = self.text[self.start(place) : self.end(place + size - 1)]
                if self.kind(place + size - 1) == "unknown" and said.isascii() and len(said) > 2:
                    found.append(key(said))
        return found[:_MOST_NEAR]

    def add_lost(self, said: str) -> None:
        """Words that nothing takes: what they are linked to, or not understood."""
        linked = self._links.get(key(said))
        if linked is None:
            self.state.lost.append(said)
        else:
            self.add_wish(linked, said, must=False)

    def add_wish(self, mention: Mention, said: str, *, must: bool = True) -> None:
        """A mention is wished for, or not, as the words before it say."""
        s = self.state
        nodes, relation = self.tools.ties.restricted(mention.nodes, s.relation) if s.relation else (mention.nodes, None)
        wanted = not s.negative if s.soft >= 0 else s.negative
        wish = Wish(said, nodes, wanted, must and s.soft == 0, mention.how, relation)
        before = s.wishes[-1] if s.wishes else None
        if s.either and before is not None and before.wanted and wanted and before.must == wish.must:
            s.wishes[-1] = replace(before, said=f"{before.said}, {said}", nodes=before.nodes + nodes)
            self._gather(before, nodes)
        else:
            s.wishes.append(wish)
        s.mentioned, s.either, s.anchored = True, False, False

    def add_item(self, item: Node, how: How, said: str) -> None:
        """An item to be like, or one that is not wanted."""
        s = self.state
        if s.negative or s.soft < 0:
            s.wishes.append(Wish(said, (item,), False, True, how))
            s.mentioned = True
        else:
            s.anchors.append(Anchor(said, item, how))
        s.anchored, s.either = True, False

    def add_title(self, title: Token) -> int:
        """The item of a token of the kind ``title``; the place after it."""
        self.add_item(title.value[0], title.value[1], title.said)
        return self.after(title.last)

    def _gather(self, before: Wish, nodes: tuple[Node, ...]) -> None:
        """Join what a list with "or" at its end names: "by Kirova, Almira or Monte" is any of the three."""
        s = self.state
        kinds = {n.type for n in nodes}
        while len(s.wishes) > 1:
            earlier, last = s.wishes[-2], s.wishes[-1]
            listed = earlier.said in self._listed
            same = (
                earlier.wanted == last.wanted and earlier.must == last.must and {n.type for n in earlier.nodes} <= kinds
            )
            if not (listed and same):
                return
            s.wishes[-2:] = [replace(last, said=f"{earlier.said}, {last.said}", nodes=earlier.nodes + last.nodes)]

    @property
    def _listed(self) -> set[str]:
        """Mentions that stand directly before a comma."""
        pairs = zip(self.tokens[:-1], self.tokens[1:], strict=True)
        return {a.said for a, b in pairs if b.kind == "comma" and a.kind in ("node", "unknown")}
