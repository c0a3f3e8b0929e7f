"""From words to a :class:`~kg_rec.ask.request.Request`, by a small grammar over tokens; no language model.

The tokens of all languages are of the same kinds, so the grammar is one: a mention (a node, an adjective, an item) is
unwanted after words such as "without" until the clause ends, wanted otherwise; "or" joins mentions; a bound is read by
:mod:`kg_rec.ask.bounds`, all else by the rules of :mod:`kg_rec.ask.grammar`.  What no rule takes is looked up as
misspelt, then as near in meaning, and is said to be not understood otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kg_rec.ask.atoms import Key, clean
from kg_rec.ask.bounds import Bounds
from kg_rec.ask.fields import Fields
from kg_rec.ask.grammar.reading import Reading, Tools
from kg_rec.ask.grammar.rules import read
from kg_rec.ask.grammar.state import State
from kg_rec.ask.lexer import Lexer, Token
from kg_rec.ask.names import Mention, Names
from kg_rec.ask.near import Near
from kg_rec.ask.quantities import joined
from kg_rec.ask.request import Anchor, Constraint, Request, Wish
from kg_rec.ask.ties import Ties
from kg_rec.ask.turns import turn_of
from kg_rec.ask.words import ENGLISH, words_of
from kg_rec.snapshot import Snapshot


class Parser:
    """Reads requests in one language over one graph.

    Args:
        snapshot: the graph.
        language: ``en`` or ``zh``.
        encoder: text model for words near in meaning, as :class:`~kg_rec.model.channels.meaning.MeaningConfig` has it.

    Raises:
        ConfigError: requests in the language are not understood.
    """

    def __init__(self, snapshot: Snapshot, language: str, encoder: str = "none") -> None:
        self.words = words_of(language)
        self.names = Names(snapshot, self.words)
        self.fields = Fields(snapshot)
        self.lexer = Lexer(self.words, self.names, snapshot.schema)
        self.bounds = Bounds(self.fields)
        self.near = Near(snapshot, self.names, ENGLISH, encoder)
        self._tools = Tools(self.words, self.names, self.lexer, self.bounds, self.near, Ties(snapshot))

    def parse(self, text: str, links: Mapping[Key, Mention] | None = None) -> Request:
        """What a request asks for; every text gives an answer.

        Args:
            text: the request.
            links: what words mean that nothing else takes, see :class:`~kg_rec.ask.linker.Linker`.
        """
        text = clean(text)
        raw, parts = self.lexer.tokens(text)
        tokens = joined(raw, {n: a.end for n, a in enumerate(parts)})
        turn, count = turn_of(self.lexer, tokens, parts, text)
        state = State(Request(text, self.words.code))
        if turn.kind not in ("why", "why-not", "reset"):
            read(Reading(self._tools, tokens, parts, text, state, links or {}))
        wishes = tuple(dict.fromkeys(_without_doubles(state.wishes)))
        turn = replace(turn, like=tuple(state.like), drop=tuple(state.drop))
        if turn.kind == "new" and (turn.like or turn.drop or _takes_away(state, tokens)):
            turn = replace(turn, kind="refine")
        return replace(
            state.found,
            anchors=tuple(dict.fromkeys(state.anchors)),
            wishes=wishes,
            constraints=tuple(dict.fromkeys(self.compared(c, state.anchors) for c in _decided(state.constraints))),
            count=count if count is not None else state.count,
            turn=turn,
            not_understood=tuple(dict.fromkeys(state.lost)),
        )

    def compared(self, constraint: Constraint, anchors: Sequence[Anchor]) -> Constraint:
        """ "Newer" and "cheaper" by what there is to compare with; as it is where that is nothing."""
        if constraint.values or not anchors:
            return constraint
        c = constraint
        return self.bounds.than_item(c.said, c.field, c.op, anchors[0].item) or c


def _takes_away(state: State, tokens: Sequence[Token]) -> bool:
    """Whether a request says only what is not wanted, and so goes on with the one before: "another brand, no Talix"."""
    if not state.wishes or state.anchors or any(w.wanted for w in state.wishes):
        return False
    return not any(t.kind in ("ask", "item") for t in tokens)


def _without_doubles(wishes: list[Wish]) -> list[Wish]:
    """Wishes of which none asks for what another does already; a wish that must be obeyed counts first."""
    kept: list[Wish] = []
    for wish in sorted(wishes, key=lambda w: (not w.must, wishes.index(w))):
        if not any(w.wanted == wish.wanted and set(wish.nodes) <= set(w.nodes) for w in kept):
            kept.append(wish)
    return kept


def _decided(constraints: list[Constraint]) -> list[Constraint]:
    """Without "cheaper" where a number says how much."""
    numbers = {c.field for c in constraints if c.values}
    return [c for c in constraints if c.values or c.field not in numbers]
