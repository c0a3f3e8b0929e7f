"""A schema for a graph that others made, guessed from what it holds; the evidence of each guess is a comment beside it.

What cannot be known from the graph is taken from the caller: who is recommended to, what is recommended, what each
relationship says of taste.  Words are made of the graph's names and are worth a second look.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

from kg_rec.checks.names import comment, english, identifier, label_pattern, plural, string, words_of
from kg_rec.checks.survey import Property, Survey, edge_properties, pair_is_unique, survey
from kg_rec.errors import SchemaError
from kg_rec.store.base import GraphStore
from kg_rec.store.mapping import quoted

_PEOPLE = re.compile(
    r"user|customer|client|member|person|people|patient|reader|listener|viewer|account|subscriber|buyer|shopper|visitor"
    r"|student|player|profile",
    re.IGNORECASE,
)
_AGAINST = re.compile(
    r"return|dislik|refund|cancel|hid|block|skip|complain|reject|unfollow|report|allerg", re.IGNORECASE
)
_FAINT = re.compile(r"view|click|impress|open|seen|visit|brows|search", re.IGNORECASE)
_NAMES = (
    "title",
    "name",
    "label",
    "headline",
    "subject",
    "display_name",
    "displayname",
    "username",
    "caption",
    "handle",
    "heading",
    "full_name",
    "fullname",
)
_TEXTS = re.compile(r"desc|summary|abstract|text|body|content|bio|lead|note|plot|synops|steps", re.IGNORECASE)
_RATINGS = ("rating", "stars", "score", "weight", "grade", "value", "strength")
_KEYS = ("id", "key", "uuid", "guid", "code", "slug", "sku", "isbn", "doi")
_DATATYPES = {"STRING": "xsd:string", "INTEGER": "xsd:integer", "FLOAT": "xsd:double", "BOOLEAN": "xsd:boolean"}
_JOIN = " ,\n                "
_UNITS = (("nanoseconds", 1e17, 10**9), ("microseconds", 1e14, 10**6), ("milliseconds", 1e11, 10**3))
_PREFIXES = """\
@prefix :     <urn:kg-rec:own#> .
@prefix kr:   <urn:kg-rec:schema#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix sh:   <http://www.w3.org/ns/shacl#> .
@prefix xsd:  <http://www.w3.org/2001/XMLSchema#> .
"""
_WRITTEN = """\
# --- what kg_rec writes back: `kg-rec job run`; relationships of this type only, no node and no property of yours

:RECOMMENDED a kr:RelationType ; rdfs:domain :{user} ; rdfs:range :{item} ; rdfs:label "recommended"@en ;
    sh:property [ sh:path :run ; sh:datatype xsd:string ; sh:minCount 1 ] ,
                [ sh:path :rank ; sh:datatype xsd:integer ; sh:minCount 1 ; sh:minInclusive 1 ] ,
                [ sh:path :score ; sh:datatype xsd:double ; sh:minCount 1 ] ,
                [ sh:path :reason ; sh:datatype xsd:string ] ,
                [ sh:path :paths ; sh:datatype kr:stringList ] .
"""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller knows.

    Attributes:
        user: label of those who get recommendations; None to guess.
        item: label of what is recommended; None to guess.
        weights: weight of one relationship by type, below 0 where it speaks against; none to guess.
        liked_from: least weight that counts as liked; None to guess.
    """

    user: str | None = None
    item: str | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    liked_from: float | None = None


@dataclass(frozen=True, slots=True)
class _Act:
    """One way from user to item: a pattern from ``(a)`` to ``(b)`` and the variable that holds weight and time."""

    type: str
    pattern: str
    variable: str
    count: int


def infer(store: GraphStore, wishes: Wishes | None = None) -> str:
    """A schema as Turtle.

    Args:
        store: the graph, in Neo4j; nothing is written.
        wishes: what the caller knows; the rest is guessed.

    Raises:
        SchemaError: no users, items, interactions or keys are found (the message lists what there is), or nothing but
            kg_rec writes to the graph.
    """
    wishes = wishes or Wishes()
    if store.capabilities.checked_types:
        raise SchemaError(
            f"{store.url}: a schema is inferred from a graph that others made, on a Neo4j server; this one was written "
            "by kg-rec and holds its schema (`kg-rec schema diff NAME|FILE.ttl` compares it with another)"
        )
    found = survey(store)
    if not found.labels:
        raise SchemaError(f"{store.url} holds no nodes; expected a graph to infer a schema from")
    user, item = _roles(found, wishes)
    acts = _acts(found, user, item, wishes)
    parts = [_PREFIXES, f"<urn:kg-rec:own> a kr:Schema ; rdfs:label {english(item)} .\n"]
    parts.append(_node(store, found, user, "user", f"who gets recommendations: {_why(acts, user, item)}"))
    parts.append(_node(store, found, item, "item", "what is recommended"))
    facts, attributes = _facts(store, found, user, item)
    parts += [_node(store, found, name, "attribute", "tied to the items") for name in attributes]
    parts.append(_interaction(store, user, item, acts, wishes))
    parts += [*facts, _WRITTEN.format(user=identifier(user), item=identifier(item))]
    left = sorted(set(found.labels) - {user, item, *attributes})
    if left:
        parts.append(comment(f"not used: nodes labelled {', '.join(left)}"))
    return "\n".join(parts)


# --- roles -------------------------------------------------------------------------------------------


def _roles(found: Survey, wishes: Wishes) -> tuple[str, str]:
    for given, what in ((wishes.user, "user"), (wishes.item, "item")):
        if given is not None and given not in found.labels:
            raise SchemaError(f"no nodes labelled {given} for the {what}; the graph has {', '.join(found.labels)}")
    if wishes.user is not None and wishes.user == wishes.item:
        raise SchemaError(f"{wishes.user} cannot be user and item at once; give one of them another label")
    best: dict[tuple[str, str], float] = {}
    for a, b, count in _ways(found):
        if a == b or (wishes.user or a) != a or (wishes.item or b) != b or (_PEOPLE.search(b) and not wishes.item):
            continue
        best[a, b] = best.get((a, b), 0.0) + count * (20.0 if _PEOPLE.search(a) else 1.0)
    if not best:
        raise SchemaError(
            "no relationships from users to items are found; name the labels by --user and --item; the graph has "
            + (", ".join(f"({t.source})-[{t.type}]->({t.target})" for t in found.ties) or "no relationships")
        )
    return max(best, key=lambda pair: (best[pair], pair))


def _ways(found: Survey) -> list[tuple[str, str, float]]:
    """What leads from label to label in one step, and in two through a label that is neither, for a tenth.

    Nodes that are reached once each, or that lead to one thing each, such as orders, visits or reviews, are events on
    the way to an item.
    """
    nodes = found.labels
    ways = [
        (t.source, t.target, t.count / (1 if t.count > max(nodes[t.source], nodes[t.target]) else 100))
        for t in found.ties
    ]
    middle = [(t, u) for t in found.ties for u in found.ties if t.target == u.source and t is not u]
    ways += [
        (t.source, u.target, min(t.count, u.count) / 10)
        for t, u in middle
        if t.target not in (t.source, u.target) and min(t.count, u.count) >= found.labels[t.target] / 2
    ]
    return ways


def _acts(found: Survey, user: str, item: str, wishes: Wishes) -> list[_Act]:
    direct = [t for t in found.ties if (t.source, t.target) == (user, item)]
    acts = [_Act(t.type, f"(a)-[r:{quoted(t.type)}]->(b)", "r", t.count) for t in direct]
    if wishes.weights:
        unknown = sorted(set(wishes.weights) - {a.type for a in acts})
        if unknown:
            known = ", ".join(a.type for a in acts) or "none"
            raise SchemaError(f"no {unknown[0]} leads from {user} to {item}; expected some of {known}")
        return [a for a in acts if a.type in wishes.weights]
    if acts:
        return acts
    for first in found.ties:
        for second in found.ties:
            if (first.source, second.target) == (user, item) and first.target == second.source:
                through = first.target
                pattern = f"(a)-[:{quoted(first.type)}]->(v:{quoted(through)})-[:{quoted(second.type)}]->(b)"
                return [_Act(f"{first.type}_{second.type}", pattern, "v", min(first.count, second.count))]
    raise SchemaError(f"nothing leads from {user} to {item}, in one step or two; name other labels")


def _why(acts: list[_Act], user: str, item: str) -> str:
    return "; ".join(f"{a.count:,} {a.pattern.replace('(a)', f'({user})').replace('(b)', f'({item})')}" for a in acts)


# --- nodes -------------------------------------------------------------------------------------------


def _node(store: GraphStore, found: Survey, label: str, role: str, why: str) -> str:
    properties = found.properties[label]
    key = _key(label, properties)
    lines, notes = [], []
    if key is not None:
        lines.append(_key_shape(key))
        kept = ", and your constraint keeps it so" if key.constrained else ""
        notes.append(f"key {key.name}: present in and different for all {found.labels[label]:,} nodes{kept}")
    else:
        lines.append(_composite(store, label, properties, found.constraints.get(label, frozenset())))
        notes.append("key of two properties that are different for all nodes only together; looked up without an index")
    named = None if role == "user" else _name(properties, key)
    called = {"key_of_both" if key is None else identifier(key.name)}
    for p in properties:
        if key is not None and p.name == key.name:
            continue
        shape = _property(p, named, role)
        if shape is None or identifier(p.name) in called:
            why_not = "another property has that name" if shape else " or ".join(p.kinds).lower()
            notes.append(f"{p.name} left out: {why_not}")
        else:
            lines.append(shape)
            called.add(identifier(p.name))
    if named is not None and key is not None and named.name == key.name:
        notes.append(f"{key.name} is also the name that is shown")
    pattern = f"(n:{label_pattern(label)})"
    more = [f"not for all: also labelled {', '.join(found.extra[label])}"] if found.extra.get(label) else []
    if more and role == "item":
        more[0] += f'; to leave these out, say kr:from "{pattern} WHERE NOT n:{found.extra[label][0]}"'
    comments = "".join(map(comment, (f"{label}: {why}", *notes, *more)))
    kind = {"user": "kr:UserType", "item": "kr:ItemType", "attribute": "kr:AttributeType"}[role]
    words = words_of(label)
    return (
        f"{comments}:{identifier(label)} a {kind} ; kr:from {string(pattern)} ;\n"
        f"    rdfs:label {english(words)} ; kr:plural {english(plural(words))} ;\n"
        f"    sh:property {_JOIN.join(lines)} .\n"
    )


def _key(label: str, properties: tuple[Property, ...]) -> Property | None:
    own = label.lower()
    unique = [p for p in properties if p.unique]

    def rank(p: Property) -> tuple[bool, bool, int, float, str]:
        name = p.name.lower().replace("_", "")
        good = name in _KEYS or name in (f"{own}id", f"{own}key", f"{own}no", f"{own}code")
        return (
            p.kind == "FLOAT",
            not p.constrained,
            0 if good else 1 if name.endswith(("id", "no")) else 2,
            p.length,
            p.name,
        )

    return min(unique, key=rank) if unique else None


def _key_shape(key: Property) -> str:
    if key.kind != "FLOAT":
        return _mapped(key, _DATATYPES[key.kind], "sh:minCount 1 ; kr:use kr:key")
    whole = string(f"toString(toInteger(n.{quoted(key.name)}))")  # 17.0 is the key 17
    return _shape(identifier(key.name), "xsd:string", f"sh:minCount 1 ; kr:use kr:key ; kr:from {whole}")


def _composite(
    store: GraphStore, label: str, properties: tuple[Property, ...], constraints: frozenset[tuple[str, ...]]
) -> str:
    whole = [
        p.name for p in properties if p.kind in ("STRING", "INTEGER") and p.present == p.sampled and p.length <= 64
    ]
    pairs = sorted(combinations(whole, 2), key=lambda pair: not {pair, pair[::-1]} & constraints)
    for pair in pairs:
        if pair_is_unique(store, label, *pair):
            parts = " + '|' + ".join(f"toString(n.{quoted(name)})" for name in pair)
            return _shape("key_of_both", "xsd:string", f"sh:minCount 1 ; kr:use kr:key ; kr:from {string(parts)}")
    has = ", ".join(p.name for p in properties) or "none"
    raise SchemaError(
        f"{label}: expected a property, or two together, that all nodes have and that tells them apart; its properties "
        f"are {has}; give the nodes a key"
    )


def _name(properties: tuple[Property, ...], key: Property | None) -> Property | None:
    texts = {p.name.lower(): p for p in properties if p.kind == "STRING"}
    for name in _NAMES:
        if name in texts:
            return texts[name]
    return key if key is not None and key.kind == "STRING" else None


def _property(p: Property, named: Property | None, role: str) -> str | None:
    if p.kind == "STRING":
        if named is not None and p.name == named.name:
            return _mapped(p, "xsd:string", "kr:use kr:name")
        text = role == "item" and (_TEXTS.search(p.name) or p.length > 40)
        return _mapped(p, "xsd:string", "kr:use kr:text" if text else "")
    if p.kind in _DATATYPES:
        return _mapped(p, _DATATYPES[p.kind], "")
    if p.kind == "DATE":
        return _mapped(p, "xsd:date", "")
    if p.kind == "ZONED DATETIME" or p.kind == "LOCAL DATETIME":
        return _shape(identifier(p.name), "xsd:date", f"kr:from {string(f'date(n.{quoted(p.name)})')}")
    if p.kind.startswith("LIST<STRING"):
        return _mapped(p, "kr:stringList", "")
    return None


def _mapped(p: Property, datatype: str, more: str) -> str:
    """A property as it is; one whose name a schema cannot have gets another."""
    name = identifier(p.name)
    way = [] if name == p.name else [f"kr:from {string(f'n.{quoted(p.name)}')}"]
    return _shape(name, datatype, " ; ".join([*([more] if more else []), *way]))


def _shape(name: str, datatype: str, more: str) -> str:
    return f"[ sh:path :{name} ; sh:datatype {datatype}{f' ; {more}' if more else ''} ]"


# --- relations ---------------------------------------------------------------------------------------


def _interaction(store: GraphStore, user: str, item: str, acts: list[_Act], wishes: Wishes) -> str:
    ends = [a.pattern.replace("(a)", f"(a:{quoted(user)})").replace("(b)", f"(b:{quoted(item)})") for a in acts]
    properties = [edge_properties(store, end, a.variable) for end, a in zip(ends, acts, strict=True)]
    pattern, variable = acts[0].pattern, acts[0].variable
    if len(acts) > 1:
        pattern = f"(a)-[r:{'|'.join(quoted(a.type) for a in acts)}]->(b)"
    weights = {a.type: wishes.weights.get(a.type, _weight(a.type)) for a in acts}
    rated = next((p for p in properties[0] if p.name.lower() in _RATINGS and p.kind in ("INTEGER", "FLOAT")), None)
    lines, notes = [], []
    if len(acts) == 1 and rated is not None and not wishes.weights:
        repeats, liked = "last", wishes.liked_from
        expression = f"toFloat({variable}.{quoted(rated.name)})"
        lines.append(_shape("weight", "xsd:double", f"kr:use kr:weight ; kr:from {string(expression)}"))
        notes.append(f"the weight is {rated.name}, for example {rated.example}; of several the latest counts")
        if liked is None:
            notes.append(
                "which weights count as liked is not known: say --liked-from, or kr:positiveFrom; now all above 0"
            )
    else:
        repeats, liked = "sum", wishes.liked_from
        quoted_names = {name: name.replace("\\", "\\\\").replace("'", "\\'") for name in weights}
        cases = " ".join(f"WHEN '{quoted_names[name]}' THEN {float(w)!r}" for name, w in weights.items())
        expression = f"CASE type(r) {cases} END" if variable == "r" else "1.0"
        lines.append(_shape("weight", "xsd:double", f"kr:use kr:weight ; kr:from {string(expression)}"))
        told = ", ".join(f"{name} {w:g}" for name, w in weights.items()) if variable == "r" else "1 each"
        notes.append(f"weights by name: {told}; say others by --interaction TYPE=WEIGHT; several of a pair are added")
        if liked is None:
            liked = 0.5 * min([w for w in weights.values() if w > 0], default=1.0)
    time = _time(variable, [p for found in properties for p in found])
    if time is not None:
        lines.append(_shape("time", "xsd:integer", f"kr:use kr:time ; kr:from {string(time[0])}"))
        notes.append(f"the time is {time[1]}")
    told_of = [a.type for a in acts if weights[a.type] > 0] or [a.type for a in acts]
    words = " or ".join(words_of(name) for name in told_of)
    threshold = "" if liked is None else f"kr:positiveFrom {liked:g} ; "
    return (
        "".join(map(comment, notes))
        + f":TOOK_TO a kr:InteractionType ; rdfs:domain :{identifier(user)} ; rdfs:range :{identifier(item)} ;\n"
        f"    kr:from {string(pattern)} ; kr:repeats kr:{repeats} ; {threshold.rstrip()}\n"
        f"    rdfs:label {english(words)} ; kr:phrase {english(f'{words} {{}}')} ; "
        f"kr:inversePhrase {english(f'was {words} by {{}}')} ;\n"
        f"    sh:property {_JOIN.join(lines)} .\n"
    )


def _weight(name: str) -> float:
    return -1.0 if _AGAINST.search(name) else 0.2 if _FAINT.search(name) else 1.0


def _time(variable: str, properties: list[Property]) -> tuple[str, str] | None:
    """Cypher of Unix seconds, and why."""
    for kinds in (("ZONED DATETIME", "LOCAL DATETIME", "DATE"), ("INTEGER",)):
        for p in properties:
            value = f"{variable}.{quoted(p.name)}"
            if p.kind not in kinds:
                continue
            if p.kind == "ZONED DATETIME":
                return f"{value}.epochSeconds", f"{p.name}, a date and time with a zone"
            if p.kind != "INTEGER":
                seconds = f"datetime({value}).epochSeconds"
                if p.kind == "DATE":  # Neo4j makes a time of no date an error
                    seconds = f"CASE WHEN {value} IS NOT NULL THEN datetime({{date: {value}}}).epochSeconds END"
                return seconds, f"{p.name}, {p.kind.lower()}, taken as UTC"
            size = abs(int(p.example or 0))
            for unit, least, divisor in (
                ("nanoseconds", 1e17, 10**9),
                ("microseconds", 1e14, 10**6),
                ("milliseconds", 1e11, 10**3),
            ):
                if size >= least:
                    return f"{value} / {divisor}", f"{p.name}, {unit} since 1970 by its size"
            if size >= 10**8:
                return value, f"{p.name}, seconds since 1970 by its size"
    return None


def _facts(store: GraphStore, found: Survey, user: str, item: str) -> tuple[list[str], list[str]]:
    relations: list[str] = []
    attributes: dict[str, None] = {}
    taken: set[str] = set()
    near = [t for t in found.ties if item in (t.source, t.target) and user not in (t.source, t.target)]
    for tie in near:
        other = tie.target if tie.source == item else tie.source
        own = identifier(tie.type)
        if own in taken:
            continue
        if other != item and not (found.properties[other] and (_key(other, found.properties[other]) is not None)):
            relations.append(comment(f"{tie.type} left out: no property tells the nodes labelled {other} apart"))
            continue
        if other != item and (found.labels[other] > 2 * found.labels[item] or _is_users(found, other, user)):
            why = f"{tie.type} left out: nodes labelled {other} belong to one item each, or to users"
            relations.append(comment(why))
            continue
        taken.add(own)
        if other != item:
            attributes[other] = None
        way = None if own == tie.type else f"(a)-[:{quoted(tie.type)}]->(b)"
        relations.append(_relation(tie.type, tie.source, tie.target, way, f"{tie.count:,} relationships"))
        for further in found.ties:
            name = f"{tie.type}_{further.type}"
            far = further.source == other and further.target in (other, *attributes) and tie.source == item != other
            if far and identifier(name) not in taken:
                taken.add(identifier(name))
                way = f"(a)-[:{quoted(tie.type)}]->(:{quoted(other)})-[:{quoted(further.type)}]->(b)"
                relations.append(_relation(name, item, further.target, way, "two steps seen as one"))
    return relations, list(attributes)


def _is_users(found: Survey, other: str, user: str) -> bool:
    """Whether nodes are things that users made of items, such as reviews."""
    return any({t.source, t.target} == {user, other} for t in found.ties)


def _relation(name: str, source: str, target: str, pattern: str | None, why: str) -> str:
    words = words_of(name)
    if re.search(r"^(in|on|at|about|part|from|by|of|for) | (by|of|in|to|with|from|for)$|^about$", words):
        phrase = f"is {words} {{}}"
    elif words.startswith("has "):
        phrase = f"has the {words[4:]} {{}}"
    else:
        phrase = f"{words} {{}}"
    inverse = "is tied to {}" if source == target else f"is the {words_of(target)} of {{}}"
    way = "" if pattern is None else f" kr:from {string(pattern)} ;"
    return (
        f"{comment(why)}:{identifier(name)} a kr:RelationType ; rdfs:domain :{identifier(source)} ; "
        f"rdfs:range :{identifier(target)} ;{way}\n"
        f"    rdfs:label {english(words)} ; kr:phrase {english(phrase)} ; "
        f"kr:inversePhrase {english(inverse)} .\n"
    )
