"""A small shop to ask: ten categories of twelve products, eight brands, prices, stars, and customers who buy by kind.

Made up and deterministic.  The schema is the bundled ``shop`` with ``stars`` for products and other names (``aliases``)
for categories, which stand in for a catalogue in two languages.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from kg_rec.schema import GraphSchema
from kg_rec.snapshot import EdgeTable, Snapshot

#: Name, its singular in a product's name, its Chinese name, a middling price.
CATEGORIES = (
    ("Headphones", "headphones", "耳机", 80.0),
    ("Coffee makers", "coffee maker", "咖啡机", 120.0),
    ("Backpacks", "backpack", "背包", 60.0),
    ("Running shoes", "running shoes", "跑鞋", 90.0),
    ("Desk lamps", "desk lamp", "台灯", 40.0),
    ("Tents", "tent", "帐篷", 150.0),
    ("Keyboards", "keyboard", "键盘", 70.0),
    ("Board games", "board game", "桌游", 30.0),
    ("Kitchen knives", "kitchen knife", "菜刀", 50.0),
    ("Water bottles", "water bottle", "水杯", 20.0),
)
BRANDS = ("Nordal", "Almira", "Veltek", "Ostwind", "Kirova", "Monte", "Talix", "Raelund")
MODELS = ("Aria", "Bolt", "Cove", "Drift", "Ember", "Flint", "Glade", "Halo", "Iris", "Juno", "Kite", "Lumen")
_MADE = ("Quiet and light", "Sturdy and simple", "Compact", "Made to last", "For beginners", "For every day")
_STARS = "[ sh:path :stars ; sh:datatype xsd:double ; sh:minInclusive 0 ; sh:maxInclusive 5 ] ,\n                "
_ALIASES = "[ sh:path :aliases ; sh:datatype kr:stringList ] ,\n                "
_PRICE, _CATEGORY = "[ sh:path :price ;", "[ sh:path :category_id ;"


def shop_schema() -> GraphSchema:
    """The bundled shop with stars and other names of categories."""
    text = GraphSchema.bundled("shop").turtle
    for place, addition in ((_PRICE, _STARS), (_CATEGORY, _ALIASES)):
        text = text.replace(place, addition + place, 1)
    return GraphSchema.from_turtle(text)


def _edges(pairs: Iterable[tuple[int, int]], schema: GraphSchema, relation: str) -> EdgeTable:
    ends = np.array(sorted(set(pairs)), np.int64).reshape(-1, 2)
    kind = schema.relation_types[relation]
    weight = np.ones(len(ends), np.float32) if kind.weight else None
    time = 1_700_000_000 + 60 * np.arange(len(ends), dtype=np.int64) if kind.time else None
    return EdgeTable(ends[:, 0], ends[:, 1], weight, time)


def shop(customers: int = 150, seed: int = 4) -> Snapshot:
    """The shop as a snapshot.

    Args:
        customers: how many.
        seed: of what they buy.
    """
    schema, rng = shop_schema(), np.random.default_rng(seed)
    places = [(c, m) for c in range(len(CATEGORIES)) for m in range(len(MODELS))]
    brand = np.array([(3 * c + 5 * m) % len(BRANDS) for c, m in places])
    kind = np.array([c for c, _ in places])
    names = [f"{BRANDS[b]} {MODELS[m]} {CATEGORIES[c][1]}" for (c, m), b in zip(places, brand, strict=True)]
    price = [round(CATEGORIES[c][3] * (0.4 + 0.15 * ((7 * m + 3 * c) % 12)) - 0.05, 2) for c, m in places]
    stars = [2.5 + 0.5 * ((5 * m + c) % 6) for c, m in places]
    about = [f"{_MADE[(c + m) % len(_MADE)]}: {name}." for (c, m), name in zip(places, names, strict=True)]
    order = np.argsort(np.array([f"{c}{m:02d}" for c, m in places]), kind="stable")
    given = {
        "Product": {
            "product_id": [f"p{c}{m:02d}" for c, m in places],
            "name": names,
            "description": about,
            "price": price,
            "stars": stars,
        },
        "Category": {
            "category_id": [f"c{n}" for n in range(len(CATEGORIES))],
            "name": [c[0] for c in CATEGORIES],
            "aliases": [[c[2]] for c in CATEGORIES],
        },
        "Brand": {"brand_id": [f"b{n}" for n in range(len(BRANDS))], "name": list(BRANDS)},
        "Customer": {"customer_id": [f"u{n:03d}" for n in range(customers)]},
    }
    assert (order == np.arange(len(places))).all()  # keys are in order, as a snapshot needs them
    nodes = {}
    for name, node_type in schema.node_types.items():
        types = {"string": pa.string(), "float": pa.float64(), "string_list": pa.list_(pa.string())}
        columns = given[name]
        nodes[name] = pa.table({p.name: pa.array(columns[p.name], types[p.datatype]) for p in node_type.properties})
    bought = []
    for u in range(customers):
        weight = np.where(np.isin(kind, rng.choice(len(CATEGORIES), 3, replace=False)), 8.0, 1.0)
        weight *= np.where(brand == rng.integers(len(BRANDS)), 4.0, 1.0)
        chosen = rng.choice(len(places), 14, replace=False, p=weight / weight.sum())
        bought += [(u, int(p)) for p in chosen]
    edges = {name: _edges([], schema, name) for name in schema.relation_types}
    edges |= {
        "BOUGHT": _edges(bought, schema, "BOUGHT"),
        "IN_CATEGORY": _edges(enumerate(kind.tolist()), schema, "IN_CATEGORY"),
        "OF_BRAND": _edges(enumerate(brand.tolist()), schema, "OF_BRAND"),
        "GOES_WITH": _edges([(24 + m, 108 + m) for m in range(12)], schema, "GOES_WITH"),
        "REPLACES": _edges([(m, (m + 4) % 12) for m in range(12)], schema, "REPLACES"),
    }
    return Snapshot(schema, "the benchmark's shop", nodes, edges)
