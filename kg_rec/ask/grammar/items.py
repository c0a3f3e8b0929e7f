"""Rules for items named in a request, and what ties others to them."""

from __future__ import annotations

from dataclasses import replace

from kg_rec.ask.atoms import key
from kg_rec.ask.grammar.reading import Reading
from kg_rec.ask.request import Node, Wish

#: Kinds at which the name of an item ends.
_ENDS = (
    "comma",
    "stop",
    "but",
    "and",
    "or",
    "not",
    "more",
    "less",
    "than",
    "quantity",
    "bound",
    "only",
    "from",
    "like",
)


def on_title(reading: Reading, place: int) -> int:
    """An item's name: to be like, not wanted, or what a relation starts from, 《Ran》的导演."""
    item, how = reading.tokens[place].value
    n = reading.ahead(place + 1, ("of", "filler", "same", "from", "like"))
    between = reading.kind(n) == "relation" and not reading.tools.words.relation_first
    between = between and reading.kind(n + 1) != "title"
    if between and tied(reading, item, n, reading.tokens[place].said):  # 《Ran》的导演, 和X同一品牌, 与X搭配
        return n + 1
    reading.add_item(item, how, reading.tokens[place].said)
    return place + 1


def numbered(reading: Reading, place: int) -> int | None:
    """The place after an item whose name begins with a number, "seven samurai"; None where there is none."""
    if reading.kind(place) != "quantity":
        return None
    found = reading.title_at(place)
    if found is None or found[0].last <= reading.tokens[place].last:
        return None
    return reading.add_title(found[0])


def tied(reading: Reading, item: Node, relation: int, said: str) -> bool:
    """A wish for what an item is tied to by the relation of a token; False where it is tied to nothing."""
    wanted, relations = not reading.state.negative, reading.tokens[relation].value
    whole = f"{said}{' ' if reading.tools.words.relation_first else ''}{reading.tokens[relation].said}"
    items = reading.tools.ties.between_items(relations)
    wish = reading.tools.ties.tied(item, relations, whole, wanted)
    if wish is None and items is not None:
        wish = Wish(whole, (item,), wanted, True, "exact", items)
    if wish is None:
        return False
    reading.state.wishes.append(wish)
    reading.state.mentioned, reading.state.either = True, False
    return True


def on_relation(reading: Reading, place: int) -> int:
    """A word for relation types: "the director of Heat", "of the same brand", or what the next mention is."""
    relations = reading.tokens[place].value
    n = reading.ahead(place + 1, ("filler", "from"))
    linked = reading.kind(n) == "of" or reading.tools.ties.between_items(relations) is not None
    same = "same" in (reading.kind(place - 1), reading.kind(place - 2))
    if linked or same:
        found = reading.item_from(n + (reading.kind(n) == "of"))
        if found is not None and tied(
            reading, found[0], place, reading.text[reading.start(n) : reading.end(found[2] - 1)]
        ):
            return found[2]
        if reading.state.anchors and same:
            tied(reading, reading.state.anchors[0].item, place, reading.state.anchors[0].said)
            return place + 1
    if (
        not reading.tools.words.relation_first
        and reading.state.wishes
        and reading.kind(place - 1) in ("node", "unknown")
    ):
        last = reading.state.wishes[-1]
        nodes, relation = reading.tools.ties.restricted(last.nodes, relations)
        reading.state.wishes[-1] = replace(last, nodes=nodes, relation=relation)
        return place + 1
    if reading.state.negative and reading.state.mentioned:
        reading.state.clause()
    reading.state.relation = relations
    return place + 1


def on_like(reading: Reading, place: int) -> int:
    """ "Like", with the item that follows, be its name misspelt or cut, or a place in the list: "like the second"."""
    s = reading.state
    n = reading.ahead(place + 1)
    if reading.kind(n) == "ordinal":
        (s.drop if s.negative else s.like).append(reading.tokens[n].value)
        return n + 1
    if s.negative and s.mentioned:
        s.clause()
    found = reading.item_from(place + 1)
    if found is not None:
        item, how, last = found
        said = reading.text[reading.start(place + 1) : reading.end(last - 1)]
        related = not reading.tools.words.relation_first and reading.kind(reading.ahead(last)) == "relation"
        if related and tied(reading, item, reading.ahead(last), said):
            return reading.ahead(last) + 1
        reading.add_item(item, how, said)
        return last
    if reading.kind(n) != "unknown":
        return place + 1
    last = n
    while last < len(reading.tokens) and reading.tokens[last].kind not in _ENDS:
        last += 1
    return alike(reading, n, last)


def alike(reading: Reading, first: int, last: int) -> int:
    """An item whose name is misspelt or cut, or a node, in the tokens up to ``last``."""
    for end in range(last, first, -1):
        said = reading.text[reading.start(first) : reading.end(end - 1)]
        name = key(said)
        whole = (
            reading.tools.names.title(name)
            if end == last or len(name) > 1 or reading.tokens[first].kind == "unknown"
            else None
        )
        mention = reading.tools.names.misspelt(name, loose=True)
        if mention is not None and (whole is None or whole[1] != "exact") and " ".join(name) not in (whole or ""):
            better = whole is None or whole[1] == "alias"
            if better and len(name) > 0:
                reading.add_wish(mention, said)
                return end
        if whole is not None:
            reading.add_item(whole[0], whole[1], said)
            return end
    if reading.nearest(key(reading.text[reading.start(first) : reading.end(last - 1)])) is not None:
        return first  # "like heists": the words are read as others are
    reading.add_lost(reading.text[reading.start(first) : reading.end(last - 1)])
    return last


def on_ordinal(reading: Reading, place: int) -> int:
    """A place in the list before that is not wanted: "not the second"."""
    if reading.state.negative:
        reading.state.drop.append(reading.tokens[place].value)
        reading.state.mentioned = True
    return place + 1


def next_anchor(reading: Reading, place: int) -> int:
    """A further item after "and" or a comma: "like Fargo and Heat"."""
    if reading.kind(place) in ("unknown", "title", "node"):
        found = reading.title_at(place)
        if found is not None and found[1] and found[0].last >= reading.tokens[place].last:
            return reading.add_title(found[0])
    return place
