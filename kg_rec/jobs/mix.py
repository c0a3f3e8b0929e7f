"""The mix of kinds (genres, categories) of what a user liked and of a list, and how far one is from the other."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from kg_rec.arrays.types import Floats64
from kg_rec.model.item_paths import incidence
from kg_rec.schema import RelationType
from kg_rec.snapshot import Snapshot

#: Share of the user's own mix in the list's, so that what a list lacks does not make the divergence infinite.
_SMOOTH = 0.01


def mix_of_items(snapshot: Snapshot, relation: RelationType) -> sparse.csr_array:
    """p(g | i): each item's kinds, equally; an item without any is an empty row.  CSR, shape (items, kinds)."""
    tied = incidence(snapshot, relation).astype(np.float64)
    tied.data /= np.repeat(np.maximum(np.diff(tied.indptr), 1), np.diff(tied.indptr))
    return tied


def divergence(own: Floats64, shown: Floats64) -> Floats64:
    """KL(p || q) with q = 0.99 shown + 0.01 p, of rows (Steck, "Calibrated recommendations", RecSys 2018).

    Args:
        own: p, what the user liked, rows that sum to 1, shape (..., kinds).
        shown: the list's mix, the same shape; may be all 0, for a list without kinds.
    """
    mixed = (1 - _SMOOTH) * shown + _SMOOTH * own
    with np.errstate(divide="ignore", invalid="ignore"):
        nats: Floats64 = np.where(own > 0, own * np.log(own / mixed), 0.0).sum(axis=-1)
    return nats


def shares(counts: Floats64) -> Floats64:
    """Rows scaled to sum to 1; rows of zeros stay."""
    total = counts.sum(axis=-1, keepdims=True)
    scaled: Floats64 = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    return scaled
