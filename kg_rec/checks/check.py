"""Check a loaded graph: does it keep its schema, and do its facts fit its interactions?

The constraints are tested inside the database (:mod:`kg_rec.checks.constraints`); then agreement is measured on an
export (:mod:`kg_rec.checks.agreement`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import pyarrow as pa

from kg_rec.checks.agreement import Agreement, agreement, conclusion, graph_fits
from kg_rec.checks.constraints import ConstraintChecker, Finding
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import export
from kg_rec.store.base import GraphStore
from kg_rec.tabular import Tabular, columns

#: Violations after which an export fails or misses parts of the graph.
_PREVENT_EXPORT = frozenset({"duplicate key", "missing key", "wrong datatype"})


@dataclass(frozen=True, slots=True, repr=False)
class CheckReport(Tabular):
    """What a check found.

    Attributes:
        schema: name of the schema.
        source: URL of the store.
        nodes: nodes by node type.
        edges: edges by relation type.
        findings: violations and notes, in the schema's order.
        agreement: per relation type; None where violations prevented the export it is measured on.
    """

    schema: str
    source: str
    nodes: Mapping[str, int]
    edges: Mapping[str, int]
    findings: tuple[Finding, ...]
    agreement: tuple[Agreement, ...] | None

    @property
    def ok(self) -> bool:
        """No constraint of the schema is broken."""
        return not any(f.violation for f in self.findings)

    @property
    def fits(self) -> bool | None:
        """The facts fit the interactions; None where that cannot be said."""
        return None if self.agreement is None else graph_fits(self.agreement)

    def lines(self) -> list[str]:
        """The report in plain sentences."""
        nodes, edges = sum(self.nodes.values()), sum(self.edges.values())
        broken = sum(f.violation for f in self.findings)
        verdict = f"{broken} {'constraint is' if broken == 1 else 'constraints are'} broken" if broken else "valid"
        lines = [f"{self.source}: {nodes} nodes and {edges} edges under the schema {self.schema}: {verdict}"]
        lines += [f.line() for f in self.findings]
        if self.agreement is None:
            return [*lines, "agreement of facts and interactions was not measured: mend the graph first"]
        return [*lines, conclusion(self.agreement), *(a.line() for a in self.agreement)]

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        told = [line for line in self.lines() if line not in [a.line() for a in self.agreement or ()]]
        return "".join(f"<div>{escape(line)}</div>" for line in told) + Tabular._repr_html_(self)

    def to_arrow(self) -> pa.Table:
        """The agreement by relation type: ``relation``, ``verdict``, ``ratio``, ``p_value``, ``pairs``, ``items``."""
        text, whole, real = pa.string(), pa.int64(), pa.float64()
        kinds = {"relation": text, "verdict": text, "ratio": real, "p_value": real, "pairs": whole, "items": whole}
        return columns(self.agreement or (), **kinds)

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON."""
        return {
            "schema": self.schema,
            "source": self.source,
            "ok": self.ok,
            "fits": self.fits,
            "nodes": dict(self.nodes),
            "edges": dict(self.edges),
            "findings": [{**asdict(f), "samples": list(f.samples)} for f in self.findings],
            "agreement": None if self.agreement is None else [a.to_dict() for a in self.agreement],
            "conclusion": None if self.agreement is None else conclusion(self.agreement),
        }


def check(
    store: GraphStore, *, samples: int = 5, permutations: int = 200, progress: Progress = no_progress
) -> CheckReport:
    """Test a loaded graph against its schema, and its facts against its interactions.

    Args:
        store: an open store; nothing is written.
        samples: most keys shown per finding.
        permutations: of the test of agreement, at least 99.
        progress: called per type.

    Raises:
        SchemaNotAppliedError: the store holds no schema.
        StoreError: a query failed or ran longer than ten minutes.
        SnapshotError: the graph changed while it was read.
    """
    schema = store.schema()
    checker = ConstraintChecker(store, schema, samples)
    steps = len(schema.node_types) + len(schema.relation_types) + 1
    nodes: dict[str, int] = {}
    edges: dict[str, int] = {}
    for t in schema.node_types.values():
        progress(len(nodes), steps, f"check {t.name}")
        nodes[t.name] = checker.nodes(t)
    for r in schema.relation_types.values():
        progress(len(nodes) + len(edges), steps, f"check {r.name}")
        edges[r.name] = checker.edges(r)
    progress(steps - 1, steps, "check other labels")
    checker.unknown()
    progress(steps, steps, "checked")
    found = tuple(checker.findings)
    measured = None
    if not any(f.violation and f.constraint in _PREVENT_EXPORT for f in found):
        measured = agreement(export(store, progress), permutations=permutations, progress=progress)
    return CheckReport(schema.name, store.url, nodes, edges, found, measured)
