"""Paths through attributes and relations, with numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse
from toy_graph import edges, films, snapshot

from kg_rec.model.channels.knowledge import KnowledgeConfig, gated, most_users
from kg_rec.model.item_paths import incidence, path_factors
from kg_rec.model.kernel import FactorKernel
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import Snapshot

#: Relations leave the item, enter it, join two items, and touch none.
TURTLE = """
@prefix : <urn:kg-rec:shop#> . @prefix kr: <urn:kg-rec:schema#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<urn:kg-rec:shop> a kr:Schema ; rdfs:label "Shop"@en .
:Buyer a kr:UserType ; rdfs:label "buyer"@en ;
    sh:property [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .
:Thing a kr:ItemType ; rdfs:label "thing"@en ;
    sh:property [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .
:Maker a kr:AttributeType ; rdfs:label "maker"@en ;
    sh:property [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] ,
    [ sh:path :name ; sh:datatype xsd:string ; kr:use kr:name ] .
:BOUGHT a kr:InteractionType ; rdfs:domain :Buyer ; rdfs:range :Thing ;
    rdfs:label "bought"@en ; kr:inverseLabel "bought by"@en .
:MADE a kr:RelationType ; rdfs:domain :Maker ; rdfs:range :Thing ;
    rdfs:label "made"@en ; kr:inverseLabel "made by"@en .
:FITS a kr:RelationType ; rdfs:domain :Thing ; rdfs:range :Thing ;
    rdfs:label "fits"@en ; kr:inverseLabel "fitted by"@en .
:OWNS a kr:RelationType ; rdfs:domain :Maker ; rdfs:range :Maker ;
    rdfs:label "owns"@en ; kr:inverseLabel "owned by"@en .
:FOLLOWS a kr:RelationType ; rdfs:domain :Buyer ; rdfs:range :Maker ;
    rdfs:label "follows"@en ; kr:inverseLabel "followed by"@en .
:SHOWN a kr:RelationType ; rdfs:domain :Buyer ; rdfs:range :Thing ;
    rdfs:label "shown"@en ; kr:inverseLabel "shown to"@en .
"""


@pytest.fixture(scope="module")
def shop() -> Snapshot:
    """Things 0, 1 by maker 0 and 1, 2, 3 by maker 1, thing 4 by nobody; 0 fits 2, 2 fits 0, 3 fits 2, 4 fits 4."""
    nodes = {
        "Buyer": pa.table({"id": ["b0", "b1"]}),
        "Thing": pa.table({"id": [f"t{i}" for i in range(5)]}),
        "Maker": pa.table({"id": ["m0", "m1"], "name": ["Acme", None]}),
    }
    relations = {
        "MADE": edges([(0, 0), (0, 1), (1, 1), (1, 2), (1, 3)]),
        "FITS": edges([(0, 2), (2, 0), (3, 2), (4, 4)]),
        "BOUGHT": edges([(0, 0), (1, 1)]),
    }
    return snapshot(GraphSchema.from_turtle(TURTLE), nodes, relations)


def test_only_relations_that_touch_an_item_and_no_user_are_knowledge(shop: Snapshot) -> None:
    assert [r.name for r in shop.schema.knowledge_relations] == ["FITS", "MADE"]
    names = [r.name for r in films().schema.knowledge_relations]
    assert "RATED" not in names
    assert "RECOMMENDED" not in names
    assert {"DIRECTED_BY", "HAS_GENRE", "FOLLOWED_BY"} <= set(names)


def test_a_gate_is_the_mean_of_its_relation_type_and_its_own_deviation(shop: Snapshot) -> None:
    chosen = {"mean": {"MADE": 0.4}, "deviation": {"MADE": {"m1": 0.5, "m0": -0.25, "gone": 1.0}}}
    gates = {p.factors.relation: p.gate.tolist() for p in gated(shop, KnowledgeConfig(), chosen)}
    assert gates["MADE"] == pytest.approx([0.3, 0.6])
    assert set(gates["FITS"]) == {0.0}


def test_incidence_of_a_relation_that_enters_the_item(shop: Snapshot) -> None:
    found = incidence(shop, shop.schema.relation_types["MADE"])
    assert found.toarray().tolist() == [[1, 0], [1, 1], [0, 1], [0, 1], [0, 0]]


def test_incidence_between_items_is_symmetric_without_loops(shop: Snapshot) -> None:
    found = incidence(shop, shop.schema.relation_types["FITS"])
    expected = np.zeros((5, 5))
    expected[[0, 2, 2, 3], [2, 0, 3, 2]] = 1
    assert found.toarray().tolist() == expected.tolist()
    assert found.nnz == 4


def test_shared_makers_by_hand(shop: Snapshot) -> None:
    """Maker 0 has 2 things and weighs 2^-1/2, maker 1 has 3 and weighs 3^-1/2."""
    factors = path_factors(shop, shop.schema.relation_types["MADE"], degree_exponent=0.5)
    a, b = 2**-0.5, 3**-0.5
    norm = np.sqrt(a * a + b * b)
    rows = np.array([[1, 0], [a / norm, b / norm], [0, 1], [0, 1], [0, 0]])
    np.testing.assert_allclose(factors.source.toarray(), rows, rtol=1e-6)
    np.testing.assert_allclose(factors.target.toarray(), rows, rtol=1e-6)
    kernel = FactorKernel(factors.source, factors.target)
    np.testing.assert_allclose(
        kernel.values(np.array([0, 1, 2, 3, 4]), 1), [a / norm, 0, b / norm, b / norm, 0], rtol=1e-6
    )


def test_without_discount_it_is_the_cosine(shop: Snapshot) -> None:
    factors = path_factors(shop, shop.schema.relation_types["MADE"], degree_exponent=0.0)
    cosines = (factors.source @ factors.target.T).toarray()
    np.testing.assert_allclose(cosines[0, :4], [1, 2**-0.5, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(np.diag(cosines), [1, 1, 1, 1, 0], rtol=1e-6)


def test_attributes_of_too_many_items_are_left_out(shop: Snapshot) -> None:
    made = shop.schema.relation_types["MADE"]
    factors = path_factors(shop, made, degree_exponent=0.0, max_degree=0.5)  # 3 of 5 things are more than half
    assert factors.source.toarray().tolist() == [[1, 0], [1, 0], [0, 0], [0, 0], [0, 0]]
    # two items make a pair, so an attribute with two is kept, however small the share
    assert path_factors(shop, made, degree_exponent=0.0, max_degree=0.0).source.nnz == 2


def test_a_direct_relation_joins_the_two_items_it_names_and_no_others(shop: Snapshot) -> None:
    """1 / sqrt of both degrees: thing 2 is tied to 0 and 3."""
    factors = path_factors(shop, shop.schema.relation_types["FITS"], degree_exponent=0.5)
    scores = FactorKernel(factors.source, factors.target).scores(sparse.csr_array(np.eye(5, dtype=np.float32)))
    expected = np.zeros((5, 5))
    expected[[0, 2, 2, 3], [2, 0, 3, 2]] = 2**-0.5
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


@pytest.mark.parametrize("relation", ["MADE", "FITS"])
def test_each_relation_is_positive_semidefinite_as_a_likeness(shop: Snapshot, relation: str) -> None:
    """Kernel ridge regression needs it: k(i, i) counts, unlike in the score."""
    factors = path_factors(shop, shop.schema.relation_types[relation], degree_exponent=0.25)
    likeness = (factors.source @ factors.target.T).toarray().astype(np.float64)
    np.testing.assert_allclose(likeness, likeness.T, atol=1e-7)
    assert np.linalg.eigvalsh(likeness).min() > -1e-6


def test_a_relation_without_edges_has_no_path(shop: Snapshot) -> None:
    for name in ("MADE", "FITS"):
        bare = shop.with_edges(name, edges([]))
        factors = path_factors(bare, bare.schema.relation_types[name], degree_exponent=0.5)
        scores = FactorKernel(factors.source, factors.target).scores(sparse.csr_array(np.eye(5, dtype=np.float32)))
        assert not scores.any()


def test_the_work_of_learning_gates_is_bounded_by_users_and_by_the_catalogue() -> None:
    config = KnowledgeConfig(users=1_000)
    assert most_users(50, config) == most_users(32_000, config) == 1_000
    assert most_users(100_000, config) == 320
    assert most_users(100_000_000, config) == 1
