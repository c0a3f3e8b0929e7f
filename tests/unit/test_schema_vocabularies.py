"""The terms of other vocabularies that the bundled schemas name are terms of these vocabularies."""

from __future__ import annotations

from pathlib import Path

import pytest
from rdflib import Graph, URIRef
from rdflib.namespace import DCTERMS, FOAF, OWL, RDF, RDFS, SDO, SKOS, XSD, DefinedNamespace

import kg_rec.graph_schemas

SCHEMAS = sorted(Path(next(iter(kg_rec.graph_schemas.__path__))).glob("*.ttl"))
#: rdflib lists what each of them defines.
KNOWN: dict[str, type[DefinedNamespace]] = {
    "http://schema.org/": SDO,
    str(FOAF): FOAF,
    str(DCTERMS): DCTERMS,
    str(SKOS): SKOS,
    str(OWL): OWL,
    str(RDF): RDF,
    str(RDFS): RDFS,
    str(XSD): XSD,
}


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.stem)
def test_terms_of_other_vocabularies_are_theirs(file: Path) -> None:
    terms = {term for triple in Graph().parse(file) for term in triple if isinstance(term, URIRef)}
    wrong = [
        str(term)
        for term in terms
        for base, vocabulary in KNOWN.items()
        if term.startswith(base) and term.removeprefix(base) not in vocabulary
    ]
    assert wrong == []


def test_there_are_schemas_that_name_others() -> None:
    assert len(SCHEMAS) >= 10
    assert sum("schema.org" in file.read_text(encoding="utf-8") for file in SCHEMAS) >= 7
