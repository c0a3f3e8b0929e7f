"""A channel is a unit: one that is written here, outside the package, is chosen, fused, saved, set and listed.

How it is explained and shown: ``tests/contracts/explain/test_toy_channel.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import sparse
from toy_graph import NO_TEXT, films

from kg_rec.cli import main
from kg_rec.errors import ArgumentError, ConfigError, ModelError
from kg_rec.model import persist
from kg_rec.model.channels.about import About
from kg_rec.model.channels.base import ChannelKind, Fitted, TrainingData
from kg_rec.model.channels.registry import about_of, kind_of, kinds, register, unregister
from kg_rec.model.config import TrainConfig
from kg_rec.model.kernel import Kernel, MatrixKernel
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.fit import fit
from kg_rec.model.train.train import train


@dataclass(frozen=True, slots=True)
class TogetherConfig:
    """Counts of users.

    Attributes:
        powers: exponents of the counts to choose from on validation.
    """

    powers: tuple[float, ...] = (0.5, 1.0)


@dataclass(frozen=True, slots=True)
class SilentConfig:
    """None."""


class Together(ChannelKind):
    """How many users liked both."""

    name = "together"
    about = About(
        titles={"en": "company", "zh": "同伴"},
        lines={"en": "how many people liked both", "zh": "有多少人两个都喜欢"},
        colour="#aa1155",
    )
    paths = "co-users"
    table = "together"
    settings = TogetherConfig
    start = 0.5

    def candidates(self, data: TrainingData) -> Iterator[tuple[Mapping[str, Any], Kernel]]:
        for power in data.settings_of(TogetherConfig).powers:
            yield {"power": power}, self.fit(data, {"power": power}).kernel

    def fit(self, data: TrainingData, chosen: Mapping[str, Any]) -> Fitted:
        counts = sparse.csr_array(data.interactions.T @ data.interactions).toarray() ** chosen["power"]
        np.fill_diagonal(counts, 0)
        return Fitted(MatrixKernel(counts.astype(np.float32)))


TOGETHER = Together()
WITH = replace(NO_TEXT, channels=("taste", "knowledge", "together"))


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    register(TOGETHER)
    yield
    unregister("together")


@pytest.fixture(scope="module")
def model(registered: None) -> Recommender:
    """Trained with the channel, and fitted with a weight for it, whatever fusion chose on so small a graph."""
    found = train(films(), WITH)
    return fit(films(), replace(found.chosen, warm={**found.chosen.warm, "together": 0.5}), found.config, None)


def test_it_is_chosen_on_validation_and_fused(model: Recommender) -> None:
    assert model.chosen.channels["together"]["power"] in (0.5, 1.0)
    assert model.chosen.alone["together"] > 0
    assert list(model.chosen.warm) == ["taste", "knowledge", "together", "base"]
    assert "together" in [c.name for c in model.channels]


def test_its_addends_are_parts_of_the_score(model: Recommender) -> None:
    users, items = np.array([4, 7]), np.array([10, 12])
    addends = model.addends(users, items)
    assert addends.values["together"].any()
    scores = model.scores(users)[np.arange(2), items]
    np.testing.assert_allclose(addends.sums(), scores, rtol=1e-5)


def test_its_settings_are_a_table_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text('channels = ["together"]\n[together]\npowers = [1.0]\n', encoding="utf-8")
    config = TrainConfig.from_toml(tmp_path / "my.toml")
    assert config.of(TogetherConfig) == TogetherConfig((1.0,))
    assert config.together == TogetherConfig((1.0,))
    assert TrainConfig(together=TogetherConfig((1.0,)), channels=("together",)) == config
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert TrainConfig().channels == ("taste", "relational", "sequence", "knowledge", "meaning", "vectors")
    with pytest.raises(ConfigError, match=r"unknown setting together\.power; expected one of powers"):
        TrainConfig.from_dict({"together": {"power": 1}})
    with pytest.raises(ArgumentError, match="together: expected TogetherConfig"):
        TrainConfig(together=1)


def test_a_model_with_it_is_saved_and_read(model: Recommender, tmp_path: Path) -> None:
    persist.save(model, tmp_path / "m")
    again = persist.load(tmp_path / "m")
    assert again.chosen == model.chosen
    np.testing.assert_array_equal(again.scores(np.arange(5)), model.scores(np.arange(5)))
    unregister("together")
    try:
        with pytest.raises(ModelError, match="the channel 'together', which is not known here; install the package"):
            persist.load(tmp_path / "m")
    finally:
        register(TOGETHER)


def test_facts_that_go_do_not_change_it(model: Recommender) -> None:
    graph = films()
    genre = graph.edges["HAS_GENRE"]
    less = model.with_snapshot(graph.with_edges("HAS_GENRE", genre.take(np.arange(len(genre)) > 3)))
    kernel = {c.name: c.kernel for c in model.channels}
    assert {c.name: c.kernel for c in less.channels}["together"] is kernel["together"]
    assert {c.name: c.kernel for c in less.channels}["knowledge"] is not kernel["knowledge"]


def test_the_help_of_training_names_it() -> None:
    result = CliRunner().invoke(main, ["train", "--help"])
    assert result.exit_code == 0
    assert "taste, relational, sequence, knowledge, meaning, vectors, together" in " ".join(result.output.split())


def test_names_are_taken_once() -> None:
    class Other(Together):
        about = replace(TOGETHER.about, colour="#000000")

    register(TOGETHER)  # the same again is fine
    with pytest.raises(ModelError, match="there is a channel 'together'"):
        register(Other())
    assert about_of("together") is TOGETHER.about
    assert kind_of("together") is TOGETHER
    assert [kind.name for kind in kinds()][-1] == "together"


def test_an_installed_package_can_bring_one(tmp_path: Path) -> None:
    """A package with an entry point: its channel is there in a new process, in the help and in the settings."""
    (tmp_path / "company_channel.py").write_text(
        Path(__file__).read_text(encoding="utf-8").split("@pytest.fixture")[0].replace("from toy_graph", "# from")
        .replace("WITH = ", "# WITH = "),
        encoding="utf-8",
    )  # fmt: skip
    about = tmp_path / "company_channel-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: company-channel\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(
        "[kg_rec.channels]\ntogether = company_channel:TOGETHER\n", encoding="utf-8"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from kg_rec.model.channels.registry import kinds\nprint([k.name for k in kinds()])\n"
        "from kg_rec.model.config import TrainConfig\nprint(TrainConfig().to_dict()['together'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "['taste', 'relational', 'sequence', 'knowledge', 'meaning', 'vectors', 'together']",
        "{'powers': (0.5, 1.0)}",
    ]


class Silent(Together):
    """Has nothing to say of any graph."""

    name = "silent"
    table = "silent"
    settings = SilentConfig

    def candidates(self, data: TrainingData) -> Iterator[tuple[Mapping[str, Any], Kernel]]:
        return iter(())


def test_a_channel_that_has_nothing_to_say_is_left_out() -> None:
    register(Silent())
    try:
        model = train(films(), replace(WITH, channels=("taste", "silent")))
    finally:
        unregister("silent")
    assert "silent" not in model.chosen.warm
    assert "taste" in model.chosen.warm
