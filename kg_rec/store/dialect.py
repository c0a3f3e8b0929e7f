"""The small differences between the databases' Cypher, evened out so that one query runs on both."""

from __future__ import annotations

from kg_rec.store.gate import Token, tokens

_END_OF_ITEMS = frozenset({"ORDER", "SKIP", "OFFSET", "LIMIT"})


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


def for_ladybug(cypher: str) -> str:
    """The query with ``type(r)``, which Ladybug calls ``label(r)``, put in its words."""
    found = tokens(cypher)
    text = cypher
    for i in range(len(found) - 2, -1, -1):
        token = found[i]
        if token.word == "TYPE" and found[i + 1].text == "(" and (i == 0 or found[i - 1].text not in (".", ":")):
            text = f"{text[: token.start]}label{text[token.start + len(token.text) :]}"
    return text
