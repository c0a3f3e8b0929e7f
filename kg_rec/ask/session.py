"""Several requests of one user, one after the other: each may go on with those before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kg_rec.ask.answer import Answer, AskConfig, Scored, Scorer, Suggestion
from kg_rec.ask.bounds import Bounds
from kg_rec.ask.linker import Linker
from kg_rec.ask.parser import Parser
from kg_rec.ask.request import MOST_ITEMS, Anchor, Constraint, Node, Request, Wish
from kg_rec.ask.tell import remarks_of, suggestion_text, text_of
from kg_rec.ask.words import language_of, words_of
from kg_rec.errors import ArgumentError
from kg_rec.explain.single import explain
from kg_rec.explain.words.wording import Wording
from kg_rec.model.recommender import Recommender


class Asker:
    """What answers requests over a model, for any number of users: parsers are made once a language.

    Args:
        model: a trained model.
        config: how much words count.
        near: whether words that nothing else takes are looked up by the model's text encoder.
        linker: asked of words that are not understood even so; None asks no language model.
    """

    def __init__(
        self,
        model: Recommender,
        config: AskConfig | None = None,
        *,
        near: bool = True,
        linker: Linker | None = None,
    ) -> None:
        self.model, self.linker = model, linker
        self.scorer = Scorer(model, config)
        self._encoder = _encoder(model) if near else "none"
        self._parsers: dict[str, Parser] = {}

    def reads(self, model: Recommender) -> bool:
        """Whether its parsers read requests for another model as they should be read for that."""
        return _encoder(model) == self._encoder and self.model.snapshot.same_catalogue(model.snapshot)

    def over(self, model: Recommender, config: AskConfig | None = None, linker: Linker | None = None) -> Asker:
        """The same for a model over the same nodes, such as with a user's newest interactions; parsers are shared.

        Args:
            model: the model.
            config: how much words count; None for what it is here.
            linker: asked of words that are not understood; None for the one here.
        """
        other = Asker(model, config or self.scorer.config, linker=linker or self.linker)
        other._encoder, other._parsers = self._encoder, self._parsers
        return other

    def parser(self, language: str) -> Parser:
        """The parser of a language.

        Raises:
            ConfigError: requests in it are not understood.
        """
        if language not in self._parsers:
            self._parsers[language] = Parser(self.model.snapshot, language, self._encoder)
        return self._parsers[language]

    def read(self, text: str, language: str) -> Request:
        """What a request asks for; words that the grammar does not know are asked of the language model, if any.

        Raises:
            ConfigError: requests in the language are not understood.
        """
        parser = self.parser(language)
        request = parser.parse(text)
        if self.linker is None or not request.not_understood:
            return request
        links = self.linker.links(request.text, request.not_understood, parser.names, parser.words)
        return replace(parser.parse(text, links.mentions) if links.mentions else request, refused=links.refused)

    def session(self, user: str | None = None, language: str | None = None) -> Session:
        """A conversation with a user; see :class:`Session`.

        Raises:
            NotFoundError: the user is unknown.
            ConfigError: requests in the language are not understood.
        """
        return Session(self, user, language)


def _encoder(model: Recommender) -> str:
    """The text encoder of a model; "none" without one."""
    return "none" if model.text is None else model.config.meaning.encoder


@dataclass(frozen=True)
class _Memory:
    """What a session keeps: what holds by now, the list before, and all items shown under it."""

    asked: Request | None = None
    items: tuple[Suggestion, ...] = ()
    shown: tuple[str, ...] = ()


class Session:
    """The requests of one user.  It reads; nothing is written anywhere.

    Args:
        asker: answers.
        user: user key; None for somebody of whom nothing is known.
        language: of the requests; None for that of each.

    Raises:
        NotFoundError: the user is unknown.
        ConfigError: requests in the language are not understood.
    """

    def __init__(self, asker: Asker, user: str | None, language: str | None = None) -> None:
        self.asker, self.user, self.language = asker, user, language
        self._row = None if user is None else asker.model.users.index(user)
        if language is not None:
            words_of(language)
        self._memory = _Memory()

    @property
    def asked(self) -> Request | None:
        """What holds by now; None before the first request."""
        return self._memory.asked

    def ask(self, text: str, k: int = 10) -> Answer:
        """Answer a request.

        Args:
            text: the request; what was asked before still holds where it goes on with it.
            k: how many items where the request does not say, 1 to 100.

        Raises:
            ArgumentError: k is out of range.
        """
        if not 1 <= k <= MOST_ITEMS:
            raise ArgumentError(f"expected k from 1 to {MOST_ITEMS}, got {k}")
        request = self.asker.read(text, self.language or language_of(text))
        return self.answer(request, text, k)

    def answer(self, request: Request, text: str = "", k: int = 10) -> Answer:
        """Answer a request that was read already, by a parser or another reader; see :meth:`ask`."""
        say, kind = words_of(request.language).say, request.turn.kind
        if kind == "reset":
            self._memory = _Memory()
            return self._said(request, request, [say["reset"]])
        if kind in ("why", "why-not"):
            return self._why(request, k)
        before = self._memory.asked
        faults = self._places(request)
        if before is None or kind == "new":
            asked, shown = request, tuple[str, ...]()
        else:
            asked = self._joined(before, request)
            shown = self._memory.shown
        asked = self._compared(self._with_list(asked, request))
        count = request.count or (asked.count if kind != "new" else None) or k
        model = self.asker.model
        dropped = [s.item for s in self._at(request.turn.drop)]
        again = [*(shown if kind == "more" else ()), *dropped]
        left_out = [model.items.index(key) for key in dict.fromkeys(again)]
        scored = self.asker.scorer.score(asked, self._row, left_out)
        items = self.asker.scorer.best(scored, min(count, MOST_ITEMS))
        remarks = [*faults, *remarks_of(request, model.snapshot.schema, text), *self._few(asked, scored, items, count)]
        if not faults or items:
            self._memory = _Memory(asked, items, tuple(dict.fromkeys((*again, *shown, *(s.item for s in items)))))
        return Answer(
            request, asked, items, tuple(remarks), text_of(items, remarks, request.language), int(scored.allowed.sum())
        )

    # --- what holds by now -----------------------------------------------------------------------------

    def _joined(self, before: Request, request: Request) -> Request:
        """What was asked before, and what is asked now; what now says otherwise counts."""
        fields = {c.field for c in request.constraints if c.op != "not in"}
        nodes = {n for w in request.wishes for n in w.nodes}
        return replace(
            request,
            anchors=tuple(dict.fromkeys((*before.anchors, *request.anchors))),
            wishes=(*(w for w in before.wishes if not nodes & set(w.nodes)), *request.wishes),
            constraints=(
                *(c for c in before.constraints if c.field not in fields or not _same_side(c, request.constraints)),
                *request.constraints,
            ),
            count=request.count or before.count,
        )

    def _with_list(self, asked: Request, request: Request) -> Request:
        """Items of the list before that the answer is to be like become anchors."""
        item = self.asker.model.snapshot.schema.item.name
        more = tuple(Anchor(s.name, Node(item, s.item, s.name), "list") for s in self._at(request.turn.like))
        dropped = tuple(
            Wish(s.name, (Node(item, s.item, s.name),), False, True, "list") for s in self._at(request.turn.drop)
        )
        return replace(asked, anchors=(*asked.anchors, *more), wishes=(*asked.wishes, *dropped))

    def _compared(self, asked: Request) -> Request:
        """ "Cheaper" and "newer" by the anchor, else by the best of the list before."""
        bounds, item = Bounds(self.asker.scorer.fields), self.asker.model.snapshot.schema.item.name
        what = [a.item for a in asked.anchors] if not self._memory.items else []
        what += [Node(item, s.item, s.name) for s in self._memory.items[:1]]
        compared = []
        for c in asked.constraints:
            known = None if c.values or not what else bounds.than_item(c.said, c.field, c.op, what[0])
            compared.append(known or c)
        return replace(asked, constraints=tuple(compared))

    def _at(self, ranks: Sequence[int]) -> list[Suggestion]:
        items = self._memory.items
        places = [len(items) if rank == -1 else rank for rank in ranks]
        return [items[p - 1] for p in places if 1 <= p <= len(items)]

    def _places(self, request: Request) -> list[str]:
        """What to say of places that the list before does not have."""
        say, items = words_of(request.language).say, self._memory.items
        asked = [*request.turn.like, *request.turn.drop, *([request.turn.rank] if request.turn.rank else [])]
        if asked and not items:
            return [say["no list"]]
        return [say["no place"].format(len(items), r) for r in asked if r != -1 and not 1 <= r <= len(items)]

    def _few(self, asked: Request, scored: Scored, items: Sequence[Suggestion], count: int) -> list[str]:
        """What to say where nothing, or little, obeys all."""
        say = words_of(asked.language).say
        if items:
            return [say["fewer"].format(len(items))] if len(items) < count and asked.count else []
        rest = self.asker.scorer.without_each(asked, self._row)[:2]
        return [say["nothing"], *(say["without"].format(said, number) for said, number in rest)]

    # --- why -------------------------------------------------------------------------------------------

    def _said(self, request: Request, asked: Request, remarks: Sequence[str]) -> Answer:
        return Answer(request, asked, (), tuple(remarks), text_of((), remarks, request.language), 0)

    def _why(self, request: Request, k: int) -> Answer:
        """Why an item is in the list before, or why not."""
        say, memory = words_of(request.language).say, self._memory
        asked = memory.asked or request
        faults = self._places(request)
        if faults or memory.asked is None:
            return self._said(request, asked, faults or [say["no list"]])
        item = request.turn.item
        one = next(iter(self._at([request.turn.rank])), None) if request.turn.rank is not None else None
        if item is not None:
            one = next((s for s in memory.items if s.item == item.key), None)
        if one is None and item is not None:
            return self._said(request, asked, [self._why_not(request, asked, item)])
        if one is None:
            return self._said(request, asked, [say["no list"]])
        lines = [] if request.turn.kind == "why" else [say["in list"].format(one.name, one.rank)]
        lines.append(suggestion_text(one, request.language))
        if self.user is not None:
            lines.append(explain(self.asker.model, self.user, one.item, wording=self._wording(request.language)).text)
        return replace(self._said(request, asked, lines), items=())

    def _wording(self, language: str) -> Wording:
        return Wording(language if language in self.asker.model.snapshot.schema.languages else "en")

    def _why_not(self, request: Request, asked: Request, item: Node) -> str:
        say, place = words_of(request.language).say, self.asker.model.items.index(item.key)
        against = [
            say["obeys not"].format(said)
            for said, obeys in self.asker.scorer.filters(asked, self._row)
            if not obeys[place]
        ]
        if self._row is not None and place in self.asker.model.seen[[self._row]].indices:
            against.append(say["seen"])
        if not self.asker.model.shown.to(self._row)[place]:
            against.append(say["shut out"])
        if not against:
            scored = self.asker.scorer.score(asked, self._row)
            last = self._memory.items[-1].score if self._memory.items else 0.0
            against.append(say["lower"].format(float(scored.total[place]), last))
        return say["why not"].format(item.name, say["and"].join(against))


def _same_side(constraint: Constraint, new: Sequence[Constraint]) -> bool:
    """Whether a newer bound on the same field takes an older one's place: it bounds the same side, or both."""
    sides = {"<": "high", "<=": "high", ">": "low", ">=": "low"}
    mine = sides.get(constraint.op)
    return any(
        c.field == constraint.field and c.op != "not in" and (mine is None or sides.get(c.op) in (None, mine))
        for c in new
    )
