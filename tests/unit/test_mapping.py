"""What a schema says in ``kr:from``: patterns and expressions with other variables, and nothing that is more."""

from __future__ import annotations

import pytest

from kg_rec.errors import SchemaError
from kg_rec.schema import GraphSchema
from kg_rec.store import mapping

HEAD = """
@prefix : <urn:x#> . @prefix kr: <urn:kg-rec:schema#> . @prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<urn:x> a kr:Schema .
"""


def schema(
    node: str = "(n:Product) WHERE NOT n:Discontinued",
    relation: str = "(a)-[r:BOUGHT]->(b)",
    time: str = "r.at.epochSeconds",
    key: str = "xsd:integer",
) -> GraphSchema:
    return GraphSchema.from_turtle(
        f"""{HEAD}
:User a kr:UserType ; kr:from "(n:Customer)" ;
    sh:property [ sh:path :id ; sh:datatype {key} ; sh:minCount 1 ; kr:use kr:key ] .
:Product a kr:ItemType ; kr:from "{node}" ; sh:property
    [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ; kr:from "n.shop + '|' + n.no" ] .
:CHOSE a kr:InteractionType ; rdfs:domain :User ; rdfs:range :Product ; rdfs:label "chose" ; kr:from "{relation}" ;
    sh:property [ sh:path :time ; sh:datatype xsd:integer ; kr:use kr:time ; kr:from "{time}" ] .
"""
    )


def test_variables_get_other_names_and_nothing_else_does() -> None:
    found = schema(
        relation="(a)-[r:BOUGHT {a: 1}]->(v:a)-[:a]->(b) WHERE v.a > 1 AND a.r = 'a' AND exists(v.b)",
        time="r.at.epochSeconds + datetime({date: v.r}).second",
    )
    relation = found.interaction
    pattern, conditions = mapping.step(relation, "n2", "n3", "e2")
    assert pattern == "(n2)-[e2:BOUGHT {a: 1}]->(e2_v:a)-[:a]->(n3)"
    assert conditions == ["(e2_v.a > 1 AND n2.r = 'a' AND exists(e2_v.b))"]
    time = mapping.edge_value(relation, relation.properties[0], "n2", "n3", "e2")
    assert time == "e2.at.epochSeconds + datetime({date: e2_v.r}).second"


def test_nodes_and_keys() -> None:
    found = schema()
    user, item = found.user, found.item
    assert found.mapped
    assert mapping.keyed(user, "u", "$user") == "(u:`Customer`) WHERE u.`id` = toInteger($user)"
    assert mapping.key(user, "u") == "toString(u.`id`)"
    assert mapping.keyed(item, "i", "k") == "(i:`Product`) WHERE i.shop + '|' + i.no = k AND (NOT i:Discontinued)"
    plain = GraphSchema.bundled("movies")
    assert not plain.mapped
    assert mapping.keyed(plain.item, "i", "k") == "(i:`Film` {`item_id`: k})"
    assert mapping.step(plain.interaction, "a", "b", "r") == ("(a)-[r:`RATED`]->(b)", [])


@pytest.mark.parametrize(
    ("part", "text", "message"),
    [
        ("node", "(n:Product) DETACH DELETE n", "Product: kr:from: .*the clause DETACH"),
        ("node", "(n:Product) WHERE true MATCH (m)", "the clause MATCH"),
        ("node", "(n:Product) // x", "a comment"),
        ("node", "(m:Product)", r"expected a pattern of one node n such as \(n:Product\)"),
        ("node", "(n:Product) WHERE n.x = $x", r"\$x is not allowed"),
        ("node", "(n:Product) WHERE (n.x", "brackets .* do not match"),
        ("relation", "(a)-[r:BOUGHT]->(c)", r"expected a pattern from \(a\) to \(b\)"),
        ("relation", "(a)-[r:BOUGHT]->(b); CREATE ()", "CHOSE: kr:from: ; is not allowed"),
        ("time", "r.at} RETURN 1", "CHOSE.time: kr:from: the brackets|clause RETURN"),
        ("time", "1 }) SET n.x = (1", "CHOSE.time: kr:from"),
    ],
)
def test_a_fragment_is_a_fragment(part: str, text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        mapping.check_mapping(schema(**{part: text}))


def test_typed_keys_need_a_mapping() -> None:
    text = schema().turtle.replace('kr:from "(n:Customer)" ;', "")
    with pytest.raises(SchemaError, match=r"User: expected one property with kr:use kr:key, .* \(or"):
        GraphSchema.from_turtle(text)
