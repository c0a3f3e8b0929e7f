"""Sums in parts have the bytes of sums in one piece."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from toy_graph import NO_TEXT, films

from kg_rec.model import persist
from kg_rec.model.channels.spectral import InteractionFilter
from kg_rec.model.shards import HERE, InTurn, row_ranges, transposed_product
from kg_rec.model.train.train import train


def test_ranges_cover_all_rows_once() -> None:
    assert row_ranges(7, 3) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert row_ranges(0, 3) == [slice(0, 0)]
    assert len(row_ranges(10, HERE.rows)) == 1


@pytest.mark.parametrize("rows", [1, 7, 40, 1000])
def test_products_have_the_same_bytes_however_they_are_split(rows: int) -> None:
    rng = np.random.default_rng(3)
    left = sparse.random_array((120, 40), density=0.2, format="csr", rng=rng)
    right = sparse.random_array((120, 25), density=0.3, format="csr", rng=rng)
    whole, parts = transposed_product(left, right), transposed_product(left, right, InTurn(rows))
    np.testing.assert_allclose(whole.toarray(), left.toarray().T @ right.toarray(), rtol=1e-12)
    for name in ("data", "indices", "indptr"):
        assert getattr(parts, name).tobytes() == getattr(whole, name).tobytes()


@pytest.mark.parametrize("rows", [1, 13, 44])
def test_propagation_in_parts_of_the_rows_has_the_same_bytes(rows: int) -> None:
    seen = films().with_edges("RATED", films().liked())
    alone, parts = InteractionFilter(seen, 0.3, "cpu"), InteractionFilter(seen, 0.3, "cpu", InTurn(rows))
    features = torch.randn(45, 24, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(parts(features), alone(features))
    assert torch.equal(parts.eigenvectors(8, 5, 0), alone.eigenvectors(8, 5, 0))


def test_a_model_trained_in_parts_has_the_same_bytes(tmp_path: Path) -> None:
    config = replace(NO_TEXT, taste=replace(NO_TEXT.taste, max_items=30), gnn=replace(NO_TEXT.gnn, iterations=3))
    persist.save(train(films(), config, shards=InTurn(13)), tmp_path / "parts")
    persist.save(train(films(), config), tmp_path / "whole")
    for file in ("model.json", "tensors.safetensors"):
        assert (tmp_path / "parts" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
