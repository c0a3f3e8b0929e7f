"""A model's vectors as Arrow tables with keys: of items, of users, of the items' texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats32
from kg_rec.errors import ModelError
from kg_rec.model.kernel import FactorKernel, Matrix
from kg_rec.model.recommender import Recommender, positions


def item_vectors(model: Recommender) -> pa.Table:
    """The relational embeddings of the items.

    An item has two: ``vector``, how it is reached, and ``source``, what it says as a reason for others.  The product of
    j's source and i's vector, times the channel's weight, is what j adds to the score of i by this channel.

    Returns:
        Columns ``item`` (key), ``name``, ``vector`` and ``source`` (lists of float32, all of one length), in key order.

    Raises:
        ModelError: the model has no relational embeddings.
    """
    kernel = _relational(model)
    columns = {"item": model.items.keys, "name": model.snapshot.names(model.snapshot.schema.item.name)}
    return pa.table(columns | {"vector": _lists(_dense(kernel.target)), "source": _lists(_dense(kernel.source))})


def user_vectors(model: Recommender, users: Sequence[str] | None = None) -> pa.Table:
    """What users did, in the space of the items' embeddings: the sum of a_uj times the source of each item j.

    Nothing is trained for a user.  The product with an item's vector, times the channel's weight, is what the channel
    adds to the score of an item that the user did not have.

    Args:
        model: a trained model.
        users: user keys; None for all, in key order.

    Returns:
        Columns ``user`` (key) and ``vector`` (lists of float32, all of one length).

    Raises:
        ModelError: the model has no relational embeddings.
        NotFoundError: a user is unknown.
    """
    kernel = _relational(model)
    rows = np.arange(len(model.users)) if users is None else positions(model.users, users)
    vectors = model.histories[rows] @ _dense(kernel.source)
    return pa.table({"user": model.users.keys.take(pa.array(rows)), "vector": _lists(np.asarray(vectors, np.float32))})


def text_vectors(model: Recommender) -> pa.Table:
    """The embeddings of the items' texts, of length 1 each.

    Returns:
        Columns ``item`` (key), ``name`` and ``vector`` (lists of float32; null for an item without a text), in key
        order.

    Raises:
        ModelError: the model was trained without a text model.
    """
    if model.text is None:
        raise ModelError("the model has no text embeddings: it was trained without a text model (meaning.encoder)")
    vectors = _lists(model.text, np.asarray(~model.text.any(axis=1)))
    names = model.snapshot.names(model.snapshot.schema.item.name)
    return pa.table({"item": model.items.keys, "name": names, "vector": vectors})


def _relational(model: Recommender) -> FactorKernel:
    for channel in model.channels:
        if channel.name == "relational" and isinstance(channel.kernel, FactorKernel):
            return channel.kernel
    raise ModelError("the model has no relational embeddings: train it with the channel 'relational'")


def _dense(factor: Matrix) -> Floats32:
    return np.asarray(factor.toarray() if sparse.issparse(factor) else factor, dtype=np.float32)


def _lists(rows: Floats32, absent: NDArray[np.bool_] | None = None) -> pa.Array:
    """A row a list."""
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    mask = None if absent is None else pa.array(absent)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(rows.ravel()), mask=mask)
