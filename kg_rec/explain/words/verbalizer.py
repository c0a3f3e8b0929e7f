"""The words for many explanations at once, straight from a :class:`PathTable`.

The same sentences as :meth:`Teller.tell` makes from the paths as objects, without making them: what is told in one
sentence is decided on dense indices, and each name is cleaned once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

from kg_rec.explain.path import PathEdge, PathNode
from kg_rec.explain.paths.forms import Form
from kg_rec.explain.paths.search import PathTable
from kg_rec.explain.words.grammar import Compiled, Teller, seed_of
from kg_rec.explain.words.numbers import percent
from kg_rec.explain.words.sentence_kinds import MAX_NAMED, Kind, Lead, Link, Role
from kg_rec.model.recommender import Recommender


@dataclass(frozen=True, slots=True)
class _Told:
    """What one sentence tells.

    Attributes:
        number: of the form.
        form: of all paths, besides the channel.
        link: what leads to the item.
        rows: for each path (j, t, entity), in order: how many others, and its share.
    """

    number: int
    form: Form
    link: Link
    rows: dict[tuple[int, int, int], tuple[int, float]]


@dataclass(frozen=True)
class Narrator:
    """Puts the paths of a model into words; keeps names and numbers once made.

    Attributes:
        model: the model.
        teller: the sentences.
    """

    model: Recommender
    teller: Teller
    _names: dict[str, dict[int, str]] = field(default_factory=dict, repr=False)
    _people: dict[tuple[int, bool], str] = field(default_factory=dict, repr=False)
    _kinds: dict[tuple[int, Lead, bool], tuple[tuple[Role, ...], Compiled]] = field(default_factory=dict, repr=False)

    def tell(self, table: PathTable, notes: Iterable[tuple[str, ...]], sentences: int = 3) -> list[str]:
        """The explanations of all scores in words.

        Args:
            table: the paths shown.
            notes: remarks per score.
            sentences: most sentences about paths in each.
        """
        users = self.model.users.keys.take(pa.array(table.addends.users)).to_pylist()
        items = self.model.items.keys.take(pa.array(table.addends.items)).to_pylist()
        forms, entities, every = table.form.tolist(), table.entity.tolist(), table.forms.every
        links = {form: _link(every[form]) for form in set(forms)}
        steps: dict[object, int] = {}
        step_of = {form: steps.setdefault(every[form].edges, form) for form in sorted(links)}
        groups, paths = table.groups.tolist(), table.paths.tolist()
        sources, others, bridges, shares = (x.tolist() for x in (table.source, table.others, table.bridge, table.share))
        item_type = self.model.snapshot.schema.item.name
        found = []
        for pair, (item, remarks) in enumerate(zip(table.addends.items.tolist(), notes, strict=True)):
            told: dict[tuple[int, object], _Told] = {}
            for group in range(groups[pair], groups[pair + 1]):
                form, entity = forms[group], entities[group]
                start, stop = paths[group], paths[group + 1]
                link = links[form]
                key: tuple[int, object] = (step_of[form], None)
                if every[form].bridged:
                    key = (step_of[form], entity if link == "shared" else bridges[start])
                elif link == "shared":
                    key = (step_of[form], frozenset(sources[start:stop]))
                if key not in told:
                    told[key] = _Told(step_of[form], every[form], link, {})
                rows = told[key].rows
                for path in range(start, stop):
                    rows.setdefault((sources[path], bridges[path], entity), (others[path], shares[path]))
            said: list[str] = []
            seed = seed_of(users[pair], items[pair])
            for one in list(told.values())[:sentences]:
                name = None if said else self._name(item_type, item)
                said.append(self._sentence(one, item_type, name, seed + len(said)))
            node = PathNode(item_type, items[pair], None)
            if not said or "already_interacted" in remarks:
                node = PathNode(item_type, items[pair], self.model.snapshot.name(item_type, item))
            if not said:
                cells = slice(table.addends.bounds[pair], table.addends.bounds[pair + 1])
                terms = any(values[cells].any() for values in table.addends.values.values())
                empty = "no_interactions" if "no_interactions" in remarks else "no_path" if terms else "base_only"
                said.append(self.teller.remark(empty, node))
            if "already_interacted" in remarks:
                said.append(self.teller.remark("already_interacted", node))
            found.append(self.teller.language.gap.join(said))
        return found

    def _sentence(self, told: _Told, item_type: str, item: str | None, seed: int) -> str:
        form, rows = told.form, told.rows
        liked = list(dict.fromkeys([row[0] for row in rows])) if len(rows) > 1 else [next(iter(rows))[0]]
        bridges = list(dict.fromkeys([row[1] for row in rows])) if form.bridged else []
        shared = list(dict.fromkeys([row[2] for row in rows])) if told.link == "shared" else []
        lead: Lead = "one" if len(liked) == 1 else "several"
        if form.crowd:
            lead = "crowd" if len(bridges) > 1 else "counted" if len(liked) == 1 else "counts"
        roles, sentences = self._compiled(told, lead, len(shared) > 1)
        texts: dict[Role, str] = {}
        for role in roles:
            if role == "count":
                texts[role] = self._number(next(iter(rows.values()))[0], True)
            elif role == "liked" and lead == "counts":
                counts: dict[int, int] = {}
                for row, (others, _) in rows.items():
                    counts.setdefault(row[0], others)
                texts[role] = self._counted(list(counts.items()), item_type)
            elif role == "liked":
                texts[role] = self._list(item_type, liked, either=lead == "crowd")
            elif role == "bridge":
                texts[role] = self._list(item_type, bridges)
            elif role == "shared":
                texts[role] = self._list(form.through or item_type, shared)
            elif item is not None:
                texts["item"] = item
        if self.teller.tone == "audit":
            texts["share"] = percent(sum(share for _, share in rows.values()))
        templates = sentences.naming if item is not None else sentences.later
        return templates[seed % len(templates)].fill(texts)

    def _compiled(self, told: _Told, lead: Lead, several: bool) -> tuple[tuple[Role, ...], Compiled]:
        key = (told.number, lead, several)
        found = self._kinds.get(key)
        if found is None:
            last = told.form.edges[-1]
            steps = (PathEdge(last.type, not last.forward),) if told.link in ("shared", "direct") else ()
            kind = Kind(lead, told.link, steps, several)
            found = self._kinds[key] = (tuple(role for role, _ in kind.roles), self.teller.compiled(kind))
        return found

    def _name(self, node_type: str, index: int) -> str:
        names = self._names.setdefault(node_type, {})
        found = names.get(index)
        if found is None:
            key, name = self.model.snapshot.ids[node_type].key(index), self.model.snapshot.name(node_type, index)
            found = names[index] = self.teller.language.name(PathNode(node_type, key, name))
        return found

    def _number(self, count: int, noun: bool) -> str:
        found = self._people.get((count, noun))
        if found is None:
            found = self._people[count, noun] = self.teller.language.people(count, noun=noun)
        return found

    def _list(self, node_type: str, indices: list[int], *, either: bool = False) -> str:
        named = indices if len(indices) <= MAX_NAMED else indices[: MAX_NAMED - 1]
        names = [self._name(node_type, index) for index in named]
        return self.teller.language.join(names, len(indices) - len(named), node_type, either=either)

    def _counted(self, counts: list[tuple[int, int]], item_type: str) -> str:
        named = counts if len(counts) <= MAX_NAMED else counts[: MAX_NAMED - 1]
        beside = self.teller.language.beside
        names = [beside(self._name(item_type, j), self._number(n, place == 0)) for place, (j, n) in enumerate(named)]
        return self.teller.language.join(names, len(counts) - len(named), item_type, either=True)


def _link(form: Form) -> Link:
    if form.through is not None:
        return "shared"
    tail = form.edges[3 if form.crowd else 1 :]
    return "none" if not tail else "text" if tail[0].type is None else "direct"
