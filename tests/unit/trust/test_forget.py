"""Forgetting: what is fitted afterwards is what the others alone give."""

from dataclasses import replace

import numpy as np
import pytest
from toy_graph import everything

from kg_rec.errors import ModelError, NotFoundError
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.fit import fit
from kg_rec.snapshot import EdgeTable
from kg_rec.trust.certificate import certificate, is_of, is_whole
from kg_rec.trust.forget import forget, without_user
from kg_rec.trust.places import Erased


def scores(model: Recommender) -> np.ndarray:
    return model.scores(np.arange(len(model.users)))


def test_a_user_and_each_edge_of_the_user_are_gone_and_nothing_else() -> None:
    graph = everything().snapshot
    rest = without_user(graph, graph.users.key(7))
    kept = [key for place, key in enumerate(graph.users.keys.to_pylist()) if place != 7]
    assert rest.users.keys.to_pylist() == kept

    def pairs(snapshot: object, edges: EdgeTable) -> set[tuple[str, str]]:
        ends = zip(edges.source.tolist(), edges.target.tolist(), strict=True)
        return {(snapshot.users.key(u), snapshot.items.key(i)) for u, i in ends}  # type: ignore[attr-defined]

    gone = pairs(graph, graph.interactions) - pairs(rest, rest.interactions)
    assert {user for user, _ in gone} == {graph.users.key(7)}
    assert len(gone) == len(graph.interactions) - len(rest.interactions) == (graph.interactions.source == 7).sum()
    user = graph.schema.user.name
    for name, relation in graph.schema.relation_types.items():
        if user not in (relation.source, relation.target):
            assert rest.edges[name] is graph.edges[name] or len(rest.edges[name]) == len(graph.edges[name])
    with pytest.raises(NotFoundError, match="no User with key 'nobody'"):
        without_user(graph, "nobody")


@pytest.mark.parametrize("place", [0, 31, 59])
def test_the_model_is_that_of_the_others_bit_for_bit(place: int) -> None:
    model = everything()
    user = model.users.key(place)
    found = forget(model, user)
    graph = model.snapshot
    e = graph.interactions.take(graph.interactions.source != place)
    source = np.where(e.source > place, e.source - 1, e.source)
    nodes = {**graph.nodes, "User": graph.nodes["User"].filter(np.arange(len(graph.users)) != place)}
    others = replace(graph, nodes=nodes).with_edges("RATED", EdgeTable(source, e.target, e.weight, e.time))
    trained = fit(others, model.chosen, model.config, model.text)
    assert np.array_equal(scores(found), scores(trained))
    assert found.snapshot.digest == others.digest
    # and the user did count before: the same people get other scores from the model that still has the user
    assert not np.allclose(scores(found), np.delete(scores(model), place, axis=0), atol=1e-6)


def test_forgetting_two_in_either_order_is_the_same() -> None:
    model = everything()
    first, second = model.users.key(3), model.users.key(40)
    one, other = forget(forget(model, first), second), forget(forget(model, second), first)
    assert np.array_equal(scores(one), scores(other))


def test_the_last_who_likes_anything_cannot_be_forgotten_from_a_model() -> None:
    model = everything()
    e = model.snapshot.interactions
    alone = replace(model, snapshot=model.snapshot.with_edges("RATED", e.take(e.source == 0)))
    with pytest.raises(ModelError, match="nobody is left"):
        forget(alone, model.users.key(0))


def test_a_certificate_names_nobody_and_cannot_be_changed_or_claimed_by_others() -> None:
    paper, receipt = certificate("u-17", [Erased("model", {"User": 1}, {"model": "a"}, {"model": "b"})])
    assert "u-17" not in str(paper)
    assert is_whole(paper)
    assert is_of(paper, "u-17", receipt)
    assert not is_of(paper, "u-18", receipt)
    assert not is_whole({**paper, "at": "another day"})
