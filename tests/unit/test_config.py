"""Settings: defaults, TOML, and errors that name the key."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg_rec.errors import ConfigError
from kg_rec.model.channels.knowledge import KnowledgeConfig
from kg_rec.model.channels.relational import GnnConfig
from kg_rec.model.config import FusionConfig, TrainConfig
from kg_rec.settings import setting_line


def toml(values: dict[str, Any], path: str = "") -> str:
    """TOML of nested settings; the standard library only reads it."""
    plain = {k: v for k, v in values.items() if not isinstance(v, dict)}
    lines = [f"{k} = {json.dumps(list(v) if isinstance(v, tuple) else v)}" for k, v in plain.items()]
    text = (f"[{path}]\n" if path else "") + "\n".join(lines) + "\n"
    return text + "".join(toml(v, f"{path}.{k}".strip(".")) for k, v in values.items() if isinstance(v, dict))


@given(
    seed=st.integers(0, 2**62),
    l2=st.lists(st.floats(0, 1e6), min_size=1, max_size=4),
    iterations=st.integers(1, 4),
    encoder=st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs"]), max_size=12),
)
def test_round_trips(
    tmp_path_factory: pytest.TempPathFactory, seed: int, l2: list[float], iterations: int, encoder: str
) -> None:
    config = TrainConfig()
    config = replace(
        config,
        seed=seed,
        taste=replace(config.taste, l2=tuple(l2)),
        gnn=replace(config.gnn, iterations=iterations),
        meaning=replace(config.meaning, encoder=encoder),
    )
    assert TrainConfig.from_dict(config.to_dict()) == config
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    file = tmp_path_factory.mktemp("toml") / "c.toml"
    file.write_text(toml(config.to_dict()), encoding="utf-8")
    assert TrainConfig.from_toml(file) == config


def test_what_a_file_leaves_out_keeps_its_default(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("seed = 7\n[gnn]\ndimensions = [48]\n[knowledge]\nspread = 1\n")
    config = TrainConfig.from_toml(file)
    assert config == replace(
        TrainConfig(), seed=7, gnn=GnnConfig(dimensions=(48,)), knowledge=KnowledgeConfig(spread=1.0)
    )
    assert isinstance(config.knowledge.spread, float)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sede": 1}, "unknown setting sede; expected one of .*seed"),
        ({"gnn": {"dims": [1]}}, r"unknown setting gnn\.dims; expected one of .*dimensions"),
        ({"gnn": 3}, "gnn: expected a table, got 3"),
        ({"seed": "7"}, "seed: expected int, got '7'"),
        ({"seed": 7.0}, "seed: expected int, got 7.0"),
        ({"seed": True}, "seed: expected int, got True"),
        ({"device": 0}, "device: expected str, got 0"),
        ({"recency": 5.0}, "recency: expected a list with at least one value, got 5.0"),
        ({"recency": []}, "recency: expected a list with at least one value"),
        ({"recency": [0.0, "x"]}, "recency: expected float, got 'x'"),
        ({"channels": "taste"}, "channels: expected a list"),
        ({"taste": {"dropout": True}}, r"taste\.dropout: expected float, got True"),
        ({"gnn": {"dimensions": [8.5]}}, r"gnn\.dimensions: expected int, got 8.5"),
        ({"fusion": {"rounds": None}}, r"fusion\.rounds: expected int, got None"),
    ],
)
def test_unknown_keys_and_wrong_types_are_named_by_path(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(values)


def test_errors_of_a_file_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    with pytest.raises(ConfigError, match=r"c\.toml: .*No such file"):
        TrainConfig.from_toml(file)
    for text, message in (("seed = ", "Invalid value"), ("sede = 1", "unknown setting sede")):
        file.write_text(text)
        with pytest.raises(ConfigError, match=rf"c\.toml:1: {message}"):
            TrainConfig.from_toml(file)
    file.write_bytes(b"seed = 1 # \xff")
    with pytest.raises(ConfigError, match=r"c\.toml:1: .*utf-8"):
        TrainConfig.from_toml(file)


TEXT = """# settings
seed = 7

[gnn]
dimensions = [
    16,
    8.5,
]
# a comment with iterations = 3
iterations = 3
[taste]
l2 = [1.0] # one
dropout = 2.0
"""


def test_errors_name_the_line_of_the_setting(tmp_path: Path) -> None:
    assert setting_line(TEXT, "seed") == 2
    assert setting_line(TEXT, "gnn") == 4
    assert setting_line(TEXT, "gnn.dimensions") == 5
    assert setting_line(TEXT, "gnn.iterations") == 10
    assert setting_line(TEXT, "gnn.exponents") == 4  # not written: the table it belongs to
    assert setting_line("[[a.caps]]\nmost = 1\n[[a.caps]]\nmost = 0\n", "a.caps[1].most") == 4
    file = tmp_path / "c.toml"
    for text, message in (
        (TEXT, r"c\.toml:5: gnn\.dimensions: expected int, got 8\.5"),
        (TEXT.replace("8.5", "8"), r"c\.toml:13: taste\.dropout: expected .* got 2\.0"),
        (TEXT.replace("[taste]", "[tase]"), r"c\.toml:11: unknown setting tase"),
        (TEXT + "= 3", r"c\.toml:14: "),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=message):
            TrainConfig.from_toml(file)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        TrainConfig().seed = 3  # type: ignore[misc]
    assert FusionConfig() == FusionConfig()
    assert hash(TrainConfig()) == hash(TrainConfig())


def test_every_setting_is_documented() -> None:
    def check(kind: type) -> None:
        assert kind.__doc__ is not None
        for f in fields(kind):
            assert f"\n        {f.name}: " in kind.__doc__, f"{kind.__name__}.{f.name}"
            value = getattr(kind(), f.name)
            if is_dataclass(value):
                check(type(value))

    check(TrainConfig)


@pytest.mark.parametrize(
    ("values", "setting"),
    [
        ({"taste": {"dropout": 1.0}}, "taste.dropout"),
        ({"taste": {"l2": [-1.0]}}, "taste.l2"),
        ({"gnn": {"dimensions": [0]}}, "gnn.dimensions"),
        ({"knowledge": {"holdout": 0.0}}, "knowledge.holdout"),
        ({"meaning": {"batch_size": 0}}, "meaning.batch_size"),
        ({"cold": {"ridge": [0.0]}}, "cold.ridge"),
        ({"cold": {"users": 0}}, "cold.users"),
        ({"fusion": {"holdout": 0.5}}, "fusion.holdout"),
    ],
)
def test_numbers_out_of_range_are_named(values: dict[str, object], setting: str) -> None:
    with pytest.raises(ConfigError, match=f"^{setting}: expected .*, got "):
        TrainConfig.from_dict(values)
