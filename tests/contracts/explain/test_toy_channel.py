"""A channel of another package is trained, explained and shown like those that ship, without a line of the package."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from toy_graph import NO_TEXT, films

from kg_rec.api import Model
from kg_rec.audit.config import AuditConfig
from kg_rec.checks.agreement import agreement
from kg_rec.cli import main
from kg_rec.demo.report import Baseline, ExplainedExample, ReportData, render
from kg_rec.evaluation.evaluate import EvaluationReport
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.lists import explain_lists, rebuilt
from kg_rec.explain.single import explain
from kg_rec.explain.verify.truth import error
from kg_rec.model.channels.about import About
from kg_rec.model.channels.base import ChannelKind, Fitted, TrainingData
from kg_rec.model.channels.registry import register, unregister
from kg_rec.model.kernel import Kernel, MatrixKernel
from kg_rec.model.train.fit import fit
from kg_rec.model.train.train import train


@dataclass(frozen=True, slots=True)
class AgeConfig:
    """Settings of the toy.

    Attributes:
        years: films this many years apart are half as alike.
    """

    years: float = 5.0


class Age(ChannelKind):
    """Films of the same time are alike: a channel whose terms are told as text that is alike."""

    name = "age"
    about = About({"en": "age", "zh": "年代"}, {"en": "films of the same time"}, "#aa3355")
    paths = "text"
    table = "age"
    settings = AgeConfig
    start = 0.5

    def candidates(self, data: TrainingData) -> Iterator[tuple[Mapping[str, Any], Kernel]]:
        for years in (2.0, data.settings_of(AgeConfig).years):
            chosen = {"years": years}
            yield chosen, self.fit(data, chosen).kernel

    def fit(self, data: TrainingData, chosen: Mapping[str, Any]) -> Fitted:
        years = np.array(data.snapshot.nodes["Film"].column("year").to_pylist(), dtype=float)
        apart = np.nan_to_num(np.abs(years[:, None] - years), nan=50.0)
        kernel = np.exp2(-apart / chosen["years"]).astype(np.float32)
        np.fill_diagonal(kernel, 0)
        return Fitted(MatrixKernel(kernel))


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    register(Age())
    try:
        config = replace(NO_TEXT, channels=("taste", "knowledge", "age"))
        trained = train(films(), config)
        weights = {"taste": 1.0, "knowledge": 0.3, "age": 0.5, "base": 0.1}  # each counts, whatever validation chose
        yield Model(fit(films(), replace(trained.chosen, warm=weights), config, trained.text))
    finally:
        unregister("age")


def test_it_is_trained_and_adds_up(model: Model) -> None:
    recommender = model.recommender
    assert {c.name for c in recommender.channels} == {"taste", "knowledge", "age"}
    assert recommender.chosen.channels["age"]["years"] in (2.0, 5.0)
    e = model.explain("u01", "f07", config=ExplainConfig(groups=9, least_share=0.0))
    assert sum(t.value for t in e.terms if t.channel == "age") != 0
    assert error(e, float(recommender.scores(np.array([1]))[0, 7])) < 1e-5
    paths = [p for p in e.paths if p.channel == "age"]
    assert paths
    assert all(p.channels == ("age",) and p.edges[-1].type is None for p in paths)
    term = {t.source: t.value for t in e.terms if t.channel == "age"}
    assert [p.value for p in paths] == pytest.approx([term[str(p.nodes[1].key)] for p in paths])


def test_every_display_shows_it(model: Model) -> None:
    e = model.explain("u01", "f07")
    assert re.search(r"^  age +[-+]", e.to("text"), re.MULTILINE)
    assert re.search(r"^  年代 +[-+]", model.explain("u01", "f07", lang="zh").to("text"), re.MULTILINE)
    assert "| age |" in e.to("markdown")
    assert {t["channel"] for t in json.loads(e.to("json"))["terms"]} == {"taste", "knowledge", "age"}
    html = e.to("html")
    assert "--of-age: #aa3355;" in html
    assert '<span class="dot of-age"></span>age' in html
    written = [text.get_text() for text in e.to_figure().axes[0].texts]
    assert "age" in written or all(p.channel != "age" for p in e.paths)


def test_lists_are_explained_by_it(model: Model) -> None:
    rows = [row for batch in explain_lists(model.recommender, ["u01"], 3, workers=1) for row in batch.to_pylist()]
    for row in rows:
        assert rebuilt(model.recommender, row) == explain(model.recommender, row["user"], row["item"])


def test_the_command_line_knows_it(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    shown = CliRunner().invoke(main, ["explain", str(tmp_path / "model"), "u01", "f07", "--channel", "age"])
    assert shown.exit_code == 0, shown.output
    assert "age" in shown.output
    helped = " ".join(CliRunner().invoke(main, ["explain", "--help"]).output.split())
    assert "taste, relational, sequence, knowledge, meaning, vectors, age" in helped


def test_the_report_of_the_demo_shows_it(model: Model) -> None:
    names = ("ndcg", "recall", "precision", "hit", "mrr", "coverage", "novelty", "diversity", "popularity")
    metrics = dict.fromkeys((f"{name}@10" for name in names), 0.1)
    intervals = dict.fromkeys(metrics, (0.05, 0.15))
    page = render(
        ReportData(
            data="films",
            simulated=True,
            notes=(),
            graph="graph",
            model=model,
            measured=EvaluationReport("random", 60, 45, metrics, intervals, {}, {}, {}, {}, {}),
            baseline=Baseline(metrics, intervals, 0.0, (-0.01, 0.01)),
            agreements=agreement(films(), seed=0),
            fairness=model.audit(AuditConfig(k=3, least=5, samples=100)),
            lists=model.recommend(users=["u01"], k=3),
            examples=(ExplainedExample("a film", model.explain("u01", "f07"), ()),),
            commands=(),
        )
    )
    assert "--of-age: #aa3355;" in page  # its colour, once a page
    assert "films of the same time" in page  # what it says
    assert "you liked: taste + knowledge + age</div>" in page
    weights = re.search(r"<tr>\s*<t[dh][^>]*>(?:<[^>]*>)*\s*age\s*(?:<[^>]*>)*</t[dh]>(.*?)</tr>", page, re.DOTALL)
    assert weights is not None
    assert "0.5" in weights.group(1)  # its weight in the sum
    assert ".of-age { background: var(--of-age); }" in page  # also in the bars of gaps between groups
    assert re.search(r'data-parts="[^"]*"', page)
