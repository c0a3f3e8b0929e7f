"""From words to a :class:`~kg_rec.ask.request.Request`, by a small grammar over tokens; no language model.

The tokens of all languages are of the same kinds, so the grammar is one: a mention (a node, an adjective, an item) is
unwanted after words such as "without" until the clause ends, wanted otherwise; "or" joins mentions; a bound is read by
:mod:`kg_rec.ask.quantities`.  What no rule takes is looked up as misspelt, then as near in meaning, and said otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from kg_rec.ask.atoms import Atom, Key, bare, clean, key
from kg_rec.ask.fields import Fields
from kg_rec.ask.lexer import Lexer, Token
from kg_rec.ask.names import Mention, Names
from kg_rec.ask.near import Near
from kg_rec.ask.quantities import Bounds, Quantity, joined, negated
from kg_rec.ask.request import Anchor, Constraint, How, Node, Request, Turn, Wish
from kg_rec.ask.turns import turn_of
from kg_rec.ask.words import ENGLISH, language_of, words_of
from kg_rec.snapshot import Snapshot

#: Kinds that say nothing where they stand alone.
_SILENT = (
    "filler",
    "item",
    "measure",
    "of",
    "mark",
    "ask",
    "them",
    "relation",
    "same",
    "than",
    "half",
    "part",
    "recent",
)
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
#: Most items that one request asks for.
MOST_ITEMS = 100
#: Most words of a request that the text model is asked of, some 5 ms each; words beyond are said not to be understood.
MOST_NEAR = 8


@dataclass
class _State:
    """Where the grammar is, and what it found."""

    found: Request
    negative: bool = False
    mentioned: bool = False  # something was said since "not"
    begun: int = 0  # how many wishes there were when the clause began
    soft: int = 0  # 1 after "more", -1 after "less"
    either: bool = False  # "or" stands before
    relation: tuple[str, ...] = ()
    context: str | None = None
    anchored: bool = False  # the mention before was an item to be like
    anchors: list[Anchor] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    constraints: list[Constraint] = field(default_factory=list)
    count: int | None = None
    like: list[int] = field(default_factory=list)
    drop: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def clause(self) -> None:
        """A new clause begins."""
        self.negative = self.mentioned = self.either = self.anchored = False
        self.soft, self.relation, self.begun = 0, (), len(self.wishes)


class Parser:
    """Reads requests in one language over one graph.

    Args:
        snapshot: the graph.
        language: ``en`` or ``zh``.
        encoder: text model for words near in meaning, as :class:`~kg_rec.model.channels.meaning.MeaningConfig` has it.

    Raises:
        ConfigError: requests in the language are not understood.
    """

    def __init__(self, snapshot: Snapshot, language: str, encoder: str = "none") -> None:
        self.words = words_of(language)
        self.names = Names(snapshot, self.words)
        self.fields = Fields(snapshot)
        self.lexer = Lexer(self.words, self.names, snapshot.schema)
        self.bounds = Bounds(self.fields)
        self.near = Near(snapshot, self.names, ENGLISH, encoder)
        self._relations = {r.name: (r.source, r.target) for r in snapshot.schema.knowledge_relations}
        self._snapshot = snapshot

    def parse(self, text: str, links: Mapping[Key, Mention] | None = None) -> Request:
        """What a request asks for; every text gives an answer.

        Args:
            text: the request.
            links: what words mean that nothing else takes, see :class:`~kg_rec.ask.linker.Linker`.
        """
        text = clean(text)
        raw, parts = self.lexer.tokens(text)
        tokens = joined(raw, {n: a.end for n, a in enumerate(parts)})
        turn, count = turn_of(self.lexer, tokens, parts, text)
        state = _State(Request(text, self.words.code))
        if turn.kind not in ("why", "why-not", "reset"):
            _Reader(self, tokens, parts, text, state, links or {}).read()
        wishes = tuple(dict.fromkeys(_without_doubles(state.wishes)))
        turn = replace(turn, like=tuple(state.like), drop=tuple(state.drop))
        if turn.kind == "new" and (turn.like or turn.drop or _takes_away(state, tokens)):
            turn = replace(turn, kind="refine")
        return replace(
            state.found,
            anchors=tuple(dict.fromkeys(state.anchors)),
            wishes=wishes,
            constraints=tuple(dict.fromkeys(self.compared(c, state.anchors) for c in _decided(state.constraints))),
            count=count if count is not None else state.count,
            turn=turn,
            not_understood=tuple(dict.fromkeys(state.lost)),
        )

    def compared(self, constraint: Constraint, anchors: Sequence[Anchor]) -> Constraint:
        """ "Newer" and "cheaper" by what there is to compare with; as it is where that is nothing."""
        if constraint.values or not anchors:
            return constraint
        c = constraint
        return self.bounds.than_item(c.said, c.field, c.op, anchors[0].item) or c

    def tied(self, item: Node, relations: Sequence[str], said: str, wanted: bool) -> Wish | None:
        """What an item is tied to: the director of Heat, the brand of a product."""
        place = self._snapshot.items.index(item.key)
        for relation in relations:
            source, target = self._relations[relation]
            other = target if source == self.names.item_type else source
            if other == self.names.item_type:
                continue
            edges = self._snapshot.edges[relation]
            mine, theirs = (
                (edges.source, edges.target) if source == self.names.item_type else (edges.target, edges.source)
            )
            ids, shown = self._snapshot.ids[other], self._snapshot.names(other)
            nodes = tuple(Node(other, ids.key(n), shown[n].as_py()) for n in theirs[mine == place].tolist())
            if nodes:
                return Wish(said, nodes, wanted, True, "exact", relation)
        return None

    def between_items(self, relations: Sequence[str]) -> str | None:
        """The first of some relation types that ties items to items."""
        item = self.names.item_type
        return next((r for r in relations if self._relations[r] == (item, item)), None)

    def restricted(self, nodes: tuple[Node, ...], relations: Sequence[str]) -> tuple[tuple[Node, ...], str | None]:
        """The nodes that a relation type may lead to, and the relation type; all and None where it leads to none."""
        for relation in relations:
            some = tuple(n for n in nodes if n.type in self._relations[relation])
            if some:
                return some, relation
        return nodes, None


class _Reader:
    """One pass over the tokens of a request."""

    def __init__(
        self,
        parser: Parser,
        tokens: list[Token],
        parts: list[Atom],
        text: str,
        state: _State,
        links: Mapping[Key, Mention],
    ) -> None:
        self.p, self.tokens, self.parts, self.text, self.s = parser, tokens, parts, text, state
        self._links, self._asked = links, 0

    def read(self) -> None:
        """Fill the state."""
        place = self._opening()
        while place < len(self.tokens):
            place = self._step(place)

    def _opening(self) -> int:
        """A request that begins with an item's name of one word: "Stalker but shorter"."""
        if self.tokens and self.tokens[0].kind in ("unknown", "node", "nearly", "filler"):
            found = self.p.lexer.title_at(self.parts, 0, self.text)
            if found is not None:
                place = self._after(found[0].last)
                small = self._kind(place) == "but" and any(t.kind == "unknown" for t in self.tokens[:place])
                ends = place >= len(self.tokens) or self.tokens[place].kind in ("but", "comma", "stop")
                if ends and (found[1] or small):  # "the godfather but shorter"
                    self._title(found[0].value[0], found[0].value[1], found[0].said)
                    return place
        return 0

    def _after(self, atom: int) -> int:
        """The first token that begins at an atom or later."""
        return next((n for n, t in enumerate(self.tokens) if t.first >= atom), len(self.tokens))

    def _ahead(self, place: int, skip: Sequence[str] = ("filler", "of", "mark")) -> int:
        while place < len(self.tokens) and self.tokens[place].kind in skip:
            place += 1
        return place

    def _kind(self, place: int) -> str:
        return self.tokens[place].kind if 0 <= place < len(self.tokens) else ""

    def _nearest(self, words: Key) -> Node | None:
        """The kind that some words are near to, for the first words of a request that ask for it."""
        self._asked += 1
        return self.p.near.nearest(words) if self._asked <= MOST_NEAR else None

    def _lose(self, said: str) -> None:
        """Words that nothing takes: what they are linked to, or not understood."""
        linked = self._links.get(key(said))
        if linked is None:
            self.s.lost.append(said)
        else:
            self._wish(linked, said, must=False)

    def _step(self, place: int) -> int:
        token, s = self.tokens[place], self.s
        few = self._few(place)
        if few is not None:
            return few
        if token.kind in ("bound", "field", "around", "between", "recent", "quantity", "than", "ordinal"):
            last = self._bound(place)
            if last is not None:
                return last
        handler = getattr(self, f"_on_{token.kind}", None)
        if handler is not None:
            following: int = handler(place)
            return following
        if token.kind in ("stop", "but"):
            s.clause()
            if token.kind == "stop":
                s.context = None
        return place + 1

    # --- numbers ---------------------------------------------------------------------------------------

    def _bound(self, place: int) -> int | None:
        s = self.s
        compared = self._than_item(place)
        if compared is not None:
            return compared
        constraint, last = self.p.bounds.read(self.tokens, place, s.context)
        if constraint is None:
            if self._kind(place) == "field":
                s.context = self.tokens[place].value[0]
            return self._count(place)
        if s.negative and not s.mentioned:
            constraint = negated(constraint) if constraint.values else constraint
        elif s.soft < 0 and not constraint.values:
            constraint = negated(constraint)
        s.constraints.append(constraint)
        s.context = constraint.field
        s.mentioned, s.soft, s.either = True, 0, False
        return last

    def _count(self, place: int) -> int | None:
        token = self.tokens[place]
        if token.kind != "quantity":
            return None
        quantity: Quantity = token.value
        counts = quantity.field is None and quantity.low.is_integer() and 1 <= quantity.low <= 1000
        n = self._ahead(place + 1, ("measure",))
        if self._kind(n) == "people":  # a tent for two people
            self.s.lost.append(self.text[self._start(place) : self._end(n)])
            return n + 1
        if self._kind(place - 1) == "unknown" and n == place + 1:  # user 7
            counts = False
        if quantity.low == 1 and n > place + 1 and self._kind(place - 1) != "only":  # 一副耳机: an article
            return n
        if counts and self.s.count is None and not self.s.negative:
            self.s.count = min(int(quantity.low), MOST_ITEMS)
            return place + 1
        self.s.lost.append(token.said)
        return place + 1

    def _few(self, place: int) -> int | None:
        """A bound on how many items: "no more than three tents"."""
        if self._kind(place) != "bound" or self.tokens[place].value not in ("<=", "<", ">="):
            return None
        n = self._ahead(place + 1, ("filler", "mark"))
        if self._kind(n) != "quantity" or self.tokens[n].value.field is not None or self.tokens[n].value.low > 50:
            return None
        measured = self._kind(n + 1) == "measure"
        counted = measured or (self._kind(n + 1) in ("item", "node", "nearly") and self.s.context is None)
        if counted and self.tokens[n].value.low.is_integer() and self.tokens[n].value.low >= 1:
            self.s.count = int(self.tokens[n].value.low)
            return n + 1
        return None

    def _than_item(self, place: int) -> int | None:
        """Newer than an item: "older than Heat", "比《Heat》更老"."""
        token = self.tokens[place]
        if token.kind != "than":
            return None
        if token.value is not None:
            n = self._ahead(place + 1, ("filler", "item"))
            if self._kind(n) != "than" or self.tokens[n].value is not None:
                return None
            found = self._title_from(n + 1)
            field_op, last = token.value, None if found is None else found[2]
        else:
            found = self._title_from(place + 1)
            n = (
                len(self.tokens)
                if found is None
                else self._ahead(found[2], ("filler", "more", "less", "mark", "field"))
            )
            if self._kind(n) != "than" or self.tokens[n].value is None:
                return None
            field_op, last = self.tokens[n].value, n + 1
        if found is None or last is None:
            return None
        said = " ".join(t.said for t in self.tokens[place:last])
        constraint = self.p.bounds.than_item(said, field_op[0], field_op[1], found[0])
        if constraint is None:
            self.s.lost.append(said)
        else:
            negative = self.s.negative and not self.s.mentioned and constraint.values
            self.s.constraints.append(negated(constraint) if negative else constraint)
            self.s.context, self.s.mentioned = constraint.field, True
        self.s.soft = 0
        return last

    # --- items -----------------------------------------------------------------------------------------

    def _title_from(self, place: int) -> tuple[Node, How, int] | None:
        """The item named at a token or, behind small words, soon after; with the token that follows."""
        n = place
        while n < len(self.tokens):
            token = self.tokens[n]
            if token.kind == "title":
                return token.value[0], token.value[1], n + 1
            found = self.p.lexer.title_at(self.parts, token.first, self.text)
            if found is not None:
                title, capital = found
                longer = token.kind == "node" and token.last > title.last
                common = token.last == title.last and token.kind not in ("unknown", "node", "nearly")
                if not longer and (capital or not common):
                    return title.value[0], title.value[1], self._after(title.last)
            if token.kind not in ("filler", "item", "of", "measure", "mark", "ask"):
                return None
            n += 1
        return None

    def _title(self, item: Node, how: How, said: str) -> None:
        s = self.s
        if s.negative or s.soft < 0:
            s.wishes.append(Wish(said, (item,), False, True, how))
            s.mentioned = True
        else:
            s.anchors.append(Anchor(said, item, how))
            s.anchored = True
        s.either = False

    def _on_title(self, place: int) -> int:
        item, how = self.tokens[place].value
        n = self._ahead(place + 1, ("of", "filler", "same", "from", "like"))
        between = self._kind(n) == "relation" and not self.p.words.relation_first
        between = between and self._kind(n + 1) != "title"
        if between and self._tied(item, n, self.tokens[place].said):  # 《Ran》的导演, 和X同一品牌, 与X搭配
            return n + 1
        self._title(item, how, self.tokens[place].said)
        return place + 1

    def _tied(self, item: Node, relation: int, said: str) -> bool:
        """A wish for what an item is tied to by the relation of a token; False where it is tied to nothing."""
        wanted, relations = not self.s.negative, self.tokens[relation].value
        whole = (
            f"{said} {self.tokens[relation].said}"
            if self.p.words.relation_first
            else f"{said}{self.tokens[relation].said}"
        )
        items = self.p.between_items(relations)
        wish = self.p.tied(item, relations, whole, wanted)
        if wish is None and items is not None:
            wish = Wish(whole, (item,), wanted, True, "exact", items)
        if wish is None:
            return False
        self.s.wishes.append(wish)
        self.s.mentioned, self.s.either = True, False
        return True

    def _on_relation(self, place: int) -> int:
        relations = self.tokens[place].value
        n = self._ahead(place + 1, ("filler", "from"))
        linked = self._kind(n) == "of" or self.p.between_items(relations) is not None
        if linked or self._kind(place - 1) == "same" or self._kind(place - 2) == "same":
            found = self._title_from(n + (self._kind(n) == "of"))
            if found is not None and self._tied(found[0], place, self.text[self._start(n) : self._end(found[2] - 1)]):
                return found[2]
            if self.s.anchors and (self._kind(place - 1) == "same" or self._kind(place - 2) == "same"):
                self._tied(self.s.anchors[0].item, place, self.s.anchors[0].said)
                return place + 1
        if not self.p.words.relation_first and self.s.wishes and self._kind(place - 1) in ("node", "unknown"):
            last = self.s.wishes[-1]
            nodes, relation = self.p.restricted(last.nodes, relations)
            self.s.wishes[-1] = replace(last, nodes=nodes, relation=relation)
            return place + 1
        self.s.relation = relations
        if self.s.negative and self.s.mentioned:
            self.s.clause()
            self.s.relation = relations
        return place + 1

    def _start(self, place: int) -> int:
        return self.parts[self.tokens[place].first].start if place < len(self.tokens) else len(self.text)

    def _end(self, place: int) -> int:
        return self.parts[self.tokens[min(place, len(self.tokens) - 1)].last - 1].end

    def _on_like(self, place: int) -> int:
        s = self.s
        n = self._ahead(place + 1)
        if self._kind(n) == "ordinal":
            (s.drop if s.negative else s.like).append(self.tokens[n].value)
            return n + 1
        if s.negative and s.mentioned:
            s.clause()
        found = self._title_from(place + 1)
        if found is not None:
            item, how, last = found
            said = self.text[self._start(place + 1) : self._end(last - 1)]
            related = not self.p.words.relation_first and self._kind(self._ahead(last)) == "relation"
            if related and self._tied(item, self._ahead(last), said):
                return self._ahead(last) + 1
            self._title(item, how, said)
            return last
        if self._kind(n) in ("node", "nearly", "quantity", "title", "than", *_ENDS) or n >= len(self.tokens):
            return place + 1
        if self._kind(n) != "unknown":
            return place + 1
        last = n
        while last < len(self.tokens) and self.tokens[last].kind not in _ENDS:
            last += 1
        return self._alike(n, last)

    def _alike(self, first: int, last: int) -> int:
        """An item whose name is misspelt or cut, or a node, in the tokens up to ``last``."""
        for end in range(last, first, -1):
            said = self.text[self._start(first) : self._end(end - 1)]
            name = key(said)
            whole = (
                self.p.names.title(name)
                if end == last or len(name) > 1 or self.tokens[first].kind == "unknown"
                else None
            )
            mention = self.p.names.misspelt(name, loose=True)
            if mention is not None and (whole is None or whole[1] != "exact") and " ".join(name) not in (whole or ""):
                better = whole is None or whole[1] == "alias"
                if better and len(name) > 0:
                    self._wish(mention, said)
                    return end
            if whole is not None:
                self._title(whole[0], whole[1], said)
                return end
        if self._nearest(key(self.text[self._start(first) : self._end(last - 1)])) is not None:
            return first  # "like heists": the words are read as others are
        self._lose(self.text[self._start(first) : self._end(last - 1)])
        return last

    def _on_ordinal(self, place: int) -> int:
        if self.s.negative:
            self.s.drop.append(self.tokens[place].value)
            self.s.mentioned = True
        return place + 1

    # --- words that govern others ----------------------------------------------------------------------

    def _on_not(self, place: int) -> int:
        s = self.s
        s.clause()
        s.negative = True
        token = self.tokens[place + 1] if place + 1 < len(self.tokens) else None
        if token is not None and token.kind in ("unknown", "node"):
            found = self.p.lexer.title_at(self.parts, token.first, self.text)
            if found is not None and found[1] and (token.kind == "unknown" or found[0].last > token.last):
                self._title(found[0].value[0], found[0].value[1], found[0].said)
                return self._after(found[0].last)
        return place + 1

    def _on_excluded(self, place: int) -> int:
        """What was named in the clause is not wanted: "horror excluded", 恐怖片除外."""
        first = min(self.s.begun, len(self.s.wishes))
        self.s.wishes[first:] = [replace(w, wanted=False) for w in self.s.wishes[first:]]
        self.s.mentioned = True
        return place + 1

    def _on_comma(self, place: int) -> int:
        s = self.s
        enumerated = self._enumerates(place + 1)
        anchored = s.anchored
        if not (s.negative and enumerated):
            relation = s.relation if enumerated else ()
            s.clause()
            s.relation = relation
        s.soft = 0
        if anchored:
            return self._next_anchor(place + 1)
        return place + 1

    def _next_anchor(self, place: int) -> int:
        """A further item after "and" or a comma: "like Fargo and Heat"."""
        if self._kind(place) in ("unknown", "title", "node"):
            found = self.p.lexer.title_at(self.parts, self.tokens[place].first, self.text)
            if found is not None and found[1] and found[0].last >= self.tokens[place].last:
                self._title(found[0].value[0], found[0].value[1], found[0].said)
                return self._after(found[0].last)
        return place

    def _enumerates(self, place: int) -> bool:
        """Whether mentions go on up to an "or" or "and" with one more: ", war or drama"."""
        n = place
        while n < len(self.tokens):
            n = self._ahead(n, ("filler", "item", "mark"))
            if self._kind(n) not in ("node", "nearly", "unknown", "title"):
                return False
            n = self._ahead(n + 1, ("filler", "item", "mark"))
            if self._kind(n) == "or" or self._kind(n) == "and":
                following = self._ahead(n + 1, ("filler", "item", "mark"))
                return self._kind(following) in ("node", "nearly", "unknown", "title")
            if self._kind(n) != "comma":
                return False
            n += 1
        return False

    def _on_or(self, place: int) -> int:
        self.s.either = True
        return place + 1

    def _on_and(self, place: int) -> int:
        s = self.s
        following = self._kind(self._ahead(place + 1, ("filler", "mark", "item")))
        if self._kind(place - 1) == "comma" or self._kind(place + 1) == "comma":
            return place + 1
        anchored = s.anchored
        if following not in ("node", "nearly", "unknown", "title") or self._kind(place + 1) == "from":
            s.clause()
        s.either = False
        if anchored:
            return self._next_anchor(place + 1)
        return place + 1

    def _on_from(self, place: int) -> int:
        s = self.s
        if s.negative and self._kind(place - 1) == "unknown" and self._kind(place - 2) == "not":
            s.mentioned = False  # not interested in, not fond of
        elif s.negative and s.mentioned and not s.either:
            s.clause()
        s.anchored = False
        return place + 1

    def _on_of(self, place: int) -> int:
        if not self.p.words.relation_first and self.s.negative and self.s.mentioned:
            self.s.clause()  # 没有爱情的历史片
        if self.p.words.relation_first and self.s.negative and self.s.mentioned:
            return place + 1
        self.s.soft = 0 if not self.p.words.relation_first else self.s.soft
        return place + 1

    def _on_only(self, place: int) -> int:
        self.s.clause()
        return place + 1

    def _on_more(self, place: int) -> int:
        if self.s.negative and self.s.mentioned:
            self.s.clause()
        self.s.soft = 1
        return place + 1

    def _on_less(self, place: int) -> int:
        self.s.clause()
        self.s.soft = -1
        return place + 1

    # --- mentions --------------------------------------------------------------------------------------

    def _wish(self, mention: Mention, said: str, *, must: bool = True) -> None:
        s = self.s
        nodes, relation = self.p.restricted(mention.nodes, s.relation) if s.relation else (mention.nodes, None)
        wanted = not s.negative if s.soft >= 0 else s.negative
        wish = Wish(said, nodes, wanted, must and s.soft == 0, mention.how, relation)
        before = s.wishes[-1] if s.wishes else None
        if s.either and before is not None and before.wanted and wanted and before.must == wish.must:
            s.wishes[-1] = replace(before, said=f"{before.said}, {said}", nodes=before.nodes + nodes)
            self._gather(before, nodes)
        else:
            s.wishes.append(wish)
        s.mentioned, s.either, s.anchored = True, False, False
        if self.p.words.relation_first and not self._enumerating:
            s.relation = ()

    @property
    def _enumerating(self) -> bool:
        return bool(self.s.relation)

    def _gather(self, before: Wish, nodes: tuple[Node, ...]) -> None:
        """Join what a list with "or" at its end names: "by Kirova, Almira or Monte" is any of the three."""
        s = self.s
        kinds = {n.type for n in nodes}
        while len(s.wishes) > 1:
            earlier, last = s.wishes[-2], s.wishes[-1]
            listed = earlier.said in self._listed
            same = (
                earlier.wanted == last.wanted and earlier.must == last.must and {n.type for n in earlier.nodes} <= kinds
            )
            if not (listed and same):
                return
            s.wishes[-2:] = [replace(last, said=f"{earlier.said}, {last.said}", nodes=earlier.nodes + last.nodes)]

    @property
    def _listed(self) -> set[str]:
        """Mentions that stand directly before a comma."""
        pairs = zip(self.tokens[:-1], self.tokens[1:], strict=True)
        return {a.said for a, b in pairs if b.kind == "comma" and a.kind in ("node", "unknown")}

    def _on_node(self, place: int) -> int:
        token = self.tokens[place]
        if self.s.anchored and self.s.either:
            following = self._next_anchor(place)
            if following != place:
                return following
        self._wish(token.value, token.said)
        return place + 1

    def _on_nearly(self, place: int) -> int:
        token, s = self.tokens[place], self.s
        nodes = self.p.names.called(token.value)
        if not nodes:
            near = self._nearest(key(self.p.words.gloss.get(token.said, token.said)))
            if near is None:
                self._lose(token.said)
                return place + 1
            self._wish(Mention((near,), "near"), token.said, must=False)
            return place + 1
        self._wish(Mention(nodes, "alias"), token.said, must=s.negative and len(nodes) == 1)
        return place + 1

    def _on_unknown(self, place: int) -> int:
        last = place
        while last < len(self.tokens) and self.tokens[last].kind == "unknown":
            last += 1
        for size in range(min(4, last - place), 0, -1):
            said = self.text[self._start(place) : self._end(place + size - 1)]
            name = key(said)
            if not name or (size == 1 and len(bare(said)) < 2):
                continue
            loose = self.tokens[place].said[:1].isupper() or self._kind(place - 1) == "from"
            found = self.p.names.misspelt(name, loose=loose)
            if found is not None:
                self._wish(found, said)
                return place + size
            if size > 1 and self.tokens[place].said[:1].isupper():
                title = self.p.names.title(name)
                if title is not None and title[1] == "fuzzy":
                    self._title(title[0], title[1], said)
                    return place + size
        for size in range(min(2, last - place), 0, -1):
            said = self.text[self._start(place) : self._end(place + size - 1)]
            near = self._nearest(key(said)) if said.isascii() and len(said) > 2 else None
            if near is not None:
                self._wish(Mention((near,), "near"), said, must=False)
                return place + size
        han = self.parts[self.tokens[place].first].kind == "han"
        end = last if han else place + 1
        said = self.text[self._start(place) : self._end(end - 1)]
        if len(said) > 1:
            self._lose(said)
        self.s.mentioned = self.s.mentioned or self.s.negative
        return end


def _takes_away(state: _State, tokens: Sequence[Token]) -> bool:
    """Whether a request says only what is not wanted, and so goes on with the one before: "another brand, no Talix"."""
    if not state.wishes or state.anchors or any(w.wanted for w in state.wishes):
        return False
    return not any(t.kind in ("ask", "item") for t in tokens)


def _without_doubles(wishes: list[Wish]) -> list[Wish]:
    """Wishes of which none asks for what another does already; a wish that must be obeyed counts first."""
    kept: list[Wish] = []
    for wish in sorted(wishes, key=lambda w: (not w.must, wishes.index(w))):
        if not any(w.wanted == wish.wanted and set(wish.nodes) <= set(w.nodes) for w in kept):
            kept.append(wish)
    return kept


def _decided(constraints: list[Constraint]) -> list[Constraint]:
    """Without "cheaper" where a number says how much."""
    numbers = {c.field for c in constraints if c.values}
    return [c for c in constraints if c.values or c.field not in numbers]


def parser_for(text: str, language: str | None) -> str:
    """The language to read a request in.

    Args:
        text: the request.
        language: where it is known.
    """
    return language or language_of(text)


__all__ = ["MOST_ITEMS", "Parser", "Turn", "parser_for"]
