"""The numbers of the linear relational GNN: those that are set, and those that training learns.

Nothing here needs torch, so that recommending and explaining start quickly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kg_rec.settings import expect


@dataclass(frozen=True, slots=True)
class GnnConfig:
    """The linear relational GNN.

    Attributes:
        dimensions: numbers of spectral dimensions (the low-pass cut) to choose from on validation.
        exponents: initial degree exponents a = b of D_out^-a A D_in^-b to choose from on validation.
        iterations: propagation steps of the orthogonal iteration that finds the spectral input.
        hops: propagation layers after the input, each with its own relation weights.
        epochs: most epochs of gradient training; 0 keeps the initial weights.
        patience: epochs without a better validation NDCG@10 before training stops.
        learning_rate: of Adam.
        holdout: share of the interactions that each epoch predicts from the others.
        batch_users: users per gradient step; also bounds memory.
        negatives: items in the softmax beyond the batch's targets; catalogues up to this size use all items.
    """

    dimensions: tuple[int, ...] = (16, 32, 64)
    exponents: tuple[float, ...] = (0.2, 0.3, 0.4)
    iterations: int = 12
    hops: int = 1
    epochs: int = 40
    patience: int = 8
    learning_rate: float = 0.02
    holdout: float = 0.3
    batch_users: int = 1024
    negatives: int = 20_000

    def __post_init__(self) -> None:
        expect(min(self.dimensions) > 0, "gnn.dimensions", "whole numbers from 1", self.dimensions)
        expect(0 < self.holdout < 1, "gnn.holdout", "a number between 0 and 1", self.holdout)
        expect(self.epochs >= 0, "gnn.epochs", "0 or more", self.epochs)
        expect(self.hops >= 0, "gnn.hops", "0 or more", self.hops)
        expect(self.batch_users > 0, "gnn.batch_users", "at least 1", self.batch_users)


@dataclass(frozen=True)
class GnnParameters:
    """What training of the GNN learns: a few named numbers, independent of the size of the graph.

    Attributes:
        exponent: degree exponents of the operator whose eigenvectors are the input.
        dimensions: spectral dimensions.
        hops: propagation layers.
        values: parameter name to its value; per relation ``<name>.weight.<hop>``, ``.item_exponent``,
            ``.other_exponent``, and for the roles ``source_exponent``, ``target_exponent``.
        epoch: epoch of the best validation figure; 0 is the initial state.
    """

    exponent: float
    dimensions: int
    hops: int
    values: Mapping[str, float]
    epoch: int
