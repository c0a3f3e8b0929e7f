"""Numbers of a request with their units: "two hours", "1990s", "early seventies", "四星半"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kg_rec.ask.lexer import Token

#: What stands between the parts of a bound and says nothing.
BETWEEN = ("filler", "of", "from", "measure", "mark", "ask")


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
        if any(t.said == "+" for t in some):  # 4+ stars
            found.append(Token("after", ">=", "+", some[-1].last, some[-1].last))
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
        ahead = [n for n in range(place + 2, min(place + 6, len(tokens))) if tokens[n].kind not in BETWEEN]
        if ahead and tokens[ahead[0]].kind == "century":
            first = tokens[ahead[0]].value - 1 + 10 * (9 if token.value < 0 else token.value - 1)
            return Quantity(first, first + 9, "year"), ahead[0] + 1
    years_here = _years(tokens, place, text_end)
    if years_here is not None:
        return _adjoining(tokens, years_here, text_end)
    if token.kind == "half":  # half an hour
        n = next((n for n in range(place + 1, min(place + 3, len(tokens))) if tokens[n].kind not in BETWEEN), place)
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
    while after < len(tokens) and (tokens[after].kind == "measure" or tokens[after].said in ("-", "+")):
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
        elif last < len(tokens) and tokens[last].kind == "half" and field in ("rating", "price"):  # 四星半
            value, last = value + 0.5 * factor, last + 1
        return Quantity(value, value, field), last
    return Quantity(value, value, None), last


def _adjoining(tokens: Sequence[Token], found: tuple[Quantity, int], text_end: dict[int, int]) -> tuple[Quantity, int]:
    """Decades that follow one another as one range: "the sixties or seventies"."""
    years, last = found
    n = last
    while n < len(tokens) and tokens[n].kind in ("or", "and", "comma", "filler", "from"):
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
        unit = next((u for u in (1000, 100) if value >= u and value % u == 0), 0)
        if unit and 1 <= following < 10 and tokens[last].said > "\u4e00" and tokens[last - 1].value >= 100:
            following *= unit / 10  # 两百五 is 250; 两百零五 is 205
        if following in (12.0, 100.0) and value < 12:
            value *= following
        elif 0 < following < 10 <= value or (value >= 100 > following) or (unit == 1000 > following):
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
        while start < len(tokens) and tokens[start].kind in BETWEEN:
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
