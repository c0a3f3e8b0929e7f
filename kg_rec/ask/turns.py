"""What a request has to do with those before: a new one, more of the same, a change of it, or a question why."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from kg_rec.ask.atoms import Atom
from kg_rec.ask.lexer import Lexer, Token
from kg_rec.ask.names import Mention
from kg_rec.ask.request import Node, Turn

_SILENT = ("filler", "item", "measure", "of", "comma", "stop", "mark", "ask", "them", "from")
#: Kinds with which a request begins that goes on with the one before.
_OPENING = ("and", "but", "only", "less", "more", "not", "or", "from", "another")


#: "The same, but from India".
_AS_BEFORE = (["same", "but"], ["comma", "same"], ["same", "comma"])
#: What may stand before "why": "and why", "number 2: why", "《Psycho》为什么没有".
_OF_WHICH = ("and", "but", "ordinal", "title")
#: Kinds that ask for something.
_CONTENT = {"node", "nearly", "title", "quantity", "than", "like", "unknown"}


def turn_of(lexer: Lexer, tokens: Sequence[Token], parts: Sequence[Atom], text: str) -> tuple[Turn, int | None]:
    """The turn, and how many items are asked for where "another ten" says so.

    Args:
        lexer: finds titles.
        tokens: of the request, with quantities joined.
        parts: its atoms.
        text: the request.
    """
    telling = [t for t in tokens if t.kind not in _SILENT]
    if not telling:
        return Turn("refine" if any(t.kind == "them" for t in tokens) else "new"), None
    asked = next((t for t in telling[:3] if t.kind in ("why", "why not")), None)
    if asked is not None and all(t.kind in _OF_WHICH for t in telling[: telling.index(asked)]):
        turn = _why(lexer, tokens, parts, text, asked)
        if turn is not None:
            return turn, None
    kinds = [t.kind for t in telling]
    if kinds[0] == "reset":
        return Turn("new" if set(kinds) & _CONTENT else "reset"), None
    numbers = [t for t in telling if t.kind == "quantity" and t.value.field is None]
    another = "another" in kinds
    if another or ("more" in kinds and (set(kinds) <= {"more", "quantity", "like"} and "like" not in kinds[:1])):
        count = int(numbers[0].value.low) if numbers and float(numbers[0].value.low).is_integer() else None
        if set(kinds) <= {"another", "more", "quantity", "like"} or _next_to(tokens, "another", "quantity"):
            return Turn("more"), count
        if another and kinds[0] == "another":
            return Turn("more"), count
    return Turn("refine" if _elliptical(tokens, kinds) else "new"), None


def _next_to(tokens: Sequence[Token], first: str, second: str) -> bool:
    return any(a.kind == first and b.kind == second for a, b in pairwise(tokens))


def _why(lexer: Lexer, tokens: Sequence[Token], parts: Sequence[Atom], text: str, asked: Token) -> Turn | None:
    item = _item(lexer, tokens, parts, text, asked)
    rank = next((t.value for t in tokens if t.kind == "ordinal"), None)
    if asked.kind == "why not" or any(t.kind in ("not", "absent") for t in tokens):
        return Turn("why-not", item=item) if item is not None else None  # "why not a comedy?" asks for one
    if rank is None and item is None:
        number = next((t.value for t in tokens if t.kind == "quantity" and t.value.field is None), None)
        rank = None if number is None else int(number.low)
    return Turn("why", rank=1 if rank is None and item is None else rank, item=item if rank is None else None)


def _item(lexer: Lexer, tokens: Sequence[Token], parts: Sequence[Atom], text: str, asked: Token) -> Node | None:
    """The item that why is asked of: the longest title after the question."""
    best: tuple[int, Node] | None = None
    for token in tokens:
        if token.first < asked.last and token.kind != "title":
            continue
        if token.kind == "title":
            best = max(best or (0, token.value[0]), (token.last - token.first, token.value[0]), key=lambda b: b[0])
        elif token.kind in ("unknown", "node", "nearly", "not", "quantity", "filler"):
            title = lexer.title_at(parts, token.first, text)
            if title is not None and title[1]:
                size = title[0].last - title[0].first
                if best is None or size > best[0]:
                    best = (size, title[0].value[0])
    return None if best is None else best[1]


def _elliptical(tokens: Sequence[Token], kinds: Sequence[str]) -> bool:
    """Whether a request cannot stand alone: "less violent", "only French ones", "under 30 please"."""
    every = [t.kind for t in tokens]
    if "them" in every or [k for k in every if k not in _SILENT or k == "comma"][:2] in _AS_BEFORE:
        return True
    if "ask" in every or "item" in every or "like" in kinds or "title" in kinds:
        return kinds[0] in ("and", "but", "only", "or") and "title" not in kinds and "ask" not in every
    whole = any(t.kind == "node" and isinstance(t.value, Mention) for t in tokens)
    return not whole or kinds[0] in _OPENING or every[0] in _OPENING
