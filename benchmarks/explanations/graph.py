"""The graph and the model that are explained: MovieLens 100K with named facts, through the loaders and a store."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from kg_rec.api import Model, train
from kg_rec.errors import ModelError, SchemaNotAppliedError
from kg_rec.loaders.base import load
from kg_rec.model.config import TrainConfig
from kg_rec.progress import Progress
from kg_rec.snapshot import export
from kg_rec.store import GraphStore, connect

FACTS = "dbpedia_facts.tsv"


def prepared(data: Path, work: Path, graph: str | None, seed: int, progress: Progress) -> tuple[Model, str]:
    """The model, and the URL of its store; what is already in ``work`` is used again.

    Args:
        data: folder with RecBole's files, and the facts as a table.
        work: folder for the graph and the model.
        graph: URL of another store to load into; loading again changes nothing.
        seed: of training.
        progress: called as the work advances.
    """
    work.mkdir(parents=True, exist_ok=True)
    url = graph or str(work / "graph")
    with closing(connect(url)) as store:
        if not _loaded(store):
            load(store, "recbole", data, kg="none", progress=progress)
            load(store, "table", data / FACTS, progress=progress)
        snapshot = export(store, progress)
    folder = work / f"model-{seed}"
    try:
        return Model.load(folder).with_snapshot(snapshot), url
    except ModelError:  # none there yet, or one of another version or graph
        model = train(snapshot, TrainConfig(seed=seed), progress=progress)
        model.save(folder)
        return model, url


def _loaded(store: GraphStore) -> bool:
    try:
        schema = store.schema()
    except SchemaNotAppliedError:
        return False
    person = next((r for r in schema.knowledge_relations if r.name == "DIRECTED_BY"), None)
    return person is not None and next(iter(store.scan_edges(person.name, 1)), None) is not None
