"""Paths of many scores at once, and which of them are shown."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from toy_graph import everything, pairs, with_user

import kg_rec.explain.paths.search as search_module
import kg_rec.model.interacted as interacted_module
import kg_rec.model.kernel as kernel_module
from kg_rec.errors import ConfigError, ModelError
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.path import PathGroup
from kg_rec.explain.paths.cold import shared_with
from kg_rec.explain.paths.metrics import entity_popularity, interaction_recency
from kg_rec.explain.paths.search import find
from kg_rec.explain.single import explain, path_groups
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot import Snapshot

#: All paths of all groups.
EVERYTHING = ExplainConfig(
    groups=10**6, paths_per_group=10**6, least_share=0.0, specificity=0.0, hubs=10**6, repeats=True
)
WIDE = replace(EVERYTHING, groups=12, paths_per_group=4)


@pytest.fixture(scope="module")
def model() -> Recommender:
    return everything()


def mixed(model: Recommender, count: int) -> list[tuple[int, int]]:
    """Random pairs; films that the user had; films that nobody had."""
    had = [(u, int(model.seen[[u]].indices[0])) for u in range(0, 60, 9)]
    return pairs(model, count, seed=8) + had + [(u, 39 + u % 6) for u in range(0, 60, 7)]


def keys(model: Recommender, pair: tuple[int, int]) -> tuple[str, str]:
    return model.users.key(pair[0]), model.items.key(pair[1])


@pytest.mark.parametrize(
    "config", [ExplainConfig(), WIDE, replace(WIDE, recency=2.0, popularity=-1.5, groups_per_pattern=2, max_hops=4)]
)
def test_many_at_once_are_each_alone(model: Recommender, config: ExplainConfig) -> None:
    asked = mixed(model, 20)
    users, items = (np.array(column) for column in zip(*asked, strict=True))
    table = find(model, users, items, config)
    groups = path_groups(model, table)
    for n, pair in enumerate(asked):
        alone = explain(model, *keys(model, pair), config=config)
        assert alone.groups == groups[n]
        assert alone.score == table.score[n]
        assert alone.shown_share == table.shown_share[n]
    assert sum(map(len, groups)) > len(asked)


def test_the_groups_shown_are_the_largest_of_all(model: Recommender) -> None:
    for pair in mixed(model, 12):
        user, item = keys(model, pair)
        every = explain(model, user, item, config=EVERYTHING)
        best = sorted((sum(sorted((p.value for p in g.paths), reverse=True)[:4]) for g in every.groups), reverse=True)
        shown = explain(model, user, item, config=WIDE)
        assert [g.value for g in shown.groups] == pytest.approx(best[:12], rel=1e-9)
        assert every.shown_share >= shown.shown_share
        assert len(
            {(g.paths[0].pattern, g.paths[0].nodes[-2]) for g in shown.groups if len(g.paths[0].nodes) > 4}
        ) == sum(len(g.paths[0].nodes) > 4 for g in shown.groups)


def values(e: Explanation) -> dict[object, float]:
    return {(p.channel, p.nodes, p.edges): p.value for p in e.paths}


#: What shows some paths by value alone.
SOME = replace(EVERYTHING, groups=6, paths_per_group=5)


@pytest.fixture(scope="module")
def without_options(model: Recommender) -> dict[tuple[int, int], tuple[Explanation, dict[object, float]]]:
    """Of each pair its largest paths, and the values of all."""

    def shown(pair: tuple[int, int], config: ExplainConfig) -> Explanation:
        return explain(model, *keys(model, pair), config=config)

    return {pair: (shown(pair, SOME), values(shown(pair, EVERYTHING))) for pair in mixed(model, 10)}


@pytest.mark.parametrize(
    "option",
    [
        {"max_hops": 2},
        {"max_hops": 3},
        {"blocked": ("HAS_GENRE", "STARRING")},
        {"blocked": ("text",)},
        {"groups_per_pattern": 1},
        {"recency": 3.0},
        {"popularity": 3.0},
        {"channels": ("knowledge",)},
    ],
    ids=str,
)
def test_options_hide_and_order_paths_and_change_no_value(
    model: Recommender,
    without_options: dict[tuple[int, int], tuple[Explanation, dict[object, float]]],
    option: dict[str, object],
) -> None:
    config = replace(SOME, **option)  # type: ignore[arg-type]
    differ = 0
    for pair, (plain, true) in without_options.items():
        e = explain(model, *keys(model, pair), config=config)
        assert (e.score, e.base, e.terms) == (plain.score, plain.base, plain.terms)
        for path, value in values(e).items():
            assert value == pytest.approx(true[path], rel=1e-9)
        assert e.shown_share <= plain.shown_share + 1e-12
        assert e.shown_share == pytest.approx(sum(p.share for p in e.paths))
        differ += e.paths != plain.paths
        patterns = [g.paths[0].pattern for g in e.groups]
        assert all(len(p.edges) <= config.max_hops for p in e.paths)
        assert not {edge.type or "text" for p in e.paths for edge in p.edges} & set(config.blocked)
        if config.groups_per_pattern:
            assert len(set(patterns)) == len(patterns)
        if config.channels:
            assert {p.channel for p in e.paths} <= set(config.channels)
    assert differ > 5


def first_of(groups: tuple[PathGroup, ...], channel: str) -> PathGroup | None:
    return next((g for g in groups if g.paths[0].channel == channel), None)


@pytest.mark.parametrize("sign", [1, -1])
def test_recency_orders_the_paths_of_a_group_by_it(model: Recommender, sign: int) -> None:
    checked = 0
    for pair in mixed(model, 20):
        user, item = keys(model, pair)
        latest = interaction_recency(model.snapshot, user)
        every = first_of(explain(model, user, item, config=EVERYTHING).groups, "taste")
        shown = first_of(explain(model, user, item, config=replace(WIDE, recency=sign * 50.0)).groups, "taste")
        if every is None or shown is None:
            continue
        weighed = sorted(every.paths, key=lambda p: -p.value * np.exp(sign * 50.0 * latest[str(p.nodes[1].key)]))
        assert [p.nodes[1].key for p in shown.paths] == [p.nodes[1].key for p in weighed[:4]]
        checked += [p.nodes[1].key for p in shown.paths] != [p.nodes[1].key for p in every.paths[:4]]
    assert checked > 5


def test_popularity_prefers_common_or_rare_entities(model: Recommender) -> None:
    popular = entity_popularity(model.snapshot, {"Person", "Genre"})
    means = defaultdict(list)
    for pair in mixed(model, 20):
        for sign in (-1, 1):
            config = ExplainConfig(groups=1, popularity=sign * 20.0, channels=("knowledge",), blocked=("FOLLOWED_BY",))
            for group in explain(model, *keys(model, pair), config=config).groups:
                entity = group.paths[0].nodes[-2]
                means[sign].append(popular[entity.type, entity.key])
    assert len(means[1]) == len(means[-1]) > 20
    assert np.mean(means[1]) > np.mean(means[-1]) + 0.3


@pytest.mark.parametrize("sign", [1, -1])
def test_popularity_weighs_shared_entities_alone(model: Recommender, sign: int) -> None:
    """A new item's paths by similar text, and those by a relation between items, stay as large as they are."""
    popular, config = entity_popularity(model.snapshot, {"Person", "Genre"}), replace(EVERYTHING, popularity=sign * 3.0)
    without = 0
    for u in range(0, 60, 5):
        for item in ("f39", "f40", "f41"):
            groups = explain(model, model.users.key(u), item, config=config).groups
            entities = [(g.paths[0].nodes[-2].type, g.paths[0].nodes[-2].key) for g in groups]
            ranks = [g.value * np.exp(sign * 3.0 * popular.get(e, 0.0)) for g, e in zip(groups, entities, strict=True)]
            assert ranks == pytest.approx(sorted(ranks, reverse=True))
            without += sum(g.paths[0].channel == "relational" and g.paths[0].edges[-1].type is None for g in groups)
    assert without > 10


def facts_of(groups: tuple[PathGroup, ...]) -> list[tuple[str | None, str | None]]:
    """The facts that groups share, by relation type and key."""
    last = [g.paths[0] for g in groups if g.paths[0].nodes[-2].type not in ("Film", "User")]
    return [(p.edges[-1].type, p.nodes[-2].key) for p in last]


def test_a_fact_stands_there_once_and_one_hub_at_most(model: Recommender) -> None:
    graph = model.snapshot
    repeated = hubs = 0
    for pair in mixed(model, 20):
        config = ExplainConfig(groups=30, least_share=0.0)
        facts = facts_of(explain(model, *keys(model, pair), config=config).groups)
        every = facts_of(explain(model, *keys(model, pair), config=replace(EVERYTHING, paths_per_group=5)).groups)
        assert len(set(facts)) == len(facts)
        repeated += len(set(every)) < len(every)
        large = [f for f in facts if share_of_items(graph, f) > search_module.HUB]
        assert len(large) <= 1
        hubs += sum(share_of_items(graph, f) > search_module.HUB for f in set(every)) > 1
    assert repeated > 2
    assert hubs > 6


def share_of_items(graph: Snapshot, fact: tuple[str | None, str | None]) -> float:
    relation = graph.schema.relation_types[str(fact[0])]
    edges, node = graph.edges[relation.name], graph.ids[relation.target].index(str(fact[1]))
    return float((edges.target == node).sum()) / len(graph.items)


def test_a_rare_fact_comes_before_a_common_one_of_the_same_value(
    model: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With persons no hubs: the order is by value times log(items / items that have it), and one small group stays."""
    monkeypatch.setattr(search_module, "HUB", 0.3)
    config, items = ExplainConfig(groups=9, least_share=1.0, least_specific=0.0), len(model.items)
    kept = 0
    for pair in mixed(model, 20):
        user, item = keys(model, pair)
        every = explain(model, user, item, config=replace(config, least_share=0.0, hubs=9)).groups
        weighed = []
        for group in every:
            facts = facts_of((group,))
            rarity = -np.log(share_of_items(model.snapshot, facts[0])) / np.log(items) if facts else 1.0
            weighed.append(group.value * rarity)
        assert weighed == pytest.approx(sorted(weighed, reverse=True))
        groups = explain(model, user, item, config=config).groups
        specific = [g for g in every[1:] if facts_of((g,)) and share_of_items(model.snapshot, facts_of((g,))[0]) <= 0.3]
        assert groups == (*every[:1], *specific[:1])
        kept += len(groups) > 1
    assert kept > 6


def test_unknown_channels_and_relations_are_refused(model: Recommender) -> None:
    with pytest.raises(ConfigError, match=r"expected channels among .*got \['magic'\]"):
        explain(model, "u01", "f01", config=ExplainConfig(channels=("magic",)))
    with pytest.raises(ConfigError, match=r"expected blocked relation types among .*'text'.*got \['RATED'\]"):
        explain(model, "u01", "f01", config=ExplainConfig(blocked=("RATED",)))


@pytest.mark.parametrize(
    "setting",
    [
        {"groups": 0},
        {"paths_per_group": 0},
        {"groups_per_pattern": -1},
        {"max_hops": 1},
        {"least_share": 1.5},
        {"least_specific": -0.1},
        {"specificity": 11.0},
        {"hubs": -1},
        {"recency": 51.0},
        {"popularity": -51.0},
    ],
    ids=str,
)
def test_settings_out_of_range_are_named(setting: dict[str, float]) -> None:
    (name,) = setting
    with pytest.raises(ConfigError, match=rf"explain\.{name}: expected .* got"):
        ExplainConfig(**setting)  # type: ignore[arg-type]


def test_a_user_without_interactions_among_others(model: Recommender) -> None:
    later = model.with_snapshot(with_user(model.snapshot, "u20a", {}))
    new = later.users.index("u20a")
    table = find(later, np.array([new - 1, new, new + 1]), np.array([7, 7, 44]), ExplainConfig())
    found = path_groups(later, table)
    assert found[1] == ()
    assert found[0] == explain(later, later.users.key(new - 1), "f07").groups != ()
    assert found[2] == explain(later, later.users.key(new + 1), "f44").groups != ()
    assert table.score[1] == later.base[7]
    assert find(later, np.array([], dtype=np.int64), np.array([], dtype=np.int64), ExplainConfig()).score.tolist() == []


def test_a_large_catalogue_gives_the_same(model: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without kept matrices each value is computed when it is asked for."""
    asked = mixed(model, 12)
    before = [explain(model, *keys(model, pair)) for pair in asked]
    for module in (kernel_module, interacted_module):
        monkeypatch.setattr(module, "DENSE", 0)
    fresh = replace(model, channels=tuple(replace(c, kernel=replace(c.kernel)) for c in model.channels))  # type: ignore[type-var]
    assert all(c.kernel.transposed is None for c in fresh.channels)
    for pair, expected in zip(asked, before, strict=True):
        found = explain(fresh, *keys(fresh, pair))
        assert found.score == pytest.approx(expected.score, rel=1e-6)
        assert [p.nodes for p in found.paths] == [p.nodes for p in expected.paths]
        assert [p.value for p in found.paths] == pytest.approx([p.value for p in expected.paths], rel=1e-5)


def test_new_items_have_no_paths_in_a_model_that_places_none() -> None:
    with pytest.raises(ModelError, match="expected a model with a regression for items without interactions"):
        shared_with(replace(everything(), regression=None), 0)
