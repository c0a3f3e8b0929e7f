"""Three sites, three processes: one model, that of training on everybody's interactions in one place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_world import SMALL, World, run
from forked import kg_rec

from kg_rec.model import persist
from kg_rec.model.chosen import Chosen
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.fit import fit
from kg_rec.snapshot import Snapshot

CHANNELS = ["--set", 'channels=["taste","sequence","knowledge","meaning"]']
SITES = ("A", "B", "C")


@pytest.fixture(scope="module")
def made(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph per site with every third user, and all films; one of all users to compare with; choices of site A."""
    place = tmp_path_factory.mktemp("sites")
    lines = (world.ratings / "tiny.inter").read_text("utf-8").splitlines()
    for third, name in enumerate((*SITES, "all")):
        folder = place / name
        folder.mkdir()
        rows = [row for row in lines[1:] if name == "all" or int(row.split("\t")[0][1:]) % 3 == third]
        (folder / f"{name}.inter").write_text("\n".join([lines[0], *rows]) + "\n", encoding="utf-8")
        (folder / f"{name}.item").write_bytes((world.ratings / "tiny.item").read_bytes())
        run("load", "recbole", folder, "--graph", place / f"{name}.graph")
        run("load", "table", world.facts, "--graph", place / f"{name}.graph")
    trained = ["train", "--graph", place / "A.graph", "--out", place / "own", *SMALL, *CHANNELS]
    (place / "choices.json").write_text(run(*trained, "--json").stdout, encoding="utf-8")
    return place


@pytest.fixture
def sites(made: Path) -> None:
    """What was made, in the folder of the test."""
    shutil.copytree(made, ".", dirs_exist_ok=True)


def sums(name: str, *more: str) -> list[str]:
    """What a site does."""
    options = (*SMALL, *(m.format(name) for m in more))
    return ["site", "sum", "--graph", f"{name}.graph", "--name", name, "--out", f"{name}.sums", *options]


def summed_apart(names: tuple[str, ...], *more: str) -> None:
    """Each site in a process of its own, all at once."""
    for site in [kg_rec(sums(name, *more), Path.cwd()) for name in names]:
        status, _, error = site.end()
        assert status == 0, error


def central(names: str) -> Recommender:
    """Training in one place with the same hyperparameters."""
    run("export", "--graph", f"{names}.graph", "--out", f"{names}.snapshot")
    chosen = Chosen.from_dict(json.loads(Path("choices.json").read_text("utf-8"))["choices"])
    return fit(Snapshot.load(f"{names}.snapshot"), chosen, persist.load("own").config, None)


@pytest.mark.parametrize("masked", [True, False])
def test_three_sites_train_the_model_of_one(sites: None, masked: bool) -> None:
    if masked:
        run("site", "secrets", *SITES, "--out", "secrets")
        summed_apart(SITES, "--secrets", "secrets/{}.json", "--round", "1")
    else:
        for name in SITES:
            run(*sums(name))
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
    for name in ("A", "B"):
        run(*sums(name))
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
