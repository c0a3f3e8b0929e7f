"""A model without one of its users: the graph without the person, fitted again with the hyperparameters it had.

Everything that is fitted (the operators of taste and order, the embeddings, popularities, which items are new) is a
function of the interactions and of the numbers in :class:`~kg_rec.model.chosen.Chosen`.  So fitting again without the
user gives, bit for bit, the model that training without the user would give with these numbers.  The numbers
themselves (penalties, weights of channels, gates of facts) were chosen while the user was there, and stay; training
again chooses them anew.  A compressed model is compressed again, as far as before.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kg_rec.model.compression import compressed
from kg_rec.model.recommender import Recommender
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import Snapshot


def without_user(snapshot: Snapshot, user: str) -> Snapshot:
    """The graph without a user and without every edge at that user.

    Raises:
        NotFoundError: the user is not in the graph.
    """
    index, kind = snapshot.users.index(user), snapshot.schema.user.name
    others = np.arange(len(snapshot.users)) != index
    edges = {}
    for name, table in snapshot.edges.items():
        relation = snapshot.schema.relation_types[name]
        at_source, at_target = relation.source == kind, relation.target == kind
        kept = np.ones(len(table), dtype=np.bool_)
        kept &= (table.source != index) if at_source else True
        kept &= (table.target != index) if at_target else True
        rest = table.take(kept)
        source = rest.source - (rest.source > index) if at_source else rest.source
        target = rest.target - (rest.target > index) if at_target else rest.target
        edges[name] = replace(rest, source=source, target=target)
    return Snapshot(
        snapshot.schema, snapshot.source, {**snapshot.nodes, kind: snapshot.nodes[kind].filter(others)}, edges
    )


def forget(model: Recommender, user: str, progress: Progress = no_progress) -> Recommender:
    """The model fitted again without a user, with the hyperparameters that it has.

    Args:
        model: as it was trained; its snapshot is what it was fitted to.
        user: key.
        progress: called as the work advances.

    Raises:
        NotFoundError: the user is not in the model's snapshot.
        ModelError: nobody else likes anything.
    """
    from kg_rec.model.train.train import fit_again  # torch takes seconds to import

    fitted = fit_again(model, without_user(model.snapshot, user), progress)
    small = model.compression
    return fitted if small is None else compressed(fitted, small.keep, small.bits, small.text)
