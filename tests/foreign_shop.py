"""A shop that was not made for kg_rec, in Neo4j: integer keys, repeated purchases, zoned times."""

from __future__ import annotations

import random
from typing import Any


def liked(users: int, items: int, kinds: int, seed: int = 3) -> list[tuple[int, int]]:
    """Pairs of user and item; each user likes items of one kind, item i being of kind i % kinds."""
    r, found = random.Random(seed), []
    for u in range(users):
        mine = [i for i in range(items) if i % kinds == u % kinds]
        found += [(u, i) for i in r.sample(mine, 4)]
        found += [(u, i) for i in r.sample(range(items), 2)]
    return sorted(set(found))


def shop(run: Any) -> None:
    """Integer keys, repeated purchases with a zoned time, returns and views, an extra label."""
    run("UNWIND range(0, 29) AS i CREATE (p:Product {id: 100 + i, title: 'Thing ' + i, price: 2.5})")
    run("MATCH (p:Product {id: 129}) SET p:Discontinued")
    run("UNWIND range(0, 2) AS k CREATE (:Category {name: 'Kind ' + k})")
    run("MATCH (p:Product), (c:Category) WHERE c.name = 'Kind ' + (p.id % 3) CREATE (p)-[:IN_CATEGORY]->(c)")
    run("UNWIND range(0, 39) AS u CREATE (:Customer {id: u, name: 'Customer ' + u})")
    pairs = [[u, 100 + i, n] for n, (u, i) in enumerate(liked(40, 30, 3))]
    at = "datetime('2024-01-01T00:00:00+02:00') + duration({minutes: row[2]})"
    match = "UNWIND $rows AS row MATCH (c:Customer {id: row[0]}), (p:Product {id: row[1]})"
    run(f"{match} CREATE (c)-[:BOUGHT {{at: {at}}}]->(p)", rows=pairs)
    run(f"{match} CREATE (c)-[:BOUGHT {{at: {at} + duration('P1D')}}]->(p)", rows=pairs[::5])
    run(f"{match} CREATE (c)-[:RETURNED {{at: {at}}}]->(p)", rows=pairs[1::9])
    run(f"{match} CREATE (c)-[:VIEWED {{at: {at}}}]->(p)", rows=pairs[::3])
