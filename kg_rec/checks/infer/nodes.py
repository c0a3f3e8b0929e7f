"""Node types of a guessed schema: their keys, names and properties, each with its evidence."""

from __future__ import annotations

from itertools import combinations

from kg_rec.checks.infer.lexicon import is_text, keying, names_by_word, naming
from kg_rec.checks.infer.names import (
    Identifiers,
    comment,
    english,
    identifier,
    label_pattern,
    plural,
    string,
    words_of,
)
from kg_rec.checks.infer.survey import Property, Survey, pair_is_unique, twice
from kg_rec.errors import SchemaError
from kg_rec.quantity import quantity
from kg_rec.store.base import GraphStore
from kg_rec.store.mapping import quoted

JOIN = " ,\n                "
_DATATYPES = {"STRING": "xsd:string", "INTEGER": "xsd:integer", "FLOAT": "xsd:double", "BOOLEAN": "xsd:boolean"}
#: How surely a property has to be a key by its name (:func:`kg_rec.checks.infer.lexicon.keying`).
_WEAKEST, _WEAKEST_OF_FEW = 4, 3
_COMPOSED = "composed_key"


def shape(name: str, datatype: str, more: str = "") -> str:
    """One property."""
    return f"[ sh:path :{name} ; sh:datatype {datatype}{f' ; {more}' if more else ''} ]"


def key_of(label: str, properties: tuple[Property, ...]) -> Property | None:
    """The property that tells the nodes of a label apart, if one does."""

    def rank(p: Property) -> tuple[bool, bool, int, float, str]:
        named = keying(p.name, label)
        return p.kind == "FLOAT" and named > 1, not p.constrained, named, p.length, p.name

    unique = [p for p in properties if p.unique and (p.constrained or keying(p.name, label) <= _WEAKEST)]
    few = [p for p in properties if p.nearly_unique and keying(p.name, label) <= _WEAKEST_OF_FEW]
    found = unique or few
    return min(found, key=rank) if found else None


def name_of(properties: tuple[Property, ...]) -> Property | None:
    """The property that is shown to people, if one looks like a name."""
    texts = [p for p in properties if p.kind == "STRING"]
    called = [p for p in texts if names_by_word(p.name)]
    if called:
        return min(called, key=lambda p: (naming(p.name), p.name))
    likely = [p for p in texts if p.worded and p.length <= 80 and not is_text(p.name) and p.distinct >= 0.5 * p.total]
    return min(likely, key=lambda p: (-p.distinct, p.length, p.name)) if likely else None


def node_type(store: GraphStore, found: Survey, names: Identifiers, label: str, role: str, why: str) -> str:
    """A node type as Turtle.

    Args:
        store: the graph.
        found: what it holds.
        names: of the schema's types.
        label: of the nodes.
        role: ``user``, ``item`` or ``attribute``.
        why: what the nodes are for.

    Raises:
        SchemaError: nothing tells the nodes apart.
    """
    properties = found.properties[label]
    key, pattern = key_of(label, properties), f"(n:{label_pattern(label)})"
    notes, lines = [], []
    if key is None:
        first, second = _pair(store, found, label)
        parts = " + '|' + ".join(f"toString(n.{quoted(name)})" for name in (first, second))
        more = f"kr:from {string(parts)} ; rdfs:label {english(f'{words_of(first)} and {words_of(second)}')}"
        lines.append(shape(_COMPOSED, "xsd:string", f"sh:minCount 1 ; kr:use kr:key ; {more}"))
        notes.append(f"key {first} and {second}: different for all nodes only together; looked up without an index")
    else:
        lines.append(_key_shape(key))
        notes.append(_why_key(key))
        doubled = [p for p in properties if keying(p.name, label) < keying(key.name, label) and _is_doubled(p)]
        notes += [
            f"{p.name} is called a key, but has {p.distinct:,} values for {quantity(p.present, 'node')}; if it is one, "
            "give each node its own"
            for p in doubled
        ]
        if not key.unique:
            pattern += f" WHERE n.{quoted(key.name)} IS NOT NULL"
            notes.append(f"left out: {quantity(key.total - key.present, 'node')} without {key.name}")
    named = None if role == "user" else name_of(properties)
    used = {_COMPOSED if key is None else identifier(key.name)}
    for p in properties:
        if key is not None and p.name == key.name:
            continue
        line = _property(p, named, role)
        if line is None or identifier(p.name) in used:
            why_not = "another property has that name" if line else " or ".join(p.kinds).lower()
            notes.append(f"{p.name} left out: {why_not}")
        else:
            lines.append(line)
            used.add(identifier(p.name))
    if role != "user" and named is None:
        notes.append("no property looks like a name, so the key is shown; say another by kr:use kr:name")
    elif named is not None and key is not None and named.name == key.name:
        notes.append(f"{key.name} is also the name that is shown")
    if found.extra.get(label):
        notes.append(f"some are also labelled {', '.join(found.extra[label])}")
        if role == "item":
            more = (
                f"{pattern}{' AND' if ' WHERE ' in pattern else ' WHERE'} NOT n:{label_pattern(found.extra[label][0])}"
            )
            notes.append(f"to leave some of these out, say kr:from {string(more)}")
    kind = {"user": "kr:UserType", "item": "kr:ItemType", "attribute": "kr:AttributeType"}[role]
    words = words_of(label)
    comments = "".join(map(comment, (f"{label}: {why}", *notes)))
    return (
        f"{comments}:{names.label(label)} a {kind} ; kr:from {string(pattern)} ;\n"
        f"    rdfs:label {english(words)} ; kr:plural {english(plural(words))} ;\n"
        f"    sh:property {JOIN.join(lines)} .\n"
    )


# --- keys --------------------------------------------------------------------------------------------


def _is_doubled(p: Property) -> bool:
    """Whether a property tells nearly all nodes apart, but a few."""
    return 0.9 * p.present <= p.distinct < p.present


def _why_key(key: Property) -> str:
    kept = ", and your constraint keeps it so" if key.constrained else ""
    mixed = "" if key.kind else f"; {' or '.join(key.kinds).lower()}, taken as text and looked up without an index"
    of = f"all {key.total:,}" if key.unique else f"the {key.present:,} that have it of {key.total:,}"
    return f"key {key.name}: present in and different for {of} nodes{kept}{mixed}"


def _key_shape(key: Property) -> str:
    use = "sh:minCount 1 ; kr:use kr:key"
    value = f"n.{quoted(key.name)}"
    if key.kind in ("STRING", "INTEGER"):
        return _mapped(key, _DATATYPES[key.kind], use)
    whole = f"toString(toInteger({value}))"  # 17.0 is the key 17
    if key.kind != "FLOAT":
        whole = f"CASE WHEN {value} IS :: FLOAT THEN {whole} ELSE toString({value}) END"
    return shape(identifier(key.name), "xsd:string", f"{use} ; kr:from {string(whole)}")


def _pair(store: GraphStore, found: Survey, label: str) -> tuple[str, str]:
    """Two properties that tell nodes apart together, those of a constraint first."""
    properties = found.properties[label]
    constraints = found.constraints.get(label, frozenset())
    whole = [p for p in properties if p.kind in ("STRING", "INTEGER") and p.distinct and p.present == p.total]
    pairs = sorted(
        combinations([p.name for p in whole], 2),
        key=lambda pair: (not {pair, pair[::-1]} & constraints, sum(keying(name, label) for name in pair)),
    )
    for pair in pairs:
        if pair_is_unique(store, label, *pair):
            return pair
    close = max((p for p in properties if p.distinct), key=lambda p: (-keying(p.name, label), p.distinct), default=None)
    has = ", ".join(p.name for p in properties) or "none"
    message = (
        f"{label}: expected a property, or two together, that all nodes have and that tells them apart; its properties "
        f"are {has}; give the nodes a key"
    )
    if close is not None:
        value = twice(store, label, close.name)
        lacking = close.total - close.present
        message += f" ({close.name} has {close.distinct:,} values for {close.total:,} nodes"
        message += (f"; {value!r} is there several times" if value is not None else "") + (
            f"; {lacking:,} nodes have none)" if lacking else ")"
        )
    raise SchemaError(message)


# --- properties --------------------------------------------------------------------------------------


def _property(p: Property, named: Property | None, role: str) -> str | None:
    if p.kind == "STRING":
        if named is not None and p.name == named.name:
            return _mapped(p, "xsd:string", "kr:use kr:name")
        text = role == "item" and not p.iso and (is_text(p.name) or p.length > 40)
        return _mapped(p, "xsd:string", "kr:use kr:text" if text else "")
    if p.kind in _DATATYPES:
        return _mapped(p, _DATATYPES[p.kind])
    if set(p.kinds) == {"INTEGER", "FLOAT"}:
        return shape(identifier(p.name), "xsd:double", f"kr:from {string(f'toFloat(n.{quoted(p.name)})')}")
    if p.kind == "DATE":
        return _mapped(p, "xsd:date")
    if p.kind in ("ZONED DATETIME", "LOCAL DATETIME"):
        return shape(identifier(p.name), "xsd:date", f"kr:from {string(f'date(n.{quoted(p.name)})')}")
    if p.kinds and all(kind.startswith(("LIST<STRING", "LIST<NOTHING")) for kind in p.kinds):
        return _mapped(p, "kr:stringList")
    return None


def _mapped(p: Property, datatype: str, more: str = "") -> str:
    """A property as it is; one whose name a schema cannot have gets another, and is called by its own."""
    name = identifier(p.name)
    way = (
        []
        if name == p.name
        else [f"kr:from {string(f'n.{quoted(p.name)}')}", f"rdfs:label {english(words_of(p.name))}"]
    )
    return shape(name, datatype, " ; ".join([*([more] if more else []), *way]))
