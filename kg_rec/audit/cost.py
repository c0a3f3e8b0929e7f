"""What rules of lists cost and bring: re-ranked lists against those by score alone, on what users held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kg_rec.arrays.types import Floats64
from kg_rec.audit.measures import calibration, exposure
from kg_rec.evaluation.bootstrap import ratio_interval
from kg_rec.evaluation.evaluate import to_find
from kg_rec.evaluation.ranking import Ranking
from kg_rec.jobs.candidates import allowed_items
from kg_rec.jobs.ranking import Ranker
from kg_rec.jobs.rules import CandidatesConfig
from kg_rec.metrics import per_user
from kg_rec.model.item_groups import items_of_group
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot.item_facts import item_relation
from kg_rec.split import Split

#: Strengths of a calibration that are tried on validation.
STRENGTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
#: NDCG that a calibration may cost on validation, as a share.
MOST_LOSS = 0.01


@dataclass(frozen=True, slots=True)
class Tried:
    """A strength of a calibration, on validation.

    Attributes:
        strength: the strength.
        ndcg: mean NDCG@k.
        divergence: mean divergence of the lists' mix of kinds from the users'.
    """

    strength: float
    ndcg: float
    divergence: float


@dataclass(frozen=True, slots=True)
class FloorKept:
    """What became of a floor.

    Attributes:
        group: as it was given.
        share: that was asked for.
        before: mean exposure of the group in lists by score.
        after: mean exposure in the lists by rules.
        short: share of the lists in which it is below what was asked for, as there were no more such items.
    """

    group: str
    share: float
    before: float
    after: float
    short: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What rules cost and bring, on the test.

    Attributes:
        ndcg_before: mean NDCG@k of lists by score.
        ndcg: mean NDCG@k of the lists by rules.
        loss: what that is less, as a share of ``ndcg_before``; None where that is 0.
        loss_interval: 95 % bootstrap interval of ``loss`` over users, the same draws in both means; None for one user,
            and where the NDCG by score may be 0.
        divergence_before: mean divergence of lists by score; None without a calibration.
        divergence: the same of the lists by rules.
        strength: of the calibration; None without one.
        tried: what validation chose the strength from; empty where it was given.
        floors: the floors.
        changed: mean share of a list that lists by score would not hold.
        lists: how many lists were compared.
        empty: how many of them hold nothing because of the rules.
    """

    ndcg_before: float
    ndcg: float
    loss: float | None
    loss_interval: tuple[float, float] | None
    divergence_before: float | None
    divergence: float | None
    strength: float | None
    tried: tuple[Tried, ...]
    floors: tuple[FloorKept, ...]
    changed: float
    lists: int
    empty: int


def rank_by_rules(model: Recommender, split: Split, part: str, k: int, rules: CandidatesConfig) -> Ranking:
    """As :func:`kg_rec.evaluation.evaluate.rank_split` ranks, by rules.

    Args:
        model: trained on ``split.train``.
        split: the split.
        part: ``valid`` or ``test``.
        k: length of the lists.
        rules: the rules; those in Cypher are refused, as there is no graph to ask.

    Raises:
        ConfigError: a rule does not fit, or nobody has anything to find.
    """
    users, relevant, known, candidates = to_find(split, part, model.shape)
    allowed = candidates & allowed_items(rules, None, model.snapshot)[0]
    ranker = Ranker.of(rules, model, allowed, k)
    top = np.full((len(users), k), -1, np.int64)
    for rows, mine in ranker.limits.parts(users, allowed):
        some = users[rows]
        top[rows] = ranker.choose(model.histories[some], known[rows], mine, model.again_of(some)).items
    return Ranking(users, top, {f"{name}@{k}": v for name, v in per_user(top, relevant, k).items()})


def choose_strength(
    model: Recommender, split: Split, k: int, rules: CandidatesConfig, strengths: Sequence[float] = STRENGTHS
) -> tuple[CandidatesConfig, tuple[Tried, ...]]:
    """The rules with the strength that validation chooses, and what it chose from.

    It is the largest of those up to which NDCG falls by at most :data:`MOST_LOSS` of what it is by score alone; 0 where
    none is.

    Args:
        model: trained on ``split.train``.
        split: the split.
        k: length of the lists.
        rules: with a calibration.
        strengths: rising.
    """
    relation = item_relation(model.snapshot.schema, rules.calibrate, "calibrate")
    tried = []
    for strength in (0.0, *strengths):
        ranking = rank_by_rules(model, split, "valid", k, replace(rules, strength=strength))
        far = np.nanmean(calibration(model, ranking.users, ranking.top, relation))
        tried.append(Tried(strength, float(ranking.metrics[f"ndcg@{k}"].mean()), float(far)))
    least = tried[0].ndcg * (1 - MOST_LOSS)
    chosen = 0.0
    for one in tried[1:]:
        if one.ndcg < least:
            break
        chosen = one.strength
    return replace(rules, strength=chosen), tuple(tried)


def cost_of(
    model: Recommender,
    rules: CandidatesConfig,
    before: Ranking,
    after: Ranking,
    k: int,
    seed: int,
    tried: tuple[Tried, ...] = (),
) -> Cost:
    """Compare lists by rules with those by score, on the same users.

    Args:
        model: that ranked.
        rules: the rules.
        before: lists by score alone.
        after: lists by the rules.
        k: their length.
        seed: of the bootstrap.
        tried: what a strength was chosen from.
    """
    name = f"ndcg@{k}"
    one, other = before.metrics[name], after.metrics[name]
    mean = float(one.mean())
    far: list[Floats64] = []
    if rules.calibrate:
        relation = item_relation(model.snapshot.schema, rules.calibrate, "calibrate")
        far = [calibration(model, r.users, r.top[:, :k], relation) for r in (before, after)]
    floors = []
    for n, floor in enumerate(rules.floors):
        members = items_of_group(model.snapshot, floor.group, f"floors[{n}]")[1][None]
        shown, kept = exposure(before.top[:, :k], members)[:, 0], exposure(after.top, members)[:, 0]
        short = float((kept < floor.share - 1e-9).mean())
        floors.append(FloorKept(floor.group, floor.share, float(shown.mean()), float(kept.mean()), short))
    listed = zip(before.top[:, :k], after.top, strict=True)
    new = [len(np.setdiff1d(b[b >= 0], a)) / max(int((b >= 0).sum()), 1) for a, b in listed]
    return Cost(
        ndcg_before=mean,
        ndcg=float(other.mean()),
        loss=float((one - other).mean()) / mean if mean else None,
        loss_interval=ratio_interval(one - other, one, seed) if len(one) > 1 else None,
        divergence_before=float(np.nanmean(far[0])) if far else None,
        divergence=float(np.nanmean(far[1])) if far else None,
        strength=rules.strength if rules.calibrate else None,
        tried=tried,
        floors=tuple(floors),
        changed=float(np.mean(new)),
        lists=len(one),
        empty=int(((after.top < 0).all(axis=1) & (before.top[:, :k] >= 0).any(axis=1)).sum()),
    )
