"""The interaction of a guessed schema: all ways from user to item as one pattern, with their weights and times."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from kg_rec.checks.infer.lexicon import is_count, is_passive, is_rating, opinion, when
from kg_rec.checks.infer.names import Identifiers, comment, english, literal, string, words_of
from kg_rec.checks.infer.nodes import JOIN, shape
from kg_rec.checks.infer.survey import Property, edge_properties, repeated
from kg_rec.checks.infer.ways import EDGES, NODES, Way, Wishes
from kg_rec.checks.infer.words import GETTING, PARTICIPLES, past_of
from kg_rec.store.base import GraphStore
from kg_rec.store.mapping import quoted

_UNITS = (
    ("nanoseconds", 1e17, 4.1e18, 10**9),
    ("microseconds", 1e14, 4.1e15, 10**6),
    ("milliseconds", 1e11, 4.1e12, 10**3),
)
_SECONDS = 1e8, 4.1e9
#: 1990 to 2050 in days since 1970, and as YYYYMMDD.
_DAYS = 7_305, 29_220
_DAY_NUMBERS = 19_000_101, 20_991_231
_DAY_NUMBER = "(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])"
_ISO = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([T ][0-9]{2}:[0-9]{2}.*)?"
#: From this share of pairs with several interactions on, items are taken to be had again and again.
_AGAIN = 0.1
_DATED = frozenset({"STRING", "ZONED DATETIME", "LOCAL DATETIME", "DATE"})


@dataclass(frozen=True, slots=True)
class _Act:
    """One way, as the pattern of all ways has it.

    Attributes:
        way: the way.
        test: Cypher that tells it from the others; empty where it is the only one.
        held: properties by the Cypher of the relationship or node that has them.
        weight: of one, by its name or by the caller.
        said: the weight is the caller's.
    """

    way: Way
    test: str
    held: Mapping[str, tuple[Property, ...]]
    weight: float
    said: bool

    @property
    def reversed(self) -> bool:
        """The item does it to the user, as in (Job)-[:REJECTED]->(Candidate)."""
        first = self.way.steps[0]
        return len(self.way.steps) == 1 and not first.forward and not is_passive(first.tie.type)

    @property
    def rating(self) -> tuple[str, Property] | None:
        """Its number that is an opinion."""
        holder = " ".join((self.way.name, *self.way.between))
        return self.number(lambda name: is_rating(name, holder))

    def number(self, wanted: Callable[[str], bool]) -> tuple[str, Property] | None:
        """Cypher of the first number whose name is wanted, as a float, and its property."""
        for holder, properties in self.held.items():
            for p in properties:
                numeric = p.numeric or (p.low is not None and set(p.kinds) <= {"INTEGER", "FLOAT", "STRING"})
                if wanted(p.name) and numeric:
                    to = "toFloat" if p.numeric else "toFloatOrNull"
                    return f"{to}({holder}.{quoted(p.name)})", p
        return None


def interaction(
    store: GraphStore, names: Identifiers, user: str, item: str, ways: Sequence[Way], wishes: Wishes
) -> str:
    """The interaction type as Turtle, with its evidence.

    Args:
        store: the graph.
        names: of the schema's types.
        user: label of the users.
        item: label of the items.
        ways: what leads from one to the other, most frequent first.
        wishes: what the caller knows.
    """
    pattern, tests, holders = _pattern(ways)
    others = " ".join(way.name for way in ways)
    acts = [
        _Act(
            way,
            test,
            {
                holder: edge_properties(store, way.pattern(f"(a:{quoted(user)})", f"(b:{quoted(item)})"), variable)
                for variable, holder in held.items()
            },
            wishes.weights.get(way.name, opinion(way.name, others)),
            way.name in wishes.weights,
        )
        for way, test, held in zip(ways, tests, holders, strict=True)
    ]
    # what an item did to a user is no opinion of the user's
    acts = [replace(act, weight=0.0) if act.reversed and act.weight < 0 and not act.said else act for act in acts]
    weight, repeats, liked, notes = _weights(acts, wishes)
    again = repeats == "sum" and len(acts) == 1 and not wishes.weights and acts[0].number(is_count) is None
    whole = ways[0].pattern(f"(a:{quoted(user)})", f"(b:{quoted(item)})")
    share = repeated(store, whole) if again and acts[0].weight > 0 and _time(acts[0]) else 0.0
    if share >= _AGAIN:
        repeats = "count ; kr:again true"
        notes.append(
            f"{share:.0%} of the pairs have several, so what was had may be listed again, and all times are kept; say "
            "kr:again false to leave it out of lists"
        )
    lines = [shape("weight", "xsd:double", f"kr:use kr:weight ; kr:from {string(weight)}")]
    times = {act.way.name: _time(act) for act in acts}
    found = {name: time for name, time in times.items() if time is not None}
    if found:
        cases = {act.test: found[act.way.name][0] for act in acts if act.way.name in found}
        same = len({cypher for cypher, _ in found.values()}) == 1 and len(found) == len(acts)
        time = next(iter(cases.values())) if same else _case(cases)
        lines.append(shape("time", "xsd:integer", f"kr:use kr:time ; kr:from {string(time)}"))
        told = dict.fromkeys(why if same else f"of {name} {why}" for name, (_, why) in found.items())
        notes.append(f"the time is {'; '.join(told)}")
    without = [name for name, time in times.items() if time is None]
    if without:
        notes.append(f"no time is found of {', '.join(without)}; say it by kr:use kr:time, if there is one")
    told_of = [act for act in acts if act.weight > 0] or acts
    words, inverse, unknown = _words(told_of)
    if unknown:
        notes.append(
            f"no English verb is known for {', '.join(unknown)}, so it is told as chose; say another by kr:phrase"
        )
    threshold = "" if liked is None else f"kr:positiveFrom {liked:g} ; "
    return (
        "".join(map(comment, notes))
        + f":TOOK_TO a kr:InteractionType ; rdfs:domain :{names.label(user)} ; rdfs:range :{names.label(item)} ;\n"
        f"    kr:from {string(pattern)} ; kr:repeats kr:{repeats} ; {threshold.rstrip()}\n"
        f"    rdfs:label {english(words)} ; kr:phrase {english(f'{words} {{}}')} ; "
        f"kr:inversePhrase {english(f'{inverse} {{}}')} ;\n"
        f"    sh:property {JOIN.join(lines)} .\n"
    )


# --- the pattern -------------------------------------------------------------------------------------


def _pattern(ways: Sequence[Way]) -> tuple[str, list[str], list[dict[str, str]]]:
    """One pattern for all ways; for each a test that tells it, and what its variables are in the pattern."""
    most = max(len(way.steps) for way in ways)
    if len(ways) == 1:
        every = {name: name for n in range(most) for name in (EDGES[n], *NODES[n : n + 1][: most - 1 - n])}
        return ways[0].pattern("(a)", "(b)"), [""], [every]
    parts, tests = ["(a)"], []
    for n in range(most):
        steps = [way.steps[n] for way in ways if len(way.steps) > n]
        types = "|".join(dict.fromkeys(quoted(step.tie.type) for step in steps))
        inside = f"{EDGES[n]}:{types}{'*0..1' if n else ''}"
        directions = {step.forward for step in steps}
        parts.append(steps[0].arrow(inside) if len(directions) == 1 else f"-[{inside}]-")
        parts.append("(b)" if n == most - 1 else f"({NODES[n]})")
    holders = []
    for way in ways:
        own = [f"type({EDGES[0]}) = {literal(way.steps[0].tie.type)}"]
        held = {EDGES[0]: EDGES[0]}
        for n in range(1, most):
            if n < len(way.steps):
                own.append(f"{NODES[n - 1]}:{quoted(way.between[n - 1])}")
                own.append(f"type({EDGES[n]}[0]) = {literal(way.steps[n].tie.type)}")
                held |= {NODES[n - 1]: NODES[n - 1], EDGES[n]: f"{EDGES[n]}[0]"}
            else:
                own.append(f"size({EDGES[n]}) = 0")
        tests.append(" AND ".join(own))
        holders.append(held)
    where = f" WHERE {' OR '.join(tests)}" if most > 1 else ""
    first = [f"type({EDGES[0]}) = {literal(way.steps[0].tie.type)}" for way in ways]
    return "".join(parts) + where, first if len(set(first)) == len(first) else tests, holders


def _case(values: Mapping[str, str]) -> str:
    """The value of whichever way it is."""
    types = {test.removeprefix("type(r) = "): value for test, value in values.items()}
    if all(re.fullmatch(r"'([^'\\]|\\.)*'", name) for name in types):
        return f"CASE type(r) {' '.join(f'WHEN {name} THEN {value}' for name, value in types.items())} END"
    return f"CASE {' '.join(f'WHEN {test} THEN {value}' for test, value in values.items())} END"


# --- weights -----------------------------------------------------------------------------------------


def _weights(acts: Sequence[_Act], wishes: Wishes) -> tuple[str, str, float | None, list[str]]:
    """Cypher of the weight, what several of a pair become, from when on they count as liked, and why."""
    rated = acts[0].number(is_rating) if len(acts[0].way.steps) == 1 else acts[0].rating
    if len(acts) == 1 and not wishes.weights and rated is not None and rated[1].low is not None:
        low, high = rated[1].low, rated[1].high or rated[1].low
        liked = wishes.liked_from if wishes.liked_from is not None else (low + high) / 2 if low < high else None
        note = f"the weight is {rated[1].name}, seen from {low:g} to {high:g}; of several the latest counts"
        middle = "" if liked is None else f"liked is what has {liked:g} and more, the middle of these; "
        limit = [] if wishes.liked_from is not None else [f"{middle}say another limit by --liked-from NUMBER"]
        return rated[0], "last", liked, [note, *limit]
    values: dict[str, str] = {}
    told: list[str] = []
    for act in acts:
        rated, counted = act.rating, act.number(is_count)
        scale = None if rated is None or act.said else _middle(rated[1])
        if rated is not None and scale is not None:
            values[act.test] = f"coalesce(({rated[0]} - {scale[0]!r}) / {scale[1]!r}, 0.0)"
            told.append(f"{act.way.name} from -1 to 1 by its {rated[1].name}, 0 at {scale[0]:g}")
        elif counted is not None and act.weight:
            values[act.test] = f"{act.weight!r} * coalesce({counted[0]}, 1.0)"
            told.append(f"{act.way.name} {act.weight:g} for each of its {counted[1].name}")
        else:
            values[act.test] = repr(act.weight)
            told.append(f"{act.way.name} {act.weight:g}")
    cypher = values[""] if len(acts) == 1 else _case(values)
    note = f"weights by name: {', '.join(told)}; say others by --interaction TYPE=WEIGHT; several of a pair are added"
    least = 0.5 * min((act.weight for act in acts if act.weight > 0), default=1.0)
    liked = least if wishes.liked_from is None else wishes.liked_from
    return cypher, "sum", liked, [note, f"liked is what has {liked:g} and more together"]


def _middle(rating: Property) -> tuple[float, float] | None:
    """The middle of a scale and half its width, as far as it was seen."""
    if rating.low is None or rating.high is None or rating.low >= rating.high:
        return None
    return (rating.low + rating.high) / 2, (rating.high - rating.low) / 2


# --- times -------------------------------------------------------------------------------------------


def _time(act: _Act) -> tuple[str, str] | None:
    """Cypher of Unix seconds, and why: what is called a time comes first, then what the latest step has."""
    may = [
        (when(p.name), found[2], -n, found[0], found[1])
        for n, (holder, properties) in enumerate(act.held.items())
        for p in properties
        if (found := _seconds(f"{holder}.{quoted(p.name)}", p)) is not None
    ]
    return min(may)[3:] if may else None


def _seconds(value: str, p: Property) -> tuple[str, str, int] | None:
    """Cypher of a property as Unix seconds, why, and how surely it is a time, 0 surest."""
    if p.kind == "ZONED DATETIME":
        return f"{value}.epochSeconds", f"{p.name}, a date and time with a zone", 0
    if p.kind == "LOCAL DATETIME":
        return f"datetime({value}).epochSeconds", f"{p.name}, local datetime, taken as UTC", 0
    if p.kind == "DATE":  # Neo4j makes a time of no date an error
        seconds = f"CASE WHEN {value} IS NOT NULL THEN datetime({{date: {value}}}).epochSeconds END"
        return seconds, f"{p.name}, date, taken as UTC", 1
    if p.iso and set(p.kinds) <= _DATED:
        text = value if p.kind else f"toString({value})"
        seconds = f"CASE WHEN {text} =~ '{_ISO}' THEN datetime(replace({text}, ' ', 'T')).epochSeconds END"
        return seconds, f"{p.name}, a text such as {p.example}, taken as UTC where it has no zone", 0
    if not p.numeric or p.low is None or p.high is None:
        return None
    named = when(p.name) != 1
    if named and p.kind == "INTEGER" and _DAY_NUMBERS[0] <= p.low <= p.high <= _DAY_NUMBERS[1]:
        text = f"toString({value})"
        seconds = f"CASE WHEN {text} =~ '{_DAY_NUMBER}' THEN datetime({{date: date({text})}}).epochSeconds END"
        return seconds, f"{p.name}, a day as a number such as {p.example}", 2
    if named and _DAYS[0] <= p.low <= p.high <= _DAYS[1]:
        return f"toInteger(86400 * {value})", f"{p.name}, days since 1970 by its size", 2
    number = value if p.kind == "INTEGER" else f"toInteger({value})"
    least, most = _SECONDS
    if least <= p.high <= most and p.low >= 0 and (when(p.name) != 1 or p.low >= 1e9):
        return number, f"{p.name}, seconds since 1970 by its size", 2
    for unit, least, most, divisor in _UNITS:
        if least <= p.high <= most and p.low >= 0 and (when(p.name) != 1 or p.low >= least):
            return f"{number} / {divisor}", f"{p.name}, {unit} since 1970 by its size", 2
    return None


# --- words -------------------------------------------------------------------------------------------


def _words(acts: Sequence[_Act]) -> tuple[str, str, list[str]]:
    """What users did with items, what was done with items by users, and the types for which no verb is known."""
    verbs = {act.way.name: _verb(act) for act in acts}
    if all(len(act.way.steps) == 1 or verbs[act.way.name] for act in acts):
        done = " or ".join(dict.fromkeys(verb or "chose" for verb in verbs.values()))
        passive = " or ".join(dict.fromkeys(PARTICIPLES.get(verb or "", verb or "chosen") for verb in verbs.values()))
        return done, f"was {passive} by", [name for name, verb in verbs.items() if verb is None]
    if len(acts) > 1:
        return "chose", "was chosen by", []
    noun = words_of(acts[0].way.between[-1])
    noun = f"{'an' if noun[0] in 'aeiou' else 'a'} {noun} of"
    return f"had {noun}", f"was in {noun}", []


def _verb(act: _Act) -> str | None:
    """What users did with items, where the first step says so: who purchased an order purchased what is in it."""
    verb = None if act.reversed else past_of(words_of(act.way.steps[0].tie.type).removesuffix(" by"))
    return verb if len(act.way.steps) == 1 or verb in GETTING else None
