"""Pictures and sounds of items, as vectors of the graph: learned from, weighed, explained, checked, kept."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow as pa
import pytest
from pictures import CUSTOMERS, LOOKS, NEW, NO_PICTURE, NO_SOUND, PRODUCTS, by_looks, looks, nodes, schema, trained
from toy_graph import fill

from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.lists import explain_lists, rebuilt
from kg_rec.explain.show.cypher import mismatches
from kg_rec.explain.single import explain
from kg_rec.explain.verify.truth import Facts, error, missing
from kg_rec.explain.verify.vectors import alike_vectors, vector_steps
from kg_rec.explain.words.grammar import check_phrase, sentences
from kg_rec.explain.words.patterns import TONES, patterns
from kg_rec.explain.words.wording import Wording
from kg_rec.model.adapt import adapted
from kg_rec.model.channels.vectors import VECTORS, VectorsConfig, parts_of_pairs, vectors_kernel
from kg_rec.model.cold.similarity import vector_key
from kg_rec.model.compression import compressed
from kg_rec.model.item_vectors import item_vectors
from kg_rec.model.kernel import FactorKernel, Kernel
from kg_rec.model.persist import load, save
from kg_rec.model.recommender import Channel, Recommender
from kg_rec.snapshot import Snapshot
from kg_rec.snapshot.from_store import export
from kg_rec.store import connect
from kg_rec.testing.channels import ChannelContract

EVERY = ExplainConfig(groups=20, paths_per_group=50, least_share=0.0, repeats=True)
USERS = np.arange(CUSTOMERS)


class TestVectors(ChannelContract):
    """The contract of channels."""

    @pytest.fixture
    def channel(self) -> Channel:
        return next(c for c in by_looks().channels if c.name == "vectors")


def of_new(model: Recommender) -> float:
    """How often a customer's best new product is of the look that the customer likes."""
    best = model.scores(USERS)[:, -NEW:].argmax(axis=1) + PRODUCTS - NEW
    return float((best % LOOKS == USERS % LOOKS).mean())


def test_pictures_place_new_products_that_nothing_else_tells_of() -> None:
    """Nobody bought them, no text, and the makers are dealt by chance: only the picture says who will like them."""
    assert "vectors" in trained().chosen.warm
    assert trained().similarity.weights[vector_key("picture")] > 0
    assert of_new(trained()) > 0.8


def test_no_vector_is_no_likeness() -> None:
    model = by_looks()
    rows = item_vectors(looks())
    for name, absent in (("picture", NO_PICTURE), ("sound", NO_SOUND)):
        assert set(np.flatnonzero(~rows[name].any(axis=1)).tolist()) == absent
        assert np.linalg.norm(rows[name], axis=1)[rows[name].any(axis=1)] == pytest.approx(1.0)
    (channel,) = (c for c in model.channels if c.name == "vectors")
    both = sorted(NO_PICTURE & NO_SOUND)
    assert not any(channel.kernel.values(np.full(PRODUCTS, i), np.arange(PRODUCTS)).any() for i in both)


def test_weights_of_properties_are_learned_where_validation_gains() -> None:
    """The judge here likes pictures and finds that sounds do harm."""
    vectors = by_looks().similarity.vectors
    pure = vectors_kernel(vectors, {"weights": {"picture": 1.0}}, VectorsConfig()).matrix  # type: ignore[union-attr]

    def judge(kernel: Kernel) -> np.ndarray:
        off = np.abs(kernel.matrix - pure).mean()  # type: ignore[attr-defined]
        return 1 / (1 + off) + np.linspace(0, 1e-6, 50)

    from kg_rec.model.channels.base import TrainingData

    data = object.__new__(TrainingData)
    for name, value in {"similarity": by_looks().similarity, "settings": (), "judge": judge}.items():
        object.__setattr__(data, name, value)
    ((chosen, kernel),) = VECTORS.candidates(data)
    assert chosen == {"weights": {"picture": 1.0, "sound": 0.0}}
    assert np.array_equal(kernel.matrix, pure)  # type: ignore[attr-defined]


@pytest.mark.parametrize("sharpness", [0.0, 4.0])
def test_the_kernel_is_the_sum_of_its_properties(sharpness: float) -> None:
    vectors, config = by_looks().similarity.vectors, VectorsConfig(sharpness=sharpness)
    chosen = {"weights": {"picture": 1.0, "sound": 0.25}}
    kernel = vectors_kernel(vectors, chosen, config)
    assert isinstance(kernel, FactorKernel) == (sharpness == 0)
    first, second = (x.ravel() for x in np.meshgrid(np.arange(PRODUCTS), np.arange(PRODUCTS)))
    parts = parts_of_pairs(vectors, chosen, config, first, second)
    assert set(parts) == {"picture", "sound"}
    np.testing.assert_allclose(sum(parts.values()), kernel.values(first, second), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def explained() -> list[Explanation]:
    """Known and new products, explained to some customers."""
    model = by_looks()
    return [explain(model, f"c{c:02d}", f"p{i:02d}", config=EVERY) for c in (0, 1, 7) for i in (2, 20, 33, 42, 46)]


def test_each_property_is_a_path_with_its_value(explained: list[Explanation]) -> None:
    model, facts = by_looks(), Facts.of(looks())
    schema_of_json = json.loads(files("kg_rec.explain").joinpath("explanation.schema.json").read_text(encoding="utf-8"))
    seen = set()
    for e in explained:
        score = model.scores(np.array([model.users.index(e.user)]))[0, model.items.index(e.item)]
        assert error(e, float(score)) < 1e-5
        assert missing(facts, e) == ()
        jsonschema.validate(json.loads(e.to("json")), schema_of_json)
        term = {t.source: t.value for t in e.terms if t.channel == "vectors"}
        values: dict[str, float] = {}
        for path in e.paths:
            if path.edges[-1].alike is None:
                continue
            seen.add((path.channel, path.edges[-1].alike, len(path.edges)))
            if path.channel == "vectors":
                values[str(path.nodes[1].key)] = values.get(str(path.nodes[1].key), 0.0) + path.value
                assert path.value > 0
        for source, value in values.items():  # what is negative of a term is no path
            assert value >= term[source] * (1 - 1e-5)
    assert {("vectors", "picture", 2), ("vectors", "sound", 2)} <= seen
    assert {name for channel, name, _ in seen if channel == "relational"} == {"picture", "sound"}  # of new products


def test_likeness_is_checked_against_the_graph(explained: list[Explanation]) -> None:
    model = by_looks()
    steps = vector_steps([p for e in explained for p in e.paths])
    assert len(steps) > 10
    found = alike_vectors(model, steps)
    assert all(one.holds for one in found)
    assert "the same from the vectors" in found[0].line()
    name, first, second = steps[0]
    others = nodes()["Product"].set_column(2, "picture", pa.array([[1.0, 0, 0, 0, 0, n] for n in range(PRODUCTS)]))
    changed = alike_vectors(model, [("picture", first, second)], others)
    assert not changed[0].holds
    assert "NOT the same" in changed[0].line()
    gone = alike_vectors(model, [("picture", first, second)], others.slice(0, 0))
    assert gone[0].recomputed is None
    assert "NOT in the graph" in gone[0].line()
    assert name in found[0].line()


@pytest.mark.parametrize(
    ("lang", "words"), [("en", ("picture of", "like")), ("zh", ("图片",))], ids=["English", "Chinese"]
)
def test_in_words(lang: str, words: tuple[str, ...]) -> None:
    config = replace(EVERY, channels=("vectors",), blocked=("sound",))
    told = explain(by_looks(), "c00", "p42", config=config, wording=Wording(lang)).text
    assert all(word in told for word in words), told
    assert "sound" not in told


@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_sentence_that_ships_is_one_of_the_grammar(lang: str, tone: str) -> None:
    found = [p for p in patterns(schema(), lang) if p.kind.link == "vectors"]
    assert {p.key for p in found} >= {"one vectors ~picture", "several vectors ~sound", "crowd vectors ~picture"}
    for one in found:
        for text in sentences(one, tone):  # type: ignore[arg-type]
            assert check_phrase(one, text, lang, tone) == (), text  # type: ignore[arg-type]
        wrong = sentences(one, "short")[0].replace("picture", "smell").replace("sound", "smell").replace("图片", "气味")
        assert check_phrase(one, wrong, lang, "short")


def test_displays_and_lists_know_the_step(explained: list[Explanation]) -> None:
    model = by_looks()
    e = explain(model, "c00", "p33", config=replace(EVERY, channels=("vectors",)))
    assert "≈similar picture≈" in e.to("text")
    assert "similar sound" in e.to("html")
    graph = e.to_networkx()
    assert {"similar picture", "similar sound"} <= {d["relation"] for *_, d in graph.edges(data=True)}
    rows = [row for batch in explain_lists(model, ["c00"], 3, workers=1) for row in batch.to_pylist()]
    for row in rows:
        assert rebuilt(model, row) == explain(model, "c00", row["item"])


def test_kept_made_small_and_taken_to_a_changed_graph(tmp_path: Path) -> None:
    model = by_looks()
    scores = model.scores(USERS)
    save(model, tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").scores(USERS), scores)
    small = compressed(model, 1.0, 16, None)
    save(small, tmp_path / "small")
    read = load(tmp_path / "small")
    np.testing.assert_array_equal(read.scores(USERS), small.scores(USERS))
    (kept,) = (c.kernel for c in read.channels if c.name == "vectors")
    (whole,) = (c.kernel for c in model.channels if c.name == "vectors")
    np.testing.assert_array_equal(kept.matrix, whole.matrix)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(adapted(model, looks()).scores(USERS), scores)

    table, twin = nodes()["Product"], nodes()["Product"].slice(0, 1)
    twin = twin.set_column(0, "product_id", pa.array(["p99"]))
    after = replace(looks(), nodes={**looks().nodes, "Product": pa.concat_tables([table, twin])})
    moved = adapted(model, after)
    rows, some = moved.similarity.vectors["picture"], np.arange(1, 12)
    np.testing.assert_allclose(rows[PRODUCTS], rows[0], rtol=1e-6)
    (kernel,) = (c.kernel for c in moved.channels if c.name == "vectors")
    np.testing.assert_allclose(kernel.values(some, PRODUCTS), kernel.values(some, 0), rtol=1e-5)


def test_vectors_go_through_a_store(tmp_path: Path) -> None:
    store = connect(str(tmp_path / "graph"))
    fill(store, looks())
    back = export(store)
    for name, rows in item_vectors(looks()).items():
        np.testing.assert_array_equal(item_vectors(back)[name], rows)
    e = explain(by_looks(), "c00", "p42", config=EVERY)
    assert mismatches(e.paths, store.query(e.cypher, e.parameters)) == ()
    steps = vector_steps(e.paths)
    keys = sorted({key for _, *ends in steps for key in ends})
    read = store.read_nodes("Product", keys, columns=["picture", "sound"])
    assert steps
    assert all(one.holds for one in alike_vectors(by_looks(), steps, read))
    store.close()


def test_what_is_no_vector_counts_as_missing_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    rows = nodes()["Product"].column("picture").to_pylist()
    rows[3], rows[4], rows[8] = [1.0, 2.0], [float("nan")] * 6, [1e300] * 6
    table = nodes()["Product"].set_column(2, "picture", pa.array(rows, pa.list_(pa.float64())))
    graph = looks()
    with caplog.at_level(logging.WARNING):
        found = item_vectors(Snapshot(graph.schema, "looks", {**graph.nodes, "Product": table}, graph.edges))
    assert set(np.flatnonzero(~found["picture"].any(axis=1)).tolist()) == NO_PICTURE | {3, 4}
    assert np.linalg.norm(found["picture"][8]) == pytest.approx(1.0)
    assert "Product.picture: expected vectors of 6 finite numbers" in caplog.text
    assert "2 items" in caplog.text
    assert "p03" in caplog.text


def test_to_pyg_has_all_of_them() -> None:
    data = looks().to_pyg()
    assert data["Product"].x.shape == (PRODUCTS, 8)
    assert list(data.feature_names["Product"])[5:7] == ["picture 5", "sound 0"]
