"""What is measured on one trained model: forgetting a user of it, training it over sites, and making it small.

``forget_equal``: largest difference of any score, all users and items, between the folder after ``kg-rec forget`` and
the fit, with the same hyperparameters, to interactions that never held the user; ``forget_tensors_differ``: how many of
what was learned differ there in any bit.  ``forget_time_ratio``: processor time of forgetting, with
reading and writing the folder, over that of training and writing: the median over rounds, each of one training and one
forgetting after it, so that whatever else the machine does slows both; ``_low`` and ``_high`` are the extremes.
``federated_error``: largest difference of any score between training on the masked sums of three sites and training in
one place, over the largest score; both with the hyperparameters of the trained model, without its channel that sums
cannot make.  Compression: :mod:`benchmarks.trust.small`.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.trust.small import compression
from kg_rec.metrics import ValidationSet
from kg_rec.model.chosen import Chosen
from kg_rec.model.config import TrainConfig
from kg_rec.model.persist import load, save
from kg_rec.model.recommender import Recommender
from kg_rec.model.tensors import tensors_of
from kg_rec.model.train.train import fit_again, train
from kg_rec.progress import Progress
from kg_rec.snapshot import EdgeTable, Snapshot
from kg_rec.split import Split
from kg_rec.trust.places import ModelPlace
from kg_rec.trust.sites import CHANNELS, Masks, new_secrets, site_sums, train_sites

#: Users are dealt to these in turn.
SITES = ("A", "B", "C")


def of_trained(
    snapshot: Snapshot,
    split: Split,
    config: TrainConfig,
    judge: ValidationSet,
    rows: np.ndarray[Any, Any],
    rounds: int,
    progress: Progress,
) -> dict[str, float]:
    """Figures of one split, whose test ``judge`` is, of the users ``rows``; times over some rounds."""
    import torch_geometric  # noqa: F401  its import is no part of any training

    with tempfile.TemporaryDirectory() as place:
        folder, small, seconds = Path(place) / "model", dict[str, float](), list[tuple[float, float]]()
        for number in range(rounds):
            start = time.process_time()
            model = train(snapshot, config, split=split, progress=progress)
            save(model, folder)
            training = time.process_time() - start
            if number == 0:
                small = compression(folder, judge, rows, progress)
            user = _median_user(model.snapshot)
            start = time.process_time()
            ModelPlace(folder).erase(model.users.key(user), progress)
            seconds.append((time.process_time() - start, training))
        forgotten = forgetting(model, folder, user, progress) | times(seconds)
        return {**forgotten, "federated_error": federated_error(model, progress), **small}


def _median_user(snapshot: Snapshot) -> int:
    """The user with the median number of interactions."""
    counts = np.bincount(snapshot.interactions.source, minlength=len(snapshot.users))
    return int(np.argsort(counts, kind="stable")[len(counts) // 2])


def times(seconds: list[tuple[float, float]]) -> dict[str, float]:
    """Seconds of forgetting and of training, by round, as figures."""
    ratios = [forgetting / training for forgetting, training in seconds]
    forgetting, training = (float(np.median(column)) for column in zip(*seconds, strict=True))
    return {
        "forget_time_ratio": float(np.median(ratios)),
        "forget_time_ratio_low": min(ratios),
        "forget_time_ratio_high": max(ratios),
        "forget_seconds": forgetting,
        "train_seconds": training,
    }


def forgetting(model: Recommender, folder: Path, user: int, progress: Progress) -> dict[str, float]:
    """How a folder that forgot a user differs from the fit to interactions that never held the user.

    Args:
        model: as it was trained.
        folder: after forgetting.
        user: who was forgotten, dense index in ``model``.
        progress: called as the work advances.
    """
    snapshot = model.snapshot
    edges, users = snapshot.interactions, len(snapshot.users)
    found = load(folder)
    edges = edges.take(edges.source != user)
    # as files without the user would be numbered
    edges = EdgeTable(edges.source - (edges.source > user), edges.target, edges.weight, edges.time)
    kind = snapshot.schema.user.name
    nodes = {**snapshot.nodes, kind: snapshot.nodes[kind].filter(np.arange(users) != user)}
    others = replace(snapshot, nodes=nodes).with_edges(snapshot.schema.interaction.name, edges)
    never = fit_again(model, others, progress)
    one, other = tensors_of(found), tensors_of(never)
    expected = never.scores(np.arange(users - 1))
    left, before = found.scores(np.arange(users - 1)), model.scores(np.arange(users))
    return {
        "forget_equal": float(np.abs(left - expected).max()),
        "forget_tensors_differ": float(sum(not _same(one.get(n), other.get(n)) for n in one.keys() | other.keys())),
        "forget_moved": float(np.abs(left - np.delete(before, user, axis=0)).max()),
    }


def _same(one: np.ndarray[Any, Any] | None, other: np.ndarray[Any, Any] | None) -> bool:
    """Whether two tensors are the same in type, shape and every bit."""
    if one is None or other is None:
        return False
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def federated_error(model: Recommender, progress: Progress) -> float:
    """Train on the masked sums of three sites, and in one place."""
    snapshot, edges = model.snapshot, model.snapshot.interactions
    chosen, config = _of_sums(model.chosen), replace(model.config, channels=CHANNELS)
    secrets = new_secrets(SITES)
    sent = []
    for place, site in enumerate(SITES):
        own = edges.take(edges.source % len(SITES) == place)
        masks = Masks(site, {other: bytes.fromhex(text) for other, text in secrets[site].items()}, "benchmark")
        sent.append(site_sums(snapshot.with_edges(snapshot.schema.interaction.name, own), site, config, masks))
    parts = replace(train_sites(snapshot, sent, chosen, config, progress), snapshot=snapshot)
    whole = fit_again(replace(model, chosen=chosen, config=config), snapshot, progress)
    every = np.arange(len(snapshot.users))
    expected = whole.scores(every)
    return float(np.abs(parts.scores(every) - expected).max() / np.abs(expected).max())


def _of_sums(chosen: Chosen) -> Chosen:
    kept = (*CHANNELS, "base")
    of_channels = {name: own for name, own in chosen.channels.items() if name in kept}
    warm, cold = ({n: w for n, w in weights.items() if n in kept} for weights in (chosen.warm, chosen.cold))
    return replace(chosen, channels=of_channels, warm=warm, cold=cold)
