"""Three sites, three processes: one model, that of training on everybody's interactions in one place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_world import SMALL, World, run

from kg_rec.model import persist
from kg_rec.model.chosen import Chosen
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.fit import fit
from kg_rec.snapshot import Snapshot

CHANNELS = ["--set", 'channels=["taste","sequence","knowledge","meaning"]']
SITES = ("A", "B", "C")


@pytest.fixture
def sites(world: World) -> None:
    """A graph per site with every third user, and all films; one of all users to compare with; choices of site A."""
    lines = (world.ratings / "tiny.inter").read_text("utf-8").splitlines()
    for place, name in enumerate((*SITES, "all")):
        folder = Path(name)
        folder.mkdir()
        rows = [row for row in lines[1:] if name == "all" or int(row.split("\t")[0][1:]) % 3 == place]
        (folder / f"{name}.inter").write_text("\n".join([lines[0], *rows]) + "\n", encoding="utf-8")
        (folder / f"{name}.item").write_bytes((world.ratings / "tiny.item").read_bytes())
        run("load", "recbole", name, "--graph", f"{name}.graph")
        run("load", "table", world.facts, "--graph", f"{name}.graph")
    said = run("train", "--graph", "A.graph", "--out", "own", *SMALL, *CHANNELS, "--json").stdout
    Path("choices.json").write_text(said, encoding="utf-8")


def summed(names: tuple[str, ...], *more: str) -> None:
    """Each site in a process of its own, all at once."""
    code = "import sys; from kg_rec.cli import main; main(sys.argv[1:])"
    program = [sys.executable, "-c", code]
    at_work = [
        subprocess.Popen(
            [*program, "site", "sum", "--graph", f"{n}.graph", "--name", n, "--out", f"{n}.sums", *SMALL,
             *(m.format(n) for m in more)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for n in names
    ]  # fmt: skip
    for process in at_work:
        error = process.communicate(timeout=300)[1]
        assert process.returncode == 0, error


def central(names: str) -> Recommender:
    """Training in one place with the same hyperparameters."""
    run("export", "--graph", f"{names}.graph", "--out", f"{names}.snapshot")
    chosen = Chosen.from_dict(json.loads(Path("choices.json").read_text("utf-8"))["choices"])
    return fit(Snapshot.load(f"{names}.snapshot"), chosen, persist.load("own").config, None)


@pytest.mark.parametrize("masked", [True, False])
def test_three_processes_train_the_model_of_one(sites: None, masked: bool) -> None:
    more = ()
    if masked:
        run("site", "secrets", *SITES, "--out", "secrets")
        more = ("--secrets", "secrets/{}.json", "--round", "1")
    summed(SITES, *more)
    train = ["train", "--graph", "A.graph", "--out", "together", "--choices", "choices.json", *SMALL, *CHANNELS]
    said = json.loads(run(*train, "--sites", "A.sums", "B.sums", "C.sums", "--json").stdout)
    assert (said["sites"], said["masked"]) == (["A", "B", "C"], masked)
    expected = central("all")
    found = persist.load("together")
    assert len(found.users) == 0
    every = np.arange(len(expected.users))
    whole, parts = expected.scores(every), found.with_snapshot(expected.snapshot).scores(every)
    assert np.abs(whole - parts).max() <= 1e-9 * np.abs(whole).max()
    assert not np.allclose(persist.load("own").with_snapshot(expected.snapshot).scores(every), whole, atol=1e-3)
    lists = run("recommend", "together", "--graph", "B.graph", "--users", "u1", "--json").stdout
    assert len(lists.splitlines()) == 10


def test_what_does_not_go_together_is_told(sites: None, world: World) -> None:
    summed(("A", "B"))
    train = ["train", "--graph", "A.graph", "--out", "together", *SMALL, *CHANNELS]
    assert "sums without noise need --choices" in run(*train, "--sites", "A.sums", code=1).stderr
    assert "--choices needs --sites" in run(*train, "--choices", "choices.json", code=2).stderr
    assert "unexpected A.sums" in run(*train, "A.sums", code=2).stderr
    options = ["--sites", "A.sums", "B.sums", "--choices", "choices.json"]
    assert "--epsilon does not go with --sites" in run(*train, *options, "--epsilon", "1", code=2).stderr
    power = ["--set", "taste.user_power=0.5"]
    assert "the sites summed with the settings" in run(*train, *options, *power, code=1).stderr
    Path("odd.json").write_text("{}", encoding="utf-8")
    odd = ["--sites", "A.sums", "--choices", "odd.json"]
    assert "expected what `kg-rec train --json` printed" in run(*train, *odd, code=1).stderr
    said = run("train", "--graph", "A.graph", "--out", "other", *SMALL, "--json").stdout
    Path("other.json").write_text(said, encoding="utf-8")
    with_all = ["--sites", "A.sums", "B.sums", "--choices", "other.json"]
    assert "relational cannot be made of sums" in run(*train, *with_all, code=1).stderr
    assert "go together" in run("site", "sum", "--name", "A", "--out", "x", "--round", "1", code=2).stderr
    assert "two sites or more" in run("site", "secrets", "A", "--out", "s", code=2).stderr


def test_sites_with_noise_need_neither_secrets_nor_choices(sites: None) -> None:
    for name in SITES:
        run("site", "sum", "--graph", f"{name}.graph", "--name", name, "--epsilon", 3, "--out", f"{name}.1")
    ones, twos = ([f"{name}.{step}" for name in SITES] for step in (1, 2))
    said = run("site", "basis", *ones, "--graph", "A.graph", "--out", "basis", "--no-text").stdout
    assert "directions for A, B, C" in said
    for name in SITES:
        run("site", "sum", "--graph", f"{name}.graph", "--name", name, "--basis", "basis", "--out", f"{name}.2")
    train = ["train", "--graph", "A.graph", "--out", "noised", "--no-text", "--sites", *twos]
    found = json.loads(run(*train, "--json").stdout)["privacy"]
    assert (found["sites"], found["epsilon"], len(found["looks"])) == (list(SITES), 3.0, 2)
    assert len(run("recommend", "noised", "--graph", "B.graph", "--users", "u1", "--json").stdout.splitlines()) == 10
    assert "expected a site's moments, got its popularity" in run(*train[:-3], *ones, code=1).stderr
    wrong = ["site", "sum", "--name", "A", "--out", "x", "--epsilon", "3", "--basis", "basis"]
    assert "give one of" in run(*wrong, code=2).stderr
