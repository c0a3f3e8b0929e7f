"""The edges of RDF data, once its nodes are known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import pyarrow as pa

from kg_rec.loaders.batches import EdgeBatch, NodeBatch
from kg_rec.loaders.rdf_nodes import Nodes
from kg_rec.loaders.rdf_statements import Statement, Statements, short
from kg_rec.loaders.rdf_terms import ALIKE, BELOW, SAME, TYPES
from kg_rec.schema import RelationType
from kg_rec.schema.iris import local_name

_BATCH_ROWS = 50_000
#: Keys of source and target, the name of a target that is made, what messages are about (source, target), the line.
_Row = tuple[str, str, str | None, str, str, int | None]


class Edges:
    """The edges of one file."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes

    def batches(self, source: Statements) -> Iterator[NodeBatch | EdgeBatch]:
        """Second pass: relations, in bounded pieces."""
        pending: dict[str, list[_Row]] = defaultdict(list)
        for s in source:
            if s.predicate == SAME or s.predicate in BELOW or s.predicate in ALIKE:
                continue
            relations = self.nodes.terms.relations(s.predicate)
            if not relations and (s.text is not None or s.predicate in TYPES):
                continue
            rows = self._rows(s, relations) if s.text is None else self._text_rows(s, relations)
            if rows is None:
                if s.predicate not in TYPES and self._counts(s):
                    self.nodes.context.unmapped[f"predicate {short(s.predicate)}: no relation between these types"] += 1
                continue
            for kind, row in rows:
                pending[kind.name].append(row)
                if len(pending[kind.name]) >= _BATCH_ROWS:
                    yield from self._edge_batches(kind, pending.pop(kind.name))
        for name, rows_of in sorted(pending.items()):
            yield from self._edge_batches(self.nodes.schema.relation_types[name], rows_of)

    def _counts(self, s: Statement) -> bool:
        """Whether a statement without a place is worth telling: not one that ``keep`` or ``relations`` left out."""
        if self.nodes.options.relations and not self.nodes.terms.relations(s.predicate):
            return False
        return self.nodes.options.keep == "all" or self.nodes.roots.get(s.subject, s.subject) in self.nodes.kinds

    def _rows(
        self, s: Statement, relations: Sequence[tuple[RelationType, bool]]
    ) -> list[tuple[RelationType, _Row]] | None:
        """The edges of a statement between two IRIs; None where its ends fit no relation type.

        Of several relation types the first that fits counts, and all those whose two ends have a type in the file.
        """
        subject, resource = self.nodes.roots.get(s.subject, s.subject), s.resource or ""
        resource = self.nodes.roots.get(resource, resource)
        fits = []
        for kind, inverted in relations:
            ends = (resource, subject) if inverted else (subject, resource)
            if self._may_be(ends[0], kind.source) and self._may_be(ends[1], kind.target):
                fits.append((kind, ends, ends[0] in self.nodes.kinds and ends[1] in self.nodes.kinds))
        if not fits:
            return None
        sure = [fit for fit in fits if fit[2]]
        rows = []
        for kind, (source, target), _ in sure or fits[:1]:
            if self.nodes.owned(kind.source, source, s.line) and self.nodes.owned(kind.target, target, s.line):
                name = None if target in self.nodes.kinds else local_name(target).replace("_", " ")
                row = (
                    self.nodes.key(source, kind.source),
                    self.nodes.key(target, kind.target),
                    name,
                    source,
                    target,
                    s.line,
                )
                rows.append((kind, row))
        return rows

    def _may_be(self, iri: str, kind: str) -> bool:
        """Whether nothing speaks against a node of this type: with ``keep``, items that were not kept are none."""
        if iri in self.nodes.kinds:
            return kind in self.nodes.kinds[iri]
        return self.nodes.options.keep == "all" or kind in self.nodes.attributes or self.nodes.there(iri, kind)

    def _text_rows(
        self, s: Statement, relations: Sequence[tuple[RelationType, bool]]
    ) -> list[tuple[RelationType, _Row]] | None:
        """The edge of a statement whose object is a text: to an attribute of that key and name."""
        subject, text = self.nodes.roots.get(s.subject, s.subject), " ".join((s.text or "").split())
        if self.nodes.terms.properties(s.predicate):
            return []
        for kind, inverted in relations:
            target = self.nodes.schema.node_types[kind.target]
            if inverted or target.role != "attribute" or not self.nodes.there(subject, kind.source):
                continue
            if not text or self.nodes.rank(s.language) is None:
                self.nodes.context.unmapped[f"texts in language {s.language:.35}" if text else "empty texts"] += 1
                return []
            return [(kind, (self.nodes.key(subject, kind.source), text, text, subject, subject, s.line))]
        return None

    def _edge_batches(self, kind: RelationType, rows: list[_Row]) -> Iterator[NodeBatch | EdgeBatch]:
        """Edges; an attribute node that has no type in the file is made from its key."""
        target = self.nodes.schema.node_types[kind.target]
        if target.role == "attribute":
            loose = [(key, name, about, line) for _, key, name, _, about, line in rows if name is not None]
            if loose:
                columns = {target.key: pa.array([key for key, *_ in loose], pa.string())}
                if target.name_property is not None:
                    columns[target.name_property] = pa.array([name for _, name, *_ in loose], pa.string())
                origin = self.nodes.origin([(about, line) for *_, about, line in loose])
                yield NodeBatch(target.name, pa.table(columns), origin, mention=True)
        table = pa.table(
            {
                "source": pa.array([row[0] for row in rows], pa.string()),
                "target": pa.array([row[1] for row in rows], pa.string()),
            }
        )
        yield EdgeBatch(kind.name, table, self.nodes.origin([(row[3], row[5]) for row in rows]))
