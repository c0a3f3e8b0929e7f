"""benchmarks.serve on a tiny graph: one object, every key, figures that fit each other, no errors."""

from __future__ import annotations

import json

import pytest

from benchmarks.serve.__main__ import main

TINY = ("--users", "80", "--items", "50", "--interactions", "1200", "--rate", "20", "--seconds", "1", "--fresh", "4")


def measured(capsys: pytest.CaptureFixture[str], *options: str) -> dict:
    assert main(["--json", *TINY, *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    return json.loads(lines[0])


def test_every_key_on_an_embedded_graph(capsys: pytest.CaptureFixture[str]) -> None:
    found = measured(capsys, "--requests", "60")
    assert (found["users"], found["rate"], found["store"]) == (80, 20, "embedded")
    for name in ("", "fresh_", "echo_"):
        assert 0 < found[f"{name}p50_ms"] <= found[f"{name}p99_ms"]
    assert found["per_second"] > 0
    assert found["echo_per_second"] > 0
    assert found["errors"] == 0
    assert len(found["memory_mb"]) == 4
    assert min(found["memory_mb"]) > 50


def test_on_a_server_and_never_on_one_that_holds_a_graph(capsys: pytest.CaptureFixture[str], clean_neo4j: str) -> None:
    found = measured(capsys, "--graph", clean_neo4j)
    assert (found["store"], found["errors"]) == ("neo4j", 0)
    assert main(["--json", *TINY, "--graph", clean_neo4j]) == 1
    assert "is not empty" in capsys.readouterr().err
