"""benchmarks.quality on data that nobody tuned on: other ids, no times, counts, no text, no graph."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from small_split import QUICK

import kg_rec.evaluation.evaluate as evaluate_module
from benchmarks.quality import alignment, size
from benchmarks.quality.__main__ import main
from benchmarks.quality.graph import Files, build, split_of
from benchmarks.quality.linear import ItemKnn, LinearAutoencoder
from benchmarks.quality.peers import Task, _most_chosen, ease, edlae
from benchmarks.quality.run import kept
from kg_rec.model.histories import histories
from kg_rec.progress import no_progress
from kg_rec.snapshot import EdgeTable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two groups of users with their own items; the items' ids are no numbers, counts stand for ratings."""
    rng = np.random.default_rng(5)
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for user in range(60):
        group = user % 2
        items = rng.choice(20, 12, replace=False) * 2 + group
        for place, item in enumerate(items):
            part = "test" if place < 2 else "valid" if place < 4 else "train"
            parts[part].append(f"u-{user:x}\tT/{item}#\t{rng.geometric(0.3)}")
    for part, rows in parts.items():
        (tmp_path / f"{part}.tsv").write_text("user\titem\tplays\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "quick.toml").write_text(QUICK.format(l2=[5.0, 20.0]), encoding="utf-8")
    return tmp_path


def quick(folder: Path) -> list[str]:
    """The folder, and settings that try little."""
    return [str(folder), "--config", str(folder / "quick.toml")]


def said(capsys: pytest.CaptureFixture[str]) -> dict:
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    return json.loads(lines[0])


def test_one_line_of_json_with_every_key(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = folder / "facts.tsv"
    rows = [f"T/{item}#\tmade_in\t{'odd' if item % 2 else 'even'}" for item in range(40)]
    facts.write_text("item_id\trelation\tname\n" + "\n".join(rows) + "\n", encoding="utf-8")
    out = folder / "line.json"
    assert main([str(folder), "--facts", str(facts), "--out", str(out), "--peers", "ease", "edlae", "itemknn"]) == 0
    result = said(capsys)
    assert json.loads(out.read_text(encoding="utf-8")) == result
    assert {"data", "protocol", "users", "items", "metrics", "valid", "intervals", "chosen", "seconds",
            "peak_memory_mb", "kg_lift"} <= result.keys()  # fmt: skip
    assert set(result["kg_lift"]) == {"no_graph", "shuffled_graph", "popularity_shuffled", "no_text", "no_gnn"}
    assert set(result["seconds"]) == {"fit", "tune", "rank", "text"}
    assert (result["protocol"], result["users"], result["items"]) == ("random", 60, 40)
    # of the 20 items of a group 8 are left to rank and 2 to find: a random order of all 30 would reach .15
    assert result["metrics"]["ndcg@10"] > 0.4
    low, high = result["intervals"]["ndcg@10"]
    assert low <= result["metrics"]["ndcg@10"] <= high
    assert result["complete"]
    assert 0 <= result["knowledge_share"]["lower"] <= result["knowledge_share"]["upper"] <= 1
    for peer in result["peers"].values():
        assert peer["ndcg@10"] > 0.4
        low, high = peer["ndcg_ratio_interval"]
        assert low <= peer["ndcg_ratio"] <= high
    assert set(result["peers"]["edlae"]["chosen"]) == {"l2", "dropout"}


def test_what_alignment_does_to_the_prior(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Facts that the texts tell too weigh more than without it, though no interaction follows them."""
    items = ["item_id:token\tmovie_title:token_seq"]
    facts = ["item_id\trelation\tname"]
    for item in range(40):
        made, lot = ("odd" if item % 2 else "even"), ("red", "green", "blue", "white", "black")[item // 2 % 5]
        items.append(f"T/{item}#\tof {lot}")
        facts += [f"T/{item}#\tmade_in\t{made}", f"T/{item}#\tlot\t{lot}"]
    for name, rows in (("things.item", items), ("facts.tsv", facts)):
        (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    files = ["--items", str(folder / "things.item"), "--facts", str(folder / "facts.tsv")]
    assert alignment.main([str(folder), *files, "--weights", "0", "1"]) == 0
    plain, aligned = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    measures = {"known", "new", *(f"operator_{k:g}" for k in (0, 0.125, 0.25, 0.5, 1))}
    assert plain.keys() == aligned.keys() == {"alignment", "gates", *measures}
    assert [plain[name]["gain"] for name in measures] == [0] * len(measures)
    for name in measures:
        gain = aligned[name]["ndcg@10"] - plain[name]["ndcg@10"]
        assert aligned[name]["gain"] == pytest.approx(gain, abs=2e-4)
    shares = [found["gates"]["LOT"] / sum(map(abs, found["gates"].values())) for found in (plain, aligned)]
    assert shares[1] > shares[0]


def test_a_generated_catalogue_is_fitted_and_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert size.main(["--items", "300", "--users", "200", "--interactions", "6000", "--json"]) == 0
    result = said(capsys)
    assert result["fit_seconds"] > 0
    assert result["fit_cpu_seconds"] > 0
    assert result["peak_memory_mb"] > 100
    assert result["ndcg@10"] > 0.05  # ten of 300 at random find a thirtieth of one


def test_cold_users_are_served_from_likes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Likes of one group's items find the others of that group; everybody's likes cannot tell the groups apart."""
    assert main([str(folder), "--protocol", "cold-users", "--from", "likes=3"]) == 0
    result = said(capsys)
    assert (result["protocol"], result["from"], result["users"]) == ("cold-users", ["likes=3"], 12)
    assert result["popular"]["gain"] > 0
    low, high = result["popular"]["interval"]
    assert low <= result["popular"]["gain"] <= high
    assert {"metrics", "intervals", "valid", "chosen", "milliseconds", "ease_ten"} <= result.keys()
    assert result["ease_ten"]["ndcg_ratio"] == pytest.approx(
        result["metrics"]["ndcg@10"] / result["ease_ten"]["ndcg@10"]
    )


def test_by_calendar_with_what_is_in_fashion_beside_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files that are not cut by calendar are cut; users of the test who are new are reported apart."""
    assert main([str(folder), "--protocol", "calendar"]) == 1
    assert "expected a time on every interaction for a calendar split" in last(capsys.readouterr().err)
    assert main([str(folder), "--peers", "popular-7"]) == 1
    assert "popular-7 needs one moment for everybody: --protocol calendar" in last(capsys.readouterr().err)
    parts = [
        (folder / f"{part}.tsv").read_text(encoding="utf-8").splitlines()[1:] for part in ("train", "valid", "test")
    ]
    days = {row: day // 12 for day, row in enumerate(sorted(row for part in parts for row in part))}  # one user a day
    days |= dict.fromkeys(parts[2][:4], 80)  # of whom two come back
    for part, rows in zip(("train", "valid", "test"), parts, strict=True):
        timed = [f"{row.rsplit(chr(9), 1)[0]}\t{86_400 * days[row]}" for row in rows]
        (folder / f"{part}.tsv").write_text("\n".join(["user\titem\ttimestamp", *timed]) + "\n", encoding="utf-8")
    peers = ["ease-recent", "popular-7", "popular-30"]
    assert main([*quick(folder), "--protocol", "calendar", "--ablations", "--peers", *peers]) == 0
    result = said(capsys)
    assert (result["protocol"], result["live"], result["users"]) == ("calendar", True, 8)
    assert {name: group["users"] for name, group in result["groups"].items()} == {"warm": 2, "cold": 6}
    assert list(result["peers"]) == peers
    for peer in result["peers"].values():
        for name, group in peer["groups"].items():
            gain = group["gain"]
            assert gain["ndcg@10"] == pytest.approx(result["groups"][name]["ndcg@10"] - group["ndcg@10"])
            assert gain["interval"][0] <= gain["ndcg@10"] <= gain["interval"][1]
    assert result["peers"]["ease-recent"]["chosen"].keys() == {"l2", "decay"}


def test_the_most_chosen_of_the_last_days_knows_no_future() -> None:
    day = 86_400
    table = EdgeTable(
        np.arange(5), np.array([0, 1, 1, 2, 2]), None, np.array([0, 2, 3, 10, 11]) * day
    )  # item 2 is chosen from day 10 on
    scores = _most_chosen(table, 10 * day, 8, 3)
    assert scores(np.array([4]), histories(table, (5, 3), 0)).tolist() == [[0, 2, 0]]


def test_cold_folds_are_averaged(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = [r for p in ("train", "valid", "test") for r in (folder / f"{p}.tsv").read_text("utf-8").splitlines()[1:]]
    for fold in range(2):
        parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
        for row in lines:
            item = int(row.split("\t")[1][2:-1]) // 2
            parts["test" if item % 5 == fold else "valid" if item % 5 == fold + 2 else "train"].append(row)
        (tmp_path / "folds" / str(fold)).mkdir(parents=True)
        for part, rows in parts.items():
            file = tmp_path / "folds" / str(fold) / f"{part}.tsv"
            file.write_text("user\titem\tplays\n" + "\n".join(rows) + "\n", encoding="utf-8")
    facts = folder / "facts.tsv"
    rows = [f"T/{item}#\tmade_in\t{'odd' if item % 2 else 'even'}" for item in range(40)]
    facts.write_text("item_id\trelation\tname\n" + "\n".join(rows) + "\n", encoding="utf-8")
    arguments = [str(tmp_path / "folds"), "--protocol", "cold-items", "--facts", str(facts), "--ablations", "no_graph"]
    assert main([*arguments, "--config", str(folder / "quick.toml")]) == 0
    result = said(capsys)
    assert result["protocol"] == "cold-items"
    figures = [fold["metrics"]["ndcg@10"] for fold in result["folds"]]
    assert len(figures) == 2
    assert result["metrics"]["ndcg@10"] == pytest.approx(np.mean(figures))
    assert all(fold["items"] == 8 for fold in result["folds"])
    # the facts say which group an item is of, and nothing else does
    assert result["kg_lift"]["no_graph"]["drop"] > 0.1


def test_ratings_that_the_schema_would_call_negative_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "films.item").write_text(
        "item_id:token\tmovie_title:token_seq\nf\tUp\ng\tHer\nh\tJaws\n", encoding="utf-8"
    )
    for part, item in (("train", "f"), ("valid", "g"), ("test", "h")):
        (tmp_path / f"{part}.tsv").write_text(f"user\titem\trating\nu\t{item}\t1\n", encoding="utf-8")
    snapshot, rejected = build(tmp_path, Files(items=tmp_path / "films.item"), no_progress)
    assert rejected.rows == 0
    assert snapshot.schema.name == "movies"
    split = split_of(tmp_path, snapshot, "random")
    assert [part.weight for part in (split.train, split.valid, split.test)] == [None] * 3


def last(err: str) -> str:
    return err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "message"),
    [
        ("train.tsv", "plays\n", "rating\n", "train.tsv:3", "expected a number as rating, got 'abc'"),
        ("train.tsv", "plays\n", "timestamp\n", "train.tsv:3", "expected a number as timestamp, got 'abc'"),
        (
            "valid.tsv",
            "user\titem",
            "user\tthing",
            "valid.tsv:1",
            "expected columns user and item, got user, thing",
        ),
        ("test.tsv", "user\titem\tplays\n", "", "test.tsv:1", "expected columns user and item"),
    ],
)
def test_an_odd_row_ends_in_one_line_with_its_place(
    folder: Path, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, place: str, message: str
) -> None:
    path = folder / file
    head, first, second, *rest = path.read_text(encoding="utf-8").replace(old, new, 1).splitlines()
    second = second.rsplit("\t", 1)[0] + "\tabc"
    path.write_text("\n".join([head, first, second, *rest]) + "\n", encoding="utf-8")
    assert main([str(folder)]) == 1
    said = last(capsys.readouterr().err)
    assert said.startswith("error: ")
    assert f"{folder}/{place}: {message}" in said


@pytest.mark.parametrize("all_of_them", [True, False])
def test_test_rows_that_are_also_in_train_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], all_of_them: bool
) -> None:
    """All of them made a division by zero, some of them lower figures without a word."""
    test = (folder / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]
    with (folder / "train.tsv").open("a", encoding="utf-8") as train:
        train.writelines(f"{row}\n" for row in (test if all_of_them else test[7:8]))
    assert main([str(folder)]) == 1
    err = last(capsys.readouterr().err)
    assert "test.tsv:" in err
    assert f"are in train.tsv too (line {482 if not all_of_them else ''}" in err
    assert f"({len(test) if all_of_them else 1} in all)" in err


def test_odd_ids_and_decimal_times_are_used_and_nothing_is_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("train", "valid", "test"):
        path = folder / f"{part}.tsv"
        rows = path.read_text(encoding="utf-8").replace("T/", "\"T'").replace("plays", "timestamp").splitlines()
        path.write_text("\n".join(rows[:1] + [f"{row}.5" for row in rows[1:]]) + "\n", encoding="utf-8")
    snapshot, rejected = build(folder, Files(), no_progress)
    assert rejected.rows == 0
    assert len(snapshot.items) == 40
    assert snapshot.items.key(0).startswith("\"T'")
    split = split_of(folder, snapshot, "random")
    assert len(split.train) == 480
    assert split.train.time is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--items", "none.item"], "none.item: cannot be read: No such file or directory"),
        (["--facts", "none.tsv"], "none.tsv: cannot be read: No such file or directory"),
        (
            ["--facts", "wide.tsv"],
            "wide.tsv:1: expected the columns item, relation, name, or item and one more",
        ),
        (["--facts", "latin.tsv"], "latin.tsv:3: expected text in UTF-8"),
        (["--config", "none.toml"], "none.toml"),
        (["--config", "odd.toml"], "odd.toml:2: unknown setting taste.magic"),
        (["--schema", "moon"], "no bundled schema 'moon'"),
        (["--out", "no/such/folder.json"], "expected a file in a folder that is there; make no/such"),
    ],
)
def test_odd_files_beside_the_split_end_in_one_line(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    Path("wide.tsv").write_text("a\tb\tc\n1\t2\t3\n", encoding="utf-8")
    Path("latin.tsv").write_bytes("item\tgenre\nT/1#\tx\nT/2#\té\n".encode("latin-1"))
    Path("odd.toml").write_text("[taste]\nmagic = 1\n", encoding="utf-8")
    assert main([str(folder), *arguments]) == 1
    captured = capsys.readouterr()
    assert last(captured.err).startswith("error: ")
    assert message in last(captured.err)
    assert captured.out == ""


def test_what_is_known_is_kept_after_each_step(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is stopped in its last ablation leaves the model's figures and the drops before."""
    facts = folder / "made_in.tsv"
    rows = [f"T/{item}#\t{'odd' if item % 2 else 'even'}" for item in range(40)]
    facts.write_text("item\tmade_in\n" + "\n".join(rows) + "\n", encoding="utf-8")
    out = folder / "line.json"
    real = evaluate_module.train

    def stopped(*args: Any, **kwargs: Any) -> Any:
        if out.exists() and "no_graph" in json.loads(out.read_text(encoding="utf-8"))["kg_lift"]:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(evaluate_module, "train", stopped)
    arguments = ["--facts", str(facts), "--out", str(out), "--ablations", "no_graph", "no_gnn"]
    with pytest.raises(KeyboardInterrupt):
        main([*quick(folder), *arguments])
    result = json.loads(out.read_text(encoding="utf-8"))
    assert not result["complete"]
    assert result["metrics"]["ndcg@10"] > 0.4
    assert set(result["kg_lift"]) == {"no_graph"}


@pytest.mark.parametrize(("users", "items"), [(30, 50), (50, 30)])
def test_linear_peers_by_the_formula(users: int, items: int) -> None:
    """Over users or over items, the operator is I - P / diag(P) without a diagonal."""
    rng = np.random.default_rng(0)
    x = sparse.csr_array((rng.random((users, items)) < 0.3).astype(np.float32))
    rows = sparse.csr_array((rng.random((7, items)) < 0.3).astype(np.float32))
    gram = (x.T @ x).toarray().astype(np.float64)
    precision = np.linalg.inv(gram + np.diag(5.0 + 0.25 / 0.75 * np.diag(gram)))
    expected = -precision / np.diag(precision)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(LinearAutoencoder(x, 5.0, 0.25).scores(rows), rows @ expected, atol=1e-9)
    norms = np.sqrt(np.diag(gram))
    cosine = gram / (np.outer(norms, norms) + 2.0)
    np.fill_diagonal(cosine, 0)
    for item in range(items):
        cosine[np.argsort(-cosine[:, item], kind="stable")[5:], item] = 0
    np.testing.assert_allclose(ItemKnn(x, 5, 2.0).scores(rows), rows @ cosine, atol=1e-6)


def test_a_part_of_the_training_interactions(folder: Path) -> None:
    snapshot, _ = build(folder, Files(), no_progress)
    whole = split_of(folder, snapshot, "random")
    half, same = kept(whole, 0.5, 1), kept(whole, 0.5, 1)
    assert 200 < len(half.train) < 280
    assert set(half.train.source.tolist()) == set(whole.train.source.tolist())
    assert half.train.target.tolist() == same.train.target.tolist()
    assert len(half.test) == len(whole.test)
    assert half.masked("test").target.tolist() == whole.masked("test").target.tolist()


def test_a_folder_without_a_split_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert "expected train.tsv, valid.tsv and test.tsv in" in capsys.readouterr().err


@pytest.mark.shared
def test_ease_reaches_what_was_measured_elsewhere(shared_data: Path) -> None:
    folder = shared_data / "ml-100k" / "splits" / "random"
    snapshot, _ = build(folder, Files(), no_progress)
    split = split_of(folder, snapshot, "random")
    found = ease(Task(split, (len(snapshot.users), len(snapshot.items))), no_progress, 0).to_dict()
    assert found["ndcg@10"] == pytest.approx(0.305, abs=5e-4)  # ../shared/peers.md, by another library
    assert found["recall@10"] == pytest.approx(0.2804, abs=5e-4)


@pytest.mark.shared
def test_edlae_is_better_than_ease_on_films(shared_data: Path) -> None:
    folder = shared_data / "ml-100k" / "splits" / "random"
    snapshot, _ = build(folder, Files(), no_progress)
    task = Task(split_of(folder, snapshot, "random"), (len(snapshot.users), len(snapshot.items)))
    assert edlae(task, no_progress, 0).valid > ease(task, no_progress, 0).valid


def test_relations_between_items_lead_to_items_also_to_those_that_start_none(folder: Path, tmp_path: Path) -> None:
    """Of 20 items that go with the next, the last is no first column; a year that is an item's id stays a year."""
    facts = tmp_path / "relations.tsv"
    rows = [f"T/{item}#\tpaired\tT/{item + 1}#" for item in range(20)]
    rows += [f"T/{item}#\tmade_in\t{'T/3#' if item == 5 else 'even'}" for item in range(40)]
    facts.write_text("item\trelation\tother\n" + "\n".join(rows) + "\n", encoding="utf-8")
    snapshot, rejected = build(folder, Files(facts=(facts,)), no_progress)
    assert rejected.rows == 0
    known = {name: (kind.target, len(snapshot.edges[name])) for name, kind in snapshot.schema.relation_types.items()}
    assert known["PAIRED_ITEM"] == ("Item", 20)
    assert known["MADE_IN"] == ("Entity", 40)
