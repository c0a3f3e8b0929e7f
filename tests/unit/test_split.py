"""Splits: counts, order, no leakage, and reading them from files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_graph import edges, films

from kg_rec.errors import LoadError, SplitError
from kg_rec.snapshot import NO_TIME, EdgeTable
from kg_rec.split import (
    Protocol,
    Split,
    calendar_split,
    cold_items_split,
    cold_users_split,
    join,
    random_split,
    split_by,
    temporal_split,
)
from kg_rec.split_files import read_rows, read_split


def pairs_of(table: EdgeTable) -> list[tuple[int, int]]:
    return list(zip(table.source.tolist(), table.target.tolist(), strict=True))


def assert_partition(split: Split, whole: EdgeTable) -> None:
    """Every interaction is in exactly one part, with its own weight and time."""
    parts = [*pairs_of(split.train), *pairs_of(split.valid), *pairs_of(split.test)]
    assert len(parts) == len(set(parts))
    joined = join(split.known, split.test)
    assert pairs_of(joined) == pairs_of(whole)
    for name in ("weight", "time"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))


def counts(table: EdgeTable, users: int) -> list[int]:
    return np.bincount(table.source, minlength=users).tolist()


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    seed=st.integers(0, 99),
    share=st.sampled_from([0.1, 0.2, 0.33]),
)
def test_random_holds_out_the_stated_number_per_user(sizes: list[int], seed: int, share: float) -> None:
    table = edges((u, i) for u, n in enumerate(sizes) for i in range(n))
    split = random_split(table, 40, seed, share)
    held = [max(1, int(share * n + 0.5)) if n >= 3 else 0 for n in sizes]
    assert counts(split.test, len(sizes)) == held
    assert counts(split.valid, len(sizes)) == held
    assert counts(split.train, len(sizes)) == [n - 2 * h for n, h in zip(sizes, held, strict=True)]
    assert sorted(pairs_of(split.train) + pairs_of(split.valid) + pairs_of(split.test)) == pairs_of(table)


def test_random_is_a_partition_and_follows_the_seed() -> None:
    whole = films().liked()
    split, again, other = (random_split(whole, 45, seed) for seed in (1, 1, 2))
    assert_partition(split, whole)
    assert pairs_of(split.test) == pairs_of(again.test)
    assert pairs_of(split.test) != pairs_of(other.test)
    assert (split.test_candidates == split.valid_candidates).all()
    assert np.flatnonzero(split.test_candidates).tolist() == np.unique(whole.target).tolist()


def test_temporal_takes_the_last_and_the_ones_before() -> None:
    whole = films().liked()
    split = temporal_split(whole, 45, 0.2)
    assert_partition(split, whole)
    checked = 0
    for user in range(60):
        times = [
            part.time[part.source == user] for part in (split.train, split.valid, split.test) if part.time is not None
        ]
        if len(times[2]):
            assert times[0].max() < times[1].min()
            assert times[1].max() < times[2].min()
            checked += 1
    assert checked > 40


def test_temporal_breaks_ties_by_item() -> None:
    split = temporal_split(edges([(0, 3), (0, 1), (0, 2), (0, 0)], time=[7, 7, 7, 9]), 4)
    assert (pairs_of(split.train), pairs_of(split.valid), pairs_of(split.test)) == (
        [(0, 1), (0, 2)],
        [(0, 3)],
        [(0, 0)],
    )


@settings(max_examples=60, deadline=None)
@given(times=st.lists(st.integers(0, 30), min_size=3, max_size=60), share=st.sampled_from([0.1, 0.2, 0.33]))
def test_calendar_has_one_moment_for_everybody(times: list[int], share: float) -> None:
    whole = edges([(n % 5, n // 5) for n in range(len(times))], time=times)
    try:
        split = calendar_split(whole, 60, share)
    except SplitError:
        assert len(set(times)) < 3 or max(times.count(t) for t in times) > share * len(times) - 1
        return
    assert_partition(split, whole)
    moments = [split.moment("valid"), split.moment("test")]
    assert [split.valid.time.min(), split.test.time.min()] == moments  # type: ignore[union-attr]
    assert split.train.time.max() < moments[0]  # type: ignore[union-attr]  # nobody learns from the future
    assert split.valid.time.max() < moments[1]  # type: ignore[union-attr]
    assert len(split.test) >= share * len(times) - 1


def test_calendar_takes_the_last_tenth_and_the_one_before() -> None:
    split = calendar_split(edges([(0, i) for i in range(100)], time=range(100)), 100)
    assert [len(part) for part in (split.train, split.valid, split.test)] == [80, 10, 10]
    assert split.test.target.tolist() == list(range(90, 100))
    assert random_split(films().liked(), 45, seed=3).moment("test") is None


def test_a_calendar_split_of_files_has_to_be_one(tmp_path: Path) -> None:
    def write(times: dict[str, str]) -> None:
        for n, (part, time) in enumerate(times.items()):
            (tmp_path / f"{part}.tsv").write_text(f"user\titem\ttimestamp\nu00\tf0{n}\t{time}\n", encoding="utf-8")

    write({"train": "10", "valid": "20", "test": "20"})
    assert read_split(tmp_path, films(), "calendar").moment("test") == 20
    for wrong in ({"train": "21", "valid": "20", "test": "30"}, {"train": "", "valid": "20", "test": "30"}):
        write(wrong)
        with pytest.raises(SplitError, match=r"no row of train\.tsv later than one of valid\.tsv"):
            read_split(tmp_path, films(), "calendar")


@pytest.mark.parametrize("table", [edges([(0, 0)]), edges([(0, 0), (0, 1)], time=[1, NO_TIME])])
def test_temporal_and_calendar_need_times(table: EdgeTable) -> None:
    with pytest.raises(SplitError, match=r"expected a time on every interaction .*; use the random protocol"):
        calendar_split(table, 2)
    with pytest.raises(SplitError, match=r"expected a time on every interaction .*; use the random protocol"):
        temporal_split(table, 2)


def test_cold_items_are_disjoint_and_have_no_training_interaction() -> None:
    whole = films().liked()
    folds = [cold_items_split(whole, 45, seed=3, fold=f, folds=5) for f in range(5)]
    for split in folds:
        assert_partition(split, whole)
        for part, mask in ((split.valid, split.valid_candidates), (split.test, split.test_candidates)):
            assert mask[part.target].all()
            assert not mask[split.train.target].any()
        assert not (split.valid_candidates & split.test_candidates).any()
        assert split.valid_candidates.sum() > 0
    tested = np.sum([split.test_candidates for split in folds], axis=0)
    eligible = np.bincount(whole.target, minlength=45) >= 5
    assert (tested == eligible).all()  # each eligible item once, no other ever


def test_an_item_with_five_interactions_can_be_a_new_one_and_one_with_four_cannot() -> None:
    whole = edges([(u, i) for i, n in enumerate((4, 5, 6)) for u in range(n)])
    folds = [cold_items_split(whole, 3, seed=0, fold=f, folds=2) for f in range(2)]
    assert np.sum([split.test_candidates for split in folds], axis=0).tolist() == [0, 1, 1]


def test_cold_users_give_only_some_interactions() -> None:
    whole = films().liked()
    split = cold_users_split(whole, 45, seed=3, given=4, share=0.2)
    assert_partition(split, whole)
    total, left = np.bincount(whole.source, minlength=60), np.bincount(split.train.source, minlength=60)
    test_users, valid_users = np.unique(split.test.source), np.unique(split.valid.source)
    assert len(test_users) <= 12
    assert not set(test_users) & set(valid_users)
    for user in (*test_users, *valid_users):
        assert left[user] == 4
    others = np.setdiff1d(np.arange(60), np.union1d(test_users, valid_users))
    assert (left[others][total[others] > 4] == total[others][total[others] > 4]).all()


def test_what_is_withheld_is_neither_known_nor_ranked() -> None:
    split = random_split(films().liked(), 45, seed=1)
    some = split.train.target == 3
    less = replace(split, train=split.train.take(~some), withheld=split.train.take(some))
    assert pairs_of(less.known) == sorted(pairs_of(less.train) + pairs_of(split.valid))
    for part in ("valid", "test"):
        assert pairs_of(less.masked(part)) == pairs_of(split.masked(part))
    assert pairs_of(split.masked("test")) == pairs_of(split.known)
    assert pairs_of(split.masked("valid")) == pairs_of(split.train)


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("random", random_split(films().liked(), 45, 3)),
        ("temporal", temporal_split(films().liked(), 45)),
        ("calendar", calendar_split(films().liked(), 45)),
        ("cold-items", cold_items_split(films().liked(), 45, 3)),
        ("cold-users", cold_users_split(films().liked(), 45, 3)),
    ],
)
def test_a_protocol_has_its_split(protocol: Protocol, expected: Split) -> None:
    found = split_by(protocol, films().liked(), 45, 3)
    assert found.protocol == protocol
    for part in ("train", "valid", "test"):
        assert pairs_of(getattr(found, part)) == pairs_of(getattr(expected, part))


def test_join_sorts_and_drops_a_column_that_one_part_lacks() -> None:
    found = join(edges([(1, 0)], weight=[2.0], time=[5]), edges([(0, 1)], time=[6]))
    assert pairs_of(found) == [(0, 1), (1, 0)]
    assert found.weight is None
    assert found.time is not None
    assert found.time.tolist() == [6, 5]


# --- files ---------------------------------------------------------------------------------------------

HEADER = "user\titem\trating\ttimestamp\n"


def write(folder: Path, **files: str) -> Path:
    texts = {"train": "u00\tf01\t4\t100\nu00\tf00\t3\t50\n", "valid": "u01\tf02\t5\t7\n", "test": "u01\tf03\t5\t8\n"}
    for name, text in {**texts, **files}.items():
        (folder / f"{name}.tsv").write_text(text if text.startswith("user") or not text else HEADER + text)
    return folder


def test_read(tmp_path: Path) -> None:
    split = read_split(write(tmp_path), films(), "random")
    assert split.protocol == "random"
    assert pairs_of(split.train) == [(0, 0), (0, 1)]
    assert split.train.weight is not None
    assert split.train.time is not None
    assert split.train.weight.tolist() == [3, 4]
    assert split.train.time.tolist() == [50, 100]
    assert np.flatnonzero(split.test_candidates).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(split.valid_candidates).tolist() == [0, 1, 2, 3]


def test_read_cold_items_ranks_the_items_of_each_file(tmp_path: Path) -> None:
    split = read_split(write(tmp_path), films(), "cold-items")
    assert np.flatnonzero(split.valid_candidates).tolist() == [2]
    assert np.flatnonzero(split.test_candidates).tolist() == [3]


def test_read_keeps_the_latest_of_repeated_lines_and_times_as_they_are_written(tmp_path: Path) -> None:
    folder = write(tmp_path, test="u00\tf04\t3\t50.7\nu00\tf04\t5\t900\nu00\tf04\t4\t70\nu00\tf05\t4\t\n")
    test = read_split(folder, films(), "random").test
    assert test.target.tolist() == [4, 5]
    assert test.weight is not None
    assert test.weight.tolist() == [5, 4]
    assert test.time is not None
    assert test.time.tolist() == [900, NO_TIME]


def test_read_without_ratings_and_times(tmp_path: Path) -> None:
    plain = write(
        tmp_path, train="user\titem\nu00\tf01\n", valid="user\titem\nu01\tf02\n", test="user\titem\nu01\tf01\n"
    )
    split = read_split(plain, films(), "random")
    assert split.train.weight is None
    assert split.train.time is None
    assert split.known.weight is None


def test_keys_that_look_like_numbers_stay_text(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="user 007 is not in the graph"):
        read_split(write(tmp_path, test="007\tf00\t3\t1\n"), films(), "random")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("u01\tf03\t5\t8\nu77\tf03\t5\t8\n", 3, "user u77 is not in the graph; load it first"),
        ("u01\tnone\t5\t8\n", 2, "item none is not in the graph; load it first"),
        ("user\tfilm\nu01\tf03\n", 1, "expected columns user and item, got user, film"),
        ("u01\tf03\tgood\t8\n", 2, "expected a number as rating, got 'good'"),
        ("u01\tf03\t5\t8\nu01\tf04\tnan\t8\n", 3, "expected a number as rating, got 'nan'"),
        ("u01\tf03\t5\t8\nu01\tf04\t5\tnoon\n", 3, "expected a number as timestamp, got 'noon'"),
        ("u01\tf03\t5\t1e300\n", 2, "expected a number as timestamp, got one too large"),
        ("u01\tf03\t5\t-5000000000000000000\n", 2, "expected a number as timestamp, got one too large"),
        ("u01\tf03\t5\t8\nu01\t \t5\t8\n", 3, "expected a key as item, got nothing"),
        ("\tf03\t5\t8\n", 2, "expected a key as user, got nothing"),
        ("u01\tf03\t5\t8\nu01\tf04\t5\n", 3, "expected tab-separated user, item, rating, timestamp"),
        ("user\titem\titem\nu01\tf03\tf03\n", 1, "expected each column once, got item 2 times"),
        ("u01\tf04\t5\t8\nu00\tf01\t5\t8\n", 3, r"u00 and item f01 are in train.tsv too \(line 2\)"),
        ("u01\tf02\t5\t8\n", 2, r"u01 and item f02 are in valid.tsv too \(line 2\)"),
        ("", None, "expected tab-separated user, item, rating, timestamp"),
        ("user\titem\n", 1, "expected interactions below the columns' names, got none"),
    ],
)
def test_faults_name_the_file_and_the_line(tmp_path: Path, text: str, line: int | None, message: str) -> None:
    with pytest.raises(LoadError, match=message) as caught:
        read_split(write(tmp_path, test=text), films(), "random")
    assert caught.value.path == tmp_path / "test.tsv"
    assert caught.value.line == line
    assert str(caught.value).startswith(f"{tmp_path}/test.tsv" + (f":{line}: " if line else ": "))


def test_ids_and_numbers_are_read_as_they_are_written(tmp_path: Path) -> None:
    rows = 'user\titem\trating\ttimestamp\r\nu"1\t"f\'0\t 4 \t10.9\r\nu"1\tf,1\t\t-1e3\r\n'
    (tmp_path / "train.tsv").write_bytes(b"\xef\xbb\xbf" + rows.encode())
    table = read_rows(tmp_path / "train.tsv")
    assert table.column("user").to_pylist() == ['u"1', 'u"1']
    assert table.column("item").to_pylist() == ["\"f'0", "f,1"]
    assert table.column("rating").to_pylist() == [4.0, None]
    assert table.column("timestamp").to_pylist() == [10, -1000]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "valid.tsv").unlink()
    with pytest.raises(LoadError, match=r"valid\.tsv"):
        read_split(tmp_path, films(), "random")
