"""Which rule takes which kind of token."""

from __future__ import annotations

from collections.abc import Callable

from kg_rec.ask.grammar import clauses, items, mentions, numbers
from kg_rec.ask.grammar.reading import Reading

#: The rule of each kind of token: it reads the token at a place, and gives the place that is read next.
RULES: dict[str, Callable[[Reading, int], int]] = {
    "title": items.on_title,
    "relation": items.on_relation,
    "like": items.on_like,
    "between": items.on_like,
    "ordinal": items.on_ordinal,
    "not": clauses.on_not,
    "excluded": clauses.on_excluded,
    "comma": clauses.on_comma,
    "or": clauses.on_or,
    "and": clauses.on_and,
    "from": clauses.on_from,
    "of": clauses.on_of,
    "only": clauses.on_only,
    "more": clauses.on_more,
    "less": clauses.on_less,
    "than": clauses.on_than,
    "node": mentions.on_node,
    "nearly": mentions.on_nearly,
    "unknown": mentions.on_unknown,
}


def read(reading: Reading) -> None:
    """Fill the state."""
    place = _opening(reading)
    while place < len(reading.tokens):
        place = _step(reading, place)


def _opening(reading: Reading) -> int:
    """A request that begins with an item's name of one word: "Stalker but shorter"."""
    if reading.tokens and reading.tokens[0].kind in ("unknown", "node", "nearly", "filler"):
        found = reading.tools.lexer.title_at(reading.parts, 0, reading.text)
        if found is not None:
            place = reading.after(found[0].last)
            small = reading.kind(place) == "but" and any(t.kind == "unknown" for t in reading.tokens[:place])
            ends = place >= len(reading.tokens) or reading.tokens[place].kind in ("but", "comma", "stop")
            if ends and (found[1] or small):  # "the godfather but shorter"
                return reading.add_title(found[0])
    return 0


def _step(reading: Reading, place: int) -> int:
    """The place after what the token at a place begins."""
    token, s = reading.tokens[place], reading.state
    named = items.numbered(reading, place)
    if named is not None:
        return named
    counted = numbers.few(reading, place)
    if counted is not None:
        return counted
    if token.kind in ("bound", "field", "around", "between", "recent", "past", "quantity", "than", "ordinal"):
        last = numbers.bound(reading, place)
        if last is not None:
            return last
    if token.kind in RULES:
        return RULES[token.kind](reading, place)
    if token.kind in ("stop", "but"):
        s.clause()
        if token.kind == "stop":
            s.context = None
    return place + 1
