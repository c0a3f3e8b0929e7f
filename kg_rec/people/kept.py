"""Preferences kept in the graph, as edges of the user; nothing is written into nodes that are not kg_rec's own.

An edge ``KG_REC_PREFERS`` leads from the user to the node that a preference is about; one about years leads to a node
``KgRecYears``.  There is one edge a user, node and relation type: what is said later takes the place of what was said
before.  They go with the user where the user is deleted (``DETACH DELETE``).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kg_rec.people.features import Feature
from kg_rec.people.preferences import KINDS, Preference, kind_of
from kg_rec.quantity import quantity
from kg_rec.schema import GraphSchema
from kg_rec.store import mapping
from kg_rec.store.base import GraphStore, Statement
from kg_rec.store.ledger_cypher import PREFERS_TYPE
from kg_rec.store.presence import require_keys

_log = logging.getLogger(__name__)
_YEARS = "KgRecYears"
#: Statements that are read.
_MOST = 10_000_000


@dataclass(frozen=True)
class Kept:
    """The preferences in one graph.

    Attributes:
        store: the graph, open for writing where something is written.
        schema: its schema.
    """

    store: GraphStore
    schema: GraphSchema

    @classmethod
    def of(cls, store: GraphStore) -> Kept:
        """The preferences of a store.

        Raises:
            SchemaNotAppliedError: the store holds no schema.
        """
        return cls(store, store.schema())

    def add(self, user: str, preferences: Sequence[Preference], at: int) -> None:
        """Keep preferences, all of them or none; each takes the place of an older one about the same.

        Args:
            user: user key.
            preferences: what was said.
            at: when, Unix seconds.

        Raises:
            NotFoundError: the user or a node is not in the graph; nothing is written.
        """
        require_keys(self.store, self.schema.user, [user])
        for preference in preferences:
            if preference.feature.years is None:
                require_keys(self.store, self.schema.node_types[preference.feature.type], [preference.feature.key])
        set_all = "SET e.kind = $kind, e.at = $at, e.place = $place"
        statements: list[Statement] = []
        for place, preference in enumerate(preferences):
            values = {**self._parameters(user, preference.feature), "kind": preference.kind, "at": at, "place": place}
            merge = f"MERGE (u)-[e:{PREFERS_TYPE} {{relation: $relation}}]->(n)"
            statements.append((f"{self._ends(preference.feature, create=True)} {merge} {set_all}", values))
        self.store.transact(statements)

    def remove(self, user: str, features: Sequence[Feature] | None = None) -> None:
        """Forget what a user said of some features, or all that the user said (None).

        Raises:
            NotFoundError: the user is not in the graph.
        """
        require_keys(self.store, self.schema.user, [user])
        if features is None:
            self.store.transact([(f"{self._user} MATCH (u)-[e:{PREFERS_TYPE}]->() DELETE e", {"user": user})])
            return
        end = f"MATCH (u)-[e:{PREFERS_TYPE}]->(n) WHERE e.relation = $relation DELETE e"
        self.store.transact([(f"{self._ends(f)} {end}", self._parameters(user, f)) for f in features])

    def read(self, user: str) -> tuple[Preference, ...]:
        """What a user said, in the order it was said; nothing for a user who is not in the graph."""
        return self._read(self._user, {"user": user}).get(user, ())

    def everybody(self) -> dict[str, tuple[Preference, ...]]:
        """What users said, by user key; those who said nothing are not there."""
        node = self.schema.user
        said = self.store.query(f"MATCH ()-[e:{PREFERS_TYPE}]->() RETURN count(e) AS n").column("n")[0].as_py()
        if not said:  # one small question in place of one for each type of node
            return {}
        return self._read(f"MATCH {mapping.node(node, 'u')}{mapping.where(mapping.conditions(node, 'u'))}", {})

    def since(self, at: int) -> list[str]:
        """Keys of the users who said something at a time or later, which they did not take back; sorted."""
        node = self.schema.user
        who = f"MATCH {mapping.node(node, 'u')}{mapping.where(mapping.conditions(node, 'u'))}"
        asked = (
            f"{who} MATCH (u)-[e:{PREFERS_TYPE}]->() WHERE e.at >= $at RETURN DISTINCT {mapping.key(node, 'u')} AS k"
        )
        return sorted(self.store.query(asked, {"at": at}, limit=_MOST)["k"].to_pylist())

    def some(self, user: str) -> bool:
        """Whether a user said something."""
        asked = f"{self._user} MATCH (u)-[e:{PREFERS_TYPE}]->() RETURN count(e) AS n"
        return bool(self.store.query(asked, {"user": user}).column("n")[0].as_py())

    def _read(self, who: str, parameters: Mapping[str, object]) -> dict[str, tuple[Preference, ...]]:
        """What the users ``u`` that a clause matches said, by user key."""
        who = f"{who} MATCH (u)-[e:{PREFERS_TYPE}]->"
        said = f"RETURN {mapping.key(self.schema.user, 'u')} AS user, e.at AS at, e.place AS place, e.kind AS kind, "
        found: list[tuple[dict[str, Any], str]] = []
        for node_type in self.schema.node_types.values():
            if node_type.role != "attribute":
                continue
            named = next((p for p in node_type.properties if p.use == "name"), node_type.properties[0])
            key = mapping.key(node_type, "n")
            answer = self.store.query(
                f"{who}{mapping.node(node_type, 'n')}{mapping.where(mapping.conditions(node_type, 'n'))} {said}"
                f"e.relation AS relation, {key} AS key, {mapping.value(node_type, named, 'n')} AS name",
                parameters,
                limit=_MOST,
            ).to_pylist()
            found += [(r, node_type.name) for r in answer]
        years = self.store.query(
            f"{who}(n:{_YEARS}) {said}e.relation AS relation, n.low AS low, n.high AS high", parameters, limit=_MOST
        ).to_pylist()
        found += [(r, "") for r in years]
        rows = [(r, _feature(r, kind)) for r, kind in found if _is_ours(r)]
        if len(rows) < len(found):
            _log.warning(
                "%s left out: they are not as kg-rec prefer writes them", quantity(len(found) - len(rows), "statement")
            )
        rows.sort(key=lambda row: (row[0]["at"], row[0]["place"], row[1].relation, row[1].key))
        by_user: dict[str, list[Preference]] = {}
        for row, feature in rows:
            by_user.setdefault(row["user"], []).append(Preference(kind_of(row["kind"]), feature))
        return {user: tuple(preferences) for user, preferences in by_user.items()}

    @property
    def _user(self) -> str:
        """The clause that matches the user ``u``."""
        return f"MATCH {mapping.keyed(self.schema.user, 'u', '$user')}"

    def _ends(self, feature: Feature, *, create: bool = False) -> str:
        """Clauses that match the user ``u`` and the node ``n``."""
        if feature.years is None:
            return f"{self._user} MATCH {mapping.keyed(self.schema.node_types[feature.type], 'n', '$node')}"
        node = f"(n:{_YEARS} {{key: $node}})"
        return (
            f"MERGE {node} SET n.low = $low, n.high = $high WITH n {self._user}"
            if create
            else f"{self._user} MATCH {node}"
        )

    def _parameters(self, user: str, feature: Feature) -> dict[str, object]:
        given: dict[str, object] = {"user": user, "node": feature.key, "relation": feature.relation}
        return given if feature.years is None else {**given, "low": feature.years[0], "high": feature.years[1]}


def _feature(row: Mapping[str, Any], kind: str) -> Feature:
    """What an edge is about: a node of a type, or years, which have none."""
    if not kind:
        return Feature.of_years(row["relation"], row["low"], row["high"])
    return Feature(row["relation"], kind, row["key"], str(row["name"] or row["key"]))


def _is_ours(row: Mapping[str, Any]) -> bool:
    """Whether an edge is as :meth:`Kept.add` writes it: others write to the graph, too."""
    texts = (row["user"], row["relation"], row["kind"], row.get("key", ""))
    numbers = (row["at"], row["place"], row.get("low", 0), row.get("high", 0))
    known = all(isinstance(t, str) for t in texts) and all(isinstance(n, int) for n in numbers)
    return known and row["kind"] in KINDS
