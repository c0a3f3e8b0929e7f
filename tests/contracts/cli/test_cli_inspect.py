"""``kg-rec inspect``: which nodes bind taste most, by name and in which direction."""

from __future__ import annotations

import json

from cli_world import World, run


def test_what_binds_taste_is_named_with_its_weight_and_its_sign(world: World) -> None:
    """Viewers like films of one genre, so both genres bind."""
    shown = run("inspect", world.model).stdout
    assert "mean gate" in shown
    lines = {line.split("  ")[0]: line for line in shown.splitlines() if "  " in line}
    assert {"Western", "Comedy"} <= set(lines)
    assert any(word.startswith("+") for word in lines["Western"].split())
    assert "15" in lines["Western"].split()  # films that it ties


def test_the_same_as_json_the_largest_weight_first(world: World) -> None:
    data = json.loads(run("inspect", world.model, "--json").stdout)
    assert set(data["relations"]) == {"HAS_GENRE", "DIRECTED_BY"}
    assert {"Western", "Comedy"} <= {gate["name"] for gate in data["gates"]}
    sizes = [abs(gate["weight"]) for gate in data["gates"]]
    assert sizes == sorted(sizes, reverse=True)
    assert {g["name"] for g in data["gates"] if g["relation"] == "DIRECTED_BY"} <= {
        f"Director {kind}{third}" for kind in range(2) for third in range(3)
    }
    for gate in data["gates"]:
        assert set(gate) == {"relation", "node", "items", "weight", "against_type", "name"}


def test_nodes_of_one_relation_type(world: World) -> None:
    data = json.loads(run("inspect", world.model, "--relation", "HAS_GENRE", "--top", 1, "--json").stdout)
    assert [g["relation"] for g in data["gates"]] == ["HAS_GENRE"]


def test_an_unknown_relation_type_ends_in_one_line(world: World) -> None:
    said = run("inspect", world.model, "--relation", "MAGIC", code=1).stderr
    assert said == "error: the model has no gates of relation type 'MAGIC'; it has DIRECTED_BY, HAS_GENRE\n"
