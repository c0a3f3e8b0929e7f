"""A trained model goes on when items, facts and texts come, go or change, and scores stay sums of their parts."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import toy_graph

from kg_rec.api import Model
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot import EdgeTable, Snapshot

ALL = np.arange(60)


def without_items(graph: Snapshot, gone: set[str]) -> Snapshot:
    """The graph without some items and their edges."""
    item = graph.schema.item.name
    keep = np.array([key not in gone for key in graph.items.keys.to_pylist()])
    return renumbered(graph, graph.nodes[item].filter(pa.array(keep)))


def with_item(graph: Snapshot, row: dict[str, Any], facts: dict[str, list[int]]) -> Snapshot:
    """The graph with one more item, tied to nodes by dense index per relation type."""
    item = graph.schema.item
    table = pa.concat_tables([graph.nodes[item.name], pa.Table.from_pylist([row], graph.nodes[item.name].schema)])
    more = renumbered(graph, table.sort_by(item.key).combine_chunks())
    place = more.items.index(row[item.key])
    for name, nodes in facts.items():
        more = with_facts(more, name, [(place, node) for node in nodes])
    return more


def with_facts(graph: Snapshot, relation: str, pairs: list[tuple[int, int]]) -> Snapshot:
    """The graph with more edges from items."""
    old = graph.edges[relation]
    source = np.concatenate([old.source, [s for s, _ in pairs]])
    target = np.concatenate([old.target, [t for _, t in pairs]])
    order = np.lexsort((target, source))
    return graph.with_edges(relation, EdgeTable(source[order], target[order]))


def renumbered(graph: Snapshot, table: pa.Table) -> Snapshot:
    """The graph with another table of items."""
    item = graph.schema.item
    fresh = Snapshot(graph.schema, graph.source, {**graph.nodes, item.name: table}, graph.edges)
    now = fresh.items.indices(graph.items.keys)
    edges = {}
    for name, edge in graph.edges.items():
        relation = graph.schema.relation_types[name]
        source = now[edge.source] if relation.source == item.name else edge.source
        target = now[edge.target] if relation.target == item.name else edge.target
        edges[name] = replace(edge, source=source, target=target).take((source >= 0) & (target >= 0))
    return replace(fresh, edges=edges)


def sums_add_up(model: Recommender, users: list[int]) -> None:
    """The addends of some lists are their scores, and every shown path is true."""
    top, scores = model.rank(np.array(users), 5)
    for row, user in enumerate(users):
        for item, score in zip(top[row].tolist(), scores[row].tolist(), strict=True):
            assert model.contributions(user, item).score == pytest.approx(score, rel=1e-5, abs=1e-6)
    explained = Model(model).explain(model.users.key(users[0]), model.items.key(int(top[0, 0])))
    assert explained.base + sum(t.value for t in explained.terms) == pytest.approx(explained.score, rel=1e-5)


@pytest.fixture(scope="module")
def model() -> Recommender:
    return toy_graph.everything()


def test_a_deleted_item_leaves_all_lists_and_changes_no_other_score(
    model: Recommender, caplog: pytest.LogCaptureFixture
) -> None:
    gone = {model.items.key(3), model.items.key(20)}
    with caplog.at_level(logging.WARNING):
        after = model.with_snapshot(without_items(model.snapshot, gone))
    assert caplog.messages == ["the catalogue changed since training: 0 items added, 2 dropped"]
    assert after.shape == (60, model.shape[1] - 2)
    assert not gone & set(after.items.keys.to_pylist())
    never = [u for u in ALL if not model.seen[[u]].indices.tolist().count(3) and 20 not in model.seen[[u]].indices]
    assert len(never) > 5
    kept = [i for i in range(model.shape[1]) if i not in (3, 20) and not model.cold[i]]
    new = after.items.indices([model.items.key(i) for i in kept])
    wide = model.scores(np.array(never))[:, kept]
    np.testing.assert_allclose(after.scores(np.array(never))[:, new], wide, rtol=1e-5, atol=1e-6)
    sums_add_up(after, [0, 1, 2])


def copy_of(model: Recommender, item: int, key: str) -> Snapshot:
    """The graph with one more item that has the properties and facts of another."""
    graph = model.snapshot
    name = graph.schema.item
    row = {**graph.nodes[name.name].slice(item, 1).to_pylist()[0], name.key: key}
    facts = {
        r.name: graph.edges[r.name].target[graph.edges[r.name].source == item].tolist()
        for r in graph.schema.item_relations
        if r.target not in (name.name, graph.schema.user.name)
    }
    return with_item(graph, row, facts)


def test_a_new_item_scores_like_the_item_without_interactions_that_it_copies(model: Recommender) -> None:
    twin = int(np.flatnonzero(model.cold)[0])
    after = model.with_snapshot(copy_of(model, twin, "zz-new"))
    place = after.items.index("zz-new")
    assert after.cold[place]
    assert after.text is not None
    assert after.text[place].any()
    scores, old = after.scores(ALL), model.scores(ALL)
    now = after.items.indices(model.items.keys)
    known = ~model.cold
    np.testing.assert_allclose(scores[:, now[known]], old[:, known], rtol=1e-5, atol=1e-5)
    # an item without a year is taken for average, and the average moves a little
    np.testing.assert_allclose(scores[:, now], old, rtol=0, atol=0.02)
    assert np.corrcoef(scores[:, place], old[:, twin])[0, 1] > 0.95
    assert (
        abs(scores[:, place].mean() - old[:, twin].mean()) < 0.2 * old[:, twin].std() + 0.2 * abs(old[:, twin]).mean()
    )
    sums_add_up(after, [0, 1, 2])


def test_a_new_item_in_a_catalogue_without_cold_items(model: Recommender) -> None:
    warm = model.with_snapshot(without_items(model.snapshot, {model.items.key(i) for i in np.flatnonzero(model.cold)}))
    trained = replace(warm, regression=None)
    after = trained.with_snapshot(copy_of(trained, 5, "zz-new"))
    place = after.items.index("zz-new")
    assert after.regression is not None
    relational = next(c for c in after.channels if c.name == "relational")
    assert np.linalg.norm(relational.kernel.target[place]) > 0  # type: ignore[attr-defined]
    assert after.scores(ALL)[:, place].std() > 0
    sums_add_up(after, [0, 1])


def test_a_new_item_without_anything_is_no_error(model: Recommender, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        after = model.with_snapshot(with_item(model.snapshot, {model.snapshot.schema.item.key: "0-bare"}, {}))
    assert caplog.messages == [
        "the catalogue changed since training: 1 item added, 0 dropped, 1 of the new ones could not be embedded"
    ]
    assert np.isfinite(after.scores(ALL)).all()
    sums_add_up(after, [0])


def test_a_new_fact_counts_and_goes_again(model: Recommender) -> None:
    graph = model.snapshot
    relation = next(r for r in graph.schema.item_relations if len(graph.edges[r.name]) and r.target != r.source)
    edges = graph.edges[relation.name]
    item, node = int(edges.source[0]), int(edges.target[-1])
    assert (item, node) not in set(zip(edges.source.tolist(), edges.target.tolist(), strict=True))
    after = model.with_snapshot(with_facts(graph, relation.name, [(item, node)]))
    moved = np.abs(after.scores(ALL) - model.scores(ALL)).max(axis=0)
    assert moved[item] > 1e-6
    sums_add_up(after, [0, 1])
    again = after.with_snapshot(graph)
    np.testing.assert_allclose(again.scores(ALL), model.scores(ALL), rtol=1e-6, atol=1e-7)


def test_a_renamed_item_is_read_anew(model: Recommender) -> None:
    graph, item = model.snapshot, model.snapshot.schema.item
    assert item.name_property is not None
    table = graph.nodes[item.name]
    names = table[item.name_property].to_pylist()
    names[7] = "A documentary about submarine volcanoes"
    column = table.column_names.index(item.name_property)
    table = table.set_column(column, item.name_property, pa.array(names, pa.string()))
    after = model.with_snapshot(replace(graph, nodes={**graph.nodes, item.name: table}))
    assert model.text is not None
    assert after.text is not None
    changed = np.abs(after.text - model.text).max(axis=1) > 1e-6
    assert np.flatnonzero(changed).tolist() == [7]
    sums_add_up(after, [0])


def test_advice_to_train_again_has_a_reason(model: Recommender, caplog: pytest.LogCaptureFixture) -> None:
    graph = model.snapshot
    with caplog.at_level(logging.WARNING):
        for n in range(8):
            graph = with_item(graph, {graph.schema.item.key: f"zz{n}"}, {})
        model.with_snapshot(graph)
    assert caplog.messages[-1].endswith("; 15% of the items are new: training again is advised")
