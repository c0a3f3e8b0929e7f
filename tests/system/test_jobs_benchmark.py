"""benchmarks.jobs on a tiny graph: one object, every stage, figures that fit each other."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.jobs import limits
from benchmarks.jobs import stages as work
from benchmarks.jobs.__main__ import main
from benchmarks.jobs.stages import Size, ratings
from kg_rec.schema import GraphSchema
from kg_rec.store import connect

STAGES = {"load", "export", "fit", "limits", "lists of a tenth", "lists", "job"}
ON_A_SERVER = {"load", "export", "bare read", "job", "bare write"}


def measured(capsys: pytest.CaptureFixture[str], *options: str) -> dict:
    assert main(["--json", "--workers", "1", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    return json.loads(lines[0])


def test_two_sizes_embedded(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "apart", lambda stage, *arguments: work.timed(stage, arguments))  # in this process
    found = measured(capsys, "--interactions", "1500", "3000", "--users", "100", "--items", "60")
    assert [s["interactions"] for s in found["sizes"]] == [1500, 3000]
    for size in found["sizes"]:
        stages = size["stages"]
        assert set(stages) == STAGES
        assert all(v["seconds"] > 0 for v in stages.values())
        bound, lists = stages["limits"], stages["lists"]
        assert bound["bound_users_per_s"] == min(bound["multiply_users_per_s"], bound["stream_users_per_s"])
        assert math.isclose(lists["share_of_bound"], lists["users_per_s"] / bound["bound_users_per_s"])
        assert (stages["lists of a tenth"]["users"], lists["users"]) == (10, 100)
        assert lists["memory_of_a_tenth"] == lists["private_mib"] / stages["lists of a tenth"]["private_mib"]
    (growth,) = found["growth"]
    assert (growth["store"], growth["to"], growth["interactions"]) == ("embedded", 3000, 2)
    assert set(growth["stages"]) == STAGES


def test_beside_the_bare_driver(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clean_neo4j: str
) -> None:
    alone = work.apart

    def sent(stage: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
        """A process for one stage of each store: it spends seconds on its imports. The others could be sent to one."""
        if stage in (limits.machine, limits.bare_write):
            return alone(stage, *arguments)
        stage, arguments = pickle.loads(pickle.dumps((stage, arguments)))
        return work.timed(stage, arguments)

    monkeypatch.setattr(work, "apart", sent)
    size = ("--interactions", "1500", "--users", "100", "--items", "60", "--job-users", "40")
    embedded, server = measured(capsys, *size, "--graph", clean_neo4j)["sizes"]
    assert (embedded["store"], server["store"]) == ("embedded", "neo4j")
    stages = server["stages"]
    assert set(embedded["stages"]) == STAGES
    for values in (*embedded["stages"].values(), *stages.values()):
        assert values["peak_mib"] > values["private_mib"] > 20
    assert set(stages) == ON_A_SERVER
    written = ratings(Size(1500, 100, 60, 40, 1))
    assert stages["bare read"]["rows"] == stages["export"]["rows"] == len(written)
    bare = max(stages["bare read"]["rows_per_s"], stages["bare read"]["collected_rows_per_s"])
    assert math.isclose(stages["export"]["share_of_bare_driver"], stages["export"]["rows_per_s"] / bare)
    assert stages["job"]["share_of_bare_write"] > 0
    had = np.bincount(written["source"].cast("int64").to_numpy(), minlength=100)[:40]
    assert stages["bare write"]["rows"] == np.minimum(10, 60 - had).sum()  # who had nearly all gets a shorter list


def test_what_was_measured_is_told_when_a_later_size_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load = work.load

    def failing(url: str, size: Size) -> dict:
        if size.interactions > 1500:
            raise OSError("no space left")
        return load(url, size)

    monkeypatch.setattr(work, "apart", lambda stage, *arguments: work.timed(stage, arguments))  # in this process
    monkeypatch.setattr(work, "load", failing)
    with pytest.raises(OSError, match="no space left"):
        main(["--json", "--workers", "1", "--interactions", "1500", "3000", "--users", "100", "--items", "60"])
    out, err = capsys.readouterr()
    assert [set(size["stages"]) for size in json.loads(out)["sizes"]] == [STAGES, set()]
    assert [line.split("  ")[:3] for line in err.splitlines() if "embedded" in line] == [
        ["1,500", "embedded", name] for name in json.loads(out)["sizes"][0]["stages"]
    ]


@pytest.mark.neo4j
def test_a_server_that_holds_something_is_left_alone(capsys: pytest.CaptureFixture[str], clean_neo4j: str) -> None:
    with closing(connect(clean_neo4j)) as store:
        store.apply_schema(GraphSchema.bundled("interactions"))
        store.write_nodes("User", pa.table({"user_id": ["mine"]}))
    with pytest.raises(SystemExit):
        main(["--interactions", "1500", "--graph", clean_neo4j])
    assert "is not empty" in capsys.readouterr().err
    with closing(connect(clean_neo4j)) as store:
        assert store.query("MATCH (u:User) RETURN u.user_id AS key")["key"].to_pylist() == ["mine"]


def test_the_graph_is_seeded_and_follows_a_power_law() -> None:
    one, same, other = (ratings(Size(5000, 200, 100, 200, seed)) for seed in (1, 1, 2))
    assert one.equals(same)
    assert not one.equals(other)
    assert len({*zip(one["source"].to_pylist(), one["target"].to_pylist(), strict=True)}) == len(one)
    counts = np.sort(np.bincount(one["target"].cast("int64").to_numpy(), minlength=100))[::-1]
    assert counts[:10].sum() > 3 * counts[-10:].sum()
