"""The file of requests: reading it, and comparing what was understood with what a request must give."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kg_rec.ask.atoms import bare, key
from kg_rec.ask.request import Constraint, Request, Wish
from kg_rec.ask.words.chinese import CHINESE

#: Other words for the columns.
_COLUMNS = {
    "anchors": "like", "anchor": "like", "wanted": "want", "wants": "want", "unwanted": "avoid", "not": "avoid",
    "constraints": "where", "k": "count", "n": "count", "reference": "turn", "language": "lang", "request": "text",
    "query": "text", "domain": "graph", "world": "graph", "history": "after", "before": "after", "previous": "after",
    "turns": "after",
}  # fmt: skip
#: Other words for the fields of constraints.
_FIELDS = {"stars": "rating", "runtime": "duration", "minutes": "duration", "running_time": "duration", "cost": "price"}
_BOUND = re.compile(r"^\s*(\w+)\s*(not in|in|<=|>=|!=|==|=|<|>|≤|≥)\s*(\S+?)\s*(?:(?:\.\.+|-|to|,)\s*(\S+?))?\s*$")


@dataclass(frozen=True)
class Case:
    """A request and what it must give.

    Attributes:
        graph: ``films``, ``shop``, or the folder of a model.
        lang: language, or empty for that of the text.
        text: the request.
        after: the requests before it in the same conversation.
        user: who asks, or empty for the benchmark's choice.
        like, want, avoid: names; a name may be preceded by a relation type and a colon.
        where: bounds as (field, operator, number), the number None for "any".
        count: how many items; None where it does not say.
        turn: ``why 2``, ``why-not NAME``, ``more``, ``refine``, ``reset`` or empty.
    """

    graph: str
    lang: str
    text: str
    after: tuple[str, ...]
    user: str
    like: tuple[str, ...]
    want: tuple[str, ...]
    avoid: tuple[str, ...]
    where: tuple[tuple[str, str, float | None], ...]
    count: int | None
    turn: str


def read(path: Path) -> list[Case]:
    """The cases of a file; see :mod:`benchmarks.ask.__main__` for its format."""
    text = path.read_text(encoding="utf-8-sig")
    first = text.lstrip()[:1]
    if first == "[":
        rows: list[dict[str, Any]] = json.loads(text)
    elif first == "{":
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    else:
        rows = list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    return [_case(row) for row in rows]


def _case(row: Mapping[str, Any]) -> Case:
    flat = {**row, **{k: v for name in ("expect", "expected", "slots") for k, v in (row.get(name) or {}).items()}}
    named = {
        _COLUMNS.get(k.strip().lower(), k.strip().lower()): v for k, v in flat.items() if k and v not in (None, "")
    }
    after = named.get("after", ())
    count, turn = named.get("count"), named.get("turn", "")
    if isinstance(turn, Mapping):
        turn = f"{turn.get('kind', '')} {turn.get('rank') or turn.get('item') or ''}"
    return Case(
        graph=str(named.get("graph", "films")),
        lang=str(named.get("lang", "")),
        text=str(named["text"]),
        after=tuple(after.split(" || ")) if isinstance(after, str) else tuple(map(str, after)),
        user=str(named.get("user", "")),
        like=_names(named.get("like")),
        want=_names(named.get("want")),
        avoid=_names(named.get("avoid")),
        where=tuple(b for one in _several(named.get("where")) for b in _bounds(one)),
        count=None if count is None else int(count),
        turn=str(turn).strip(),
    )


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, str):
        return [part for part in value.split(";") if part.strip()]
    return [value] if isinstance(value, Mapping) else list(value)


def _names(value: Any) -> tuple[str, ...]:
    found = []
    for one in _several(value):
        name = one.get("name") or one.get("node") or one.get("item") if isinstance(one, Mapping) else one
        found.append(str(name).strip())
    return tuple(found)


def _bounds(one: Any) -> Iterator[tuple[str, str, float | None]]:
    """A bound in its plain form: ranges as two bounds, "not in" as one with its lower end."""
    if isinstance(one, Mapping):
        field, op, value = one["field"], str(one.get("op", "=")), one.get("value")
        values = list(value) if isinstance(value, list | tuple) else [value]
    else:
        match = _BOUND.match(str(one))
        if match is None:
            raise ValueError(f"expected a bound such as year>=1980 or year not in 1980..1989, got {one!r}")
        field, op, *values = match.groups()
        values = [v for v in values if v is not None]
    field = _FIELDS.get(str(field).lower(), str(field).lower())
    numbers = [None if v in (None, "*", "?") else float(v) for v in values]
    op = {
        "=": "in",
        "==": "in",
        "between": "in",
        "!=": "not in",
        "≤": "<=",
        "≥": ">=",
        "eq": "in",
        "lt": "<",
        "lte": "<=",
        "gt": ">",
        "gte": ">=",
    }.get(op, op)
    if op == "in":
        yield field, ">=", numbers[0]
        yield field, "<=", numbers[-1]
    elif op == "not in":
        yield field, "not in", numbers[0]
        yield field, "not in", numbers[-1]
    else:
        yield field, op, numbers[0]


def plain_bounds(constraints: Sequence[Constraint]) -> list[tuple[str, str, float | None]]:
    """What was understood in the same form."""
    found = []
    for c in constraints:
        values: list[Any] = list(c.values) or [None]
        found += list(_bounds({"field": c.field, "op": c.op, "value": values if len(values) > 1 else values[0]}))
    return found


def slots(case: Case, request: Request, asked: Request) -> tuple[int, int, list[str]]:
    """Slots right, slots in all (those that must be there and those that must not), and the faults.

    Args:
        case: what must be.
        request: what was understood of this turn.
        asked: what holds with the turns before: what a case expects may stand there, too.
    """
    right, faults = 0, []
    whole = 0

    def compare(what: str, expected: list[Any], found: list[Any], earlier: list[Any], same: Any) -> None:
        nonlocal right, whole
        open_found = list(found)
        for one in expected:
            whole += 1
            hit = next((f for f in open_found if same(one, f)), None)
            if hit is not None or any(same(one, f) for f in (*found, *earlier)):
                right += 1
            else:
                faults.append(f"{what}: missing {one}")
        for f in found:
            if not any(same(one, f) for one in expected):
                whole += 1
                faults.append(f"{what}: too much {f if isinstance(f, tuple) else getattr(f, 'said', f)}")

    compare(
        "like",
        list(case.like),
        [a.item.name for a in request.anchors],
        [a.item.name for a in asked.anchors],
        lambda one, f: key(one) == key(f),
    )
    for what, expected, wanted in (("want", case.want, True), ("avoid", case.avoid, False)):
        compare(
            what,
            list(expected),
            [w for w in request.wishes if w.wanted is wanted],
            [w for w in asked.wishes if w.wanted is wanted],
            _meant,
        )
    compare("where", list(case.where), plain_bounds(request.constraints), plain_bounds(asked.constraints), _same_bound)
    count = [] if case.count is None else [case.count]
    compare("count", count, [] if request.count is None else [request.count], [], lambda one, f: one == f)
    turn = f"{request.turn.kind} {request.turn.item.name if request.turn.item else request.turn.rank or ''}".strip()
    turn = "" if turn in ("new", "refine") and not case.turn else turn
    compare("turn", [case.turn] if case.turn else [], [turn] if turn else [], [], lambda one, f: key(one) == key(f))
    return right, whole, faults


def _meant(name: str, wish: Wish) -> bool:
    relation, colon, rest = name.partition(":")
    if colon and relation.isupper():
        return wish.relation == relation and _meant(rest, wish)
    said = CHINESE.gloss.get(wish.said, wish.said)
    return key(name) in {key(n.name) for n in wish.nodes} or bare(said).startswith(bare(name))


def _same_bound(one: tuple[str, str, float | None], other: tuple[str, str, float | None]) -> bool:
    """The same field, side and number: < and <= count as the same."""
    value = (
        one[2] is None
        or other[2] == one[2]
        or (one[2] is not None and other[2] is not None and abs(one[2] - other[2]) < 0.011)
    )
    whole = (
        one[2] is not None
        and other[2] is not None
        and one[0] == "year"
        and one[1][0] == other[1][0]
        and (
            (one[1] == "<" and other[1] == "<=" and other[2] == one[2] - 1)
            or (one[1] == "<=" and other[1] == "<" and other[2] == one[2] + 1)
            or (one[1] == ">" and other[1] == ">=" and other[2] == one[2] + 1)
            or (one[1] == ">=" and other[1] == ">" and other[2] == one[2] - 1)
        )
    )
    return one[0] == other[0] and one[1][0] == other[1][0] and (value or whole)
