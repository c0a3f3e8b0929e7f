"""From the addends of a score to an explanation: real paths, grouped, told and checkable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kg_rec.arrays.segments import spans
from kg_rec.arrays.types import Ints
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.path import Path, PathGroup, PathNode, Term
from kg_rec.explain.paths.search import PathTable, find
from kg_rec.explain.show.again import had_again
from kg_rec.explain.show.cypher import cypher_for
from kg_rec.explain.show.fashion import in_fashion
from kg_rec.explain.words.verbalizer import Verbalizer
from kg_rec.explain.words.wording import Wording
from kg_rec.model.recommender import Addends, Recommender


def explain(
    model: Recommender,
    user: str,
    item: str,
    *,
    wording: Wording | None = None,
    config: ExplainConfig | None = None,
) -> Explanation:
    """Explain the score of an item for a user.

    Args:
        model: a trained model.
        user: user key.
        item: item key.
        wording: language, tone and phrasebook; None for friendly English.
        config: which of the true paths are shown; the terms of the score are always all of them.

    Raises:
        NotFoundError: the user or the item is not in the model's graph.
        ConfigError: a setting is out of range, or a channel or relation type is unknown.
        SchemaError: the schema has no words for the language.
        PhraseError: a phrase of the phrasebook is refused.
    """
    u, i = np.array([model.users.index(user)]), np.array([model.items.index(item)])
    table = find(model, u, i, config or ExplainConfig())
    notes = notes_of(model, table.addends)
    verbalizer = Verbalizer(model, wording or Wording())
    text = verbalizer.tell(table, notes)[0]
    shown = float(table.shown_share[0])
    return assembled(model, table.addends, path_groups(model, table)[0], shown, notes[0], text, verbalizer.wording.lang)


@dataclass(frozen=True, slots=True)
class Reason:
    """What a score is made of, in short.

    Attributes:
        base: what all users get.
        channels: the sums of the addends, by channel; those without an addend are left out.  What the user said of
            themselves is there as ``stated``.
        text: the words of :func:`explain`.
    """

    base: float
    channels: dict[str, float]
    text: str


def reasons(verbalizer: Verbalizer, users: Ints, items: Ints, config: ExplainConfig) -> list[Reason]:
    """The short reasons of many scores at once, for lists that are shown.

    Args:
        verbalizer: speaks about a trained model; it keeps what it once made.
        users: dense indices, shape (pairs,).
        items: dense indices, shape (pairs,): those of lists, which hold nothing that would be noted as known already.
        config: which of the true paths are told.

    Raises:
        ConfigError: as :func:`explain`.
    """
    table = find(verbalizer.model, users, items, config)
    addends, count = table.addends, len(users)
    texts = verbalizer.tell(table, notes_of(verbalizer.model, addends, listed=True))
    parts: list[dict[str, float]] = [{} for _ in range(count)]
    for channel, values in addends.values.items():
        there = np.bincount(addends.pairs[values != 0], minlength=count).tolist()
        for part, total, any_addend in zip(parts, addends.totals[channel].tolist(), there, strict=True):
            if any_addend:
                part[channel] = total
    base = addends.base
    stated = verbalizer.model.stated
    if stated is not None:
        said = stated.total[items]
        base = base - said
        for part, value in zip(parts, said.tolist(), strict=True):
            part |= {"stated": value} if value else {}
    return [Reason(*one) for one in zip(base.tolist(), parts, texts, strict=True)]


def assembled(
    model: Recommender,
    addends: Addends,
    groups: tuple[PathGroup, ...],
    shown_share: float,
    notes: tuple[str, ...],
    text: str,
    lang: str,
) -> Explanation:
    """The whole explanation of one score from what is shown of it.

    Args:
        model: the model.
        addends: the terms of the score alone.
        groups: the groups shown.
        shown_share, notes, text, lang: see :class:`Explanation`.
    """
    schema, i = model.snapshot.schema, int(addends.items[0])
    user, item = model.users.key(int(addends.users[0])), model.items.key(i)
    statement, parameters = cypher_for(schema, user, item, [p for g in groups for p in g.paths])
    return Explanation(
        user=user,
        item=item,
        item_name=model.snapshot.name(schema.item.name, i),
        score=float(addends.sums()[0]),
        base=float(addends.base[0]),
        terms=_terms(model, addends),
        groups=groups,
        shown_share=shown_share,
        notes=notes,
        text=text,
        lang=lang,
        cypher=statement,
        parameters=parameters,
        schema=schema,
        fashion=in_fashion(model, i),
        stated=() if model.stated is None else model.stated.about(i, lang),
        again=had_again(model, int(addends.users[0]), i),
    )


def notes_of(model: Recommender, addends: Addends, *, listed: bool = False) -> list[tuple[str, ...]]:
    """The remarks on each score; see :class:`Explanation`.  What may be had again is not said to be known already.

    Args:
        model: a trained model.
        addends: of the scores.
        listed: whether the items are those of lists, which hold nothing that would be noted as known already.
    """
    empty = spans(addends.bounds) == 0
    known = not listed and not model.snapshot.schema.interaction.again
    had = model.interacted.had(addends.users, addends.items) if known else np.zeros_like(empty)
    return [
        (("already_interacted",) if h else ()) + (("no_interactions",) if e else ())
        for h, e in zip(had.tolist(), empty.tolist(), strict=True)
    ]


def path_groups(model: Recommender, table: PathTable) -> list[tuple[PathGroup, ...]]:
    """The groups shown of each score, as objects."""
    schema, forms = model.snapshot.schema, table.forms.every
    users, items = table.addends.users, table.addends.items
    item_type, user_type = schema.item.name, schema.user.name
    works = _nodes(model, item_type, np.concatenate([items, table.source, table.bridge]))
    entities: dict[str, dict[int, PathNode]] = {}
    through = np.array([form.through for form in forms], dtype=object)[table.form]
    for node_type in set(through.tolist()) - {None}:
        entities[node_type] = _nodes(model, node_type, table.entity[through == node_type])
    you = model.users.keys.take(pa.array(users)).to_pylist()
    rows = zip(*(x.tolist() for x in (table.source, table.bridge, table.others, table.value, table.share)), strict=True)
    form_of, entity_of = table.form.tolist(), table.entity.tolist()
    group_bounds, path_bounds = table.groups.tolist(), table.paths.tolist()
    totals, total_shares = table.total.tolist(), table.total_share.tolist()
    of_scores = []
    for pair, item in enumerate(items.tolist()):
        start, end = PathNode(user_type, you[pair], you[pair]), works[item]
        groups = []
        for group in range(group_bounds[pair], group_bounds[pair + 1]):
            form, paths = forms[form_of[group]], []
            tail = (end,) if form.through is None else (entities[form.through][entity_of[group]], end)
            for _ in range(path_bounds[group], path_bounds[group + 1]):
                source, bridge, others, value, share = next(rows)
                crowd = (PathNode(user_type, None, None, others),) if form.crowd else ()
                known = (works[bridge],) if form.bridged else ()
                paths.append(
                    Path(
                        form.channel,
                        (start, works[source], *crowd, *known, *tail),
                        form.edges,
                        value,
                        share,
                        form.together,
                    )
                )
            groups.append(PathGroup(tuple(paths), totals[group], total_shares[group]))
        of_scores.append(tuple(groups))
    return of_scores


def _nodes(model: Recommender, node_type: str, indices: Ints) -> dict[int, PathNode]:
    asked = np.unique(indices[indices >= 0])
    place = pa.array(asked)
    keys = model.snapshot.ids[node_type].keys.take(place).to_pylist()
    names = model.snapshot.names(node_type).take(place).to_pylist()
    return {n: PathNode(node_type, k, name) for n, k, name in zip(asked.tolist(), keys, names, strict=True)}


def _terms(model: Recommender, addends: Addends) -> tuple[Term, ...]:
    place = pa.array(addends.sources)
    keys = model.items.keys.take(place).to_pylist()
    names = model.snapshot.names(model.snapshot.schema.item.name).take(place).to_pylist()
    return tuple(
        Term(channel, key, name, value)
        for channel, values in addends.values.items()
        for key, name, value in zip(keys, names, values.tolist(), strict=True)
        if value != 0
    )
