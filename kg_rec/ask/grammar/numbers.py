"""Rules for numbers: bounds on a field, how many items, newer than an item."""

from __future__ import annotations

from kg_rec.ask.bounds import negated
from kg_rec.ask.grammar.reading import Reading
from kg_rec.ask.quantities import Quantity
from kg_rec.ask.request import MOST_ITEMS


def bound(reading: Reading, place: int) -> int | None:
    """A bound on a field; the place after it, None where no number is read here."""
    s = reading.state
    compared = than_item(reading, place)
    if compared is not None:
        return compared
    if _is_count(reading, place):
        return count(reading, place)
    constraint, last = reading.tools.bounds.read(reading.tokens, place, s.context)
    if constraint is None:
        if reading.kind(place) == "field":
            s.context = reading.tokens[place].value[0]
        return count(reading, place)
    if (s.negative and not s.mentioned) or (s.soft < 0 and not constraint.values):
        constraint = negated(constraint)
    s.constraints.append(constraint)
    s.context = constraint.field
    s.mentioned, s.soft, s.either = True, 0, False
    return last


def _is_count(reading: Reading, place: int) -> bool:
    """Whether a number says how many items: one with a measure word (三款), or behind "cheapest" and the like."""
    token, constraints = reading.tokens[place], reading.state.constraints
    if token.kind != "quantity" or token.value.field is not None or not 1 <= token.value.low <= MOST_ITEMS:
        return False
    superlative = bool(constraints) and not constraints[-1].values
    return reading.kind(place + 1) == "measure" or (superlative and reading.kind(place - 1) != "between")


def count(reading: Reading, place: int) -> int | None:
    """How many items are asked for; the place after the number, None where there is none."""
    token = reading.tokens[place]
    if token.kind != "quantity":
        return None
    quantity: Quantity = token.value
    counts = quantity.field is None and quantity.low.is_integer() and 1 <= quantity.low <= 1000
    n = reading.ahead(place + 1, ("measure",))
    if reading.kind(n) == "people":  # a tent for two people
        reading.state.lost.append(reading.text[reading.start(place) : reading.end(n)])
        return n + 1
    if reading.kind(place - 1) == "unknown" and n == place + 1:  # user 7
        counts = False
    if quantity.low == 1 and n > place + 1 and reading.kind(place - 1) != "only":  # 一副耳机: an article
        return n
    if counts and reading.state.count is None and not reading.state.negative:
        reading.state.count = min(int(quantity.low), MOST_ITEMS)
        return place + 1
    reading.state.lost.append(token.said)
    return place + 1


def few(reading: Reading, place: int) -> int | None:
    """A bound on how many items: "no more than three tents"."""
    if reading.kind(place) != "bound" or reading.tokens[place].value not in ("<=", "<", ">="):
        return None
    n = reading.ahead(place + 1, ("filler", "mark"))
    if reading.kind(n) != "quantity" or reading.tokens[n].value.field is not None or reading.tokens[n].value.low > 50:
        return None
    measured = reading.kind(n + 1) == "measure"
    counted = measured or (reading.kind(n + 1) in ("item", "node", "nearly") and reading.state.context is None)
    if counted and reading.tokens[n].value.low.is_integer() and reading.tokens[n].value.low >= 1:
        reading.state.count = int(reading.tokens[n].value.low)
        return n + 1
    return None


def than_item(reading: Reading, place: int) -> int | None:
    """Newer than an item: "older than Heat", "比《Heat》更老"."""
    token = reading.tokens[place]
    if token.kind != "than":
        return None
    if token.value is not None:
        n = reading.ahead(place + 1, ("filler", "item"))
        if reading.kind(n) != "than" or reading.tokens[n].value is not None:
            return None
        anchor = reading.item_from(n + 1)
        field_op, last = token.value, None if anchor is None else anchor[2]
    else:
        anchor = reading.item_from(place + 1)
        n = (
            len(reading.tokens)
            if anchor is None
            else reading.ahead(anchor[2], ("filler", "more", "less", "mark", "field"))
        )
        if reading.kind(n) != "than" or reading.tokens[n].value is None:
            return None
        field_op, last = reading.tokens[n].value, n + 1
    if anchor is None or last is None:
        return None
    said = " ".join(t.said for t in reading.tokens[place:last])
    constraint = reading.tools.bounds.than_item(said, field_op[0], field_op[1], anchor[0])
    if constraint is None:
        reading.state.lost.append(said)
    else:
        negative = reading.state.negative and not reading.state.mentioned and constraint.values
        reading.state.constraints.append(negated(constraint) if negative else constraint)
        reading.state.context, reading.state.mentioned = constraint.field, True
    reading.state.soft = 0
    return last
