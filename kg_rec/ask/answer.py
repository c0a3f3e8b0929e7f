"""From a request to a list: a filter over the schema's fields and nodes, and a score that is a sum of named addends.

    s'(u, i) = s(u, i) + sum_anchors a K(anchor, i) + sum_wishes +-w [i has one of its nodes] + sum_bounds +-w r_i

K is the model's own kernel, summed over its channels with their weights; a and w are in standard deviations of the
user's own scores, so that words count beside what the user did.  r_i, from -1 to 1, is the place of an item's number
among the items that are allowed, for "cheapest" and for "cheaper" where there is nothing to compare with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats64
from kg_rec.ask.fields import Fields
from kg_rec.ask.request import Node, Request, Wish
from kg_rec.errors import ConfigError
from kg_rec.model.item_paths import incidence
from kg_rec.model.recommender import Recommender
from kg_rec.model.stated import Stated
from kg_rec.tabular import Tabular, columns


@dataclass(frozen=True)
class AskConfig:
    """How much words count, in standard deviations of the user's scores over the items that are allowed.

    Both sizes are set by hand, so that what is asked for outweighs most of what the user did;
    ``benchmarks.ask.sizes`` measures sizes on validation.

    Attributes:
        anchor: largest addend of an item to be like.
        wish: addend of a node that is wanted or not.
    """

    anchor: float = 6.0
    wish: float = 3.0

    def __post_init__(self) -> None:
        if not (0 < self.anchor < 1000 and 0 < self.wish < 1000):
            raise ConfigError(f"expected anchor and wish above 0 and below 1000, got {self}")


@dataclass(frozen=True, slots=True)
class Addend:
    """A part of a score.

    Attributes:
        kind: ``yours`` (what the user did, and what all like), ``said`` (what the user said of themselves before),
            ``like`` (an anchor), ``wanted``, ``unwanted``.
        said: the words of the request; empty for ``yours`` and ``said``.
        about: what they are tied to, by name; of ``said``, what was said.
        value: what it adds.
    """

    kind: Literal["yours", "said", "like", "wanted", "unwanted"]
    said: str
    about: str
    value: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An item of an answer.

    Attributes:
        rank: from 1.
        item: its key.
        name: its name.
        score: the sum of ``addends`` (relative error at most 1e-5).
        addends: its parts; those that are 0 for this item are left out.
    """

    rank: int
    item: str
    name: str
    score: float
    addends: tuple[Addend, ...]


@dataclass(frozen=True, repr=False)
class Answer(Tabular):
    """What a request gave.

    Attributes:
        request: what was understood of this turn.
        asked: what holds by now, over all turns.
        items: the list, best first; empty where nothing fits, and for a question.
        remarks: what there is to say besides, in the language of the request.
        text: the whole answer in words.
        allowed: how many items obey all that was stated and are new to the user.
    """

    request: Request
    asked: Request
    items: tuple[Suggestion, ...]
    remarks: tuple[str, ...]
    text: str
    allowed: int

    def to_arrow(self) -> pa.Table:
        """The list: columns ``rank``, ``item``, ``name`` and ``score``."""
        return columns(self.items, rank=pa.int32(), item=pa.string(), name=pa.string(), score=pa.float64())

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


#: Kind, words, name and addend.
_Part = tuple[Literal["said", "like", "wanted", "unwanted"], str, str, Floats64]


@dataclass(frozen=True)
class Scored:
    """All items under a request, for one user.

    Attributes:
        allowed: items that obey, boolean, shape (items,).
        yours: the user's own scores, shape (items,).
        parts: kind, words, name and addend of each earlier statement, anchor and wish, the last of shape (items,).
    """

    allowed: NDArray[np.bool_]
    yours: Floats64
    parts: tuple[_Part, ...]

    @property
    def total(self) -> Floats64:
        """The scores, shape (items,)."""
        total = self.yours.copy()
        for *_, values in self.parts:
            total += values
        return total

    def addends(self, item: int) -> tuple[Addend, ...]:
        """The parts of one item's score."""
        first = Addend("yours", "", "", float(self.yours[item]))
        rest = (Addend(kind, said, about, float(values[item])) for kind, said, about, values in self.parts)
        return (first, *(a for a in rest if a.value != 0))


class Scorer:
    """Filters and scores by requests.

    Args:
        model: a trained model.
        config: how much words count.
    """

    def __init__(self, model: Recommender, config: AskConfig | None = None) -> None:
        self.model, self.config = model, config or AskConfig()
        self.fields = Fields(model.snapshot)
        self._incidence: dict[str, sparse.csc_array] = {}

    def has(self, wish: Wish) -> NDArray[np.bool_]:
        """Which items have one of a wish's nodes, or are one of them, shape (items,)."""
        snapshot = self.model.snapshot
        items = np.zeros(len(snapshot.items), bool)
        item = snapshot.schema.item.name
        for node in wish.nodes:
            if node.type == item and wish.relation is None:
                items[snapshot.items.index(node.key)] = True
                continue
            index = snapshot.ids[node.type].index(node.key)
            for relation in snapshot.schema.knowledge_relations:
                ends = {relation.source, relation.target}
                if wish.relation not in (None, relation.name) or ends != {item, node.type}:
                    continue
                if relation.name not in self._incidence:
                    self._incidence[relation.name] = incidence(snapshot, relation).tocsc()
                matrix = self._incidence[relation.name]
                items[matrix.indices[matrix.indptr[index] : matrix.indptr[index + 1]]] = True
        return items

    def much(self, wish: Wish) -> Floats64:
        """How much of a wish items have, 0 to 1, shape (items,): of "violent", one node is half, two are whole."""
        if wish.must or len(wish.nodes) == 1:
            return self.has(wish).astype(np.float64)
        amounts = np.zeros(len(self.model.items))
        for node in wish.nodes:
            amounts += self.has(replace(wish, nodes=(node,)))
        return np.minimum(amounts / 2, 1.0)

    def _said(self, user: int | None) -> Stated | None:
        """What the user said before, where the model is of that user."""
        stated = self.model.stated
        return stated if stated is not None and stated.user == user else None

    def filters(self, request: Request, user: int | None) -> list[tuple[str, NDArray[np.bool_]]]:
        """What every item of the answer has to obey: the words, and which items do, shape (items,)."""
        filters = [(c.said, self.fields.obeys(c)) for c in request.constraints if c.property is not None and c.values]
        filters += [(w.said, self.has(w) if w.wanted else ~self.has(w)) for w in request.wishes if w.must]
        before = self._said(user)
        if before is not None:
            bound = np.flatnonzero(~before.listed.all(axis=1)).tolist()
            filters += [(before.text(n, request.language).rstrip(".。"), before.listed[n]) for n in bound]
        return filters

    def score(self, request: Request, user: int | None, left_out: Sequence[int] = ()) -> Scored:
        """Score all items.

        Args:
            request: what is asked for.
            user: dense index; None for somebody of whom nothing is known.
            left_out: dense indices of items not to show again.
        """
        model, n = self.model, len(self.model.items)
        history = sparse.csr_array((1, n), dtype=np.float32) if user is None else model.histories[[user]]
        again = None if user is None else model.again_of(np.array([user]))
        yours, before = model.scores_of(history, again)[0], self._said(user)
        if before is not None:
            yours -= before.total
        anchors = [model.items.index(a.item.key) for a in request.anchors]
        allowed = self._listable(user)
        for _, obeys in self.filters(request, user):
            allowed &= obeys
        allowed[[*anchors, *left_out]] = False
        spread = float(yours[allowed].std()) if allowed.any() else 0.0
        spread = spread if spread > 1e-9 else 1.0
        parts = list[_Part]()
        if before is not None:
            told = (before.text(n, request.language) for n in range(len(before.values)))
            parts += [("said", "", text, values) for text, values in zip(told, before.values, strict=True)]
        for anchor, place in zip(request.anchors, anchors, strict=True):
            row = sparse.csr_array(([np.float32(1)], ([0], [place])), shape=(1, n))
            kernel = model.scores_of(row)[0] - model.base.astype(np.float64)
            most = float(kernel[allowed].max()) if allowed.any() else 0.0
            a = self.config.anchor * spread / most if most > 1e-9 else 0.0
            parts.append(("like", anchor.said, anchor.item.name, kernel * a))
        for wish in request.wishes:
            size = self.config.wish * spread * (1 if wish.wanted else -1)
            about = ", ".join(dict.fromkeys(node.name for node in wish.nodes))
            values: Floats64 = self.much(wish) * size
            parts.append(("wanted" if wish.wanted else "unwanted", wish.said, about, values))
        for bound in request.constraints:
            if bound.property is not None and not bound.values:
                sign = 1 if bound.op in (">", ">=") else -1
                values = sign * self.config.wish * spread * _places(self.fields.values(bound.field), allowed)
                parts.append(("wanted", bound.said, bound.said, values))
        return Scored(allowed, yours, tuple(parts))

    def _listable(self, user: int | None) -> NDArray[np.bool_]:
        """What may be listed whatever is asked for: what the user did not have and the model's rules allow."""
        listable = self.model.shown.to(user)
        if user is not None:
            listable[self.model.seen[[user]].indices] = False
        return listable

    def best(self, scored: Scored, k: int) -> tuple[Suggestion, ...]:
        """The best k of the items allowed, equal ones by index."""
        total = np.where(scored.allowed, scored.total, -np.inf)
        names = self.model.snapshot.names(self.model.snapshot.schema.item.name)
        suggestions = []
        for rank, place in enumerate(np.argsort(-total, kind="stable")[:k].tolist(), 1):
            if not scored.allowed[place]:
                break
            key, name = self.model.items.key(place), names[place].as_py()
            suggestions.append(Suggestion(rank, key, name, float(total[place]), scored.addends(place)))
        return tuple(suggestions)

    def without_each(self, request: Request, user: int | None) -> list[tuple[str, int]]:
        """Where nothing obeys all: how many items there would be without each thing stated, most first."""
        counts = []
        filters = self.filters(request, user)
        new = self._listable(user)
        for place, (said, _) in enumerate(filters):
            left = new.copy()
            for other, (_, obeys) in enumerate(filters):
                if other != place:
                    left &= obeys
            if left.any():
                counts.append((said, int(left.sum())))
        return sorted(counts, key=lambda pair: -pair[1])

    def query(self, request: Request) -> tuple[str, Mapping[str, Any]] | None:
        """The filter as a parameterised, read-only Cypher statement, to show; None over a graph that others made.

        Every label, relationship type and property in it is the schema's; what people said is in the parameters alone.
        """
        schema = self.model.snapshot.schema
        if schema.mapped:
            return None
        item, conditions = schema.item, list[str]()
        parameters: dict[str, Any] = {}
        for n, c in enumerate(c for c in request.constraints if c.property is not None and c.values):
            p = next(p for p in item.properties if p.name == c.property)
            value = f"i.{p.name}.year" if p.datatype == "date" else f"i.{p.name}"
            parameters |= {f"low_{n}": c.values[0], f"high_{n}": c.values[-1]}
            inside = f"$low_{n} <= {value} AND {value} <= $high_{n}"
            outside = f"({value} < $low_{n} OR {value} > $high_{n})"
            one = f"{value} {c.op} $low_{n}"
            conditions.append({"in": inside, "not in": outside}.get(c.op, one))
            if c.op not in ("in", "not in"):
                del parameters[f"high_{n}"]
        for n, wish in enumerate(w for w in request.wishes if w.must):
            tests = []
            for m, node in enumerate(wish.nodes):
                parameters[f"node_{n}_{m}"] = node.key
                tests += self._tests(node, wish.relation, f"$node_{n}_{m}")
            some = " OR ".join(tests) or "false"
            conditions.append(f"({some})" if wish.wanted else f"NOT ({some})")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"MATCH (i:{item.name}){where} RETURN i.{item.key} AS item ORDER BY item", parameters

    def _tests(self, node: Node, relation: str | None, parameter: str) -> list[str]:
        schema = self.model.snapshot.schema
        item = schema.item
        if node.type == item.name and relation is None:
            return [f"i.{item.key} = {parameter}"]
        other = schema.node_types[node.type]
        tests = []
        for r in schema.knowledge_relations:
            if relation in (None, r.name) and {r.source, r.target} == {item.name, node.type}:
                either = r.source == r.target
                start = "-" if either or r.source == item.name else "<-"
                end = "-" if either or r.source != item.name else "->"
                there = f"(:{other.name} {{{other.key}: {parameter}}})"
                tests.append(f"EXISTS {{ MATCH (i){start}[:{r.name}]{end}{there} }}")
        return tests


def _places(values: Floats64, allowed: NDArray[np.bool_]) -> Floats64:
    """Where numbers stand among those of the items allowed, -1 the lowest, 1 the highest; 0 where none is known."""
    known = np.sort(values[allowed & np.isfinite(values)])
    if len(known) < 2:
        return np.zeros(len(values))
    below, upto = (np.searchsorted(known, values, side) for side in ("left", "right"))
    places: Floats64 = np.clip((below + upto - 1) / (len(known) - 1) - 1, -1, 1)
    return np.where(np.isfinite(values), places, 0.0)
