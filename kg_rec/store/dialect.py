"""The small differences between the databases' Cypher, evened out so that one query runs on both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kg_rec.errors import QueryRefusedError
from kg_rec.store.gate import Token, words

_END_OF_ITEMS = words("ORDER SKIP OFFSET LIMIT")
_BEFORE_A_LIST = words("AND AS BY CASE DISTINCT ELSE IN NOT OR RETURN THEN UNWIND WHEN WHERE WITH XOR")


def column_names(cypher: str, found: list[Token]) -> list[str] | None:
    """The columns of the last RETURN, named as Neo4j names them: the alias, or the expression as written.

    Returns:
        None where the names cannot be told from the text (``RETURN *``).
    """
    depth = 0
    begin = end = None
    for i, token in enumerate(found):
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if depth == 0 and token.word == "RETURN":
            begin, end = i + 1, len(found)
        elif depth == 0 and begin is not None and end == len(found) and token.word in _END_OF_ITEMS:
            end = i
    if begin is None or end is None:
        return None
    if found[begin : begin + 1] and found[begin].word == "DISTINCT":
        begin += 1
    names, item = [], list[Token]()
    for token in [*found[begin:end], Token("symbol", ",", 0)]:
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if token.text == "," and depth == 0:
            if not item or item[0].text == "*":
                return None
            names.append(_name(cypher, item))
            item = []
        else:
            item.append(token)
    return names


def _name(cypher: str, item: list[Token]) -> str:
    last = item[-1]
    if len(item) == 1 or item[-2].word == "AS":
        return last.text[1:-1].replace("``", "`") if last.kind == "name" else last.text
    return cypher[item[0].start : last.start + len(last.text)]


def for_ladybug(cypher: str, found: list[Token], parameters: Mapping[str, Any]) -> str:
    """The query in Ladybug's words.

    - ``type(r)`` becomes ``label(r)``;
    - an integer parameter becomes ``CAST($n AS INT64)``: Ladybug would take the smallest type that holds the value
      and then overflow;
    - ``list[0]`` becomes ``list[1]``: Ladybug counts from one.

    Raises:
        QueryRefusedError: a list is indexed by something other than an integer literal, which would silently give
            another element than on Neo4j.
    """
    text = cypher
    for i in range(len(found) - 1, -1, -1):
        token, following = found[i], found[i + 1].text if i + 1 < len(found) else ""
        before = found[i - 1] if i else None
        new = token.text
        if token.word == "TYPE" and following == "(" and (before is None or before.text not in (".", ":")):
            new = "label"
        elif token.kind == "parameter" and type(parameters.get(token.text[1:].strip("`"))) is int:
            new = f"CAST({token.text} AS INT64)" if not _is_count(before) else token.text
        elif token.text == "[" and before is not None and _is_value(before):
            _check_subscript(found, i)
        elif before is not None and before.text == "[" and i > 1 and _is_value(found[i - 2]) and token.text.isdecimal():
            new = str(int(token.text) + 1)
        text = f"{text[: token.start]}{new}{text[token.start + len(token.text) :]}"
    return text


def _is_count(before: Token | None) -> bool:
    """Whether a parameter follows SKIP or LIMIT, where Ladybug takes no expression."""
    return before is not None and before.word in ("SKIP", "LIMIT")


def _is_value(token: Token) -> bool:
    """Whether a ``[`` after this token is a subscript, not a list or a pattern."""
    return (
        token.kind in ("name", "parameter")
        or token.text in (")", "]")
        or (token.kind == "word" and not _keyword(token))
    )


def _keyword(token: Token) -> bool:
    return token.word in _BEFORE_A_LIST


def _check_subscript(found: list[Token], i: int) -> None:
    inner = found[i + 1 : i + 3]
    if len(inner) == 2 and inner[1].text == "]" and (inner[0].text.isdecimal() or inner[0].kind == "string"):
        return
    raise QueryRefusedError(
        "query refused: on the embedded graph, what stands in [ ] after a list has to be an integer literal, since "
        "Ladybug counts from one and Neo4j from zero"
    )
