"""The same question of kg_rec's own lists: learned from coats that people chose and liked, asked of coats at random.

The model is trained once for each strength s of ``taste.propensity``; every user's coats drawn at random are ranked by
its score, and those rated 4 or 5 are the hits.  Users without such a coat are left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.feedback.coat import interval, ndcg, ratings, rows
from kg_rec.model.channels.taste import TasteConfig
from kg_rec.model.config import TrainConfig
from kg_rec.model.train.train import train
from kg_rec.progress import Progress
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import EdgeTable, Snapshot

STRENGTHS = (0.0, 0.25, 0.5, 1.0)
ABOUT_USERS = ("age", "fashioninterest", "gender", "location")
_TEXT = "sh:datatype xsd:string"
SCHEMA = f"""
@prefix : <urn:coat#> . @prefix kr: <urn:kg-rec:schema#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<urn:coat> a kr:Schema .
:User rdfs:label "user" ; a kr:UserType ; sh:property [ sh:path :user_id ; {_TEXT} ; sh:minCount 1 ; kr:use kr:key ] ,
    {" , ".join(f"[ sh:path :{name} ; {_TEXT} ]" for name in ABOUT_USERS)} .
:Coat rdfs:label "coat" ; a kr:ItemType ; sh:property [ sh:path :coat_id ; {_TEXT} ; sh:minCount 1 ; kr:use kr:key ] .
:Property rdfs:label "property" ; a kr:AttributeType ;
    sh:property [ sh:path :property_id ; {_TEXT} ; sh:minCount 1 ; kr:use kr:key ] .
:RATED a kr:InteractionType ; rdfs:domain :User ; rdfs:range :Coat ; kr:positiveFrom 4 ;
    rdfs:label "rated" ; kr:phrase "liked {{}}" ; kr:inversePhrase "was liked by {{}}" ;
    sh:property [ sh:path :rating ; sh:datatype xsd:double ; kr:use kr:weight ] .
:HAS_PROPERTY a kr:RelationType ; rdfs:domain :Coat ; rdfs:range :Property ;
    rdfs:label "has" ; kr:phrase "has {{}}" ; kr:inversePhrase "is of {{}}" .
"""


def graph(folder: Path) -> Snapshot:
    """The people, the coats, their properties and the ratings of coats that people chose."""
    users, items, given = ratings(folder / "chosen.tsv")
    facts = sorted({(int(r["item"]), f"{r['property']}={r['value']}") for r in rows(folder / "items.tsv")})
    people, coats = 1 + int(users.max()), 1 + facts[-1][0]
    known: dict[str, list[str | None]] = {name: [None] * people for name in ABOUT_USERS}
    for r in rows(folder / "users.tsv"):
        known[r["property"]][int(r["user"])] = r["value"]
    names = sorted({name for _, name in facts})
    order = np.lexsort((items, users))
    keys = {"User": [f"{u:03d}" for u in range(people)], "Coat": [f"{i:03d}" for i in range(coats)]}
    return Snapshot(
        GraphSchema.from_turtle(SCHEMA, "coat"),
        "coat",
        {
            "User": pa.table({"user_id": keys["User"], **known}),
            "Coat": pa.table({"coat_id": keys["Coat"]}),
            "Property": pa.table({"property_id": names}),
        },
        {
            "RATED": EdgeTable(users[order], items[order], given[order].astype(np.float32)),
            "HAS_PROPERTY": EdgeTable(np.array([i for i, _ in facts]), np.array([names.index(n) for _, n in facts])),
        },
    )


def lists(folder: Path, progress: Progress) -> dict[str, Any]:
    """NDCG@10 of the coats drawn at random by strength, and its gain over strength 0 with a 95 % interval."""
    snapshot = graph(folder)
    users, items, truth = ratings(folder / "random.tsv")
    per_user = {}
    for strength in STRENGTHS:
        config = TrainConfig(taste=TasteConfig(propensity=(strength,)))
        model = train(snapshot, config, progress=progress)
        scores = model.scores(np.arange(len(snapshot.users)))
        per_user[strength] = ndcg(users, truth, scores[users, items])
    gains = {str(s): per_user[s] - per_user[0.0] for s in STRENGTHS if s}
    return {
        "ndcg@10": {str(s): float(values.mean()) for s, values in per_user.items()},
        "gain": {s: [float(values.mean()), *interval(values)] for s, values in gains.items()},
    }
