"""What every loader has to hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from kg_rec.errors import ConfigError, LoadError
from kg_rec.loaders.base import formats, load
from kg_rec.store import GraphStore, connect


class LoaderContract:
    """Tests of one loader and files that it can read.

    A subclass gives the loader's name by a fixture ``loader``, the files by a fixture ``source``, and, where the files
    cannot be read without, the arguments of :func:`kg_rec.loaders.base.load` by a fixture ``options``.

    ::

        class TestMine(LoaderContract):
            @pytest.fixture
            def loader(self):
                return "mine"

            @pytest.fixture
            def source(self, tmp_path):
                (tmp_path / "d.mine").write_text("u1 likes i1")
                return tmp_path / "d.mine"
    """

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        """Arguments of ``load`` besides the files."""
        return {}

    def test_help_can_say_what_it_is(self, loader: str) -> None:
        known = formats()[loader]
        assert known.name == loader
        assert "cannot be used" not in known.description
        for line in (known.description, *known.options.values()):
            assert line
            assert "\n" not in line

    def test_the_store_holds_what_the_report_says(
        self, loader: str, source: Path, options: Mapping[str, Any], tmp_path: Path
    ) -> None:
        store = connect(str(tmp_path / "contract"))
        report = load(store, loader, source, **options)
        counts = {name: table.num_rows for name, table in content(store).items()}
        store.close()
        assert report.rows > 0
        assert report.rejected == 0
        assert report.format == loader
        assert {**report.nodes, **report.edges} == counts

    def test_loading_again_changes_nothing(
        self, loader: str, source: Path, options: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """Also into another store: the same files are the same graph."""
        first, other = (connect(str(tmp_path / name)) for name in ("contract", "other"))
        load(first, loader, source, **options)
        once = content(first)
        load(first, loader, source, **options)
        load(other, loader, source, **options)
        assert content(first) == once
        assert content(other) == once
        first.close()
        other.close()

    def test_progress_only_goes_on(self, loader: str, source: Path, options: Mapping[str, Any], tmp_path: Path) -> None:
        told: Counter[str] = Counter()
        store = connect(str(tmp_path / "contract"))

        def progress(done: int, total: int | None, what: str) -> None:
            assert done >= told[what]
            assert total is None or done <= total
            told[what] = done

        report = load(store, loader, source, progress=progress, **options)
        store.close()
        assert max(told.values()) >= report.rows

    def test_a_wrong_option_and_absent_files_are_refused_before_anything_is_written(
        self, loader: str, source: Path, options: Mapping[str, Any], tmp_path: Path
    ) -> None:
        store = connect(str(tmp_path / "contract"))
        with pytest.raises(ConfigError, match=f"format {loader}: unknown option 'no_such_option'"):
            load(store, loader, source, no_such_option=1, **options)
        with pytest.raises(LoadError, match="no such file or folder"):
            load(store, loader, tmp_path / "absent", **options)
        store.close()
        assert connect(str(tmp_path / "contract"), read_only=True).url


def content(store: GraphStore) -> dict[str, pa.Table]:
    """All nodes and edges of the types that have any, in the store's order."""
    schema = store.schema()
    scans = {name: list(store.scan_nodes(name)) for name in schema.node_types}
    scans |= {name: list(store.scan_edges(name)) for name in schema.relation_types}
    tables = {name: pa.Table.from_batches(batches) for name, batches in scans.items() if batches}
    return {name: table.combine_chunks() for name, table in tables.items() if table.num_rows}
