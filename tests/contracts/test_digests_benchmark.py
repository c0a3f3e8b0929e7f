"""benchmarks.digests: the same model has the same digests, and what changes is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from toy_graph import trained

from benchmarks.digests.__main__ import differences, digests
from kg_rec.api import Model


def test_what_changes_is_named(tmp_path: Path) -> None:
    model = trained()
    before = digests(Model(model), tmp_path / "one", explained=2)
    assert list(differences(before, digests(Model(model), tmp_path / "again", explained=2))) == []
    assert len(before["texts"]) >= 4
    assert {"model.json", "tensors.safetensors"} <= before["files"].keys()

    other = digests(Model(replace(model, base=model.base[::-1].copy())), tmp_path / "other", explained=2)
    assert {"files: tensors.safetensors", "lists"} <= set(differences(before, other))

    key, text = next(iter(before["texts"].items()))
    said = {**before, "texts": {**before["texts"], key: "Something else."}}
    assert list(differences(before, said)) == [f"texts: {key}\n  before: {text}\n  after:  Something else."]
