"""A blocked relation changes nothing in any list: the model is that of a graph from which its edges were deleted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_graph import CONFIG, NO_TEXT, edges, films

from kg_rec.api import Model
from kg_rec.errors import ArgumentError
from kg_rec.model import persist
from kg_rec.model.config import TrainConfig
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.train import fit_again, train
from kg_rec.snapshot import Snapshot

SENSITIVE = ("HAS_GENRE", "FOLLOWED_BY")
EVERYBODY = np.arange(60)


def deleted() -> Snapshot:
    graph = films()
    for name in SENSITIVE:
        graph = graph.with_edges(name, edges([]))
    return graph


@pytest.fixture(scope="module")
def blocked() -> Recommender:
    return train(films(), replace(NO_TEXT, blocked=SENSITIVE))


def same_lists(one: Recommender, other: Recommender) -> None:
    for found, expected in zip(one.rank(EVERYBODY, 45), other.rank(EVERYBODY, 45), strict=True):
        assert (found == expected).all()


def test_training_is_that_of_the_graph_without_the_edges(blocked: Recommender) -> None:
    same_lists(blocked, train(deleted(), NO_TEXT))


def test_texts_of_items_do_not_name_blocked_facts() -> None:
    """Texts are made of facts, too; with a text model the lists are the same as well."""
    quick = replace(CONFIG, channels=("taste", "meaning"))
    model = train(films(), replace(quick, blocked=SENSITIVE))
    same_lists(model, train(deleted(), quick))


def test_nothing_of_the_relation_reaches_a_list_later(blocked: Recommender) -> None:
    """Over a graph that has it, has other edges of it, or none: the lists are the same, bit for bit."""
    moved = films().with_edges("HAS_GENRE", edges((i, (i + 1) % 3) for i in range(45)))
    for graph in (films(), deleted(), moved):
        same_lists(blocked.with_snapshot(graph), blocked)
    same_lists(fit_again(blocked, films()), blocked)


def test_the_same_deletion_changes_lists_that_are_not_blocked() -> None:
    """So the tests above could fail."""
    free = train(films(), NO_TEXT)
    gone = free.with_snapshot(deleted())
    assert (free.rank(EVERYBODY, 45)[1] != gone.rank(EVERYBODY, 45)[1]).any()


def test_explanations_do_not_show_it_and_it_is_saved(blocked: Recommender, tmp_path: object) -> None:
    model = Model(blocked)
    for user in ("u00", "u31"):
        item = model.recommend([user], 1)["item"][0].as_py()
        relations = {edge.type for path in model.explain(user, item).paths for edge in path.edges}
        assert not relations & set(SENSITIVE)
    persist.save(blocked, f"{tmp_path}/model")
    again = persist.load(f"{tmp_path}/model")
    assert again.config.blocked == SENSITIVE
    same_lists(again.with_snapshot(films()), blocked)


def test_what_is_no_fact_of_items_cannot_be_blocked() -> None:
    for name in ("RATED", "NOTHING"):
        with pytest.raises(ArgumentError, match=r"blocked: expected relation types of Film"):
            train(films(), replace(NO_TEXT, blocked=(name,)))
    assert TrainConfig.from_dict(TrainConfig().to_dict()) == TrainConfig()
    assert TrainConfig.from_dict(TrainConfig(blocked=("HAS_GENRE",)).to_dict()).blocked == ("HAS_GENRE",)
