"""Which store a URL names, and the mark of a load that did not end."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from kg_rec.errors import LoadError, StoreError
from kg_rec.loaders.base import load
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import export
from kg_rec.store import GraphStore, connect, registry
from kg_rec.store.embedded import EmbeddedStore
from kg_rec.store.unfinished import unfinished_load


class ToyStore(EmbeddedStore):
    """A store of another package: its URL has a scheme of its own."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        super().__init__(url.removeprefix("toy://"), read_only=read_only)


def test_another_package_adds_a_store_by_its_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("toy", f"{__name__}:ToyStore", "kg_rec.stores")
    monkeypatch.setattr(registry, "installed", lambda group: [point] if group == "kg_rec.stores" else [])
    store = connect(f"toy://{tmp_path / 'graph'}")
    assert type(store).__name__ == "ToyStore"
    store.apply_schema(GraphSchema.bundled("movies"))
    store.close()
    with pytest.raises(StoreError, match=r"other:// is not a known kind of store; .*neo4j://.*toy:// or a path"):
        connect("other://x")


def test_a_path_and_a_file_url_are_one(tmp_path: Path) -> None:
    connect(f"file://{tmp_path / 'graph'}").close()
    assert connect(str(tmp_path / "graph"), read_only=True).url == str(tmp_path / "graph")


def test_a_load_that_does_not_end_is_named(
    tmp_store: GraphStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "ratings"
    folder.mkdir()
    with pytest.raises(LoadError):
        load(tmp_store, "recbole", folder)
    assert unfinished_load(tmp_store) is None  # nothing was written
    (folder / "ratings.inter").write_text("user_id:token\titem_id:token\trating:float\nu\ti\t3\nv\ti\toops\n")
    with pytest.raises(LoadError):
        load(tmp_store, "recbole", folder)
    left = unfinished_load(tmp_store)
    assert left is not None
    assert left.startswith(f"recbole {folder}, begun 20")
    with caplog.at_level(logging.WARNING):
        export(tmp_store)
    assert "a load did not end" in caplog.text
    (folder / "ratings.inter").write_text("user_id:token\titem_id:token\trating:float\nu\ti\t3\n")
    load(tmp_store, "recbole", folder)
    assert unfinished_load(tmp_store) is None
    caplog.clear()
    export(tmp_store)
    assert "did not end" not in caplog.text


def test_more_rows_than_memory_are_refused_before_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = connect(str(tmp_path / "graph"))
    monkeypatch.setattr("kg_rec.store.embedded.memory.available", lambda: 1 << 30)
    file = tmp_path / "r.inter"
    file.write_text("user_id:token\titem_id:token\n" + "u\ti\n" * 3_000_000)
    with pytest.raises(StoreError, match=r"loading 3,000,001 rows needs about 1,144 MiB .* 1,024 MiB are free"):
        load(store, "recbole", file)
    assert store.query("MATCH (n:User) RETURN count(n) AS c")["c"].to_pylist() == [0]
    store.close()
