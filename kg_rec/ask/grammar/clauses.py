"""Rules for words that govern others: not, or, and, more, less, commas."""

from __future__ import annotations

from dataclasses import replace

from kg_rec.ask.grammar.items import next_anchor, on_like
from kg_rec.ask.grammar.reading import Reading


def on_not(reading: Reading, place: int) -> int:
    """What follows is not wanted, until the clause ends; a title may follow directly: "not Heat"."""
    behind = said_before(reading, place)
    if behind is not None:
        return behind
    s = reading.state
    s.clause()
    s.negative = True
    token = reading.tokens[place + 1] if place + 1 < len(reading.tokens) else None
    if token is not None and token.kind in ("unknown", "node"):
        found = reading.title_at(place + 1)
        if found is not None and found[1] and (token.kind == "unknown" or found[0].last > token.last):
            return reading.add_title(found[0])
    return place + 1


def said_before(reading: Reading, place: int) -> int | None:
    """The place after a "not" that is about the mention before it; None where it is about what follows.

    So it is where the clause ends with it (Nordal的不要), or with a word for a relation type after it: "that Ford did
    not direct".
    """
    wishes, before = reading.state.wishes, place - 1
    while reading.kind(before) in ("filler", "of", "item", "mark"):
        before -= 1
    if reading.kind(before) != "node" or len(wishes) <= reading.state.begun or not wishes[-1].wanted:
        return None
    n = reading.ahead(place + 1)
    relations = reading.tokens[n].value if reading.kind(n) == "relation" else ()
    if reading.kind(reading.ahead(n + 1) if relations else n) not in ("", "comma", "stop", "but", "and"):
        return None
    if not relations and reading.tools.words.relation_first:
        return None
    nodes, relation = reading.tools.ties.restricted(wishes[-1].nodes, relations)
    wishes[-1] = replace(wishes[-1], wanted=False, nodes=nodes, relation=relation or wishes[-1].relation)
    reading.state.mentioned = True
    return n + 1 if relations else n


def on_excluded(reading: Reading, place: int) -> int:
    """What was named in the clause is not wanted: "horror excluded", 恐怖片除外, 美国以外的."""
    first = min(reading.state.begun, len(reading.state.wishes))
    reading.state.wishes[first:] = [replace(w, wanted=False) for w in reading.state.wishes[first:]]
    reading.state.clause()
    return place + 1


def on_comma(reading: Reading, place: int) -> int:
    """A clause ends, unless an enumeration goes on: "no horror, war or drama"."""
    s = reading.state
    enumerated = enumerates(reading, place + 1)
    anchored = s.anchored and not s.negative
    if not (s.negative and enumerated):
        relation = s.relation if enumerated else ()
        s.clause()
        s.relation = relation
    s.soft = 0
    if anchored:
        return next_anchor(reading, place + 1)
    return place + 1


def enumerates(reading: Reading, place: int) -> bool:
    """Whether mentions go on up to an "or" or "and" with one more: ", war or drama"."""
    n = place
    while n < len(reading.tokens):
        n = reading.ahead(n, ("filler", "item", "mark"))
        if reading.kind(n) not in ("node", "nearly", "unknown", "title"):
            return False
        n = reading.ahead(n + 1, ("filler", "item", "mark"))
        if reading.kind(n) == "or" or reading.kind(n) == "and":
            following = reading.ahead(n + 1, ("filler", "item", "mark"))
            return reading.kind(following) in ("node", "nearly", "unknown", "title")
        if reading.kind(n) != "comma":
            return False
        n += 1
    return False


def on_or(reading: Reading, place: int) -> int:
    """The next mention joins the one before."""
    reading.state.either = True
    return place + 1


def on_and(reading: Reading, place: int) -> int:
    """A clause ends where no mention follows; after an item, a further item may."""
    s = reading.state
    following = reading.kind(reading.ahead(place + 1, ("filler", "mark", "item")))
    if reading.kind(place - 1) == "comma" or reading.kind(place + 1) == "comma":
        return place + 1
    anchored = s.anchored
    if following not in ("node", "nearly", "unknown", "title") or reading.kind(place + 1) == "from":
        s.clause()
    s.either = False
    if anchored:
        return next_anchor(reading, place + 1)
    return place + 1


def on_from(reading: Reading, place: int) -> int:
    """ "From", "by", "in": a new clause where what is unwanted was said; "not interested in" goes on."""
    s = reading.state
    if s.negative and reading.kind(place - 1) == "unknown" and reading.kind(place - 2) == "not":
        s.mentioned = False  # not interested in, not fond of
    elif s.negative and s.mentioned and not s.either:
        s.clause()
    s.anchored = False
    return place + 1


def on_of(reading: Reading, place: int) -> int:
    """的 and the like: what stands before it is said, 没有爱情的历史片.  "As scary as Alien": the second is "like"."""
    alike = reading.kind(place - 2) == "of" and reading.kind(place - 1) in ("nearly", "node", "unknown")
    if alike and reading.tokens[place].said.lower() == reading.tokens[place - 2].said.lower() == "as":
        return on_like(reading, place)
    s = reading.state
    if not reading.tools.words.relation_first:
        if s.negative and s.mentioned:
            s.clause()  # 没有爱情的历史片
        s.soft = 0
    return place + 1


def on_only(reading: Reading, place: int) -> int:
    """A new clause."""
    reading.state.clause()
    return place + 1


def on_more(reading: Reading, place: int) -> int:
    """What follows is wished for, and no condition: "more drama"."""
    if reading.state.negative and reading.state.mentioned:
        reading.state.clause()
    reading.state.soft = 1
    return place + 1


def on_less(reading: Reading, place: int) -> int:
    """What follows is rather not wanted, and no condition: "less drama"."""
    reading.state.clause()
    reading.state.soft = -1
    return place + 1


def on_than(reading: Reading, place: int) -> int:
    """Behind an item to be like, an item not to be like: "more like Heat than Fargo"."""
    if not reading.state.anchored or reading.state.negative:
        return place + 1
    reading.state.clause()
    reading.state.negative = True
    found = reading.item_from(place + 1)
    if found is None:
        return place + 1
    reading.add_item(found[0], found[1], reading.text[reading.start(place + 1) : reading.end(found[2] - 1)])
    return found[2]
