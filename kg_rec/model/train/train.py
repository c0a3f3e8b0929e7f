"""Training: choose the hyperparameters on validation (:func:`tune`), then fit the model (:func:`fit`)."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from kg_rec.arrays.types import Floats32
from kg_rec.errors import ArgumentError, ModelError
from kg_rec.model.channels.base import Log
from kg_rec.model.channels.knowledge import KnowledgeConfig
from kg_rec.model.channels.meaning import MeaningConfig
from kg_rec.model.channels.registry import kinds_of
from kg_rec.model.channels.sums import Sums
from kg_rec.model.chosen import Chosen
from kg_rec.model.config import TrainConfig
from kg_rec.model.encoders.text import TextEncoder, find_encoder, item_texts
from kg_rec.model.histories import MOST_LEARNED
from kg_rec.model.recommender import Recommender
from kg_rec.model.shards import HERE, Shards
from kg_rec.model.shown import shown_of
from kg_rec.model.train.device import device
from kg_rec.model.train.fit import fit
from kg_rec.model.train.tune import tune
from kg_rec.model.train.validation import held_out
from kg_rec.model.trusted import trusted
from kg_rec.progress import Progress, no_progress
from kg_rec.quantity import quantity
from kg_rec.snapshot import Snapshot
from kg_rec.snapshot.item_facts import without_relations
from kg_rec.split import Split

logger = logging.getLogger(__name__)

#: Catalogues up to this size are trained on one thread.
_ONE_THREAD = 4_000


def train(
    snapshot: Snapshot,
    config: TrainConfig | None = None,
    *,
    split: Split | None = None,
    progress: Progress = no_progress,
    log_file: str | Path | None = None,
    shards: Shards = HERE,
) -> Recommender:
    """Train a model.

    Args:
        snapshot: the graph.
        config: settings; None for the defaults.
        split: train on ``split.train`` and choose on ``split.valid``; None holds some of the graph's positive
            interactions out to choose on, as ``config.fusion`` says, then fits on all of them.
        progress: called as the work advances.
        log_file: training log, one JSON object per line.
        shards: where the heavy sums are computed: Gram matrices, the sparse form of the taste operator, and the
            propagation without gradients.  The model has the same bytes as with all of them here.

    Raises:
        ModelError: the graph has no positive interactions, or a channel is unknown.
        ArgumentError: what is given is no snapshot, or a relation type to be blocked is not one of items' facts.
        ConfigError: a rule of lists (``config.shown``) does not fit the graph.
        SplitError: they are to be held out by time, and have none.
        MissingDependencyError: the meaning channel is on and no text model is installed.
    """
    config = config or TrainConfig()
    kinds_of(config.channels)  # refuses an unknown channel before any work
    if not isinstance(snapshot, Snapshot):
        raise ArgumentError(f"expected a snapshot, as kg.export(store) gives it, got {type(snapshot).__name__}")
    shown_of(config.shown, snapshot, config.blocked)  # and rules of lists that the graph has no words for
    snapshot = without_relations(snapshot, config.blocked)
    if split is not None:
        snapshot = snapshot.with_edges(snapshot.schema.interaction.name, split.given())
    positive = snapshot.liked()
    if not len(positive):
        had = len(snapshot.interactions)
        liked = f"by their weight none of {had:,} is liked: see load --liked-from"
        what = liked if had else "load interactions first"
        raise ModelError(f"the graph has no positive {snapshot.schema.interaction.name} to learn from; {what}")
    if heavy := int((np.bincount(positive.source) > MOST_LEARNED).sum()):
        who = quantity(heavy, "user has", "users have")
        logger.warning(
            "%s more than %s interactions: the latest %s of each are learned from", who, *2 * (MOST_LEARNED,)
        )
    text = encode_items(snapshot, config, progress)
    if split is None:
        split = held_out(snapshot, config)
    split = _of_trusted(split, (len(snapshot.users), len(snapshot.items)), config)
    with _logging(log_file) as log, _threads(len(snapshot.items)):
        chosen = tune(snapshot, split, config, text, progress, log, shards)
        model = fit(snapshot, chosen, config, text, progress, shards)
        log({"stage": "done", "valid": chosen.valid, "warm": chosen.warm, "cold": chosen.cold})
    return model


def _of_trusted(split: Split, shape: tuple[int, int], config: TrainConfig) -> Split:
    """The split with the training and validation interactions of the users who are trusted."""
    kept = trusted(split.train, shape, config.robust, config.seed)
    if kept.all():
        return split
    logger.warning(
        "%s not learned from, as probably fake; kg-rec suspects names them",
        quantity(int((~kept).sum()), "user is", "users are"),
    )
    train, valid = (part.take(kept[part.source]) for part in (split.train, split.valid))
    return replace(split, train=train, valid=valid)


def fit_again(
    model: Recommender, snapshot: Snapshot, progress: Progress = no_progress, shards: Shards = HERE
) -> Recommender:
    """The model that training on other interactions of the same items gives with the same hyperparameters.

    Args:
        model: as it was trained.
        snapshot: the same items, facts and texts, with other users or interactions.
        progress: called as the work advances.
        shards: where heavy sums are computed.

    Raises:
        ModelError: the graph has no positive interactions.
    """
    if not len(snapshot.liked()):
        raise ModelError("nobody is left who likes anything: there is nothing to fit; delete the model")
    with _threads(len(snapshot.items)):
        return fit(snapshot, model.chosen, model.config, model.text, progress, shards)


def fit_sums(
    snapshot: Snapshot, sums: Sums, chosen: Chosen, config: TrainConfig, progress: Progress = no_progress
) -> Recommender:
    """The model of users who are elsewhere, from sums over them.

    Args:
        snapshot: items and facts, without users.
        sums: of the users.
        chosen: hyperparameters.
        config: the settings that they were chosen with.
        progress: called as the work advances.
    """
    shown_of(config.shown, snapshot, config.blocked)
    snapshot = without_relations(snapshot, config.blocked)
    text = encode_items(snapshot, config, progress)
    with _threads(len(snapshot.items)):
        return fit(snapshot, chosen, config, text, progress, sums=sums)


@contextmanager
def _logging(file: str | Path | None) -> Iterator[Log]:
    """A training log that is written line by line, so that it tells how far a run came."""
    start = time.perf_counter()
    with ExitStack() as stack:
        lines = None if file is None else stack.enter_context(Path(file).open("w", encoding="utf-8", buffering=1))

        def log(record: Mapping[str, object]) -> None:
            if lines is not None:
                lines.write(json.dumps({"seconds": round(time.perf_counter() - start, 3), **record}) + "\n")

        yield log


@contextmanager
def _threads(n_items: int) -> Iterator[None]:
    """One thread for small matrices, where several wait for each other more than they work.

    On a busy machine of two cores two threads took 85 s of processor time where one took 7 s.  It also makes the
    last digits, and with them the choices, independent of the number of cores.
    """
    if n_items > _ONE_THREAD:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


def encode_items(snapshot: Snapshot, config: TrainConfig, progress: Progress = no_progress) -> Floats32 | None:
    """Text embeddings of the items, shape (n, d); None where the channel or encoder is off, or no item has text."""
    meaning = config.of(MeaningConfig)
    wanted = any("text" in kind.needs for kind in kinds_of(config.channels))
    wanted |= "knowledge" in config.channels and config.of(KnowledgeConfig).alignment > 0
    if meaning.encoder == "none" or not wanted:
        return None
    texts = item_texts(snapshot)
    if not any(texts):
        return None
    source = find_encoder(meaning.encoder)
    return TextEncoder(source, meaning.batch_size, meaning.max_tokens, device(config)).encode(texts, progress)
