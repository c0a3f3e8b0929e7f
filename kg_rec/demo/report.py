"""The demo's report: one HTML file without anything from outside.

Every figure is computed here from the model, the evaluation and the explanations; ``report.html.j2`` only lays
them out, and escapes every text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
from markupsafe import Markup

from kg_rec import notebook as analytics
from kg_rec import theme
from kg_rec.api import Model
from kg_rec.audit.page import part_of_page
from kg_rec.audit.report import AuditReport
from kg_rec.checks.agreement import Agreement, conclusion
from kg_rec.demo import pictures
from kg_rec.demo.pictures import label_of, part_name
from kg_rec.evaluation.evaluate import EvaluationReport
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.show.text import to_html
from kg_rec.explain.show.view import score_parts
from kg_rec.explain.words.languages.base import Language, speaker
from kg_rec.explain.words.slots import clean_name
from kg_rec.model.channels.registry import about_of
from kg_rec.model.cold.similarity import PROFILE
from kg_rec.pages import template
from kg_rec.snapshot import Snapshot

_MEASURES = (
    ("ndcg@10", "NDCG@10", "hits high in the list count more; 1 is a perfect list"),
    ("recall@10", "Recall@10", "share of what was held out that is in the list"),
    ("precision@10", "Precision@10", "share of the list that was held out"),
    ("hit@10", "Hit@10", "share of users with at least one hit"),
    ("mrr@10", "MRR@10", "1 / rank of the first hit"),
    ("coverage@10", "Coverage@10", "share of the catalogue in anybody's list"),
    ("novelty@10", "Novelty@10", "bits: the rarer, the more"),
    ("diversity@10", "Diversity@10", "1 - likeness of the items in a list"),
    ("popularity@10", "Popularity@10", "popularity of the lists over that of the users' own items"),
)
_ABLATIONS = {
    "no_graph": "without the facts",
    "shuffled_graph": "with each item's facts given to another item",
    "popularity_shuffled": "with each item's facts given to another item that is about as popular",
}
_CENTRAL, _LISTS = 12, 3


@dataclass(frozen=True)
class Baseline:
    """Figures of recommending what is most popular, on the model's own split.

    Attributes:
        metrics: as in :class:`~kg_rec.evaluation.evaluate.EvaluationReport`.
        intervals: 95 % bootstrap intervals over users.
        gain: the model's NDCG@10 minus this one's, per user, averaged.
        gain_interval: its 95 % interval.
    """

    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    gain: float
    gain_interval: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class ExplainedExample:
    """An explanation in the report.

    Attributes:
        about: what it is an example of.
        explanation: the explanation.
        mismatches: where the store's answer to its Cypher differs from its paths, one line each.
    """

    about: str
    explanation: Explanation
    mismatches: tuple[str, ...]

    @property
    def verified(self) -> bool:
        """The store returned exactly the shown paths, and there are some."""
        return bool(self.explanation.paths) and not self.mismatches


@dataclass(frozen=True)
class ReportData:
    """What the report tells.

    Attributes:
        data: what was loaded, in words.
        simulated: the users are simulated.
        notes: what a reader should know first.
        graph: where the graph is, in words.
        model: trained on everything.
        measured: the evaluation.
        baseline: popularity on the same split.
        agreements: whether the facts agree with the interactions.
        fairness: groups of users and of items, on the test of the evaluation.
        lists: all top-10 lists (:data:`kg_rec.recommend.FIELDS`).
        examples: explanations.
        commands: how to go on.
    """

    data: str
    simulated: bool
    notes: Sequence[str]
    graph: str
    model: Model
    measured: EvaluationReport
    baseline: Baseline
    agreements: Sequence[Agreement]
    fairness: AuditReport
    lists: pa.Table
    examples: Sequence[ExplainedExample]
    commands: Sequence[str]


def counts(snapshot: Snapshot) -> dict[str, int]:
    """Sizes of a graph: ``users``, ``items``, ``interactions``, ``liked`` and ``facts`` (edges between others)."""
    return {
        "users": len(snapshot.users),
        "items": len(snapshot.items),
        "interactions": len(snapshot.interactions),
        "liked": len(snapshot.liked()),
        "facts": sum(len(snapshot.edges[name]) for name in analytics.knowledge(snapshot)),
    }


def render(report: ReportData) -> str:
    """The page as HTML text."""
    model, snapshot = report.model.recommender, report.model.recommender.snapshot
    words = speaker(snapshot.schema, "en")
    main = report.examples[len(report.examples) // 2].explanation if report.examples else None
    filters = {"number": "{:,}".format, "figure": "{:.4f}".format, "signed": _signed}
    return template("kg_rec.demo", "report.html.j2", filters).render(
        c=report,
        counts=counts(snapshot),
        users=words.noun(snapshot.schema.user.name, 2),
        item=words.noun(snapshot.schema.item.name),
        items=words.noun(snapshot.schema.item.name, 2),
        formula=" + ".join(part_name(name) for name in model.config.channels),
        parts=[(p, part_name(p), about_of(p).line("en")) for p in score_parts()],
        light=theme.variables(score_parts()),
        dark=theme.variables(score_parts(), dark=True),
        types=_types(snapshot, words),
        relations=_relations(snapshot),
        central=_central(snapshot, words),
        conclusion=conclusion(report.agreements),
        agreements=[(label_of(snapshot, a.relation), a) for a in report.agreements],
        measures=_measures(report),
        lift=[(_ABLATIONS.get(name, name), gain, _tells(gain)) for name, gain in report.measured.kg_lift.items()],
        fairness=part_of_page(report.fairness),
        gain=_tells({"drop": report.baseline.gain, "interval": report.baseline.gain_interval}),
        lambdas=_lambdas(report.model),
        likeness=_likeness(report.model),
        hops=_hops(report.model),
        lists=_lists(report),
        tail=pictures.tail(model, report.lists),
        spread=pictures.spread(model),
        waterfall=pictures.waterfall(main) if main else None,
        around=pictures.around(main, snapshot) if main else None,
        main=main,
        cards=[(t, Markup(to_html(t.explanation))) for t in report.examples],  # noqa: S704  escaped by its own template
        verified=sum(t.verified for t in report.examples),
        ready={"text": model.text is not None, "cold": int(model.cold.sum())},
    )


def _signed(value: float) -> str:
    """Four decimals with a sign; no sign where they are all 0."""
    return f"{value:+.4f}" if abs(value) >= 0.00005 else "0.0000"


# --- tables ------------------------------------------------------------------------------------------


def _types(snapshot: Snapshot, words: Language) -> list[tuple[str, int]]:
    return [(words.noun(name, len(ids)), len(ids)) for name, ids in snapshot.ids.items() if len(ids)]


def _relations(snapshot: Snapshot) -> list[tuple[str, str, str, int]]:
    rows = []
    for name, relation in snapshot.schema.relation_types.items():
        if len(snapshot.edges[name]):
            rows.append((label_of(snapshot, name), relation.source, relation.target, len(snapshot.edges[name])))
    return sorted(rows, key=lambda row: -row[3])


def _central(snapshot: Snapshot, words: Language) -> list[tuple[str, str, int, float]]:
    """The two most central attributes of each type, by PageRank."""
    rows = []
    for name, node_type in snapshot.schema.node_types.items():
        if node_type.role == "attribute" and len(snapshot.ids[name]):
            nodes = analytics.centrality(snapshot, name).slice(0, 2).to_pylist()
            rows += [(clean_name(r["name"], r["key"]), words.noun(name), r["degree"], r["pagerank"]) for r in nodes]
    return sorted((r for r in rows if r[2]), key=lambda row: -row[3])[:_CENTRAL]


def _measures(report: ReportData) -> list[dict[str, Any]]:
    ours, theirs = report.measured, report.baseline
    return [
        {
            "name": name,
            "what": what,
            "model": ours.metrics[key],
            "interval": ours.intervals.get(key),
            "popular": theirs.metrics[key],
            "popular_interval": theirs.intervals.get(key),
        }
        for key, name, what in _MEASURES
    ]


def _tells(gain: Mapping[str, Any]) -> str:
    """What a difference with its interval allows to say."""
    low, high = gain["interval"]
    if low > 0:
        return "better"
    return "worse" if high < 0 else "no difference can be told"


def _lambdas(model: Model) -> list[tuple[str, str, float | None, float | None, float | None]]:
    choices = model.recommender.chosen
    used = ("base", *model.recommender.config.channels)
    return [(p, part_name(p), choices.warm.get(p, 0.0), choices.cold.get(p), choices.alone.get(p)) for p in used]


def _likeness(model: Model) -> list[tuple[str, float, float]]:
    """Name, weight and length of the bar of each part of the likeness of two items."""
    weights = model.recommender.chosen.similarity
    most = max(weights.values(), default=0) or 1.0
    snapshot = model.recommender.snapshot
    names = {name: label_of(snapshot, name) for name in weights} | {PROFILE: "how much is known of them"}
    rows = sorted(weights.items(), key=lambda row: (-row[1], row[0]))
    return [(names[name], weight, 100 * weight / most) for name, weight in rows]


def _hops(model: Model) -> dict[str, Any] | None:
    """The gates that the graph network learned: the mean of each relation type."""
    numbers = model.recommender.chosen.channels.get("knowledge")
    if numbers is None:
        return None
    rows = [(label_of(model.recommender.snapshot, name), value) for name, value in numbers["mean"].items()]
    return {"rows": sorted(rows, key=lambda row: -row[1])}


def _lists(report: ReportData) -> list[dict[str, Any]]:
    """Top-10 lists of some users, each score split in its parts."""
    model = report.model.recommender
    users = list(dict.fromkeys(t.explanation.user for t in report.examples))
    picked = users if len(users) <= _LISTS else [users[0], users[len(users) // 2], users[-1]]
    rows = report.lists.to_pylist()
    lists = []
    for user in picked:
        own = [r for r in rows if r["user"] == user]
        u = model.users.index(user)
        split = []
        for row in own:
            parts = model.contributions(u, model.items.index(row["item"]))
            split.append({"base": parts.base, **{c: float(v.sum()) for c, v in parts.values.items()}})
        low = min((sum(v for v in s.values() if v < 0) for s in split), default=0.0)
        high = max((sum(v for v in s.values() if v > 0) for s in split), default=1.0)
        scale = 100 / ((high - low) or 1.0)
        start, end = model.histories.indptr[u : u + 2]
        liked = int((model.histories.data[start:end] > 0).sum())
        entries = [
            {
                "rank": row["rank"],
                "name": clean_name(row["name"], row["item"]),
                "score": row["score"],
                "parts": [(p, part_name(p), s[p]) for p in score_parts() if p in s],
                "bars": _bars(s, low, scale),
            }
            for row, s in zip(own, split, strict=True)
        ]
        lists.append({"user": user, "liked": liked, "zero": -low * scale, "entries": entries})
    return lists


def _bars(split: Mapping[str, float], low: float, scale: float) -> list[tuple[str, float, float]]:
    """Part, left side and width in percent: what speaks for the item to the right of zero, against it to the left."""
    right, left, bars = 0.0, 0.0, []
    for part in (p for p in score_parts() if p in split):
        value = split[part]
        at = right if value >= 0 else left + value
        right, left = (right + value, left) if value >= 0 else (right, left + value)
        bars.append((part, (at - low) * scale, abs(value) * scale))
    return bars
