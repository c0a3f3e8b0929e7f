"""The nodes of RDF data."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from kg_rec.errors import LoadError
from kg_rec.loaders.base import LoadContext
from kg_rec.loaders.batches import NodeBatch
from kg_rec.loaders.rdf_statements import Statement, Statements, short
from kg_rec.loaders.rdf_terms import ALIKE, BELOW, LABEL, SAME, TYPES, Options, Terms
from kg_rec.loaders.same_as import Join, Joins
from kg_rec.loaders.text import Origin
from kg_rec.schema import NodeType
from kg_rec.schema.iris import local_name

#: Per subject and property its texts, each with the rank of its language.
_Texts = dict[str, dict[str, list[tuple[int, str]]]]


@dataclass
class Nodes:
    """The nodes of one file: which there are, of which types, and what the file says of them.

    Attributes:
        path: of the file.
        context: of the load.
        options: of the load.
        same: what ``owl:sameAs`` says.
        kinds: node types by IRI; several where a thing is several.
        possible: node types that an IRI may have, by its class.
        lines: where its type is said; None in Turtle.
        given_keys: by IRI and node type, where the file gives the key.
        owners: the IRI of each node, by type and key.
        other_languages: by IRI and property, a language that was not asked for.
        roots: by IRI that was joined to another, that one.
        joined: what was joined.
    """

    path: Path
    context: LoadContext
    options: Options
    same: Joins
    kinds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    possible: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lines: dict[str, int | None] = field(default_factory=dict)
    given_keys: dict[tuple[str, str], str] = field(default_factory=dict)
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    other_languages: dict[tuple[str, str], str] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)
    joined: list[Join] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.schema = self.context.schema
        self.terms = Terms(self.schema, self.options.relations)
        self.attributes = {n for n, kind in self.schema.node_types.items() if kind.role == "attribute"}

    def key(self, iri: str, kind: str) -> str:
        """The value of the key property where the file gives one, else the local name or the IRI."""
        return self.given_keys.get((iri, kind)) or self.own_key(iri)

    def own_key(self, iri: str) -> str:
        """The local name or the IRI."""
        return local_name(iri) if self.options.local_keys else iri

    # --- nodes ------------------------------------------------------------------------------------------

    def batches(self, source: Statements) -> Iterator[NodeBatch]:
        """First pass: nodes with their properties; with ``keep`` their types first, then what is linked, then these."""
        texts: _Texts = defaultdict(dict)
        if self.options.keep == "all":
            if self._survey(source, texts):  # the data say of their own terms what these mean: read it again
                texts.clear()
                self._survey(source, texts)
            self._decide(source)
        else:
            main = frozenset(self.schema.node_types.keys() - self.attributes)
            if self._survey(source, None, main):
                self._survey(source, None, main)
            self._decide(source)
            self._keep_known()
            linked = self._linked(source)
            self._survey(source, texts, frozenset(), {*self.kinds, *linked})
            self.kinds |= {iri: linked[iri] for iri in texts if iri in linked and iri not in self.kinds}
        for iri, kinds in self.kinds.items():
            for kind in kinds:
                own = texts.get(iri, {}).get(self.schema.node_types[kind].key)
                if own:
                    self.given_keys[iri, kind] = min(own)[1]
        self._join(texts)
        self._check_keys()
        if untyped := len(texts.keys() - self.kinds.keys() - self.roots.keys()):
            self.context.unmapped["subjects with properties and without a type of the schema"] += untyped
        for name, node_type in self.schema.node_types.items():
            members = [iri for iri, kinds in self.kinds.items() if name in kinds]
            if members:
                yield self._batch(node_type, members, texts)

    def _survey(
        self,
        source: Statements,
        texts: _Texts | None,
        types: frozenset[str] | None = None,
        subjects: Collection[str] | None = None,
    ) -> bool:
        """Types, joins and texts of nodes; and whether terms of the data have more meaning than before.

        Args:
            source: the file.
            texts: filled; None where they are not wanted.
            types: node types wanted; None for all.
            subjects: IRIs whose texts are wanted; None for all.
        """
        needed = {p.name for t in self.schema.node_types.values() for p in t.properties if p.required} | {LABEL}
        unmapped: Counter[str] = Counter()
        empty, learned = True, False
        for s in source:
            empty = False
            if s.resource is not None:
                if s.predicate in TYPES:
                    self._add_type(s, s.resource, types, unmapped)
                elif s.predicate in BELOW or s.predicate in ALIKE:
                    learned |= subjects is None and self.terms.learn(s.subject, s.predicate, s.resource)
                elif s.predicate == SAME and self.options.same and subjects is None:
                    self.same.add(s.subject, s.resource, s.line)
                continue
            if texts is None or s.text is None or (subjects is not None and s.subject not in subjects):
                continue
            names = self.terms.properties(s.predicate)
            if not names:
                if not self.terms.relations(s.predicate):
                    unmapped[f"predicate {short(s.predicate)}: no such property"] += 1
            elif (rank := self.rank(s.language)) is None:
                unmapped[f"texts in language {s.language:.35}"] += 1
                for name in needed.intersection(names):
                    self.other_languages.setdefault((s.subject, name), str(s.language))
            else:
                for name in names:
                    texts[s.subject].setdefault(name, []).append((rank, s.text))
        if empty:
            raise LoadError("the file holds no triples between IRIs; expected N-Triples or Turtle", self.path)
        if not learned:
            self.context.unmapped.update(unmapped)
        return learned

    def rank(self, language: str | None) -> int | None:
        """How near a language is to the one asked for, 0 the nearest; None for another one."""
        if language is None:
            return 1
        said, wanted = language.lower(), self.options.language
        if said == wanted:
            return 0
        return 2 if said.split("-")[0] == wanted.split("-")[0] else None

    def _add_type(self, s: Statement, kind: str, wanted: frozenset[str] | None, unmapped: Counter[str]) -> None:
        sure, some = self.terms.types(kind)
        if not (sure or some) and not self.terms.relations(s.predicate) and wanted is None:
            unmapped[f"type {short(kind)}: no such node type"] += 1
        if wanted is not None:
            sure = tuple(t for t in sure if t in wanted)
            some = some if wanted.intersection(some) else ()
        if some:
            before = self.possible.get(s.subject, some)
            self.possible[s.subject] = tuple(t for t in some if t in before) or before
        if not sure:
            return
        self.lines.setdefault(s.subject, s.line)
        before = self.kinds.get(s.subject, sure)
        both = sure if before == sure else tuple(t for t in before if t in sure)
        if not both:
            reason = (
                f"<{s.subject}> is a {before[0]} and a {sure[0]}; expected one type of the schema, remove the other"
            )
            self.context.faults.add(self.path, s.line, reason)
        self.kinds[s.subject] = both or before

    def _decide(self, source: Statements) -> None:
        """The types of nodes of a class that may be several: those whose relations they have."""
        open_ones = {iri: some for iri, some in self.possible.items() if iri not in self.kinds}
        self.kinds |= {iri: some for iri, some in open_ones.items() if len(some) == 1}
        open_ones = {iri: some for iri, some in open_ones.items() if len(some) > 1}
        if not open_ones:
            return
        kinds: dict[str, set[str]] = defaultdict(set)

        def may(iri: str | None, kind: str) -> bool:
            return iri is None or kind in self.kinds.get(iri, open_ones.get(iri, (kind,)))

        for s in source:
            for kind, inverted in self.terms.relations(s.predicate):
                source_iri, target_iri = (s.resource, s.subject) if inverted else (s.subject, s.resource)
                if may(source_iri, kind.source) and may(target_iri, kind.target):
                    for iri, its in ((source_iri, kind.source), (target_iri, kind.target)):
                        if iri in open_ones:
                            kinds[iri].add(its)
        for iri, some in open_ones.items():
            if iri in kinds:
                self.kinds[iri] = tuple(t for t in some if t in kinds[iri])
            else:
                self.context.unmapped[f"nodes that may be {' or '.join(some)}, as no relation tells which"] += 1

    def _keep_known(self) -> None:
        """With ``keep=known`` only the items that the graph holds, by their key or by that of something they are."""
        item = self.schema.item.name
        if self.options.keep != "known":
            return
        known = self.context.known(item)
        others = self.same.neighbours()
        for iri, kinds in list(self.kinds.items()):
            if item in kinds and not any(self.own_key(i) in known for i in (iri, *others.get(iri, ()))):
                del self.kinds[iri]
                self.context.unmapped[f"{item}: not in the graph (keep=known)"] += 1

    def _linked(self, source: Statements) -> dict[str, tuple[str, ...]]:
        """The attributes that a relation ties to a node that is kept, with their types."""
        linked: dict[str, tuple[str, ...]] = {}
        for s in source:
            for kind, inverted in self.terms.relations(s.predicate) if s.resource is not None else ():
                ends = (s.resource, s.subject) if inverted else (s.subject, s.resource)
                types = (kind.source, kind.target)
                for iri, its, other, of_other in zip(ends, types, ends[::-1], types[::-1], strict=True):
                    if iri and its in self.attributes and iri not in self.kinds and self.there(other or "", of_other):
                        linked.setdefault(iri, (its,))
        return linked

    def there(self, iri: str, kind: str) -> bool:
        """Whether the file says that it is a node of this type, or says nothing and the graph has such a node."""
        kinds = self.kinds.get(iri)
        return self.key(iri, kind) in self.context.known(kind) if kinds is None else kind in kinds

    # --- joins ------------------------------------------------------------------------------------------

    def _join(self, texts: _Texts) -> None:
        """Make one node of what ``owl:sameAs`` says is one."""
        for group in self.same.decide(self._why_apart, self.context.faults) if self.same else ():
            kinds = next((self.kinds[iri] for iri in group if iri in self.kinds), ())
            order = sorted(
                group, key=lambda iri: (not self._known(iri, kinds), not self._given(iri), iri not in self.kinds)
            )
            root = order[0]
            for iri in order[1:]:
                self.roots[iri] = root
                differs = self._merge(root, iri, kinds, texts)
                key = self.key(root, kinds[0]) if kinds else self.own_key(root)
                self.joined.append(Join(iri, root, "|".join(kinds), key, self.same.line(iri), differs))
                self.kinds.pop(iri, None)
            if kinds:
                self.kinds[root] = kinds
                self.lines.setdefault(root, next((self.lines[i] for i in order if i in self.lines), None))

    def _merge(self, root: str, iri: str, kinds: Sequence[str], texts: _Texts) -> dict[str, tuple[str, str]]:
        """Give the root the texts that it lacks, and all of lists; what the two say differently."""
        differs = {}
        mine, its = texts.setdefault(root, {}), texts.pop(iri, {})
        kept = {p.name: p for kind in kinds for p in self.schema.node_types[kind].properties}
        for name, values in its.items():
            prop = kept.get(name)
            if name not in mine or (prop is not None and prop.datatype == "string_list"):
                mine.setdefault(name, []).extend(values)
            elif (prop is None or prop.use != "key") and _folded(min(mine[name])[1]) != _folded(min(values)[1]):
                shown = next((n for k in kinds if (n := self.schema.node_types[k].name_property)), name)
                differs[shown if name == LABEL else name] = (min(mine[name])[1], min(values)[1])
        for kind in kinds:
            if (iri, kind) in self.given_keys:
                self.given_keys.setdefault((root, kind), self.given_keys[iri, kind])
        if not mine:
            del texts[root]
        return differs

    def _given(self, iri: str) -> bool:
        return any((iri, kind) in self.given_keys for kind in self.kinds.get(iri, ()))

    def _known(self, iri: str, kinds: Sequence[str]) -> bool:
        return any(self.key(iri, kind) in self.context.known(kind) for kind in kinds)

    def _why_apart(self, one: Sequence[str], other: Sequence[str]) -> str | None:
        """Why two groups of IRIs cannot be one node."""
        a, b = ({self.kinds[iri] for iri in group if iri in self.kinds} for group in (one, other))
        if a and b and a != b:
            return f"one is a {'|'.join(*a)}, the other a {'|'.join(*b)}"
        for kind in (*a, *b)[:1]:
            for name in kind:
                keys = [
                    {k for iri in group if (k := self.key(iri, name)) in self.context.known(name)}
                    for group in (one, other)
                ]
                if all(keys) and keys[0] != keys[1]:
                    return f"both are nodes of the graph already, {name} {min(keys[0])!r} and {min(keys[1])!r}"
        return None

    # --- rows -------------------------------------------------------------------------------------------

    def _check_keys(self) -> None:
        for iri, kinds in list(self.kinds.items()):
            kept = tuple(kind for kind in kinds if self.owned(kind, iri, self.lines.get(iri)))
            if kept != kinds:
                self.kinds[iri] = kept
                if not kept:
                    del self.kinds[iri]

    def owned(self, kind: str, iri: str, line: int | None) -> bool:
        """Whether the node of this type and key is this IRI's; the first to name it owns it."""
        owner = self.owners.setdefault((kind, self.key(iri, kind)), iri)
        if owner != iri:
            reason = f"<{owner}> and <{iri}> have the same key {self.key(iri, kind)!r}; load with keys=iri"
            self.context.faults.add(self.path, line, reason)
        return owner == iri

    def _batch(self, kind: NodeType, members: list[str], texts: _Texts) -> NodeBatch:
        members = [iri for iri in members if self._has_texts(kind, iri, texts)]
        columns: dict[str, pa.Array] = {kind.key: pa.array([self.key(iri, kind.name) for iri in members], pa.string())}
        for prop in kind.properties[1:]:
            values = [self._values(kind, prop.name, iri, texts) for iri in members]
            if prop.datatype == "string_list":
                lists = [[text for _, text in found] or None for found in values]
                columns[prop.name] = pa.array(lists, pa.list_(pa.string()))
                continue
            if several := sum(len({text for rank, text in v if rank == min(v)[0]}) > 1 for v in values):
                self.context.unmapped[f"{kind.name}.{prop.name}: further values of one node"] += several
            texts_of = [min(v)[1] if v else None for v in values]
            if prop.datatype == "date":  # of a date and time, the date
                texts_of = [None if text is None else text.partition("T")[0] for text in texts_of]
            columns[prop.name] = pa.array(texts_of, pa.string())
        return NodeBatch(kind.name, pa.table(columns), self.origin([(iri, self.lines.get(iri)) for iri in members]))

    def _values(self, kind: NodeType, name: str, iri: str, texts: _Texts) -> list[tuple[int, str]]:
        own = texts.get(iri, {})
        return list(own.get(name, ()) or (own.get(LABEL, ()) if name == kind.name_property else ()))

    def _has_texts(self, kind: NodeType, iri: str, texts: _Texts) -> bool:
        """Whether no required text is there in other languages alone."""
        for prop in kind.properties[1:]:
            names = [prop.name, *([LABEL] if prop.name == kind.name_property else [])]
            other = next((self.other_languages[iri, n] for n in names if (iri, n) in self.other_languages), None)
            if prop.required and other is not None and not self._values(kind, prop.name, iri, texts):
                self.context.faults.add(
                    self.path,
                    self.lines.get(iri),
                    f"<{iri}>: {kind.name}.{prop.name}: expected a text in {self.options.language}, the file has one "
                    f"in {other}; load with language={other}, or add a text",
                )
                del self.kinds[iri]
                return False
        return True

    def origin(self, rows: list[tuple[str, int | None]]) -> Origin:
        """Where rows come from: the IRI that each is about, and its line."""
        lines_of = pa.array([line for _, line in rows], pa.int64())
        subjects = pa.array([iri for iri, _ in rows], pa.string()) if lines_of.null_count else None
        return Origin(self.path, lines_of, subjects)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
