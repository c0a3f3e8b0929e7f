"""The store protocol: everything kg_rec asks of a graph database, and no more.

A store is chosen by URL (:func:`kg_rec.store.connect`): ``neo4j://``, ``bolt://`` and their ``+s`` forms for
Neo4j, a path for the folder of an embedded graph, and whatever schemes other packages add
(:mod:`kg_rec.store.registry`).  One contract suite (``tests/contracts``) holds every back end to the promises written
here, and to one Cypher: a statement means the same on each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pyarrow as pa

from kg_rec.schema import GraphSchema

#: One statement of a transaction and the values of its parameters.
Statement = tuple[str, Mapping[str, Any]]
#: One of the two nodes of an edge.
End = Literal["source", "target"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do that others cannot; everything else is the same on all.

    Attributes:
        concurrent_writers: transactions of several threads may be open at a time.
        vector_index: it keeps vector indexes (``CREATE VECTOR INDEX``, ``db.index.vector.queryNodes``).
        checked_types: nothing but kg_rec writes to it, so each value has the datatype of the schema.
    """

    concurrent_writers: bool
    vector_index: bool
    checked_types: bool


class GraphStore(Protocol):
    """A property graph that follows one :class:`~kg_rec.schema.GraphSchema`.

    Node keys are strings.  An edge is identified by (relation type, source key, target key): writing it again
    replaces its properties, so every write is idempotent.

    What a call wrote is durable when the call returns: it survives the end of the process and a loss of power.  A call
    that fails, or a process that ends within one, leaves all of it or nothing.
    """

    @property
    def url(self) -> str:
        """Where the graph is, without credentials."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do that others cannot."""
        ...

    def apply_schema(self, schema: GraphSchema) -> None:
        """Create constraints, indexes or tables, and keep the schema's Turtle in the store.

        Applying the same schema again changes nothing.  Another schema may only add node types, relation types
        and optional properties.

        Raises:
            SchemaError: the store holds a schema that this one contradicts.
        """
        ...

    def schema(self) -> GraphSchema:
        """The schema kept in the store.

        Raises:
            SchemaNotAppliedError: the store holds none yet.
        """
        ...

    def reserve(self, rows: int) -> None:
        """Refuse, before a load writes anything, what the store has no room for.

        Args:
            rows: nodes and edges that may come, at most.

        Raises:
            StoreError: they would not fit; the message tells the numbers that decide.
        """
        ...

    def write_nodes(self, node_type: str, batch: pa.Table) -> int:
        """Upsert nodes.

        Args:
            node_type: a node type of the schema.
            batch: one column per property; the key column is required and has no nulls; a null or absent column
                leaves a property that is already there as it is.

        Returns:
            Number of rows written.

        Raises:
            StoreError: the batch does not fit the schema (nothing is written), or the store failed.
        """
        ...

    def write_edges(self, relation: str, batch: pa.Table) -> int:
        """Upsert edges between nodes that exist.

        Args:
            relation: a relation type of the schema.
            batch: columns ``source`` and ``target`` (keys, no nulls) and one per edge property.

        Returns:
            Number of rows written.

        Raises:
            StoreError: an end does not exist (the message shows keys), or the batch does not fit the schema;
                nothing of the batch is written.
        """
        ...

    def scan_nodes(
        self, node_type: str, batch_size: int = 50_000, *, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """All nodes of a type in key order, in bounded memory: one column per property of the schema, the key first.

        Args:
            node_type: a node type of the schema.
            batch_size: most rows of a batch.
            columns: properties to read besides the key; all of them where it is None.

        Raises:
            StoreError: the schema has no such type or property, or a value is not of the schema's type.
        """
        ...

    def scan_edges(self, relation: str, batch_size: int = 50_000) -> Iterator[pa.RecordBatch]:
        """All edges of a type, in bounded memory: columns ``source``, ``target``, then the edge properties by name.

        The order is by source key, then target key.
        """
        ...

    def read_nodes(self, node_type: str, keys: Sequence[str], *, columns: Sequence[str] | None = None) -> pa.Table:
        """The nodes of some keys, in key order, with the columns of :meth:`scan_nodes`.

        A key that no node has is left out.

        Args:
            node_type: a node type of the schema.
            keys: each once.
            columns: properties to read besides the key; all of them where it is None.

        Raises:
            StoreError: as :meth:`scan_nodes`.
        """
        ...

    def read_edges(self, relation: str, keys: Sequence[str], *, end: End = "source") -> pa.Table:
        """The edges of a type that leave some nodes, or that come to them, as :meth:`scan_edges` gives them.

        The answer is held in memory: ask for as many keys at a time as their edges allow.

        Args:
            relation: a relation type of the schema.
            keys: of the nodes at ``end``, each once.
            end: at which end of the edges these nodes are.

        Raises:
            StoreError: the schema has no such type, or a value is not of the schema's type.
        """
        ...

    def query(
        self, cypher: str, parameters: Mapping[str, Any] | None = None, *, limit: int = 100_000, timeout: float = 60.0
    ) -> pa.Table:
        """Run Cypher that a person or a file supplied, read-only.

        Args:
            cypher: one statement that only reads.
            parameters: values for ``$name`` in the statement.
            limit: most rows that may come back; one more is an error, never a silent cut.
            timeout: seconds.

        Raises:
            QueryRefusedError: the statement is not provably read-only, or is not valid Cypher.
            StoreError: it failed, ran out of time or gave too many rows.
        """
        ...

    def transact(self, statements: Sequence[Statement]) -> None:
        """Run statements of kg_rec's own, with their parameters, in one transaction: all of them or none.

        They may run more than once, where the network fails: the first has to make the rest do nothing then.

        Raises:
            StoreUnavailableError: the server does not answer or is busy; the same call may succeed later.
            StoreError: a statement failed, or the store is open for reading only.
        """
        ...

    def close(self) -> None:
        """Release connections and files."""
        ...
