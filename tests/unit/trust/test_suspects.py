"""Suspects: who is named, and that the addends of users are exact."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse
from toy_graph import edges, everything, films

from kg_rec.errors import ModelError
from kg_rec.model.channels.taste import TasteConfig, gram
from kg_rec.model.trusted import RobustConfig
from kg_rec.snapshot import Snapshot
from kg_rec.trust.suspects import addends_of, suspects

L2, CONFIG = 7.0, TasteConfig(dropout=0.3, user_power=0.4)


def some(users: int, items: int, seed: int) -> sparse.csr_array:
    random = np.random.default_rng(seed)
    found = sparse.csr_array((random.random((users, items)) < 0.3).astype(np.float32))
    found.sort_indices()
    return found


def operator(x: sparse.csr_array) -> np.ndarray:
    """B of EDLAE, one column at a time: the ridge regression of an item on the others."""
    g = gram(x, CONFIG.user_power).toarray()
    penalty = L2 + CONFIG.dropout / (1 - CONFIG.dropout) * np.diag(g)
    b = np.zeros_like(g)
    for item in range(len(g)):
        others = np.arange(len(g)) != item
        left = g[np.ix_(others, others)] + np.diag(penalty[others])
        b[others, item] = np.linalg.solve(left, g[others, item])
    return b


def test_what_all_users_add_is_the_sum_of_all_scores() -> None:
    x = some(30, 12, 1)
    adds, total = addends_of(x, np.arange(30), CONFIG, L2)
    scores = x.toarray() @ operator(x)
    assert np.allclose(total, scores.sum(axis=0))
    assert np.allclose(adds.sum(axis=0), scores.sum(axis=0))
    assert ((adds.toarray() != 0) <= (x.toarray() > 0)).all()


def test_what_one_user_adds_is_what_the_target_column_loses_without_the_users_answer() -> None:
    """The regression of an item is linear in who has it: take the item from one user, and that addend is gone."""
    x = some(30, 12, 2)
    user, item = 4, int(x[[4]].indices[0])
    adds, _ = addends_of(x, np.array([user]), CONFIG, L2)
    g = gram(x, CONFIG.user_power).toarray()
    others = np.arange(12) != item
    penalty = L2 + CONFIG.dropout / (1 - CONFIG.dropout) * np.diag(g)
    weight = np.maximum(np.diff(x.indptr), 1) ** -CONFIG.user_power
    weight *= x.nnz / (weight * np.diff(x.indptr)).sum()
    without = g[others, item] - weight[user] * x.toarray()[user, others]
    left = g[np.ix_(others, others)] + np.diag(penalty[others])
    lost = np.linalg.solve(left, g[others, item]) - np.linalg.solve(left, without)
    assert adds.toarray()[0, item] == pytest.approx(float(x.toarray()[:, others].sum(axis=0) @ lost))


def with_fakes(many: int) -> Snapshot:
    """The toy's films with 240 viewers who each like films of one kind, and users who have any films, and all f07."""
    snapshot, rng = films(240), np.random.default_rng(2)
    first, n = len(snapshot.users), 39
    own = [np.arange(kind, n, 3) for kind in range(3)]
    pairs = [(u, i) for u in range(first) for i in rng.choice(own[u % 3], 9, replace=False).tolist()]
    pairs += [(first + f, i) for f in range(many) for i in {7, *rng.choice(n, 20, replace=False).tolist()}]
    liked = edges(pairs, [5.0] * len(pairs), [1_000_000 + user for user, _ in pairs])
    table = snapshot.nodes["User"]
    keys = pa.array([f"v{f}" for f in range(many)])
    columns = [keys if f.name == "user_id" else pa.nulls(many, f.type) for f in table.schema]
    users = pa.concat_tables([table, pa.table(columns, schema=table.schema)])
    return Snapshot(snapshot.schema, "toy", {**snapshot.nodes, "User": users}, {**snapshot.edges, "RATED": liked})


def test_fake_users_are_named_with_what_they_push() -> None:
    graph = with_fakes(4)
    found = suspects(everything().with_snapshot(graph))
    named = {one.user for one in found.named}
    assert {"v0", "v1", "v2", "v3"} <= named
    assert len(named) <= 12
    assert found.users == 244
    assert found.fakes == 0.05
    assert found.facts is not None
    for one in found.named:
        assert one.chance > 0.5 or one.overlap >= 0.4
        assert 0 <= one.share <= 1
        if one.user.startswith("v"):
            assert one.coherence < found.coherence - 0.1
            assert one.facts is not None
            assert one.facts < found.facts
            assert one.addend > 0
            assert one.pushers >= 3
            liked = graph.liked()
            assert one.holders == (liked.target == graph.items.index(one.item)).sum()
    chances = [one.chance for one in found.named]
    assert chances == sorted(chances, reverse=True)


def test_the_expected_share_is_the_models_unless_it_is_given() -> None:
    model = everything().with_snapshot(with_fakes(4))
    many = suspects(model, 0.45)
    assert many.fakes == 0.45
    of_model = replace(model, config=replace(model.config, robust=RobustConfig(fakes=0.45)))
    assert suspects(of_model) == many
    assert {one.user for one in suspects(model, 1e-6).named} <= {one.user for one in many.named}


def test_a_graph_without_interactions_is_refused() -> None:
    model = everything()
    empty = model.snapshot.with_edges("RATED", edges([], [], []))
    with pytest.raises(ModelError, match="nobody likes anything"):
        suspects(model.with_snapshot(empty))
