"""Does a change of the code change anything for users?  Digests of a model, its lists and what it says.

    python -m benchmarks.digests --out before.json
    ... change the code, or check out another version of it ...
    python -m benchmarks.digests --against before.json

A model is trained on the bundled films with simulated viewers, or with ``--data`` on a folder of MovieLens-100K in
RecBole's files.  The digests are of every file of the saved model, of everybody's ten best items with their scores, and
of explanations of some of them as JSON.  Texts are kept as they are, so that one that changed can be read.  With
``--against`` what differs is printed, and the exit code is 1.  Compare on one machine: rounding is not the same on all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import kg_rec as kg
from kg_rec.api import Model
from kg_rec.explain.show.text import to_json
from kg_rec.loaders.demo import FILMS
from kg_rec.snapshot import Snapshot


def loaded(data: Path | None, folder: Path) -> Snapshot:
    """The graph of the bundled films, or of a folder's files."""
    store = kg.connect(str(folder / "graph"))
    try:
        if data is None:
            kg.load(store, "demo", FILMS)
        else:
            kg.load(store, "recbole", next(data.glob("*.inter")), kg="none")
            kg.load(store, "table", data / "dbpedia_facts.tsv")
        return replace(kg.export(store), source="graph")  # not the folder, which has another name each time
    finally:
        store.close()


def digests(model: Model, folder: Path, explained: int = 12) -> dict[str, Any]:
    """What users get of a model.

    Args:
        model: any.
        folder: does not exist yet; the model is saved there.
        explained: for about so many users the best item is explained, in each language.

    Returns:
        ``files``: SHA-256 of each file of the model; ``lists``: of all lists; ``explanations``: of their JSON;
        ``texts``: each text, by user, item and language.
    """
    model.save(folder)
    files = {p.relative_to(folder).as_posix(): _sha(p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()}
    rows = model.recommend(k=10).to_pylist()
    best = [(row["user"], row["item"]) for row in rows if row["rank"] == 1]
    said: dict[str, str] = {}
    whole = hashlib.sha256()
    for user, item in best[:: max(1, len(best) // explained)]:
        for lang in ("en", "zh"):
            explanation = model.explain(user, item, lang=lang)
            said[f"{user} {item} {lang}"] = explanation.text
            whole.update(to_json(explanation).encode())
    lists = _sha(json.dumps(rows).encode())
    return {"files": files, "lists": lists, "explanations": whole.hexdigest(), "texts": said}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """A line for each thing that is not the same."""
    for name in ("files", "texts"):
        for key in sorted({*before[name], *after[name]}):
            old, new = before[name].get(key), after[name].get(key)
            if old != new:
                yield f"{name}: {key}" + (f"\n  before: {old}\n  after:  {new}" if name == "texts" else "")
    yield from (name for name in ("lists", "explanations") if before[name] != after[name])


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.digests", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="DIR", help="MovieLens-100K in RecBole's files, with named facts")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the digests here")
    parser.add_argument("--against", type=Path, metavar="FILE", help="compare with the digests in this file")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        model = kg.train(loaded(options.data, Path(place)))
        found = digests(model, Path(place) / "model")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.against is None:
        print(json.dumps({name: found[name] for name in ("files", "lists", "explanations")}, indent=1))
        return 0
    lines = list(differences(json.loads(options.against.read_text(encoding="utf-8")), found))
    print("\n".join(lines) if lines else "nothing changed: model, lists, explanations")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
