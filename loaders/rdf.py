"""RDF: N-Triples, streamed line by line, and Turtle, read whole by rdflib.

``rdf:type`` (of Wikidata, ``wdt:P31``) says the node type: the one that names the class in the schema
(``owl:equivalentClass``, ``rdfs:subClassOf``), else that of the class's local name.  Where a class is several node
types, a node is each of them (``owl:equivalentClass``) or those whose relations it has (``rdfs:subClassOf``).  A
predicate is, by its IRI or its local name, a relation type, an alias of one, or a property of the subject's node type
(``rdfs:label`` is the name).  A text where a relation to an attribute is expected is an attribute of that key and name.
A term that the schema does not know means what the file's own ontology puts above it (``rdfs:subClassOf``,
``rdfs:subPropertyOf``, OWL's equivalence); where a file has one, its nodes are read twice.  A node's key is its key
property where the file gives it, else the local name of its IRI or the whole IRI (``keys``); two IRIs never become one
node unless ``owl:sameAs`` says that they are one (:mod:`kg_rec.loaders.same_as`).  What blank nodes and RDF lists say
has no place in a schema: it is counted as left out.

N-Triples (https://www.w3.org/TR/n-triples/) are passed over twice, first for the nodes, then for the relations,
so memory grows with the nodes and their properties, not with the relations.  ``keep`` leaves out nodes of a large dump
before their properties are read, for one or two more passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kg_rec.loaders.base import LoadContext
from kg_rec.loaders.batches import EdgeBatch, NodeBatch
from kg_rec.loaders.rdf_edges import Edges
from kg_rec.loaders.rdf_nodes import Nodes
from kg_rec.loaders.rdf_statements import Statements
from kg_rec.loaders.rdf_terms import Options
from kg_rec.loaders.same_as import Joins, read_apart, told, write_joins
from kg_rec.loaders.text import Faults
from kg_rec.schema import GraphSchema


class RdfLoader:
    """Turtle or N-Triples."""

    name = "rdf"
    description = "RDF: N-Triples (.nt, streamed) or Turtle (.ttl), with rdf:type and the schema's names as predicates"
    options: Mapping[str, str] = {
        "keys": "'local' (key is the local name of the IRI) or 'iri' (the whole IRI); default: local",
        "language": "language of texts, such as en or en-GB; default: en.  Texts in it come first, then those without "
        "a language, then those in another kind of it (en-US for en)",
        "relations": "names of relation types, with commas: read only these; default: all",
        "keep": "of a large dump: 'linked' reads attributes only where a relation ties them to an item, 'known' also "
        "only items that the graph has already; default: all",
        "same": "'no' takes owl:sameAs for nothing; default: yes, it joins nodes",
        "joins": "CSV file to write, with each IRI that owl:sameAs joined to another",
        "apart": "CSV file such as joins writes: pairs that are not joined, whatever the data say",
    }

    def schema(
        self, path: Path, options: Mapping[str, Any], base: GraphSchema | None, faults: Faults
    ) -> GraphSchema | None:
        """The chosen schema, else the one that the store holds."""
        return base

    def read(self, path: Path, context: LoadContext) -> Iterator[NodeBatch | EdgeBatch]:
        """Nodes of every type, then edges.

        Raises:
            ConfigError: an option has no such value.
            LoadError: the file is malformed, or two nodes of a type have the same key.
        """
        nodes = Nodes(path, context, Options.of(context), Joins(path))
        if (apart := context.options.get("apart")) is not None:
            nodes.same = Joins(path, read_apart(apart))
        source = Statements(path, context.faults, context.unmapped)
        yield from nodes.batches(source)
        if (joins := context.options.get("joins")) is not None:
            write_joins(joins, nodes.joined, path)
        names = {name: kind.name_property for name, kind in context.schema.node_types.items()}
        context.notes.extend(told(nodes.joined, names, path))
        yield from Edges(nodes).batches(source)
