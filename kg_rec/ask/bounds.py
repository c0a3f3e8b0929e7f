"""Bounds on fields: "under two hours", "between 1990 and 2010", "not cheaper than 20 euros", "newer than Heat"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from kg_rec.ask.fields import Fields
from kg_rec.ask.lexer import Token
from kg_rec.ask.quantities import BETWEEN, Quantity
from kg_rec.ask.request import Constraint, Node, Operator

#: How far "around" reaches, as a share of the number; years have a reach of two.
_AROUND = 0.2
#: Numbers from here to 2100 are years; where there are prices, only those of which there are films.
_FIRST_YEAR, _FIRST_FILM = 1400, 1870
_NEGATED: dict[Operator, Operator] = {
    "<": ">=", "<=": ">", ">": "<=", ">=": "<", "in": "not in", "not in": "in",
}  # fmt: skip


def negated(constraint: Constraint) -> Constraint:
    """The opposite bound."""
    c = constraint
    return Constraint(c.said, c.field, _NEGATED[c.op], c.values, c.property)


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
        spoken = ("field", "bound", "around", "between", "recent", "past", *BETWEEN)
        while n < len(tokens) and (tokens[n].kind in spoken or tokens[n].value == ("year", 1.0)):
            t = tokens[n]
            if t.kind == "unit":  # after the year 2000
                field, named = "year", True
            elif t.kind == "field":
                field, default = t.value
                operator, named = operator or default, True
            elif t.kind == "bound":
                operator = t.value
            elif t.kind == "around":
                operator = "~"
            elif t.kind == "between":
                operator = operator or "between"
            elif t.kind in ("recent", "past"):
                operator = "recent"
            n += 1
        if token.kind == "ordinal" and token.value == -1:  # the last ten years
            operator, n = "recent", place + 1
        if token.kind == "than":
            return self._compared(tokens, place)
        if n >= len(tokens) or tokens[n].kind not in ("quantity", "decade"):
            if token.kind != "recent":
                return None, place
            return Constraint(token.said, "year", ">", (), self.fields.property_of("year")), place + 1
        if tokens[n].kind == "decade":
            return self._recent(tokens, place, n, 10.0) if operator == "recent" else (None, place)
        if token.kind not in ("field", "bound", "around", "between", "recent", "past", "quantity", "ordinal"):
            return None, place
        quantity: Quantity = tokens[n].value
        if operator == "recent":
            return self._recent(tokens, place, n, quantity.low) if quantity.field == "year" else (None, place)
        if not named and field is not None and quantity.field is None and self._beyond(field, quantity.low):
            field = None  # four stars and more, below 250
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

    def _beyond(self, field: str, number: float) -> bool:
        """Whether a number is far from all that the items have of a field."""
        if field not in self.fields.properties:
            return False
        values = self.fields.values(field)
        known = values[values == values]
        return bool(len(known)) and not float(known.min()) / 2 <= number <= 2 * float(known.max())

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
            return self._than_number(tokens, place)
        field, op = token.value
        n = place + 1
        while n < len(tokens) and tokens[n].kind in ("than", *BETWEEN) and tokens[n].value is None:
            n += 1
        said_than = any(t.kind == "than" for t in tokens[place + 1 : n])
        if n < len(tokens) and tokens[n].kind == "quantity" and said_than and tokens[n].value.field in (None, field):
            said = " ".join(t.said for t in tokens[place : n + 1])
            return self._constraint(said, field, op, tokens[n].value), n + 1
        return Constraint(token.said, field, op, (), self.fields.property_of(field)), place + 1

    def _than_number(self, tokens: Sequence[Token], place: int) -> tuple[Constraint | None, int]:
        """A number between the words: 比1990年早."""
        if place + 1 >= len(tokens) or tokens[place + 1].kind != "quantity":
            return None, place
        n = place + 2
        while n < len(tokens) and tokens[n].kind in ("more", *BETWEEN):
            n += 1
        quantity = tokens[place + 1].value
        if n >= len(tokens) or tokens[n].kind != "than" or tokens[n].value is None:
            return None, place
        field, op = tokens[n].value
        if quantity.field not in (None, field):
            return None, place
        said = " ".join(t.said for t in tokens[place : n + 1])
        return self._constraint(said, field, op, quantity), n + 1

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
