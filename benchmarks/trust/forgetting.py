"""Forgetting a user of a trained model, against training it without the user.

``forget_equal``: largest difference of any score between the folder after ``kg-rec forget`` and the fit, with the same
hyperparameters, to interactions that never held the user.  ``forget_time_ratio``: processor time of forgetting, with
reading and writing the folder, over that of training and writing; processor time, as a shared machine has no other.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from kg_rec.model.config import TrainConfig
from kg_rec.model.persist import load, save
from kg_rec.model.train.train import fit_again, train
from kg_rec.progress import Progress
from kg_rec.snapshot import EdgeTable, Snapshot
from kg_rec.split import Split
from kg_rec.trust.places import ModelPlace


def forgetting(snapshot: Snapshot, split: Split, config: TrainConfig, progress: Progress) -> dict[str, float]:
    """Figures of one split; the user is the one with the median number of interactions."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        import torch_geometric  # noqa: F401  its import is no part of any training

        start = time.process_time()
        model = train(snapshot, config, split=split, progress=progress)
        save(model, folder)
        training = time.process_time() - start
        counts = np.bincount(split.train.source, minlength=len(snapshot.users))
        user = int(np.argsort(counts, kind="stable")[len(counts) // 2])
        start = time.process_time()
        ModelPlace(folder).erase(snapshot.users.key(user), progress)
        forgetting = time.process_time() - start
        found = load(folder)
        edges = split.train.take(split.train.source != user)
        # as files without the user would be numbered
        edges = EdgeTable(edges.source - (edges.source > user), edges.target, edges.weight, edges.time)
        kind = snapshot.schema.user.name
        nodes = {**snapshot.nodes, kind: snapshot.nodes[kind].filter(np.arange(len(counts)) != user)}
        others = replace(snapshot, nodes=nodes).with_edges(snapshot.schema.interaction.name, edges)
        expected = fit_again(model, others, progress)
        every = np.arange(len(counts) - 1)
        return {
            "forget_equal": float(np.abs(found.scores(every) - expected.scores(every)).max()),
            "forget_moved": float(
                np.abs(found.scores(every) - np.delete(model.scores(np.arange(len(counts))), user, 0)).max()
            ),
            "forget_time_ratio": forgetting / training,
            "forget_seconds": forgetting,
            "train_seconds": training,
        }
