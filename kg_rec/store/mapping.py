"""Types of a schema as Cypher: their nodes, keys, values and relations, also in a graph that others made.

What a schema says in ``kr:from`` is Cypher that a file supplied.  It is a fragment: a pattern or an expression.  It may
not hold a clause, a parameter or a comment, so what it becomes a part of stays what it is; the statement then goes
through the gate and READ access mode like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from kg_rec.errors import QueryRefusedError, SchemaError
from kg_rec.schema import GraphSchema, NodeType, PropertyType, RelationType
from kg_rec.store.gate import FORBIDDEN, tokens, words

_CLAUSES = FORBIDDEN | words("CALL MATCH OPTIONAL RETURN UNION UNWIND WITH YIELD ORDER SKIP LIMIT")
_NODE = re.compile(r"\(\s*n\s*((?::\s*(?:\w+|`[^`]+`)\s*)+)\)\s*(?:WHERE\s+(.*))?", re.DOTALL | re.IGNORECASE)
_OPEN, _CLOSE = "([{", ")]}"


def quoted(name: str) -> str:
    """A name in backticks."""
    return "`" + name.replace("`", "``") + "`"


def check_mapping(schema: GraphSchema) -> None:
    """Read all that a schema says in ``kr:from``.

    Raises:
        SchemaError: a pattern or expression is not one; the message names its owner.
    """
    for t in schema.node_types.values():
        conditions(t, "n")
        for p in t.properties:
            value(t, p, "n")
    for r in schema.relation_types.values():
        step(r, "a", "b", "r")
        for p in r.properties:
            edge_value(r, p, "a", "b", "r")


# --- nodes -------------------------------------------------------------------------------------------


def node(t: NodeType, variable: str) -> str:
    """The pattern of a node of a type, without its conditions."""
    return f"({variable}{_labels(t)})"


def conditions(t: NodeType, variable: str) -> list[str]:
    """What else makes a node one of a type."""
    if t.pattern is None:
        return []
    where = _parts(t.pattern, t.name)[1]
    return [f"({_named(where, t.name, {'n': variable})})"] if where else []


def where(found: list[str]) -> str:
    """A WHERE of conditions; nothing where there are none."""
    return f" WHERE {' AND '.join(found)}" if found else ""


def key(t: NodeType, variable: str) -> str:
    """The key of a node as text."""
    return _text_of(t, raw_key(t, variable))


def raw_key(t: NodeType, variable: str) -> str:
    """The key of a node as it is in the store."""
    return value(t, t.properties[0], variable)


def _text_of(t: NodeType, expression: str) -> str:
    return f"toString({expression})" if t.properties[0].datatype == "integer" else expression


def has_key(t: NodeType, variable: str, given: str) -> list[str]:
    """Conditions that a node is the one of a type whose key is ``given``, an expression of text."""
    wanted = f"toInteger({given})" if t.properties[0].datatype == "integer" else given
    return [f"{raw_key(t, variable)} = {wanted}", *conditions(t, variable)]


def keyed(t: NodeType, variable: str, given: str) -> str:
    """A pattern with its conditions for the node of a type whose key is ``given``."""
    if t.pattern is None:
        return f"({variable}:{quoted(t.name)} {{{quoted(t.key)}: {given}}})"
    return f"{node(t, variable)}{where(has_key(t, variable, given))}"


def value(t: NodeType, p: PropertyType, variable: str) -> str:
    """The value of a property of a node."""
    if p.expression is None:
        return f"{variable}.{quoted(p.name)}"
    return _named(p.expression, f"{t.name}.{p.name}", {"n": variable})


def _labels(t: NodeType) -> str:
    return f":{quoted(t.name)}" if t.pattern is None else _parts(t.pattern, t.name)[0]


@lru_cache(maxsize=1000)
def _parts(pattern: str, owner: str) -> tuple[str, str]:
    _check(pattern, owner)
    found = _NODE.fullmatch(pattern.strip())
    if found is None:
        raise SchemaError(
            f"{owner}: kr:from: expected a pattern of one node n such as (n:Product) WHERE n.price > 0, got {pattern!r}"
        )
    labels = re.findall(r"\w+|`[^`]+`", found[1])
    return "".join(f":{name if name.startswith('`') else quoted(name)}" for name in labels), (found[2] or "").strip()


# --- relations ---------------------------------------------------------------------------------------


def step(r: RelationType, source: str, target: str, edge: str) -> tuple[str, list[str]]:
    """The pattern of a relation from one variable to another, and its conditions."""
    if r.pattern is None:
        return f"({source})-[{edge}:{quoted(r.name)}]->({target})", []
    text = _named(r.pattern, r.name, _variables(r, source, target, edge))
    for end, variable in (("a", source), ("b", target)):
        if not re.search(rf"\(\s*{variable}\s*[:)]", text):
            raise SchemaError(f"{r.name}: kr:from: expected a pattern from (a) to (b), got {r.pattern!r}; no ({end})")
    head, _, tail = _split_where(text)
    return head.strip(), [f"({tail.strip()})"] if tail.strip() else []


def edge_value(r: RelationType, p: PropertyType, source: str, target: str, edge: str) -> str:
    """The value of a property of a relation."""
    if p.expression is None:
        return f"{edge}.{quoted(p.name)}"
    return _named(p.expression, f"{r.name}.{p.name}", _variables(r, source, target, edge))


def _variables(r: RelationType, source: str, target: str, edge: str) -> Mapping[str, str]:
    """New names for the variables of a relation's pattern."""
    names = {"a": source, "b": target, "r": edge}
    for found in re.findall(r"[(\[]\s*([A-Za-z_]\w*)", r.pattern or ""):
        names.setdefault(found, f"{edge}_{found}")
    return names


def _split_where(text: str) -> tuple[str, str, str]:
    depth = 0
    for token in tokens(text):
        if token.kind == "symbol":
            depth += (token.text in _OPEN) - (token.text in _CLOSE)
        if token.word == "WHERE" and not depth:
            return text[: token.start], "WHERE", text[token.start + 5 :]
    return text, "", ""


# --- fragments ---------------------------------------------------------------------------------------


def _named(text: str, owner: str, names: Mapping[str, str]) -> str:
    """The fragment with other names for its variables."""
    _check(text, owner)
    found = tokens(text)
    for i in range(len(found) - 1, -1, -1):
        token = found[i]
        before = found[i - 1].text if i else ""
        after = found[i + 1].text if i + 1 < len(found) else ""
        is_map_key = before in ("{", ",") and after == ":"
        is_map_value = before == ":" and i > 2 and found[i - 3].text in ("{", ",")
        is_name = before == "." or (before == ":" and not is_map_value)  # a property, a label or a type
        is_variable = not is_name and after != "(" and not is_map_key
        if token.kind == "word" and token.text in names and is_variable:
            text = text[: token.start] + names[token.text] + text[token.start + len(token.text) :]
    return text


@lru_cache(maxsize=1000)
def _check(text: str, owner: str) -> None:
    """A fragment is balanced, and holds no clause, parameter, comment or end of a statement.

    Raises:
        SchemaError: it does.
    """
    if "//" in text or "/*" in text:
        raise SchemaError(f"{owner}: kr:from: a comment; leave it out")
    try:
        found = tokens(text)
    except QueryRefusedError as error:
        raise SchemaError(f"{owner}: kr:from: {error}") from error
    opened = []
    for i, token in enumerate(found):
        before = found[i - 1].text if i else ""
        if token.word in _CLAUSES and before not in (".", ":"):
            raise SchemaError(f"{owner}: kr:from: expected a pattern or an expression, got the clause {token.text}")
        if token.kind == "parameter" or token.text == ";":
            raise SchemaError(f"{owner}: kr:from: {token.text} is not allowed in a pattern or an expression")
        if token.kind == "symbol" and token.text in _OPEN:
            opened.append(token.text)
        elif (
            token.kind == "symbol"
            and token.text in _CLOSE
            and (not opened or _OPEN.index(opened.pop()) != _CLOSE.index(token.text))
        ):
            raise SchemaError(f"{owner}: kr:from: the brackets of {text!r} do not match")
    if opened or not found:
        raise SchemaError(f"{owner}: kr:from: the brackets of {text!r} do not match")
