"""Numbers of a request: "under two hours", "between 1990 and 2010", "early seventies", "not cheaper than 20 euros"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from kg_rec.ask.fields import Fields
from kg_rec.ask.lexer import Token
from kg_rec.ask.request import Constraint, Node, Operator

#: What stands between the parts of a bound and says nothing.
_BETWEEN = ("filler", "of", "from", "measure", "mark", "ask")
#: How far "around" reaches, as a share of the number; years have a reach of two.
_AROUND = 0.2
#: Numbers from here to 2100 are years; where there are prices, only those of which there are films.
_FIRST_YEAR, _FIRST_FILM = 1400, 1870
_NEGATED: dict[Operator, Operator] = {
    "<": ">=", "<=": ">", ">": "<=", ">=": "<", "in": "not in", "not in": "in",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number, or a range of years, with what it measures.

    Attributes:
        low, high: the same for a number.
        field: what it measures; None where no unit says so.
    """

    low: float
    high: float
    field: str | None


def negated(constraint: Constraint) -> Constraint:
    """The opposite bound."""
    c = constraint
    return Constraint(c.said, c.field, _NEGATED[c.op], c.values, c.property)


def joined(tokens: Sequence[Token], text_end: dict[int, int]) -> list[Token]:
    """Tokens in which numbers with their units, decades and centuries are one token of the kind ``quantity``.

    Args:
        tokens: as the lexer gives them.
        text_end: per atom where it ends in the text, by which ``80s`` is told from ``80 s``.
    """
    found: list[Token] = []
    place = 0
    while place < len(tokens):
        quantity, last = _quantity(tokens, place, text_end)
        if quantity is None:
            found.append(tokens[place])
            place += 1
            continue
        some = tokens[place:last]
        said = " ".join(t.said for t in some) if len(some) > 1 else some[0].said
        found.append(Token("quantity", quantity, said, some[0].first, some[-1].last))
        place = last
    return found


def _quantity(tokens: Sequence[Token], place: int, text_end: dict[int, int]) -> tuple[Quantity | None, int]:
    kind = [t.kind for t in tokens[place : place + 6]] + [""] * 6
    token = tokens[place]
    if token.kind == "century":
        following = _years(tokens, place + 1, text_end)
        if following is not None:
            years, last = following
            shift = token.value // 100 * 100
            return Quantity(shift + years.low % 100, shift + years.high % 100, "year"), last
        return Quantity(token.value, token.value + 99, "year"), place + 1
    if kind[:2] == ["ordinal", "decade"]:
        ahead = [n for n in range(place + 2, min(place + 6, len(tokens))) if tokens[n].kind not in _BETWEEN]
        if ahead and tokens[ahead[0]].kind == "century":
            first = tokens[ahead[0]].value - 1 + 10 * (9 if token.value < 0 else token.value - 1)
            return Quantity(first, first + 9, "year"), ahead[0] + 1
    years_here = _years(tokens, place, text_end)
    if years_here is not None:
        return _adjoining(tokens, years_here, text_end)
    if token.kind == "half":  # half an hour
        n = next((n for n in range(place + 1, min(place + 3, len(tokens))) if tokens[n].kind not in _BETWEEN), place)
        if tokens[n].kind == "unit" and tokens[n].value == ("duration", 60.0):
            return Quantity(30.0, 30.0, "duration"), n + 1
    if token.kind == "unit" and token.value[0] == "price" and kind[1] == "number":
        value, last = _number(tokens, place + 1)
        return Quantity(value, value, "price"), last
    if token.kind == "unit" and token.value == ("duration", 60.0) and kind[1] == "half":
        return Quantity(90.0, 90.0, "duration"), place + 2  # "an hour and a half"
    alone = place > 0 and tokens[place - 1].kind in ("filler", "bound", "than")
    if alone and token.kind == "unit" and token.value == ("duration", 60.0):  # under an hour
        return Quantity(60.0, 60.0, "duration"), place + 1
    if token.kind != "number":
        return None, place
    value, last = _number(tokens, place)
    after = last
    while after < len(tokens) and (tokens[after].kind == "measure" or tokens[after].said == "-"):
        after += 1
    if after < len(tokens) and tokens[after].kind == "half":
        value, after = value + 0.5, after + 1
    if after < len(tokens) and tokens[after].kind == "unit":
        field, factor = tokens[after].value
        value, last = value * factor, after + 1
        if (
            field == "duration"
            and factor == 60
            and last < len(tokens)
            and tokens[last].kind in ("half", "number", "and")
        ):
            value, last = _minutes(tokens, last, value)
        return Quantity(value, value, field), last
    return Quantity(value, value, None), last


def _adjoining(tokens: Sequence[Token], found: tuple[Quantity, int], text_end: dict[int, int]) -> tuple[Quantity, int]:
    """Decades that follow one another as one range: "the sixties or seventies"."""
    years, last = found
    n = last
    while n < len(tokens) and tokens[n].kind in ("or", "and", "comma", "filler"):
        n += 1
    following = _years(tokens, n, text_end) if n > last else None
    if following is None or years.high + 1 != following[0].low:
        return found
    return _adjoining(tokens, (Quantity(years.low, following[0].high, "year"), following[1]), text_end)


def _minutes(tokens: Sequence[Token], place: int, hours: float) -> tuple[float, int]:
    """What follows the hours: "and a half", "30", "and 20 minutes"."""
    if tokens[place].kind == "half":
        return hours + 30, place + 1
    n = place + (tokens[place].kind == "and")
    if n < len(tokens) and tokens[n].kind == "number" and tokens[n].value < 60:
        ends = n + 1 < len(tokens) and tokens[n + 1].kind == "unit" and tokens[n + 1].value == ("duration", 1.0)
        if ends or tokens[place].kind == "number":
            return hours + tokens[n].value, n + 1 + ends
    return hours, place


def _number(tokens: Sequence[Token], place: int) -> tuple[float, int]:
    """Number words that stand together: twenty five, two hundred, two dozen."""
    value, last = float(tokens[place].value), place + 1
    while last < len(tokens) and tokens[last].kind == "number" and not tokens[last].said[0].isdigit():
        following = float(tokens[last].value)
        if following in (12.0, 100.0) and value < 12:
            value *= following
        elif 0 < following < 10 <= value or (value >= 100 > following):
            value += following
        else:
            break
        last += 1
    return value, last


def _years(tokens: Sequence[Token], place: int, text_end: dict[int, int]) -> tuple[Quantity, int] | None:
    """A decade, or a part of one."""
    part, start = None, place
    if place < len(tokens) and tokens[place].kind == "part":
        part, start = tokens[place].value, place + 1
        while start < len(tokens) and tokens[start].kind in _BETWEEN:
            start += 1
    if start >= len(tokens):
        return None
    first, last = None, start + 1
    if tokens[start].kind == "number" and last < len(tokens) and tokens[last].kind == "decade":
        decade = tokens[last].value
        if decade is not None and decade == 1910 + 10 * tokens[start].value:  # 六七十年代
            return Quantity(decade - 10, decade + 9, "year"), last + 1
    if tokens[start].kind == "decade" and isinstance(tokens[start].value, int):
        first = tokens[start].value
    elif tokens[start].kind == "number" and last < len(tokens) and tokens[start].value % 10 == 0:
        following = tokens[last]
        touching = text_end.get(tokens[start].last - 1) == text_end.get(following.first, -1) - len(following.said)
        mark = following.said in ("'", "’") and last + 1 < len(tokens) and tokens[last + 1].said.lower() == "s"
        if following.kind == "decade" or (following.said.lower() == "s" and touching) or mark:
            value = int(tokens[start].value)
            first = value if value >= 100 else (2000 if value < 20 else 1900) + value
            last += 2 if mark else 1
    if first is None:
        return None
    if part is None and last < len(tokens) and tokens[last].kind == "part" and tokens[last].said[0] > "\u4e00":
        part, last = tokens[last].value, last + 1
    low, high = part or (0, 9)
    return Quantity(first + low, first + high, "year"), last


@dataclass(frozen=True)
class Bounds:
    """Reads bounds out of tokens.

    Attributes:
        fields: what can be bound.
    """

    fields: Fields

    def read(self, tokens: Sequence[Token], place: int, context: str | None) -> tuple[Constraint | None, int]:
        """The bound that begins at a place, and where it ends; None where none does.

        Args:
            tokens: with quantities, see :func:`joined`.
            place: where it begins.
            context: the field that was spoken of last, for a number without a unit.
        """
        token = tokens[place]
        field, n = context if token.kind != "field" else None, place
        operator: str | None = None
        named = False
        while n < len(tokens) and tokens[n].kind in ("field", "bound", "around", "between", "recent", *_BETWEEN):
            t = tokens[n]
            if t.kind == "field":
                field, default = t.value
                operator, named = operator or default, True
            elif t.kind == "bound":
                operator = t.value
            elif t.kind == "around":
                operator = "~"
            elif t.kind == "between":
                operator = operator or "between"
            elif t.kind == "recent":
                operator = "recent"
            n += 1
        if token.kind == "ordinal" and token.value == -1:  # the last ten years
            operator, n = "recent", place + 1
        if token.kind == "than":
            return self._compared(tokens, place)
        if operator == "recent" and (n >= len(tokens) or tokens[n].kind not in ("quantity", "decade")):
            return None, place
        if n >= len(tokens) or tokens[n].kind not in ("quantity", "decade"):
            return None, place
        if tokens[n].kind == "decade":
            return self._recent(tokens, place, n, 10.0) if operator == "recent" else (None, place)
        if token.kind not in ("field", "bound", "around", "between", "recent", "quantity", "ordinal"):
            return None, place
        quantity: Quantity = tokens[n].value
        if operator == "recent":
            return self._recent(tokens, place, n, quantity.low) if quantity.field == "year" else (None, place)
        last = n + 1
        high = self._range_end(tokens, last, operator)
        if high is not None:
            other, last = high
            unit = quantity.field or other.field or field
            quantity = Quantity(min(quantity.low, other.low), max(quantity.high, other.high), unit)
            operator = "in"
        while last < len(tokens) and tokens[last].kind in ("field", "after", "bound"):
            t = tokens[last]
            behind = last + 1 == len(tokens) or tokens[last + 1].kind != "quantity"  # "90 minutes max"
            if t.kind == "after" or (t.kind == "bound" and operator is None and behind and t.value in ("<=", ">=")):
                operator = t.value if operator != "in" else operator
            elif t.kind == "field" and t.value[1] is None and not named:
                field = field if quantity.field else t.value[0]
            else:
                break
            last += 1
        found = self._field(quantity, field, operator)
        if found is None:
            return None, place
        said = " ".join(t.said for t in tokens[place:last])
        return self._constraint(said, found, operator, quantity), last

    def _field(self, quantity: Quantity, field: str | None, operator: str | None) -> str | None:
        """What a number measures where no unit says so."""
        if quantity.field is not None:
            return quantity.field
        if field is not None:
            return field
        there = self.fields.properties
        first = _FIRST_YEAR if "price" not in there else _FIRST_FILM
        if first <= quantity.low <= 2100 and quantity.low.is_integer() and ("year" in there or "price" not in there):
            return "year"
        return "price" if operator is not None and "price" in there else None

    def _range_end(self, tokens: Sequence[Token], place: int, operator: str | None) -> tuple[Quantity, int] | None:
        """The upper end of a range that goes on at a place: "to 2010", "and 100 dollars", "-60"."""
        if place + 1 >= len(tokens) or tokens[place + 1].kind != "quantity":
            return None
        token = tokens[place]
        if (
            token.kind == "to"
            or token.said in ("-", "–", "—", "~", "～")
            or (operator == "between" and token.kind == "and")
        ):
            return tokens[place + 1].value, place + 2
        return None

    def _recent(self, tokens: Sequence[Token], place: int, n: int, years: float) -> tuple[Constraint | None, int]:
        if "year" not in self.fields.properties:
            return None, place
        known = self.fields.values("year")
        newest = max(known[known == known].tolist(), default=0.0)
        said = " ".join(t.said for t in tokens[place : n + 1])
        return Constraint(said, "year", ">", (newest - years,), self.fields.property_of("year")), n + 1

    def _compared(self, tokens: Sequence[Token], place: int) -> tuple[Constraint | None, int]:
        """What is newer or cheaper than a number; than what is at hand where no number is said."""
        token = tokens[place]
        if token.value is None:
            return None, place
        field, op = token.value
        n = place + 1
        while n < len(tokens) and tokens[n].kind in ("than", *_BETWEEN) and tokens[n].value is None:
            n += 1
        said_than = any(t.kind == "than" for t in tokens[place + 1 : n])
        if n < len(tokens) and tokens[n].kind == "quantity" and said_than and tokens[n].value.field in (None, field):
            said = " ".join(t.said for t in tokens[place : n + 1])
            return self._constraint(said, field, op, tokens[n].value), n + 1
        return Constraint(token.said, field, op, (), self.fields.property_of(field)), place + 1

    def than_item(self, said: str, field: str, op: Operator, item: Node) -> Constraint | None:
        """A bound by an item's own number: "newer than Heat"; None where it is not known."""
        name = self.fields.property_of(field)
        if name is None:
            return Constraint(said, field, op, (), None)
        value = float(self.fields.values(field)[self.fields.snapshot.items.index(item.key)])
        return Constraint(said, field, op, (value,), name) if value == value else None

    def _constraint(self, said: str, field: str, operator: str | None, quantity: Quantity) -> Constraint:
        name = self.fields.property_of(field)
        low, high = quantity.low, quantity.high
        if operator in ("<", ">="):
            return Constraint(said, field, "<" if operator == "<" else ">=", (low,), name)
        if operator in ("<=", ">"):
            return Constraint(said, field, "<=" if operator == "<=" else ">", (high,), name)
        if operator == "~" or (operator is None and field == "duration"):
            reach = 2.0 if field == "year" else _AROUND * high
            return Constraint(said, field, "in", (low - reach, high + reach), name)
        if operator is None and low == high and field in ("price", "rating"):
            return Constraint(said, field, "<=" if field == "price" else ">=", (low,), name)
        if low == high and operator is None and field != "year":
            return Constraint(said, field, "in", (low, min(high, inf)), name)
        return Constraint(said, field, "in", (low, high), name)
