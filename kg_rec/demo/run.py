"""``kg-rec demo``: from raw files to explained recommendations and a report, in one call."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kg_rec.api import Model
from kg_rec.audit.config import AuditConfig
from kg_rec.audit.report import AuditReport, audit
from kg_rec.checks.agreement import agreement
from kg_rec.demo import report
from kg_rec.demo.examples import chosen_explanations, verified
from kg_rec.demo.source import source_of
from kg_rec.errors import ConfigError, MissingDependencyError, StoreError, StoreUnavailableError
from kg_rec.evaluation.bootstrap import bootstrap
from kg_rec.evaluation.evaluate import EvaluationReport, beyond_accuracy, evaluate, rank_split
from kg_rec.evaluation.ranking import Ranking
from kg_rec.explain.show.text import to_dict
from kg_rec.explain.words.phrasebook import Phrasebook
from kg_rec.loaders.base import load
from kg_rec.model.channels.meaning import MeaningConfig
from kg_rec.model.config import TrainConfig
from kg_rec.model.encoders.text import find_encoder
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.train import train
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import Snapshot, export
from kg_rec.split import Split, random_split
from kg_rec.store import GraphStore, connect
from kg_rec.tables import write_table

_MARK = "demo.json"
_OWN = (
    "graph",
    "model",
    "evaluation.json",
    "explanations.jsonl",
    "recommendations.parquet",
    "recommendations.jsonl",
    "report.html",
    "training.jsonl",
)


@dataclass(frozen=True)
class DemoResult:
    """What :func:`run` made.

    Attributes:
        out: the folder.
        graph: URL of the graph.
        data: what was loaded, in words.
        simulated: the users are simulated.
        counts: ``users``, ``items``, ``interactions`` and ``facts`` of the graph.
        metrics: test figures of the model, e.g. ``ndcg@10``.
        interval: 95 % interval of NDCG@10.
        popularity: the same figures of recommending what is most popular.
        kg_lift: what the graph adds to NDCG@10, per ablation, as in ``EvaluationReport``.
        recommendations: rows written.
        explained: explanations in the report.
        verified: how many of them the store confirmed.
        notes: what a reader should know, e.g. that no text model is installed.
        commands: how to go on.
        seconds: wall time by stage.
    """

    out: Path
    graph: str
    data: str
    simulated: bool
    counts: Mapping[str, int]
    metrics: Mapping[str, float]
    interval: tuple[float, float]
    popularity: Mapping[str, float]
    kg_lift: Mapping[str, Mapping[str, Any]]
    recommendations: int
    explained: int
    verified: int
    notes: tuple[str, ...]
    commands: tuple[str, ...]
    seconds: Mapping[str, float]

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.out / "report.html"

    def lines(self) -> list[str]:
        """Where everything is and the main figures, for a terminal."""
        c, low, high = self.counts, *self.interval
        lift, around = self.kg_lift["no_graph"]["drop"], self.kg_lift["no_graph"]["interval"]
        rows = [
            ("data", self.data),
            ("graph", f"{self.graph} ({c['users']:,} users, {c['items']:,} items, {c['interactions']:,} interactions, "
                      f"{c['facts']:,} facts)"),
            ("model", f"{self.out / 'model'}"),
            ("NDCG@10", f"{self.metrics['ndcg@10']:.4f} (95 % interval {low:.4f} to {high:.4f}); most popular "
                        f"{self.popularity['ndcg@10']:.4f}"),
            ("graph adds", f"{lift:+.4f} NDCG@10 (95 % interval {around[0]:+.4f} to {around[1]:+.4f})"),
            ("lists", f"{self.out / 'recommendations.parquet'} and .jsonl ({self.recommendations:,} rows)"),
            ("explanations", f"{self.explained}, {self.verified} of them confirmed by the graph's own answer to their "
                             "Cypher"),
            ("report", f"{self.report}"),
            ("time", f"{sum(self.seconds.values()):.0f} s"),
        ]  # fmt: skip
        return [
            *(f"{name:<13} {text}" for name, text in rows),
            *(f"note: {text}" for text in self.notes),
            "go on with:",
            *(f"  {command}" for command in self.commands),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "out": str(self.out), "report": str(self.report)}


@dataclass
class _Clock:
    """Tells the progress of a stage under its name, and times it."""

    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress]:
        started = time.perf_counter()
        self.progress(0, None, name)
        yield lambda done, total, what: self.progress(done, total, f"{name}: {what}")
        self.seconds[name] = round(time.perf_counter() - started, 2)


def run(
    out: Path,
    data: Path | None = None,
    graph: str | None = None,
    seed: int = 2026,
    progress: Progress = no_progress,
    *,
    viewers: int = 600,
    config: TrainConfig | None = None,
    phrasebook: Path | None = None,
) -> DemoResult:
    """Load, export, evaluate, train, recommend, explain, verify, report.

    Args:
        out: folder for everything; made if need be.  Files of an earlier run are replaced; a folder with other
            things in it and no earlier run is refused.
        data: folder with MovieLens as GroupLens distributes it, or with RecBole's files; None: the bundled films
            with simulated viewers.  Where readable facts (``dbpedia_facts.tsv``) lie beside them, RecBole's ``.kg`` is
            left out.
        graph: URL of the graph to load into, added to what it holds; None: a new one in ``out/graph``.
        seed: of the simulation, the split, and training.
        progress: called as the work advances, with the stage's name.
        viewers: how many viewers to simulate.
        config: training settings, the same for evaluation and its ablations; None: the defaults.  Its seed is
            replaced.

    Raises:
        ConfigError: ``out`` cannot be used, or ``data`` is no known format.
        LoadError: the files are malformed.
        StoreError: the graph cannot be opened or written.
    """
    clock = _Clock(progress)
    source = source_of(data, viewers, seed)
    _claim(out)
    url = str(out / "graph") if graph is None else graph
    settings, notes = _settings(config or TrainConfig(), seed)
    with clock.stage("load") as tell, closing(_open(url, fresh=graph is None)) as store:
        loaded = sum(load(store, form, path, progress=tell, **dict(o)).edges.get(store.schema().interaction.name, 0)
                     for form, path, o in source.loads)  # fmt: skip
        snapshot = export(store, tell)
    if len(snapshot.interactions) != loaded:
        notes += (f"The graph {url} held other interactions before: all {len(snapshot.interactions):,} are used.",)
    with clock.stage("evaluate") as tell:
        measured, baseline, fairness = _evaluate(snapshot, settings, tell)
        agreements = agreement(snapshot, seed=seed, progress=tell)
    with clock.stage("train") as tell:
        recommender = train(snapshot, settings, progress=tell, log_file=out / "training.jsonl")
        model = Model(recommender)
        model.save(out / "model")
    with clock.stage("recommend") as tell:
        table = model.recommend(k=10, progress=tell)
        for name in ("recommendations.parquet", "recommendations.jsonl"):
            write_table(table.to_batches(), out / name, table.schema)
    with clock.stage("explain") as tell:
        chosen = chosen_explanations(model, table, tell, None if phrasebook is None else Phrasebook.load(phrasebook))
        examples = verified(chosen, url)
    commands = _commands(out, url, examples)
    with clock.stage("report"):
        shown = report.ReportData(
            data=source.words,
            simulated=source.simulated,
            notes=source.notes + notes,
            graph=url if graph is not None else "graph",
            model=model,
            measured=measured,
            baseline=baseline,
            agreements=agreements,
            fairness=fairness,
            lists=table,
            examples=examples,
            commands=commands,
        )
        _write_json(out / "evaluation.json", {**measured.to_dict(), "popularity": baseline.to_dict()})
        _write_text(out / "explanations.jsonl", _lines(examples))
        _write_text(out / "report.html", report.render(shown))
    result = DemoResult(
        out=out,
        graph=url,
        data=source.words,
        simulated=source.simulated,
        counts=report.counts(snapshot),
        metrics=measured.metrics,
        interval=measured.intervals["ndcg@10"],
        popularity=baseline.metrics,
        kg_lift=measured.kg_lift,
        recommendations=table.num_rows,
        explained=len(examples),
        verified=sum(t.verified for t in examples),
        notes=source.notes + notes,
        commands=commands,
        seconds=clock.seconds,
    )
    _write_json(out / _MARK, {"finished": True, **result.to_dict()})
    return result


def _claim(out: Path) -> None:
    """Make the folder ours, without the files of an earlier run; the graph is left to :func:`_open`."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: expected a folder to write into, got a file; choose another --out")
    if out.is_dir() and any(out.iterdir()) and not (out / _MARK).is_file():
        some = ", ".join(sorted(p.name for p in out.iterdir())[:3])
        raise ConfigError(f"{out}: expected a new folder or one of an earlier demo, found {some}; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    _write_json(out / _MARK, {"finished": False})
    for name in _OWN:
        if name != "graph":
            _remove(out / name)


def _open(url: str, *, fresh: bool) -> GraphStore:
    """The graph to load into; ``fresh``: without what an earlier run left there."""
    if fresh and Path(url).exists():
        try:
            connect(url).close()  # refuses a graph that another process uses
        except StoreUnavailableError:
            raise
        except StoreError:
            pass  # a graph that cannot be read any more is replaced all the same
        _remove(Path(url))
    return connect(url)


def _settings(config: TrainConfig, seed: int) -> tuple[TrainConfig, tuple[str, ...]]:
    """The settings with the seed, and without text where no text model is installed."""
    config = replace(config, seed=seed)
    try:
        find_encoder(config.of(MeaningConfig).encoder)
    except MissingDependencyError as error:
        return config.with_parts(replace(config.of(MeaningConfig), encoder="none")), (f"Without text: {error}.",)
    return config, ()


def _evaluate(
    snapshot: Snapshot, config: TrainConfig, progress: Progress
) -> tuple[EvaluationReport, report.Baseline, AuditReport]:
    """The random protocol with what the graph adds; popularity, and groups of users and items, on the same split."""
    split = random_split(snapshot.liked(), len(snapshot.items), config.seed)
    trained: list[Recommender] = []
    measured = evaluate(snapshot, split, config, progress=progress, trained=trained.append)
    fairness = audit(trained[0], split, AuditConfig(seed=config.seed), progress)
    return measured, _popularity(trained[0], split, config.seed), fairness


def _popularity(model: Recommender, split: Split, seed: int) -> report.Baseline:
    """Rank by the number of users who liked an item in training."""
    counts = np.diff(model.users_of_items.indptr).astype(np.float32)
    popular: Ranking = rank_split(replace(model, channels=(), base=counts), split, "test")
    ranked = rank_split(model, split, "test")
    gain = ranked.metrics["ndcg@10"] - popular.metrics["ndcg@10"]
    return report.Baseline(
        metrics={**popular.mean(), **beyond_accuracy(popular, model, split.test_candidates)},
        intervals={name: bootstrap(values, seed) for name, values in popular.metrics.items()},
        gain=float(gain.mean()),
        gain_interval=bootstrap(gain, seed),
    )


def _commands(out: Path, url: str, examples: Sequence[report.ExplainedExample]) -> tuple[str, ...]:
    model = str(out / "model")
    middle = examples[len(examples) // 2].explanation if examples else None
    user, item = (middle.user, middle.item) if middle else ("USER", "ITEM")
    rows = [
        ["kg-rec", "explain", model, user, item, "--graph", url, "--verify"],
        ["kg-rec", "explain", model, user, item, "--lang", "zh"],
        ["kg-rec", "recommend", model, "--users", user],
        ["kg-rec", "check", "--graph", url],
        ["kg-rec", "evaluate", "--graph", url, "--protocol", "temporal", "--no-lift"],
    ]
    return tuple(shlex.join(row) for row in rows)


def _lines(examples: Sequence[report.ExplainedExample]) -> str:
    rows = ({**to_dict(t.explanation), "verified": t.verified, "mismatches": list(t.mismatches)} for t in examples)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    _write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
