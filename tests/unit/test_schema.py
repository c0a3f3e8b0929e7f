"""Graph schemas: the bundled ones, and what a faulty file is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from kg_rec.errors import SchemaError
from kg_rec.explain.words.patterns import kinds, profile_kinds
from kg_rec.schema import GraphSchema

PREFIXES = """\
@prefix : <urn:t#> . @prefix kr: <urn:kg-rec:schema#> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""
SCHEMA = '<urn:toys> a kr:Schema ; rdfs:label "Toys"@en .\n'
USER = ":User a kr:UserType ; sh:property [ sh:path :uid ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .\n"
ITEM = ":Toy a kr:ItemType ; sh:property [ sh:path :tid ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .\n"
MAKER = (
    ":Maker a kr:AttributeType ; "
    "sh:property [ sh:path :mid ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .\n"
)
LIKED = (
    ":LIKED a kr:InteractionType ; rdfs:domain :User ; rdfs:range :Toy ; "
    'rdfs:label "liked"@en ; kr:phrase "liked {}"@en .\n'
)
MADE = (
    ":MADE_BY a kr:RelationType ; rdfs:domain :Toy ; rdfs:range :Maker ; "
    'rdfs:label "by"@en ; kr:phrase "by {}"@en ; kr:alias "maker" .\n'
)
GOOD = PREFIXES + SCHEMA + USER + ITEM + MAKER + LIKED + MADE


def test_minimal_schema() -> None:
    schema = GraphSchema.from_turtle(GOOD)
    assert schema.name == "toys"
    assert (schema.user.name, schema.item.name, schema.interaction.name) == ("User", "Toy", "LIKED")
    assert [r.name for r in schema.item_relations] == ["MADE_BY"]
    assert schema.languages == ("en",)
    assert schema.user.key == "uid"
    assert schema.user.name_property is None
    assert schema.turtle == GOOD
    assert GraphSchema.from_turtle(schema.turtle).digest == schema.digest


BUNDLED = sorted(file.stem for file in (Path(__file__).resolve().parents[2] / "graph_schemas").glob("*.ttl"))


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_schemas_speak_two_languages(name: str) -> None:
    schema = GraphSchema.bundled(name)
    assert schema.name == name
    assert schema.languages == ("en", "zh")
    for node_type in schema.node_types.values():
        assert set(node_type.labels) == {"en", "zh"}, node_type.name
        assert "en" in node_type.plurals, node_type.name
        assert "zh" in node_type.measure_words, node_type.name
    for relation in schema.relation_types.values():
        for texts in (relation.labels, relation.inverse_labels, relation.phrases, relation.inverse_phrases):
            assert set(texts) == {"en", "zh"}, relation.name


def test_music_schema() -> None:
    schema = GraphSchema.bundled("music")
    assert schema.interaction.weight == "plays"
    plays = next(p for p in schema.interaction.properties if p.name == "plays")
    assert (plays.minimum, plays.maximum) == (1, None)
    friends = schema.relation_types["FRIEND_OF"]
    assert (friends.source, friends.target) == ("Listener", "Listener")


def test_terms_of_other_vocabularies() -> None:
    """``http:`` or ``https:``; a class may be several types, all of which its members are or some."""
    books = GraphSchema.bundled("books")
    assert books.types_of("https://schema.org/Book") == books.types_of("http://schema.org/Book") == (("Book",), ())
    assert books.types_of("http://dbpedia.org/ontology/Writer") == (("Author",), ())
    assert books.types_of("http://xmlns.com/foaf/0.1/Person") == ((), ("Author", "Reader"))
    assert books.types_of("urn:other#Genre") == (("Genre",), ())
    assert books.types_of("urn:other#Ship") == ((), ())
    assert books.properties_called("https://schema.org/name") == ("name", "title")
    assert books.properties_called("urn:other#isbn") == ("isbn",)
    written_by, sequel = books.relation_types["WRITTEN_BY"], books.relation_types["FOLLOWED_BY"]
    assert books.relations_called("http://schema.org/author") == ((written_by, False),)
    assert books.relations_called("http://dbpedia.org/ontology/previousWork") == ((sequel, True),)
    wrong = GOOD.replace(
        ":Toy a kr:ItemType ;", ':Toy a kr:ItemType ; <http://www.w3.org/2002/07/owl#equivalentClass> "x" ;'
    )
    with pytest.raises(SchemaError, match="Toy: equivalentClass: expected an IRI, got x"):
        GraphSchema.from_turtle(wrong)


def test_a_rule_is_no_reason() -> None:
    medicine = GraphSchema.bundled("medicine")
    rules = {name for name, relation in medicine.relation_types.items() if relation.rule}
    assert rules == {"CONTRAINDICATED_IN", "INTERACTS_WITH"}
    assert not rules & {r.name for r in (*medicine.knowledge_relations, *medicine.item_relations)}
    assert not rules & {step.type for kind in (*kinds(medicine), *profile_kinds(medicine)) for step in kind.steps}


def test_relations_called() -> None:
    schema = GraphSchema.bundled("movies")
    directed_by = schema.relation_types["DIRECTED_BY"]
    assert schema.relations_called("DIRECTED_BY") == ((directed_by, False),)
    assert schema.relations_called("directed_by") == ((directed_by, False),)
    assert schema.relations_called("film.director.film") == ((directed_by, True),)
    assert schema.relations_called("nothing of the kind") == ()


def test_find_and_from_file(tmp_path: Path) -> None:
    path = tmp_path / "toys.ttl"
    path.write_text(GOOD, encoding="utf-8")
    assert GraphSchema.find(str(path)).name == "toys"
    assert GraphSchema.find("movies").item.name == "Film"
    with pytest.raises(SchemaError, match=r"'toys'; expected one of books, .*interactions, .*movies"):
        GraphSchema.find("toys")
    with pytest.raises(SchemaError, match=r"absent\.ttl: cannot read"):
        GraphSchema.find(str(tmp_path / "absent.ttl"))


def prop(text: str) -> str:
    """The toy with one more property."""
    return ITEM.replace(" .\n", f" , [ {text} ] .\n")


BAD = {
    "not Turtle": (GOOD + "nonsense", ["not valid Turtle"]),
    "no schema": (GOOD.replace(SCHEMA, ""), ["one subject of type kr:Schema, got 0"]),
    "no user type": (GOOD.replace(USER, ""), ["one node type of type kr:UserType, got none"]),
    "two item types": (GOOD + ITEM.replace(":Toy", ":Game"), ["kr:ItemType", "Game", "Toy"]),
    "no interaction": (GOOD.replace(LIKED, ""), ["one kr:InteractionType, got none"]),
    "names differ in case only": (GOOD + MAKER.replace(":Maker", ":TOY"), ["TOY, Toy", "defined twice"]),
    "no key": (GOOD.replace(MAKER, ":Maker a kr:AttributeType .\n"), ["Maker", "kr:use kr:key", "got none"]),
    "key is a number": (
        GOOD.replace(":mid ; sh:datatype xsd:string", ":mid ; sh:datatype xsd:integer"),
        ["Maker", "key"],
    ),
    "key is optional": (
        GOOD.replace(":mid ; sh:datatype xsd:string ; sh:minCount 1", ":mid ; sh:datatype xsd:string"),
        ["Maker"],
    ),
    "no path": (GOOD.replace(ITEM, prop("sh:datatype xsd:string")), ["Toy", "no sh:path"]),
    "no datatype": (GOOD.replace(ITEM, prop("sh:path :name")), ["Toy.name", "sh:datatype", "got None"]),
    "datatype unknown": (GOOD.replace(ITEM, prop("sh:path :name ; sh:datatype xsd:gYear")), ["Toy.name", "gYear"]),
    "use unknown": (
        GOOD.replace(ITEM, prop("sh:path :n ; sh:datatype xsd:string ; kr:use kr:title")),
        ["Toy", "kr:title"],
    ),
    "reserved name": (
        GOOD.replace(ITEM, prop("sh:path :source ; sh:datatype xsd:string")),
        ["Toy", "'source' is reserved"],
    ),
    "property twice": (
        GOOD.replace(ITEM, prop("sh:path :tid ; sh:datatype xsd:string")),
        ["Toy", "tid is defined twice"],
    ),
    "time is text": (
        GOOD.replace(ITEM, prop("sh:path :t ; sh:datatype xsd:string ; kr:use kr:time")),
        ["Toy.t", "Unix seconds"],
    ),
    "weight is text": (
        GOOD.replace(ITEM, prop("sh:path :w ; sh:datatype xsd:string ; kr:use kr:weight")),
        ["Toy.w", "number"],
    ),
    "vector has no length": (
        GOOD.replace(ITEM, prop("sh:path :v ; sh:datatype kr:floatList ; kr:use kr:vector")),
        ["Toy.v", "kr:dimensions"],
    ),
    "range is empty": (
        GOOD.replace(ITEM, prop("sh:path :p ; sh:datatype xsd:double ; sh:minInclusive 5 ; sh:maxInclusive 1")),
        ["Toy.p", "5 is above", "1"],
    ),
    "limit is no number": (
        GOOD.replace(ITEM, prop('sh:path :p ; sh:datatype xsd:double ; sh:minInclusive "low"')),
        ["Toy.p", "a number for minInclusive", "'low'"],
    ),
    "no domain": (GOOD.replace("rdfs:domain :Toy ; ", ""), ["MADE_BY", "one rdfs:domain, got 0"]),
    "range not a type": (GOOD.replace("rdfs:range :Maker", "rdfs:range :Shop"), ["MADE_BY", "rdfs:range Shop"]),
    "no label": (GOOD.replace('rdfs:label "by"@en ; ', ""), ["MADE_BY", "rdfs:label is missing"]),
    "phrase without slot": (GOOD.replace('"by {}"', '"by"'), ["MADE_BY", "exactly one {}", "'by'@en"]),
    "interaction turned round": (
        GOOD.replace("rdfs:domain :User ; rdfs:range :Toy", "rdfs:domain :Toy ; rdfs:range :User"),
        ["LIKED", "from User to Toy, got Toy to User"],
    ),
    "misspelt term": (GOOD.replace("kr:alias", "kr:alyas"), ["MADE_BY", "kr:alyas"]),
    "not an identifier": (GOOD.replace(":Maker", ":Toy-Maker"), ["Toy-Maker", "letters, digits"]),
    "same alias": (GOOD + MADE.replace(":MADE_BY", ":SOLD_BY"), ["SOLD_BY", "'maker'", "MADE_BY"]),
    "edge with a name": (
        GOOD.replace(
            MADE, MADE.replace(" .\n", " ; sh:property [ sh:path :n ; sh:datatype xsd:string ; kr:use kr:name ] .\n")
        ),
        ["MADE_BY", "kr:weight or kr:time"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_faulty_schema_names_file_subject_and_fault(case: str) -> None:
    text, parts = BAD[case]
    assert text != GOOD, "the case changes nothing"
    with pytest.raises(SchemaError) as error:
        GraphSchema.from_turtle(text, origin="toys.ttl")
    assert str(error.value).startswith("toys.ttl: ")
    for part in parts:
        assert part in str(error.value)


def test_the_reference_is_complete_and_its_example_is_valid() -> None:
    text = (Path(__file__).resolve().parents[2] / "graph_schemas/README.md").read_text(encoding="utf-8")
    example = text.split("```turtle\n")[1].split("```")[0]
    schema = GraphSchema.from_turtle(example, origin="README.md")
    assert schema.languages == ("en", "zh")
    assert schema.relation_types["MADE_BY"].max_per_source == 1
    with pytest.raises(SchemaError, match="expected one of") as error:
        GraphSchema.from_turtle(example.replace("kr:plural", "kr:plurals"))
    terms = str(error.value).split("expected one of ")[1].split(", ")
    assert len(terms) > 20
    assert [term for term in terms if f"`kr:{term}`" not in text] == []
