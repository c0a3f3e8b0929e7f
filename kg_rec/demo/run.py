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
import pyarrow as pa

from kg_rec.api import Model
from kg_rec.audit.config import AuditConfig
from kg_rec.audit.report import AuditReport, audit
from kg_rec.checks.agreement import agreement
from kg_rec.demo import report
from kg_rec.errors import ConfigError, MissingDependencyError, StoreError, StoreUnavailableError
from kg_rec.evaluation.bootstrap import bootstrap
from kg_rec.evaluation.evaluate import EvaluationReport, beyond_accuracy, evaluate, rank_split
from kg_rec.evaluation.ranking import Ranking
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.show.cypher import mismatches
from kg_rec.explain.show.text import to_dict
from kg_rec.explain.words.phrasebook import Phrasebook
from kg_rec.explain.words.wording import Wording
from kg_rec.loaders.base import load
from kg_rec.loaders.demo import FILMS
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

#: Readable facts beside RecBole's files: item_id, relation, name.
FACTS = "dbpedia_facts.tsv"

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
_EXPLAINED = (0.0, 0.25, 0.5, 0.75, 1.0)  # users explained, by rank of the length of their history
_CHINESE = (1, 4)  # which of them in Chinese


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


@dataclass(frozen=True)
class _Source:
    """What is loaded: calls of :func:`load`, and words about them."""

    loads: tuple[tuple[str, Path, Mapping[str, Any]], ...]
    words: str
    simulated: bool
    notes: tuple[str, ...] = ()


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
            with simulated viewers.  RecBole's ``.kg`` is left out where readable facts (:data:`FACTS`) lie beside it.
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
    source = _find(data, viewers, seed)
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
        chosen = _explanations(model, table, tell, None if phrasebook is None else Phrasebook.load(phrasebook))
        examples = _verified(chosen, url)
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


def _find(data: Path | None, viewers: int, seed: int) -> _Source:
    """What to load, by the files in a folder."""
    if data is None:
        load_films = ("demo", FILMS, {"viewers": viewers, "seed": seed})
        return _Source((load_films,), f"the bundled films with {viewers:,} simulated viewers", True)
    folder = data if data.is_dir() else data.parent
    recbole = (data.is_dir() and any(data.glob("*.inter*"))) or ".inter" in data.name
    if not recbole and not any(any(folder.glob(f"{name}*")) for name in ("u.data", "ratings.dat", "ratings.csv")):
        raise ConfigError(
            f"{data}: expected a folder with u.data, ratings.dat or ratings.csv (GroupLens) or *.inter (RecBole); "
            "unpack the data and give its folder"
        )
    form = "recbole" if recbole else "movielens"
    options: dict[str, Any] = {}
    facts = folder / FACTS
    if not facts.is_file():
        notes: tuple[str, ...] = ()
        if recbole and any(folder.glob("*.kg")):
            notes = ("The knowledge graph (.kg) names its entities by machine ids, and so do the explanations.",)
        return _Source(((form, data, options),), f"{folder.name} ({form} files)", False, notes)
    left_out: tuple[str, ...] = ()
    if recbole and any(folder.glob("*.kg")):
        options["kg"] = "none"
        left_out = (f"The .kg file is left out: its entities have machine ids; the facts of {FACTS} have names.",)
    words = f"{folder.name} ({form} files, facts from {FACTS})"
    return _Source(((form, data, options), ("table", facts, {})), words, False, left_out)


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


def _explanations(
    model: Model, lists: pa.Table, progress: Progress, phrases: Phrasebook | None = None
) -> list[tuple[str, Explanation]]:
    """Explanations of users with short and long histories, and of an item without interactions if there is one.

    Of a user's first five items the one is taken whose kinds of path were shown least.
    """
    lengths = np.diff(model.recommender.histories.indptr)
    first: dict[str, list[str]] = {}
    for user, rank, item in zip(*(lists.column(c).to_pylist() for c in ("user", "rank", "item")), strict=True):
        if rank <= 5:
            first.setdefault(user, []).append(item)
    users = sorted(first, key=lambda u: (int(lengths[model.recommender.users.index(u)]), u))
    users = [u for u in users if lengths[model.recommender.users.index(u)]] or users
    places = dict.fromkeys(round(q * (len(users) - 1)) for q in _EXPLAINED)
    shown: set[tuple[str, ...]] = set()
    found = []
    for number, place in enumerate(places):
        progress(number, len(places) + 1, "choose and follow paths")
        user = users[place]
        lang = "zh" if number in _CHINESE and _speaks_chinese(model) else "en"
        options = [model.explain(user, item, wording=Wording(lang, phrasebook=phrases)) for item in first[user]]
        best = max(options, key=lambda e: len({p.pattern for p in e.paths} - shown))
        shown |= {p.pattern for p in best.paths}
        length = int(lengths[model.recommender.users.index(user)])
        found.append((f"{user}: {length:,} liked", best))
    cold = _cold(model)
    progress(len(places) + 1, len(places) + 1, "choose and follow paths")
    return found + cold


def _speaks_chinese(model: Model) -> bool:
    schema = model.recommender.snapshot.schema
    return all("zh" in r.labels for r in schema.relation_types.values())


def _cold(model: Model) -> list[tuple[str, Explanation]]:
    """The item without interactions with the highest score for anybody that has a path, if there is one."""
    r = model.recommender
    if not r.cold.any():
        return []
    users = np.flatnonzero(np.diff(r.histories.indptr))
    tops, scores = (x[:, 0] for x in r.rank(users, 1, r.cold))
    for row in np.argsort(-scores, kind="stable")[:20]:
        if tops[row] >= 0:
            user, item = r.users.key(int(users[row])), r.items.key(int(tops[row]))
            explanation = model.explain(user, item)
            if explanation.paths:
                return [(f"{user}: an item that nobody liked yet", explanation)]
    return []


def _verified(chosen: Sequence[tuple[str, Explanation]], url: str) -> tuple[report.ExplainedExample, ...]:
    """Run each explanation's Cypher on the graph and compare with the shown paths."""
    examples = []
    with closing(connect(url, read_only=True)) as store:
        for about, explanation in chosen:
            try:
                wrong = mismatches(explanation.paths, store.query(explanation.cypher, explanation.parameters))
            except StoreError as error:
                wrong = (f"the query failed: {error}",)
            examples.append(report.ExplainedExample(about, explanation, wrong))
    return tuple(examples)


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
