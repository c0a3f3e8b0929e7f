"""Property names that KGLite keeps for itself, stored under names of ours; the one place that knows of it.

In KGLite ``n.id``, ``n.title``, ``n.name``, ``n.type``, ``n.label``, ``n.node_type`` and, on relationships,
``r.start``, ``r.end`` and ``r.connection_type`` may answer with something else than what was stored, or with something
where nothing was stored.  A property of such a name is stored with ``_`` behind it (``title`` as ``title_``, ``title_``
as ``title__``).  :func:`translated` and :func:`stored_parameters` put a statement and its parameters into stored names,
:func:`plain` puts what comes back into the names of the schema and drops KGLite's own.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from kg_rec.errors import StoreError
from kg_rec.store.gate import Token, tokens, words
from kg_rec.store.mapping import quoted
from kg_rec.store.results import column_name, is_named, returned_items

_TAKEN = frozenset({"id", "title", "name", "type", "label", "node_type", "start", "end", "connection_type"})
_NODE = frozenset({"id", "labels", "properties"})
_EDGE = frozenset({"id", "start", "end", "type", "properties"})
_PATH = frozenset({"nodes", "relationships"})
_DURATION = frozenset({"months", "days", "seconds"})
#: What ``keys()`` gives, put into the schema's names within a list comprehension.
_KEY = "kg_rec_key"
_OURS = ", ".join(f"'{name}{more}'" for name in sorted(_TAKEN) for more in ("_", "__"))
_GIVEN_KEYS = (
    f"WHERE NOT {_KEY} IN [{', '.join(repr(name) for name in sorted(_TAKEN))}] "
    f"| CASE WHEN {_KEY} IN [{_OURS}] THEN substring({_KEY}, 0, size({_KEY}) - 1) ELSE {_KEY} END"
)
_CLAUSES = words("CREATE DELETE DETACH FOREACH MATCH MERGE ON OPTIONAL REMOVE RETURN SET UNWIND WHERE WITH")
#: The id of a node that is the only one of its label.
_ONLY = "'the one'"


def stored(name: str) -> str:
    """The name under which a property of this name is stored."""
    return f"{name}_" if name.rstrip("_") in _TAKEN else name


def given(name: str) -> str:
    """The schema's name of what is stored under this name."""
    return name[:-1] if name.endswith("_") and name.rstrip("_") in _TAKEN else name


def translated(cypher: str, found: Sequence[Token]) -> str:
    """The statement with every property name as it is stored.

    A property name stands after a ``.``, or before the ``:`` of a map or of a pattern's properties.

    Args:
        cypher: the statement.
        found: its tokens.
    """
    changes = dict(_changes(found))
    names: dict[int, str] = {}
    if any(token.word == "UNION" for token in found):  # whose parts have to name their columns alike
        for item in (item for items in returned_items(found) for item in items):
            if not is_named(item) and any(token.start in changes for token in item):
                name = column_name(cypher, item).replace("`", "``")
                names[item[-1].start] = f" AS `{name}`"
    parts: list[str] = []
    last = 0
    for token in found:
        between = cypher[last : token.start]
        parts += [" " if between.strip() else between]  # a comment; KGLite does not read all kinds
        text = changes.get(token.start, token.text)
        parts += [text if text.isascii() or token.kind != "word" else f"`{text}`", names.get(token.start, "")]
        last = token.start + len(token.text)
    return "".join(parts)


def _changes(found: Sequence[Token]) -> Iterator[tuple[int, str]]:
    """Where the statement has a name that is stored under another one, and that one."""
    open_brackets: list[str] = []
    for i, token in enumerate(found):
        before = found[i - 1].text if i else ""
        following = found[i + 1].text if i + 1 < len(found) else ""
        if token.text in ("(", "[", "{"):
            open_brackets.append(token.text)
        elif token.text in (")", "]", "}") and open_brackets:
            open_brackets.pop()
        elif token.kind in ("word", "name"):
            in_map = open_brackets[-1:] == ["{"] and before in ("{", ",") and following == ":"
            new = _stored_token(token)
            if (before == "." or in_map) and new != token.text:
                yield token.start, new
            elif token.word == "COUNT" and before == "(" and following == "{":
                yield token.start, f"0 + {token.text}"  # KGLite would read (COUNT {...} as a node
            elif token.word == "KEYS" and before not in (".", ":") and following == "(":
                yield token.start, f"([{_KEY} IN {token.text}"
                yield found[_closing(found, i + 1)].start, f") {_GIVEN_KEYS}])"


def _closing(found: Sequence[Token], opening: int) -> int:
    """The place of the bracket that closes the one at ``opening``; the last token where none does."""
    depth = 0
    for i in range(opening, len(found)):
        depth += (found[i].text in ("(", "[", "{")) - (found[i].text in (")", "]", "}"))
        if depth == 0:
            return i
    return len(found) - 1


def stored_value(value: Any) -> Any:
    """A parameter's value with the keys of its maps as they are stored."""
    if isinstance(value, Mapping):
        return {stored(key) if isinstance(key, str) else key: stored_value(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)) and _holds_maps(value):
        return [stored_value(v) for v in value]
    return value


def stored_parameters(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Parameters by their names, with the keys of maps within them as they are stored."""
    return {name: stored_value(value) for name, value in (parameters or {}).items()}


def plain(value: Any) -> Any:
    """A value of KGLite as plain Python; nodes and relationships become maps of their properties, as on Neo4j."""
    if isinstance(value, list):
        return [plain(v) for v in value]
    if not isinstance(value, dict):
        return value
    keys = value.keys()
    if keys in (_NODE, _EDGE):
        return plain(value["properties"])
    if keys == _PATH:
        return {key: plain(v) for key, v in value.items()}
    if _DURATION <= keys <= _DURATION | {"nanoseconds"}:
        return _duration(**value)
    return {given(key): plain(v) for key, v in value.items() if key not in _TAKEN}


def plain_column(values: Sequence[Any]) -> list[Any]:
    """:func:`plain` of each value; columns of texts and numbers, which are most, are what they are."""
    column = list(values)
    return [plain(value) for value in column] if {list, dict} & set(map(type, column)) else column


def _holds_maps(value: Any) -> bool:
    if isinstance(value, Mapping):
        return True
    return isinstance(value, (list, tuple)) and any(_holds_maps(v) for v in value)


def _stored_token(token: Token) -> str:
    if token.kind == "word":
        return stored(token.text)
    return quoted(stored(token.name))


def _duration(months: int, days: int, seconds: int, nanoseconds: int = 0) -> str:
    """ISO 8601, as Neo4j's driver writes it."""
    from neo4j.time import Duration

    return Duration(months=months, days=days, seconds=seconds, nanoseconds=nanoseconds).iso_format()


def with_own_ids(cypher: str, declared: Container[str]) -> str:
    """A translated statement whose new nodes get KGLite's id from their key, or a random one.

    KGLite numbers other nodes by their place: after a deletion and a reopening two of them could get one number.

    Args:
        cypher: the statement.
        declared: labels whose key KGLite knows.

    Raises:
        StoreError: a MERGE tells a node by several properties; it has to be one, the key.
    """
    found = tokens(cypher)
    clause = ""
    added: dict[int, str] = {}
    for i, token in enumerate(found):
        if token.word in _CLAUSES and found[i - 1].text not in (".", ":"):
            makes = token.word in ("CREATE", "MERGE") and found[i + 1].text == "("
            clause = token.word if makes else ""
        if clause and token.text == "(" and i + 3 < len(found):
            named = i + 1 if found[i + 1].text == ":" else i + 2
            if found[named].text != ":" or found[named + 1].text.strip("`") in declared:
                continue  # a node that is there, or one that KGLite tells by its key
            opening = found[named + 2]
            if opening.text != "{":
                added[opening.start] = f" {{id: {'randomUUID()' if clause == 'CREATE' else _ONLY}}}"
                continue
            values = _map_values(found, named + 2)
            if clause == "MERGE" and len(values) != 1:
                raise StoreError(f"MERGE of a node by {len(values)} properties; expected one, its key: {cypher[:80]}")
            own = "randomUUID()" if clause == "CREATE" else cypher[values[0][0] : values[0][1]].strip()
            added[opening.start + 1] = f"id: {own}{', ' if values else ''}"
    parts, last = [], 0
    for place, text in sorted(added.items()):
        parts += [cypher[last:place], text]
        last = place
    return "".join([*parts, cypher[last:]])


def _map_values(found: Sequence[Token], opening: int) -> list[tuple[int, int]]:
    """Where the values of a map begin and end in the text."""
    values: list[tuple[int, int]] = []
    begun: int | None = None
    depth = 0
    for token in found[opening:]:
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if begun is not None and (depth == 0 or (depth == 1 and token.text == ",")):
            values.append((begun, token.start))
            begun = None
        if depth == 0:
            break
        if depth == 1 and token.text == ":":
            begun = token.start + 1
    return values
