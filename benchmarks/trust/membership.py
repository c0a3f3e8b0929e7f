"""Who was in the training data? A likelihood-ratio attack on what a model says of a person's history.

The attacker knows the history and the method, and trains shadow models on random halves of the users (Carlini et al.,
"Membership inference attacks from first principles", 2022).  The figure is how strongly the model leads from a history
to its own items; its distribution is taken as normal with and without the person in training.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import rankdata

from kg_rec.arrays.types import Floats64

#: Models attacked; the shadow models never are, as a model left out of its own shadows biases the ratio.
ATTACKED = 6
#: From histories of some users, a function that scores histories: shape (users, items).
Fit = Callable[[sparse.csr_array, np.random.Generator], Callable[[sparse.csr_array], Floats64]]


def membership_auc(histories: sparse.csr_array, fit: Fit, models: int, seed: int) -> tuple[float, float]:
    """Area under the ROC curve of the attack, 0.5 is chance: mean and standard deviation over the models attacked.

    Args:
        histories: binary CSR, shape (users, items).
        fit: trains a model.
        models: how many shadow models; each is trained on half of the users, and every user is in half of them.
        seed: of the halves and of the noise.
    """
    random = np.random.default_rng(seed)
    users = histories.shape[0]
    inside = np.zeros((models + ATTACKED, users), dtype=np.bool_)
    for user in range(users):
        inside[random.permutation(models)[: models // 2], user] = True
    inside[models:] = random.random((ATTACKED, users)) < 0.5
    figures = np.stack([_figure(histories, fit(histories[np.flatnonzero(row)], random)) for row in inside])
    shadows, known = figures[:models], inside[:models]
    pairs = zip(figures[models:], inside[models:], strict=True)
    areas = [_auc(_ratio(figure, shadows, known), row) for figure, row in pairs]
    return float(np.mean(areas)), float(np.std(areas))


def _figure(histories: sparse.csr_array, scores: Callable[[sparse.csr_array], Floats64]) -> Floats64:
    """How far the items of a history stand above the others, in standard deviations, shape (users,)."""
    found = scores(histories)
    rows = np.repeat(np.arange(histories.shape[0]), np.diff(histories.indptr))
    own = np.bincount(rows, weights=found[rows, histories.indices], minlength=histories.shape[0])
    own /= np.maximum(np.diff(histories.indptr), 1)
    return np.asarray((own - found.mean(axis=1)) / np.maximum(found.std(axis=1), 1e-12))


def _ratio(attacked: Floats64, shadows: Floats64, inside: NDArray[np.bool_]) -> Floats64:
    """log p(figure | in training) - log p(figure | not), by the shadow models, shape (users,)."""
    total = np.zeros(len(attacked))
    for sign, part in ((1, inside), (-1, ~inside)):
        known = np.where(part, shadows, np.nan)
        spread = np.sqrt(np.nanmean(np.nanvar(known, axis=0))) + 1e-12  # one for all users: shadows are few
        total -= sign * (attacked - np.nanmean(known, axis=0)) ** 2 / (2 * spread**2)
    return total


def _auc(values: Floats64, positive: NDArray[np.bool_]) -> float:
    ranks, many = rankdata(values), int(positive.sum())
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * (len(values) - many)))
