"""The whole way on a small graph: what each command prints, in each of its forms."""

from __future__ import annotations

import csv
import json
import shutil
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import jsonschema
import pyarrow.parquet as pq
import pytest
from cli_world import SMALL, World, run

from kg_rec.model import persist
from kg_rec.schema import GraphSchema
from kg_rec.store import connect

LIST = ["user", "rank", "item", "name", "score"]


def test_load_says_what_it_did(world: World) -> None:
    text = run("load", "recbole", world.ratings, "--graph", "new.graph").stdout
    assert "RATED       edge    440" in text
    assert "(schema movies)" in text
    assert "rows/s" in text


def test_loading_twice_changes_nothing(world: World) -> None:
    first = json.loads(run("load", "recbole", world.ratings, "--graph", "new.graph", "--json").stdout)
    again = json.loads(run("load", "recbole", world.ratings, "--graph", "new.graph", "--json").stdout)
    assert first["nodes"] == again["nodes"] == {"Film": 30, "Genre": 2, "User": 40}
    assert first["rows"] == again["rows"] == 30 + 2 + 40 + 30 + 440
    assert {"format", "path", "schema", "edges", "unmapped", "rejected", "rejects", "rows_per_second"} <= set(first)
    counted = run("query", "MATCH ()-[r:RATED]->() RETURN count(r) AS n", "--graph", "new.graph", "--json").stdout
    assert json.loads(counted) == {"columns": ["n"], "rows": [{"n": 440}]}


def test_load_skips_and_lists_what_is_malformed(world: World) -> None:
    Path("bad").mkdir()
    good = (world.ratings / "tiny.inter").read_text(encoding="utf-8")
    Path("bad/bad.inter").write_text(good + "u1\tf1\tmany\t5\n", encoding="utf-8")
    stopped = run("load", "recbole", "bad", "--graph", "new.graph", code=1)
    assert "bad.inter:442: " in stopped.stderr.splitlines()[-1]
    report = run("load", "recbole", "bad", "--graph", "new.graph", "--on-error", "skip", "--rejects", "rejects.csv")
    assert "rejected: 1 row, listed in rejects.csv" in report.stdout
    assert len(Path("rejects.csv").read_text(encoding="utf-8").splitlines()) == 2


def test_load_with_a_mapping_and_the_graph_from_the_environment(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("films.csv").write_text("nr,titel\n1,Eins\n2,Zwei\n", encoding="utf-8")
    Path("map.toml").write_text(
        '[[nodes]]\ntype = "Item"\ncolumns = { item_id = "nr", name = "titel" }\n', encoding="utf-8"
    )
    monkeypatch.setenv("KG_REC_GRAPH", "env.graph")
    loaded = run("load", "table", "films.csv", "--schema", "interactions", "--mapping", "map.toml", "--json").stdout
    assert json.loads(loaded)["nodes"] == {"Item": 2}
    assert (tmp_path / "env.graph").is_dir()
    assert run("query", "MATCH (i:Item) RETURN i.name ORDER BY i.name", "--format", "csv").stdout.split() == [
        "i.name",
        "Eins",
        "Zwei",
    ]


def test_the_demo_format_needs_no_path() -> None:
    loaded = json.loads(run("load", "demo", "-o", "viewers=5", "--json").stdout)
    assert loaded["nodes"]["User"] == 5
    assert Path("kg.graph").is_dir()


def test_formats_and_schemas() -> None:
    formats = json.loads(run("formats", "--json").stdout)
    assert "mapping" in formats["table"]["options"]
    assert "recbole: " in run("formats").stdout
    schemas = json.loads(run("schema", "list", "--json").stdout)["schemas"]
    assert {"movies", "music"} <= {s["name"] for s in schemas}
    assert "movies" in run("schema", "list").stdout
    turtle = run("schema", "show", "music").stdout
    assert turtle == GraphSchema.bundled("music").turtle
    Path("mine.ttl").write_text(turtle, encoding="utf-8")
    assert json.loads(run("schema", "show", "mine.ttl", "--json").stdout)["turtle"] == turtle


def test_check(world: World) -> None:
    text = run("check", "--graph", world.graph, "--strict").stdout
    assert "under the schema movies: valid" in text
    found = json.loads(run("check", "--graph", world.graph, "--json", "--permutations", "99").stdout)
    assert found["ok"] is True
    assert found["fits"] is True
    assert {a["relation"] for a in found["agreement"]} == {"DIRECTED_BY", "HAS_GENRE"}


def test_check_fails_on_facts_of_other_films(world: World) -> None:
    rows = ["item_id\trelation\tname"] + [f"f{i}\tdirected_by\tDirector {i // 4}" for i in range(30)]
    Path("wrong.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    Path("alone").mkdir()
    inter = (world.ratings / "tiny.inter").read_text(encoding="utf-8")
    Path("alone/alone.inter").write_text(inter, encoding="utf-8")
    titles = "item_id:token\tmovie_title:token_seq\n" + "".join(f"f{i}\tFilm {i}\n" for i in range(30))
    Path("alone/alone.item").write_text(titles, encoding="utf-8")
    run("load", "recbole", "alone")
    run("load", "table", "wrong.tsv")
    found = json.loads(run("check", "--strict", "--json", code=1).stdout)
    assert (found["ok"], found["fits"]) == (True, False)
    run("check")
    trained = run("train", "--out", "m", "--json", *SMALL)
    assert "warning: graph does not fit the interactions" in trained.stderr
    assert json.loads(trained.stdout)["warning"].startswith("warning: graph does not fit")


def test_query_forms(world: World) -> None:
    question = (
        "MATCH (f:Film {item_id: $id}) RETURN f.title AS title, f.year AS year, [f.item_id, 'x'] AS both, null AS no"
    )
    args = [question, "--graph", world.graph, "--param", 'id="f3"']
    table = run("query", *args)
    assert table.stdout.splitlines()[0].split() == ["title", "year", "both", "no"]
    assert table.stdout.splitlines()[2].startswith('Film № 3   1993   ["f3", "x"]')
    assert table.stderr == "1 row\n"
    found = json.loads(run("query", *args, "--json").stdout)
    assert found["rows"] == [{"title": "Film № 3", "year": 1993, "both": ["f3", "x"], "no": None}]
    rows = list(csv.reader(run("query", *args, "--format", "csv").stdout.splitlines()))
    assert rows == [["title", "year", "both", "no"], ["Film № 3", "1993", '["f3", "x"]', ""]]


def test_query_parameters_that_are_not_json_are_texts(world: World) -> None:
    question = "MATCH (f:Film {item_id: $id}) RETURN f.year AS year"
    found = json.loads(run("query", question, "--graph", world.graph, "--param", "id=f3", "--json").stdout)
    assert found["rows"] == [{"year": 1993}]


def test_a_name_cannot_act_on_the_terminal(world: World) -> None:
    question = "RETURN $name AS name"
    args = [question, "--graph", world.graph, "--param", 'name="a\\u001b[31mb\\u202ec"']
    for form in ("table", "json"):
        shown = run("query", *args, "--format", form).stdout
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert json.loads(run("query", *args, "--json").stdout)["rows"][0]["name"] == "a\x1b[31mb\u202ec"


def test_export_then_train_on_the_snapshot(world: World) -> None:
    assert "RATED         edge    440" in run("export", "--graph", world.graph, "--out", "first").stdout
    about = json.loads(run("export", "--graph", world.graph, "--out", "second", "--json").stdout)
    assert about["nodes"]["Film"] == 30
    files_of = [
        sorted((p.relative_to(d), p.read_bytes()) for p in d.rglob("*.arrow")) for d in map(Path, ("first", "second"))
    ]
    assert files_of[0] == files_of[1]
    Path("my.toml").write_text("seed = 4\n[gnn]\niterations = 5\n", encoding="utf-8")
    trained = run(
        "train", "--snapshot", "first", "--out", "m", "--json", "--config", "my.toml", *SMALL, "--device", "cpu"
    )
    found = json.loads(trained.stdout)
    assert (found["users"], found["items"]) == (40, 30)
    assert 0 < found["valid"]["ndcg@10"] <= 1
    assert found["choices"]["warm"]["taste"] >= 0
    config = persist.load("m").config
    assert (config.seed, config.device, config.gnn.iterations, config.gnn.dimensions) == (4, "cpu", 5, (4,))
    assert config.meaning.encoder == "none"


def test_train_prints_the_weights_and_logs(world: World) -> None:
    text = run("train", "--graph", world.graph, "--out", "m", "--log", "train.jsonl", "--seed", "1", *SMALL).stdout
    assert [line.split()[0] for line in text.splitlines()[2:5]] == ["taste", "relational", "sequence"]
    assert "validation NDCG@10 0." in text
    records = [json.loads(line) for line in Path("train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert records[-1]["stage"] == "done"


def test_evaluate(world: World) -> None:
    args = ["evaluate", "--graph", world.graph, *SMALL]
    found = json.loads(run(*args, "--ablate", "no_graph", "--json", "--out", "report.json").stdout)
    assert found["protocol"] == "random"
    assert found["users"] == 40
    assert {"ndcg@10", "recall@10", "ndcg@20"} <= set(found["metrics"])
    assert set(found["kg_lift"]) == {"no_graph"}
    low, high = found["intervals"]["ndcg@10"]
    assert low <= found["metrics"]["ndcg@10"] <= high
    assert json.loads(Path("report.json").read_text(encoding="utf-8")) == found
    text = run(*args, "--no-lift", "--protocol", "cold-items").stdout
    assert text.startswith("cold-items: ")
    assert "ndcg@10" in text
    assert "drop" not in text


def test_evaluate_all_leaves_out_what_cannot_be(world: World) -> None:
    Path("timeless").mkdir()
    rows = (world.ratings / "tiny.inter").read_text(encoding="utf-8").splitlines()
    Path("timeless/timeless.inter").write_text(
        "\n".join(row.rsplit("\t", 1)[0] for row in rows) + "\n", encoding="utf-8"
    )
    run("load", "recbole", "timeless")
    result = run("evaluate", "--protocol", "all", "--no-lift", "--json", *SMALL)
    found = json.loads(result.stdout)
    assert list(found["protocols"]) == ["random", "cold-items", "cold-users"]
    assert list(found["left_out"]) == ["temporal", "calendar"]
    assert "temporal left out: " in result.stderr
    assert (
        "expected a time on every interaction for a temporal split"
        in run("evaluate", "--protocol", "temporal", *SMALL, code=1).stderr
    )


def test_evaluate_a_split_from_files(world: World) -> None:
    Path("split").mkdir()
    ratings = (world.ratings / "tiny.inter").read_text(encoding="utf-8").splitlines()[1:]
    liked = [row for row in ratings if row.split("\t")[2] == "5"]
    for name, part in (("train", (0, 1, 2, 3, 4, 5, 6)), ("valid", (7,)), ("test", (8,))):
        rows = [row for i, row in enumerate(liked) if i % 9 in part]
        Path(f"split/{name}.tsv").write_text(
            "user\titem\trating\ttimestamp\n" + "\n".join(rows) + "\n", encoding="utf-8"
        )
    found = json.loads(
        run("evaluate", "--graph", world.graph, "--split", "split", "--no-lift", "--json", *SMALL).stdout
    )
    assert found["users"] == 40
    trained = json.loads(
        run("train", "--graph", world.graph, "--split", "split", "--out", "m", "--json", *SMALL).stdout
    )
    assert trained["valid"]["ndcg@10"] == pytest.approx(found["valid"]["ndcg@10"], abs=0.05)


def test_recommend_in_each_form(world: World) -> None:
    table = run("recommend", world.model, "--users", "u1, u2", "-k", "3").stdout.splitlines()
    assert table[0].split() == ["user", "rank", "name", "item", "score"]
    assert len(table) == 2 + 6
    printed = run("recommend", world.model, "--users", "u1,u2", "-k", "3", "--json").stdout
    rows = [json.loads(line) for line in printed.splitlines()]
    assert [list(row) for row in rows] == [LIST] * 6
    assert [row["user"] for row in rows] == ["u1"] * 3 + ["u2"] * 3
    about = json.loads(
        run("recommend", world.model, "--users", "u1,u2", "-k", "3", "--out", "l.jsonl", "--json").stdout
    )
    assert (about["users"], about["rows"], about["out"]) == (2, 6, "l.jsonl")
    assert [json.loads(line) for line in Path("l.jsonl").read_text(encoding="utf-8").splitlines()] == rows
    assert (
        "400 recommendations for 40 users, written to l.parquet"
        in run("recommend", world.model, "--out", "l.parquet").stdout
    )
    kept = [row for row in pq.read_table("l.parquet").to_pylist() if row["user"] in ("u1", "u2") and row["rank"] <= 3]
    assert kept == rows


def test_recommend_to_the_users_of_a_file_or_a_question(world: World) -> None:
    Path("users.txt").write_text("u2\n\nu1\nu2\n", encoding="utf-8")
    rows = run("recommend", world.model, "--users-file", "users.txt", "-k", "1", "--json").stdout.splitlines()
    assert [json.loads(row)["user"] for row in rows] == ["u2", "u1"]
    question = "MATCH (u:User)-[:RATED]->(:Film) WHERE u.user_id IN ['u7', 'u8'] RETURN u.user_id AS key ORDER BY key"
    args = ["recommend", world.model, "--graph", world.graph, "-k", "1", "--json"]
    rows = run(*args, "--users-query", question).stdout.splitlines()
    assert [json.loads(row)["user"] for row in rows] == ["u7", "u8"]
    nobody = run(*args[:-1], "--users-query", "MATCH (u:User {user_id: 'x'}) RETURN u.user_id")
    assert "no lists" in nobody.stderr


def test_a_link_to_a_file_of_users_tells_nothing_of_it(world: World) -> None:
    Path("secret").write_text("root:*:hunter2:\n", encoding="utf-8")
    Path("here").mkdir()
    Path("here/users.txt").symlink_to(Path("secret").absolute())
    refused = run("recommend", world.model, "--users-file", "here/users.txt", code=1)
    assert "a link to a file outside its folder" in refused.stderr
    assert "hunter2" not in refused.stderr
    job = ("--model", world.model, "--graph", world.graph, "--parquet", "p", "--users-file", "here/users.txt")
    refused = run("job", "run", *job, code=1)
    assert "a link to a file outside its folder" in refused.stderr
    assert "hunter2" not in refused.stderr


def test_new_interactions_count_at_once(world: World) -> None:
    run("load", "recbole", world.ratings, "--graph", "live.graph")
    run("load", "table", world.facts, "--graph", "live.graph")
    Path("more").mkdir()
    more = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + "".join(
        f"new\tf{i}\t5\t{2_000_000 + i}\n" for i in (0, 2, 4, 6)
    )
    Path("more/more.inter").write_text(more, encoding="utf-8")
    run("load", "recbole", "more", "--graph", "live.graph", "--schema", "movies")
    run("recommend", world.model, "--users", "new", code=1)
    rows = run("recommend", world.model, "--users", "new", "-k", "5", "--graph", "live.graph", "--json").stdout
    items = [int(json.loads(row)["item"][1:]) for row in rows.splitlines()]
    assert not {0, 2, 4, 6} & set(items)
    assert sum(i % 2 == 0 for i in items) >= 4


def test_explain_in_each_form(world: World) -> None:
    first = json.loads(run("recommend", world.model, "--users", "u1", "-k", "1", "--json").stdout)["item"]
    args = ["explain", world.model, "u1", first]
    title = f"Film № {first[1:]}"
    assert title in run(*args).stdout
    found = json.loads(run(*args, "--json").stdout)
    jsonschema.validate(found, json.loads((files("kg_rec.explain") / "explanation.schema.json").read_text("utf-8")))
    assert found["base"] + sum(t["value"] for t in found["terms"]) == pytest.approx(found["score"], rel=1e-5)
    assert json.loads(run(*args, "--json", "--lang", "zh", "--top", "1").stdout)["lang"] == "zh"
    assert run(*args, "--markdown").stdout.startswith("### ")
    html = run(*args, "--html", "--out", "why.html")
    assert html.stdout == ""
    page = Path("why.html").read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert title in page
    statement = run(*args, "--cypher").stdout
    assert statement.startswith(':param user => "u1";\n')
    assert statement.endswith(";\n")


def test_explain_options_choose_what_is_shown(world: World) -> None:
    first = json.loads(run("recommend", world.model, "--users", "u1", "-k", "1", "--json").stdout)["item"]
    args = ["explain", world.model, "u1", first, "--json"]
    plain = json.loads(run(*args).stdout)
    found = json.loads(run(*args, "--channel", "taste", "--max-hops", "3", "--paths", "2", "--recency", "1").stdout)
    assert found["score"] == plain["score"]
    assert found["terms"] == plain["terms"]
    assert {path["channel"] for path in plain["paths"]} != {"taste"}
    assert {path["channel"] for path in found["paths"]} == {"taste"}
    assert len(found["paths"]) == 2
    blocked = json.loads(run(*args, "--block", "HAS_GENRE", "--top", "9").stdout)
    assert not {r["type"] for path in blocked["paths"] for r in path["relations"]} & {"HAS_GENRE"}


def test_explain_all(world: World) -> None:
    out = run("explain", world.model, "--all", "-k", "3", "--out", "why.parquet", "--workers", "2")
    assert out.stdout == "120 explanations for 40 users, written to why.parquet\n"
    rows = pq.read_table("why.parquet").to_pylist()
    assert [row["rank"] for row in rows] == [1, 2, 3] * 40
    alone = json.loads(run("explain", world.model, rows[4]["user"], rows[4]["item"], "--json").stdout)
    assert rows[4]["text"] == alone["text"]
    assert rows[4]["score"] == alone["score"]
    shown = sorted((path for group in rows[4]["groups"] for path in group["paths"]), key=lambda path: -path["value"])
    for relation in (relation for path in shown for relation in path["relations"]):
        assert relation.pop("alike") is None  # a column of the table; JSON has it where vectors are alike
    assert shown == alone["paths"]
    told = json.loads(run("explain", world.model, "--all", "-k", "1", "--out", "why.jsonl", "--json").stdout)
    assert told == {"users": 40, "rows": 40, "k": 1, "out": "why.jsonl"}
    assert len(Path("why.jsonl").read_text(encoding="utf-8").splitlines()) == 40


def test_explain_answers_clearly_for_what_the_user_had(world: World) -> None:
    with closing(connect(str(world.graph), read_only=True)) as store:
        question = (
            "MATCH (:User {user_id: 'u1'})-[r:RATED]->(f:Film) WHERE r.rating = 5 RETURN f.item_id AS item LIMIT 1"
        )
        had = store.query(question)["item"][0].as_py()
    found = json.loads(run("explain", world.model, "u1", had, "--json").stdout)
    assert found["notes"] == ["already_interacted"]


def test_verify(world: World) -> None:
    first = json.loads(run("recommend", world.model, "--users", "u1", "-k", "1", "--json").stdout)["item"]
    args = ["explain", world.model, "u1", first, "--json", "--verify"]
    result = run(*args, "--graph", world.graph)
    paths = json.loads(result.stdout)["paths"]
    alike = sum(any(step["type"] is None for step in path["relations"]) for path in paths)
    assert len(paths) > alike
    assert f"returns exactly these {len(paths) - alike} paths" in result.stderr
    assert (f"{alike} more by similar text" in result.stderr) == (alike > 0)


def test_verify_fails_where_the_graph_differs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = json.loads(run("recommend", world.model, "--users", "u1", "-k", "1", "--json").stdout)["item"]
    snapshot = persist.load(world.model).snapshot
    relation = snapshot.schema.interaction.name
    edges = snapshot.edges[relation]
    more = snapshot.with_edges(relation, edges.take(edges.source != snapshot.users.index("u3")))
    monkeypatch.setattr("kg_rec.snapshot.export", lambda *_: more)  # the graph changed after it was read
    through_others = ["--channel", "taste", "--graph", world.graph, "--verify"]
    result = run("explain", world.model, "u1", first, *through_others, code=1)
    assert "does not return exactly the shown paths" in result.stderr
    assert "shown but not in the store" in result.stderr


@pytest.mark.neo4j
def test_the_same_on_neo4j(world: World, films_neo4j: str) -> None:
    graph = ["--graph", films_neo4j]
    run("load", "recbole", world.ratings, *graph)
    run("load", "table", world.facts, *graph)
    found = json.loads(run("check", *graph, "--json").stdout)
    assert (found["ok"], found["fits"]) == (True, True)
    here = run("recommend", world.model, "--json").stdout
    assert run("recommend", world.model, *graph, "--json").stdout == here
    first = json.loads(here.splitlines()[0])
    why = run("explain", world.model, first["user"], first["item"], *graph, "--json", "--verify")
    assert json.loads(why.stdout)["score"] == pytest.approx(first["score"], rel=1e-5)


@pytest.mark.parametrize("command", ["recommend", "explain", "what-if"])
def test_the_graph_of_a_model_s_users_comes_from_the_environment(
    world: World, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With KG_REC_GRAPH a user who came after training is known, as with --graph."""
    shutil.copytree(world.ratings, "tiny")
    with Path("tiny/tiny.inter").open("a", encoding="utf-8") as file:
        file.write("newcomer\tf1\t5\t2000000\n")
    run("load", "recbole", "tiny", "--graph", "more.graph")
    run("load", "table", world.facts, "--graph", "more.graph")
    args = {
        "recommend": ["recommend", world.model, "--users", "newcomer"],
        "explain": ["explain", world.model, "newcomer", "f3"],
        "what-if": ["what-if", world.model, "newcomer", "--remove", "f1"],
    }[command]
    assert "newcomer" in run(*args, code=1).stderr
    monkeypatch.setenv("KG_REC_GRAPH", "more.graph")
    assert run(*args).stdout
    assert "[env var: KG_REC_GRAPH]" in " ".join(run(command, "--help").stdout.split())
