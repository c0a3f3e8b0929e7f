"""Rules for what is named besides items: nodes of the graph, adjectives, words that nothing knows."""

from __future__ import annotations

from kg_rec.ask.atoms import bare, key
from kg_rec.ask.grammar.items import next_anchor
from kg_rec.ask.grammar.reading import Reading
from kg_rec.ask.names import Mention


def on_node(reading: Reading, place: int) -> int:
    """A node of the graph, by its name."""
    token = reading.tokens[place]
    if reading.state.anchored and reading.state.either:
        following = next_anchor(reading, place)
        if following != place:
            return following
    reading.add_wish(token.value, token.said)
    return place + 1


def on_nearly(reading: Reading, place: int) -> int:
    """An adjective that names a kind by another word: "funny" for comedies."""
    token, s = reading.tokens[place], reading.state
    nodes = reading.tools.names.called(token.value)
    if not nodes:
        near = reading.nearest(key(reading.tools.words.gloss.get(token.said, token.said)))
        if near is None:
            reading.add_lost(token.said)
            return place + 1
        reading.add_wish(Mention((near,), "near"), token.said, must=False)
        return place + 1
    reading.add_wish(Mention(nodes, "alias"), token.said, must=s.negative and len(nodes) == 1)
    return place + 1


def on_unknown(reading: Reading, place: int) -> int:
    """Words that are no name: one misspelt, near in meaning to one, or not understood."""
    last = place
    while last < len(reading.tokens) and reading.tokens[last].kind == "unknown":
        last += 1
    for size in range(min(4, last - place), 0, -1):
        said = reading.text[reading.start(place) : reading.end(place + size - 1)]
        name = key(said)
        if not name or (size == 1 and len(bare(said)) < 2):
            continue
        loose = reading.tokens[place].said[:1].isupper() or reading.kind(place - 1) == "from"
        mention = reading.tools.names.misspelt(name, loose=loose)
        if mention is not None:
            reading.add_wish(mention, said)
            return place + size
        if size > 1 and reading.tokens[place].said[:1].isupper():
            title = reading.tools.names.title(name)
            if title is not None and title[1] == "fuzzy":
                reading.add_item(title[0], title[1], said)
                return place + size
    for size in range(min(2, last - place), 0, -1):
        said = reading.text[reading.start(place) : reading.end(place + size - 1)]
        near = reading.nearest(key(said)) if said.isascii() and len(said) > 2 else None
        if near is not None:
            reading.add_wish(Mention((near,), "near"), said, must=False)
            return place + size
    han = reading.parts[reading.tokens[place].first].kind == "han"
    end = last if han else place + 1
    said = reading.text[reading.start(place) : reading.end(end - 1)]
    if len(said) > 1:
        reading.add_lost(said)
    reading.state.mentioned = reading.state.mentioned or reading.state.negative
    return end
