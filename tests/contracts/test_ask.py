"""Requests in words: what they give; answers add up and obey."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from cli_world import run
from starlette.testclient import TestClient
from toy_graph import everything, fill, films

from benchmarks.ask.__main__ import main, measure
from benchmarks.ask.requests import read
from benchmarks.ask.shop import shop
from kg_rec.api import Model
from kg_rec.ask.answer import AskConfig, Scorer
from kg_rec.ask.parser import Parser
from kg_rec.ask.request import Constraint, Request
from kg_rec.ask.session import Asker
from kg_rec.errors import ArgumentError, ConfigError, NotFoundError
from kg_rec.model import persist
from kg_rec.model.encoders.text import TextEncoder
from kg_rec.model.recommender import Recommender
from kg_rec.serve.app import create_app
from kg_rec.serve.config import ServeConfig
from kg_rec.serve.live import Live
from kg_rec.store import GraphStore, connect

MODEL = everything()
USER = MODEL.users.key(0)
ASKER = Asker(MODEL, near=False)
SHOP = {lang: Parser(shop(), lang) for lang in ("en", "zh")}


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted", "bounds", "count"),
    [
        ("three tents under 200 euros, not from Talix", ["Tents"], ["Talix"], ["price < 200"], 3),
        ("headphnes rated at least 4.5", ["Headphones"], [], ["rating >= 4.5"], None),
        ("no knives or tents, nothing above 80", [], ["Kitchen knives", "Tents"], ["price <= 80"], None),
        ("the same brand as the Talix Glade kitchen knife", ["Talix"], [], [], None),
        ("cheaper than the Monte Glade tent", [], [], ["price < 262.45"], None),
        ("100元以内的耳机，不要Talix", ["Headphones"], ["Talix"], ["price <= 100"], None),
        ("像Veltek Cove headphones但更便宜", [], [], ["price < 55.95"], None),
        ("keybords wihtout Kirowa, 60 euros max", ["Keyboards"], ["Kirova"], ["price <= 60"], None),
        ("a tent for 2 people, Monte excluded", ["Tents"], ["Monte"], [], None),
        ("一副耳机，Talix除外，太贵了", ["Headphones"], ["Talix"], ["price < ?"], None),
        ("not interested in tents or knives, something from Monte", ["Monte"], ["Tents", "Kitchen knives"], [], None),
        ("价格低一点的跑鞋", ["Running shoes"], [], ["price < ?"], None),
        ("跑步鞋", ["Running shoes"], [], [], None),
        ("the cheapest headphones with at least four stars", ["Headphones"], [], ["price < ?", "rating >= 4"], None),
        ("the cheapest three tents", ["Tents"], [], ["price < ?"], 3),
        ("最便宜的三款耳机", ["Headphones"], [], ["price < ?"], 3),
        ("tents that are not expensive", ["Tents"], [], ["price <= ?"], None),
        ("想买跑鞋，Nordal的不要", ["Running shoes"], ["Nordal"], [], None),
        ("tents and knives that Monte didn't make", ["Tents", "Kitchen knives"], ["Monte"], [], None),
        ("4+ stars keyboards, latest Kirova", ["Keyboards", "Kirova"], [], ["rating >= 4", "year > ?"], None),
        ("评分四星半以上、两百五以内的耳机", ["Headphones"], [], ["rating >= 4.5", "price <= 250"], None),
        ("Monte以外的台灯，比一千二百五便宜", ["Desk lamps"], ["Monte"], ["price < 1250"], None),
        ("show me user 7's list, u12, sim-0012", [], [], [], None),
    ],
)
def test_a_request_becomes_nodes_and_bounds(
    text: str, wanted: list[str], unwanted: list[str], bounds: list[str], count: int | None
) -> None:
    found = SHOP["zh" if any(c > "\u4e00" for c in text) else "en"].parse(text)
    assert [n.name for w in found.wishes if w.wanted for n in w.nodes] == wanted
    assert [n.name for w in found.wishes if not w.wanted for n in w.nodes] == unwanted
    assert [str(c) for c in found.constraints] == bounds
    assert found.count == count


def test_unknown_words_are_looked_up_together_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    near = (parser := Parser(shop(), "en", "auto")).near
    near.ready()
    asked, embed = list[int](), TextEncoder.vectors

    def counted(encoder: TextEncoder, texts: Sequence[str]) -> np.ndarray:
        asked.append(len(texts))
        return embed(encoder, texts)

    monkeypatch.setattr(TextEncoder, "vectors", counted)
    parser.parse("cosy lanterns, wobbly trampolines and canvas")
    assert len(asked) == 1
    assert asked[0] > 4
    alone = Parser(shop(), "en", "auto").near
    assert [alone.nearest(words.split()) for words in near._found] == list(near._found.values())


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("from the 1960s or 70s", ["year in 1960 ... 1979"]),
        ("not from the sixties and seventies", ["year not in 1960 ... 1979"]),
        ("from the 60s or the nineties", ["year in 1960 ... 1969", "year in 1990 ... 1999"]),
        ("六七十年代", ["year in 1960 ... 1979"]),
        ("from 1980 on", ["year >= 1980"]),
        ("under an hour", ["duration < 60"]),
        ("movies from 1850", ["year in 1850 ... 1850"]),
        ("1850年的电影", ["year in 1850 ... 1850"]),
        ("half an hour at most", ["duration <= 30"]),
        ("一个半小时以内", ["duration <= 90"]),
        ("it doesn't last longer than 100 minutes", ["duration <= 100"]),
        ("that does not run for more than 90 minutes", ["duration <= 90"]),
        ("不比1990年早的", ["year >= 1990"]),
        ("the latest", ["year > ?"]),
        ("released after the year 2000", ["year > 2000"]),
        ("from the forties, otherwise from the fifties", ["year in 1940 ... 1959"]),
        ("from the past ten years", ["year > 1984"]),
        ("from the ninties", ["year in 1990 ... 1999"]),
    ],
)
def test_bounds_on_years_and_lengths(text: str, bounds: list[str]) -> None:
    found = ASKER.parser("zh" if any(c > "\u4e00" for c in text) else "en").parse(text)
    assert [str(c) for c in found.constraints] == bounds


@pytest.mark.parametrize(("lang", "text"), [("en", "films of the same brand"), ("zh", "同一品牌的电影")])
def test_words_for_relations_that_the_graph_lacks_say_nothing(lang: str, text: str) -> None:
    found = ASKER.parser(lang).parse(text)
    assert (found.wishes, found.anchors, found.constraints) == ((), (), ())


@pytest.mark.parametrize(
    ("text", "kind", "rank", "name"),
    [
        ("number 2: why?", "why", 2, None),
        ("第三部为什么会推荐给我？", "why", 3, None),
        ("《Western 0》为什么没有？", "why-not", None, "Western 0"),
        ("why is Western 0 missing?", "why-not", None, "Western 0"),
        ("forget it, let's start from scratch", "reset", None, None),
        ("the same, but romance", "refine", None, None),
        ("start over: westerns", "new", None, None),
        ("what about romance?", "refine", None, None),
    ],
)
def test_turns(text: str, kind: str, rank: int | None, name: str | None) -> None:
    turn = ASKER.parser("zh" if "为" in text else "en").parse(text).turn
    assert (turn.kind, turn.rank, turn.item and turn.item.name) == (kind, rank, name)


def test_as_one_as_another_is_an_item_to_be_like() -> None:
    found = ASKER.parser("en").parse("as scary as Western 3, but newer")
    assert [a.item.name for a in found.anchors] == ["Western 3"]
    assert [c.op for c in found.constraints] == [">"]
    said = ASKER.parser("en").parse("westerns that Person 3 did not direct")
    assert [(w.wanted, [n.name for n in w.nodes]) for w in said.wishes] == [(True, ["western"]), (False, ["Person 3"])]


def test_of_two_items_one_may_be_what_it_is_not_like() -> None:
    for text in ("more like Western 3 than Western 6", "more like Western 3 than like Western 6"):
        found = ASKER.parser("en").parse(text)
        assert [a.item.name for a in found.anchors] == ["Western 3"]
        assert [(w.wanted, w.nodes[0].name) for w in found.wishes] == [(False, "Western 6")]


def test_a_name_that_begins_with_a_number_is_no_number_of_items() -> None:
    graph = MODEL.snapshot
    table = graph.nodes["Film"]
    names = table.column("title").to_pylist()
    names[:2] = ["Seven Samurai", "12 Angry Men"]
    title = table.schema.get_field_index("title")
    nodes = {**graph.nodes, "Film": table.set_column(title, "title", pa.array(names, pa.string()))}
    parser = Parser(replace(graph, nodes=nodes), "en")
    for text, name in (("seven samurai kind of movies", names[0]), ("12 angry men, please", names[1])):
        found = parser.parse(text)
        assert ([a.item.name for a in found.anchors], found.count) == ([name], None)
    assert parser.parse("seven westerns").count == 7


@pytest.mark.parametrize(
    ("text", "like", "unwanted"),
    [
        ("something between Western 3 and Western 6", ["Western 3", "Western 6"], []),
        ("I've already seen Western 3 and Western 6", [], ["Western 3", "Western 6"]),
        ("I've seen everything by Person 3", [], ["Person 3"]),
        ("《Person 3》的都看过了", [], ["Person 3"]),
    ],
)
def test_what_stands_between_and_what_was_seen(text: str, like: list[str], unwanted: list[str]) -> None:
    found = ASKER.parser("zh" if "的" in text else "en").parse(text)
    assert [a.item.name for a in found.anchors] == like
    assert [n.name for w in found.wishes if not w.wanted for n in w.nodes] == unwanted
    assert not [w for w in found.wishes if w.wanted]


def test_a_superlative_weighs_by_the_number_and_is_told() -> None:
    years = Scorer(MODEL).fields.values("year")
    answer = ASKER.session(USER).ask("the oldest westerns", 30)
    parts = {s.item: {a.about: a.value for a in s.addends} for s in answer.items}
    values = [(float(years[MODEL.items.index(item)]), part.get("the oldest", 0.0)) for item, part in parts.items()]
    assert len({year for year, _ in values}) > 3
    assert all(mine > theirs for year, mine in values for later, theirs in values if year < later)
    assert max(value for _, value in values) > 0 > min(value for _, value in values)
    assert "the oldest, which you asked for +" in answer.text
    for one in answer.items:
        assert sum(a.value for a in one.addends) == pytest.approx(one.score, rel=1e-5)


def test_what_is_not_understood_or_not_in_the_graph_is_said() -> None:
    answer = ASKER.session(USER).ask("westerns with a flibbertigibbet, under two hours")
    assert answer.request.not_understood == ("flibbertigibbet",)
    assert any("flibbertigibbet" in remark for remark in answer.remarks)
    assert any("running time" in remark for remark in answer.remarks)
    assert answer.items


def test_an_answer_adds_up_obeys_and_leaves_out_what_the_user_had() -> None:
    answer = ASKER.session(USER).ask("five films like Western 0, more romance, without space, after 1951")
    assert len(answer.items) == 5
    seen = set(MODEL.seen[[0]].indices.tolist())
    years = MODEL.snapshot.nodes["Film"].column("year").to_pylist()
    for one in answer.items:
        assert sum(a.value for a in one.addends) == pytest.approx(one.score, rel=1e-5)
        place = MODEL.items.index(one.item)
        assert place not in seen
        assert years[place] > 1951
        assert place % 3 != 1  # films of the kind space
        assert one.addends[0].value == pytest.approx(MODEL.scores(np.array([0]))[0, place], rel=1e-5)
    assert {a.kind for one in answer.items for a in one.addends} == {"yours", "like", "wanted"}
    assert sorted((s.score for s in answer.items), reverse=True) == [s.score for s in answer.items]


def test_an_anchor_is_the_models_kernel_times_one_number() -> None:
    request = ASKER.parser("en").parse("like Western 0")
    scored = ASKER.scorer.score(request, 0)
    kernel = sum(c.kernel.scores(_one(MODEL, 0))[0].astype(float) * c.weight for c in MODEL.channels)
    like = scored.parts[0][3]
    factor = (like @ kernel) / (kernel @ kernel)
    np.testing.assert_allclose(like, factor * kernel, rtol=1e-4, atol=1e-5 * np.abs(like).max())


def _one(model: Recommender, item: int) -> object:
    from scipy import sparse

    return sparse.csr_array(([np.float32(1)], ([0], [item])), shape=(1, len(model.items)))


def test_turns_go_on_ask_why_and_begin_anew() -> None:
    session = ASKER.session(USER)
    assert session.ask("why the second?").remarks == (
        "There is no list yet that this could be about; ask for one first.",
    )
    first = session.ask("westerns", k=3)
    more = session.ask("another two")
    assert len(more.items) == 2
    assert not {s.item for s in first.items} & {s.item for s in more.items}
    why = session.ask("why the second?")
    assert why.items == ()
    assert more.items[1].name in why.text
    fewer = session.ask("and before 1952")
    assert [str(c) for c in fewer.asked.constraints] == ["year < 1952"]
    assert [n.name for w in fewer.asked.wishes for n in w.nodes] == ["western"]
    dropped = session.ask("not the first one")
    assert fewer.items[0].item not in {s.item for s in dropped.items}
    none = session.ask("and after 1990")
    assert none.items == ()
    assert len(none.remarks) > 1
    session.ask("start over")
    assert session.asked is None


def test_the_statement_that_is_shown_returns_what_the_filter_lets_through(films_store: GraphStore) -> None:
    fill(films_store, films())
    scorer = Scorer(MODEL)
    for text in ("westerns after 1951", "without space, not from 1950", "by Person 3", "not Western 3, before 1980"):
        request = ASKER.parser("en").parse(text)
        query = scorer.query(request)
        assert query is not None
        rows = films_store.query(query[0], query[1]).to_pylist()
        allowed = np.ones(len(MODEL.items), bool)
        for _, obeys in scorer.filters(request, None):
            allowed &= obeys
        assert 0 < allowed.sum() < len(allowed)
        assert [r["item"] for r in rows] == [MODEL.items.key(i) for i in np.flatnonzero(allowed)], text


def test_wrong_use_is_refused() -> None:
    with pytest.raises(NotFoundError):
        Model(MODEL).ask("nobody", "westerns")
    with pytest.raises(ConfigError, match="understood in en, zh"):
        Model(MODEL).session(USER, lang="fr")
    with pytest.raises(ArgumentError, match="k from 1"):
        ASKER.session(USER).ask("westerns", 0)
    with pytest.raises(ConfigError, match="above 0"):
        AskConfig(anchor=0)
    made_up = Request("", "en", constraints=(Constraint("", "year", "<", (1.0,), "title"),))
    with pytest.raises(ArgumentError, match="field of the items"):
        ASKER.scorer.score(made_up, 0)


def test_the_command_and_the_service_give_the_librarys_answers(films_store: GraphStore, tmp_path: Path) -> None:
    fill(films_store, films())
    films_store.close()
    persist.save(MODEL, tmp_path / "model")
    expected = ASKER.session(USER)
    first, second = expected.ask("westerns", 3), expected.ask("and before 1952", 3)
    args = ("ask", USER, "westerns", "and before 1952", "-k", "3", "--model", str(tmp_path / "model"))
    told = json.loads(run(*args, "--json").stdout)["answers"]
    assert [[i["item"] for i in a["items"]] for a in told] == [[s.item for s in a.items] for a in (first, second)]
    assert told[1]["query"]["cypher"].startswith("MATCH (i:Film) WHERE i.year < $low_0")
    assert first.items[0].name in run(*args).stdout
    live = Live(lambda: connect(films_store.url, read_only=True), tmp_path / "model")
    try:
        client = TestClient(create_app(live, lambda: connect(films_store.url), ServeConfig()))
        body = {"text": "and before 1952", "after": ["westerns"], "k": 3}
        found = client.post("/v1/ask", params={"user": USER}, json=body).json()
        assert [i["item"] for i in found["items"]] == [s.item for s in second.items]
        for one in found["items"]:
            assert sum(a["value"] for a in one["addends"]) == pytest.approx(one["score"], rel=1e-5)
        assert client.post("/v1/ask", params={"user": USER}, json={"text": "x" * 6000}).status_code == 422
        assert client.post("/v1/ask", params={"user": "nobody"}, json=body).status_code == 404
    finally:
        live.close()


def test_the_benchmark_counts_slots_and_what_is_obeyed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    persist.save(MODEL, tmp_path / "model")
    file = tmp_path / "requests.jsonl"
    bound = {"field": "year", "op": "<", "value": 1952}
    rows = [
        {"text": "westerns before 1952", "expect": {"want": ["western"], "where": [bound]}},
        {"text": "without space", "avoid": "romance"},
    ]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert main(["--requests", str(file), "--films", str(tmp_path / "model"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["slots_right"], found["slots_all"]) == (2, 4)
    assert (found["stated"], found["obeyed"]) == (2, 0.5)
    assert found["p99_ms"] > 0
    assert measure(read(file), lambda _: ASKER)["slots"] == 0.5
