"""Counterfactuals, what-ifs and the path metrics on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_world import SMALL, World, run

from kg_rec.explain.paths.metrics import PATH_METRICS


def first(world: World, user: str = "u1") -> str:
    return str(json.loads(run("recommend", world.model, "--users", user, "-k", "1", "--json").stdout)["item"])


def test_counterfactual(world: World) -> None:
    item = first(world)
    args = ["explain", world.model, "u1", item, "--counterfactual", "-k", "1"]
    found = json.loads(run(*args, "--json").stdout)
    assert (found["outcome"], found["proven"], found["k"]) == ("leaves", True, 1)
    assert found["at_least"] == len(found["removed"]) > 0
    assert found["after"] == found["replacements"]
    text = run(*args).stdout
    assert text.startswith("As the model stands now: without ")
    assert text.splitlines()[0] == found["text"]
    for one in found["removed"]:
        assert f"  - {one['name']}  ({one['item']})" in text
    assert f" +  1  {found['replacements'][0]['name']}" in text
    chinese = run(*args, "--lang", "zh", "--graph", world.graph, "--out", "why.txt")
    assert chinese.stdout == ""
    assert Path("why.txt").read_text(encoding="utf-8").startswith("就目前的模型而言：如果没有")


def test_counterfactual_of_what_is_not_listed(world: World) -> None:
    item = first(world)
    last = json.loads(run("recommend", world.model, "--users", "u1", "-k", "2", "--json").stdout.splitlines()[1])[
        "item"
    ]
    text = run("explain", world.model, "u1", last, "--counterfactual", "-k", "1").stdout
    assert text.endswith("is not in your top 1: it has rank 2.\n")
    assert item != last


def test_what_if(world: World) -> None:
    item = first(world)
    found = json.loads(run("what-if", world.model, "u1", "--add", item, "-k", "3", "--json").stdout)
    assert found["added"] == [item]
    assert [e["item"] for e in found["left"]] == [item]
    assert len(found["entered"]) == 1
    assert found["before"][0]["item"] == item
    text = run("what-if", world.model, "u1", "--add", item, "-k", "3").stdout
    assert text.splitlines()[0] == found["text"]
    assert found["entered"][0]["name"] in text
    same = run("what-if", world.model, "u1", "--weight", "taste=1", "--weight", "base=1", "--lang", "zh").stdout
    assert same.startswith("就目前的模型而言，你的前10名不会有变化。")
    found = json.loads(run("what-if", world.model, "u1", "--weight", "taste=0", "--json").stdout)
    assert found["weights"] == {"taste": 0.0}
    assert any(c["score"] != c["score_after"] for c in found["changes"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["explain", "m", "u", "i", "-k", "3"], "-k needs --counterfactual"),
        (["explain", "m", "u", "i", "--counterfactual", "--html"], "in words or with --json"),
        (["explain", "m", "u", "i", "--counterfactual", "--verify", "--graph", "g"], "in words or with --json"),
        (["what-if", "m", "u", "--lang", "fr"], "no grammar for the language 'fr'; expected one of en, zh"),
        (["what-if", "m", "u", "--weight", "taste"], "expected key=value, got 'taste'"),
        (["what-if", "m", "u", "--weight", "taste=much"], "expected CHANNEL=NUMBER, got taste=much"),
        (["what-if", "m", "u", "--weight", "taste=1", "--add", "f1"], "--weight goes without --add and --remove"),
    ],
)
def test_wrong_usage_of_counterfactuals(args: list[str], message: str) -> None:
    result = run(*args, code=2)
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--add", "nothing"], "no Film with key 'nothing'"),
        (["--remove", "f1000"], "no Film with key 'f1000'"),
        (["--weight", "smell=2"], "the model has no channel 'smell'"),
    ],
)
def test_errors_of_what_if_are_one_line(world: World, args: list[str], message: str) -> None:
    result = run("what-if", world.model, "u1", *args, code=1)
    assert message in result.stderr
    assert result.stdout == ""


def test_evaluate_measures_explanations(world: World) -> None:
    args = ["evaluate", "--graph", world.graph, *SMALL, "--no-lift", "--explanations"]
    found = json.loads(run(*args, "--json").stdout)["explanations"]
    assert list(found) == [f"{name}@10" for name in PATH_METRICS]
    shared = json.loads(run(*args[:-1], "--explain-set", 'channels=["knowledge"]', "--json").stdout)["explanations"]
    assert shared["sep_paths@10"] == 1.0
    assert (
        "unknown setting smell; expected one of blocked, channels"
        in run(*args, "--explain-set", "smell=1", code=1).stderr
    )
    text = run(*args).stdout
    assert "paths that explain the lists" in text
    assert f"lid@10{' ' * 2}" in text
