"""A small shop whose customers choose by looks: products with a picture and a sound as vectors, of which some lack one.

Product i looks like i % 3 and sounds of nothing: customer c likes the look c % 3.  No fact and no text tells of it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
from toy_graph import NO_TEXT, edges

from kg_rec.model.recommender import Recommender
from kg_rec.model.train.fit import fit
from kg_rec.model.train.train import train
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import Snapshot

SCHEMA = """
@prefix :     <urn:test:looks#> .
@prefix kr:   <urn:kg-rec:schema#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix sh:   <http://www.w3.org/ns/shacl#> .
@prefix xsd:  <http://www.w3.org/2001/XMLSchema#> .

<urn:test:looks> a kr:Schema ; rdfs:label "a shop"@en .

:Customer a kr:UserType ; rdfs:label "customer"@en, "顾客"@zh ; kr:plural "customers"@en ; kr:measureWord "位"@zh ;
    sh:property [ sh:path :customer_id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .

:Product a kr:ItemType ; rdfs:label "product"@en, "商品"@zh ; kr:plural "products"@en ; kr:measureWord "件"@zh ;
    sh:property [ sh:path :product_id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] ,
                [ sh:path :name ; sh:datatype xsd:string ; kr:use kr:name ] ,
                [ sh:path :picture ; sh:datatype kr:floatList ; kr:use kr:vector ; kr:dimensions 6 ;
                  rdfs:label "picture"@en, "图片"@zh ] ,
                [ sh:path :sound ; sh:datatype kr:floatList ; kr:use kr:vector ; kr:dimensions 2 ] .

:Maker a kr:AttributeType ; rdfs:label "maker"@en, "厂商"@zh ; kr:plural "makers"@en ; kr:measureWord "家"@zh ;
    sh:property [ sh:path :maker_id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] ,
                [ sh:path :name ; sh:datatype xsd:string ; kr:use kr:name ] .

:BOUGHT a kr:InteractionType ; rdfs:domain :Customer ; rdfs:range :Product ;
    rdfs:label "bought"@en, "购买"@zh ; kr:phrase "bought {}"@en, "买过{}"@zh .

:MADE_BY a kr:RelationType ; rdfs:domain :Product ; rdfs:range :Maker ;
    rdfs:label "made by"@en, "制造"@zh ; kr:inverseLabel "made"@en, "制造"@zh ;
    kr:phrase "was made by {}"@en, "由{}制造"@zh ; kr:inversePhrase "made {}"@en, "制造了{}"@zh .
"""
CUSTOMERS, PRODUCTS, NEW = 60, 48, 6
LOOKS = 3
#: Products without a picture, and those without a sound.
NO_PICTURE, NO_SOUND = frozenset({5, 20}), frozenset(range(0, PRODUCTS, 7))


def schema() -> GraphSchema:
    """The shop's schema."""
    return GraphSchema.from_turtle(SCHEMA)


def nodes() -> dict[str, pa.Table]:
    """The nodes by type."""
    rng = np.random.default_rng(4)
    looks = np.eye(6)[:LOOKS]
    pictures = [(looks[i % LOOKS] + 0.25 * rng.normal(size=6) + 0.7).tolist() for i in range(PRODUCTS)]
    sounds = rng.normal(size=(PRODUCTS, 2)).tolist()
    keys = [f"p{i:02d}" for i in range(PRODUCTS)]
    vectors = pa.list_(pa.float64())
    return {
        "Customer": pa.table({"customer_id": [f"c{c:02d}" for c in range(CUSTOMERS)]}),
        "Product": pa.table(
            {
                "product_id": keys,
                "name": [f"Thing {i}" for i in range(PRODUCTS)],
                "picture": pa.array([None if i in NO_PICTURE else pictures[i] for i in range(PRODUCTS)], vectors),
                "sound": pa.array([None if i in NO_SOUND else sounds[i] for i in range(PRODUCTS)], vectors),
            }
        ),
        "Maker": pa.table({"maker_id": [f"m{m}" for m in range(8)], "name": [f"Maker {m}" for m in range(8)]}),
    }


@cache
def looks() -> Snapshot:
    """The shop; nobody has bought the last products yet."""
    rng = np.random.default_rng(5)
    bought = set()
    for c in range(CUSTOMERS):
        chance = np.array([0.45 if i % LOOKS == c % LOOKS else 0.05 for i in range(PRODUCTS - NEW)])
        bought |= {(c, int(i)) for i in np.flatnonzero(rng.random(PRODUCTS - NEW) < chance)}
    made = {(i, int(rng.integers(8))) for i in range(PRODUCTS)}
    relations = {"BOUGHT": edges(bought), "MADE_BY": edges(made)}
    return Snapshot(schema(), "looks", nodes(), relations)


@cache
def trained() -> Recommender:
    """A model of the shop."""
    return train(looks(), NO_TEXT)


@cache
def by_looks() -> Recommender:
    """The same with every part of the score in use, whatever validation chose."""
    chosen = trained().chosen
    warm = {"taste": 1.0, "relational": 0.3, "vectors": 0.5, "base": 0.1}
    weights = {"picture": 1.0, "sound": 0.25}
    chosen = replace(
        chosen,
        channels={**chosen.channels, "vectors": {"weights": weights}},
        similarity=dict.fromkeys(chosen.similarity, 0.5),
        warm=warm,
        cold={"relational": 1.0, "vectors": 0.2},
    )
    return fit(looks(), chosen, NO_TEXT, None)
