"""benchmarks.pyg on a tiny graph: one object, every key, equal mini-batches, figures that fit each other."""

from __future__ import annotations

import json

import pytest

from benchmarks.pyg.__main__ import main

TINY = ("--viewers", "20", "--links", "64", "--batch", "32", "--neighbors", "3", "2", "--repeats", "1")


def measured(capsys: pytest.CaptureFixture[str], *options: str) -> dict:
    assert main(["--json", *TINY, *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    return json.loads(lines[0])


@pytest.mark.neo4j
def test_on_a_server(capsys: pytest.CaptureFixture[str], films_neo4j: str) -> None:
    found = measured(capsys, "--graph", films_neo4j)
    assert set(found["samples_per_s"]) == {"memory", "embedded_cold", "embedded_warm", "neo4j_cold", "neo4j_warm"}
    assert set(found["lookup_s"]) == {"embedded", "neo4j", "bare_driver", "bare_driver_rows"}
    assert set(found["train_per_s"]) == {"memory", "embedded", "embedded_prefetched", "neo4j", "neo4j_prefetched"}
    assert set(found["open_s"]) == {"export", "embedded", "neo4j"}
    assert all(
        value > 0 for part in ("samples_per_s", "lookup_s", "train_per_s", "open_s") for value in found[part].values()
    )
    assert found["different"] == 0
    assert (found["graph"]["nodes"]["User"], found["links"], found["neighbors"]) == (20, 64, [3, 2])
    assert found["lookups"]["statements"] > 10
    assert found["lookups"]["rows"] > found["lookups"]["keys"] > 100
    ratio = found["lookup_s"]["bare_driver"] / found["lookup_s"]["neo4j"]
    assert found["ratios"]["speed of look-ups, neo4j to bare_driver"] == pytest.approx(ratio, abs=0.001)
    assert main([*TINY, "--graph", films_neo4j]) == 1
    assert "is not empty" in capsys.readouterr().err


def test_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, "--graph", "none", "--delay-ms", "1"]) == 0
    printed = capsys.readouterr().out
    assert "embedded_cold to memory" in printed
    assert "neo4j" not in printed
