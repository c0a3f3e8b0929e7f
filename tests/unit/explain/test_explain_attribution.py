"""The addends of a score are what the standard attribution methods give: SHAP, integrated gradients, LIME."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse
from toy_graph import everything, pairs

from kg_rec.explain.single import explain
from kg_rec.model.kernel import FactorKernel, MatrixKernel
from kg_rec.model.recommender import Channel, Recommender

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import shap


def cases(count: int) -> list[tuple[int, int]]:
    """Pairs of users and items, warm and cold."""
    return [*pairs(everything(), count, seed=4), (3, 44), (10, 41)]


def slopes(channel: Channel, item: int) -> NDArray[np.float64]:
    """lambda K(j, item) for every item j."""
    n = len(channel.weight)
    return channel.kernel.values(np.arange(n), item).astype(np.float64) * float(channel.weight[item])


def history(model: Recommender, user: int) -> NDArray[np.float64]:
    return model.histories[[user]].toarray()[0].astype(np.float64)


def vector(model: Recommender, values: dict[str, float]) -> NDArray[np.float64]:
    found = np.zeros(len(model.items))
    for key, value in values.items():
        found[model.items.index(key)] = value
    return found


@pytest.mark.parametrize("channel", [None, "taste", "relational", "sequence", "knowledge", "meaning"])
def test_shap_values_are_those_of_the_exact_linear_explainer(channel: str | None) -> None:
    model = everything()
    nothing = np.zeros((1, len(model.items)))
    for user, item in cases(12):
        parts = [slopes(c, item) for c in model.channels if channel in (None, c.name)]
        explainer = shap.LinearExplainer(
            (np.sum(parts, axis=0), float(model.base[item])), shap.maskers.Independent(nothing)
        )
        expected = explainer.shap_values(history(model, user)[None])[0]
        e = explain(model, model.users.key(user), model.items.key(item))
        found = vector(model, e.shap_values(channel))
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-9)
        assert np.abs(expected).sum() > 0 or channel is not None
        assert explainer.expected_value == pytest.approx(e.base)
        if channel is None:
            assert e.base + found.sum() == pytest.approx(e.score, rel=1e-9)


def test_the_channels_add_up_to_the_whole() -> None:
    model = everything()
    for user, item in cases(5):
        e = explain(model, model.users.key(user), model.items.key(item))
        parts = [vector(model, e.shap_values(c.name)) for c in model.channels]
        assert np.sum(parts, axis=0) == pytest.approx(vector(model, e.shap_values()), rel=1e-9, abs=1e-12)
    assert e.shap_values("nothing") == {}


def torch_score(model: Recommender, weights: torch.Tensor, item: int) -> torch.Tensor:
    """The score as a function of a_uj, through the kernels as they are stored (factors are multiplied out anew)."""
    total = torch.tensor(float(model.base[item]), dtype=torch.float64)
    for channel in model.channels:
        kernel, weight = channel.kernel, float(channel.weight[item])
        if isinstance(kernel, FactorKernel):
            source, target = (
                torch.tensor(m.toarray() if sparse.issparse(m) else np.asarray(m)).double()
                for m in (kernel.source, kernel.target)
            )
            others = torch.ones(len(weights), dtype=torch.float64)
            others[item] = 0
            total = total + weight * ((weights * others) @ source) @ target[item]
        else:
            assert isinstance(kernel, MatrixKernel)
            matrix = kernel.matrix.toarray() if sparse.issparse(kernel.matrix) else kernel.matrix
            total = total + weight * (weights @ torch.tensor(np.asarray(matrix)).double())[item]
    return total


def test_integrated_gradients_give_the_same_numbers() -> None:
    """Sundararajan et al. 2017, baseline 0, trapezoids of 8 steps, gradients by torch."""
    model = everything()
    for user, item in cases(4):
        end = torch.tensor(history(model, user))
        gradients = []
        for step in range(9):
            at = (end * step / 8).requires_grad_()
            torch_score(model, at, item).backward()  # type: ignore[no-untyped-call]
            assert at.grad is not None
            gradients.append(at.grad)
        mean = (sum(gradients[1:-1], start=gradients[0] * 0) + (gradients[0] + gradients[-1]) / 2) / 8
        e = explain(model, model.users.key(user), model.items.key(item))
        assert vector(model, e.shap_values()) == pytest.approx((mean * end).numpy(), rel=1e-4, abs=1e-7)


def test_a_linear_surrogate_on_masks_gives_the_same_numbers() -> None:
    """LIME (Ribeiro et al. 2016): interactions on or off, weighted by nearness, weighted least squares."""
    model = everything()
    rng = np.random.default_rng(3)
    for user, item in cases(4):
        sources = np.flatnonzero(history(model, user))
        masks = rng.integers(0, 2, (6 * len(sources), len(sources))).astype(np.float32)
        rows = np.zeros((len(masks), len(model.items)), np.float32)
        rows[:, sources] = masks * history(model, user)[sources].astype(np.float32)
        scores = model.scores_of(sparse.csr_array(rows))[:, item]
        near = np.exp(-((1 - masks.mean(axis=1)) ** 2) / 0.25) ** 0.5
        design = np.column_stack([np.ones(len(masks)), masks]) * near[:, None]
        intercept, *coefficients = np.linalg.lstsq(design, scores * near, rcond=None)[0]
        e = explain(model, model.users.key(user), model.items.key(item))
        assert coefficients == pytest.approx(vector(model, e.shap_values())[sources], rel=1e-4, abs=1e-6)
        assert intercept == pytest.approx(e.base, rel=1e-4, abs=1e-6)
