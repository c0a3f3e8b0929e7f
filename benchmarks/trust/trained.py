"""What is measured on one trained model: forgetting a user of it, training it over sites, and making it small.

``forget_equal``: largest difference of any score between the folder after ``kg-rec forget`` and the fit, with the same
hyperparameters, to interactions that never held the user.  ``forget_time_ratio``: processor time of forgetting, with
reading and writing the folder, over that of training and writing; processor time, as a shared machine has no other.
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
    progress: Progress,
) -> dict[str, float]:
    """Figures of one split, whose test ``judge`` is, of the users ``rows``."""
    import torch_geometric  # noqa: F401  its import is no part of any training

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        start = time.process_time()
        model = train(snapshot, config, split=split, progress=progress)
        save(model, folder)
        seconds = time.process_time() - start
        small = compression(folder, judge, rows, progress)
        forgotten = forgetting(model, folder, seconds, progress)
        return {**forgotten, "federated_error": federated_error(model, progress), **small}


def forgetting(model: Recommender, folder: Path, training: float, progress: Progress) -> dict[str, float]:
    """Forget the user with the median number of interactions.

    Args:
        model: as it was trained.
        folder: where it is; it is changed.
        training: seconds that it took.
        progress: called as the work advances.
    """
    snapshot = model.snapshot
    edges, users = snapshot.interactions, len(snapshot.users)
    counts = np.bincount(edges.source, minlength=users)
    user = int(np.argsort(counts, kind="stable")[users // 2])
    start = time.process_time()
    ModelPlace(folder).erase(snapshot.users.key(user), progress)
    seconds = time.process_time() - start
    found = load(folder)
    edges = edges.take(edges.source != user)
    # as files without the user would be numbered
    edges = EdgeTable(edges.source - (edges.source > user), edges.target, edges.weight, edges.time)
    kind = snapshot.schema.user.name
    nodes = {**snapshot.nodes, kind: snapshot.nodes[kind].filter(np.arange(users) != user)}
    others = replace(snapshot, nodes=nodes).with_edges(snapshot.schema.interaction.name, edges)
    expected = fit_again(model, others, progress).scores(np.arange(users - 1))
    left, before = found.scores(np.arange(users - 1)), model.scores(np.arange(users))
    return {
        "forget_equal": float(np.abs(left - expected).max()),
        "forget_moved": float(np.abs(left - np.delete(before, user, axis=0)).max()),
        "forget_time_ratio": seconds / training,
        "forget_seconds": seconds,
        "train_seconds": training,
    }


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
