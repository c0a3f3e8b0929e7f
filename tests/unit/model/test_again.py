"""Items that users have again and again: the schema's rule, splits of what happened, what lists leave out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import toy_graph

from kg_rec.errors import LoadError, SchemaError
from kg_rec.model.again import Again, Habits
from kg_rec.model.histories import edges_of, left_out
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import EdgeTable, Snapshot
from kg_rec.snapshot.canonical import one_edge_a_pair
from kg_rec.snapshot.tables import own_times
from kg_rec.split import calendar_split, is_by_calendar, join, split_by
from kg_rec.split_files import read_split

GENERIC = GraphSchema.bundled("interactions")
LINE = ":INTERACTED a kr:InteractionType ;"
SCHEMA = GraphSchema.from_turtle(GENERIC.turtle.replace(LINE, f"{LINE} kr:repeats kr:count ; kr:again true ;"))
RULE = SCHEMA.interaction


def happened(*rows: tuple[int, int, int]) -> EdgeTable:
    """Interactions of user, item and time, one edge a pair."""
    source, target, time = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return one_edge_a_pair(EdgeTable(source, target, None, time), RULE)[0]


def told(edges: EdgeTable) -> list[tuple[int, int, list[int]]]:
    """Pairs with their times, which the count and the latest time have to fit."""
    times = own_times(edges).to_pylist()
    assert edges.weight is not None
    assert edges.time is not None
    assert edges.weight.tolist() == [len(t) for t in times]
    assert edges.time.tolist() == [t[-1] for t in times]
    return list(zip(edges.source.tolist(), edges.target.tolist(), times, strict=True))


#: Ten things that happened: user 0 has item 0 four times, user 1 has item 1 three times.
EVENTS = ((0, 0, 1), (0, 0, 3), (0, 0, 8), (0, 0, 10), (0, 1, 2), (1, 1, 4), (1, 1, 7), (1, 1, 9), (1, 2, 5), (1, 0, 6))


def test_the_schema_says_whether_items_are_had_again() -> None:
    assert RULE.again
    assert not GENERIC.interaction.again
    assert not GraphSchema.bundled("movies").interaction.again
    for said, message in (
        ("kr:again true", "kr:again true needs kr:repeats kr:count"),
        ("kr:repeats kr:last ; kr:again true", "kr:again true needs kr:repeats kr:count"),
        ('kr:repeats kr:count ; kr:again "yes"', "expected kr:again true or false, got yes"),
    ):
        with pytest.raises(SchemaError, match=message):
            GraphSchema.from_turtle(GENERIC.turtle.replace(LINE, f"{LINE} {said} ;"))
    fact = ":HAS_CATEGORY a kr:RelationType ;"
    with pytest.raises(SchemaError, match="kr:again is said of an interaction type alone"):
        GraphSchema.from_turtle(GENERIC.turtle.replace(fact, f"{fact} kr:repeats kr:count ; kr:again true ;"))


def test_what_was_had_is_left_out_or_not_by_the_rule() -> None:
    weight = np.array([2, -1, 1], np.float32)
    edges = EdgeTable(np.array([0, 0, 1]), np.array([0, 1, 1]), weight)
    assert left_out(edges, replace(RULE, again=False), (2, 3)).toarray().tolist() == [[1, 1, 0], [0, 1, 0]]
    assert left_out(edges, RULE, (2, 3)).toarray().tolist() == [[0, 1, 0], [0, 0, 0]]  # a dislike stays out
    some = edges_of(happened(*EVENTS), np.array([1, 0, 1]))
    assert told(some) == [
        (0, 0, [6]), (0, 1, [4, 7, 9]), (0, 2, [5]),
        (1, 0, [1, 3, 8, 10]), (1, 1, [2]),
        (2, 0, [6]), (2, 1, [4, 7, 9]), (2, 2, [5]),
    ]  # fmt: skip


def test_by_calendar_what_happened_is_parted_not_pairs() -> None:
    split = split_by("calendar", happened(*EVENTS), 3, seed=0, again=True)
    assert told(split.train) == [(0, 0, [1, 3, 8]), (0, 1, [2]), (1, 0, [6]), (1, 1, [4, 7]), (1, 2, [5])]
    assert told(split.valid) == [(1, 1, [9])]
    assert told(split.test) == [(0, 0, [10])]
    assert told(split.known) == [(0, 0, [1, 3, 8]), (0, 1, [2]), (1, 0, [6]), (1, 1, [4, 7, 9]), (1, 2, [5])]
    assert told(join(split.known, split.test)) == told(happened(*EVENTS))
    assert (split.moment("valid"), split.moment("test")) == (9, 10)
    assert is_by_calendar(split)
    assert len(split.masked("test")) == 0
    mixed = calendar_split(happened(*EVENTS, (1, 1, 1)), 3, 0.4, again=True)  # a pair of all three parts
    assert [t for part in (mixed.train, mixed.valid, mixed.test) for u, i, t in told(part) if (u, i) == (1, 1)] == [
        [1], [4], [7, 9]
    ]  # fmt: skip
    assert mixed.moment("test") == 7  # not 9, the pair's latest
    whole = split_by("calendar", happened(*EVENTS), 3, seed=0)  # without the rule pairs are parted, by their latest
    assert len(whole.train) + len(whole.valid) + len(whole.test) == len(happened(*EVENTS))
    assert told(whole.masked("test")) == told(whole.known)


def test_the_last_of_each_user_is_parted_too() -> None:
    split = split_by("temporal", happened(*EVENTS), 3, seed=0, again=True)
    assert told(split.test) == [(0, 0, [10]), (1, 1, [9])]
    assert told(split.valid) == [(0, 0, [8]), (1, 1, [7])]
    assert told(split.train) == [(0, 0, [1, 3]), (0, 1, [2]), (1, 0, [6]), (1, 1, [4]), (1, 2, [5])]


def test_files_may_share_pairs_where_the_rule_says_so(tmp_path: Path) -> None:
    rows = {"train": EVENTS[:3] + EVENTS[4:7], "valid": EVENTS[7:8], "test": EVENTS[3:4]}
    for name, part in rows.items():
        lines = ("user\titem\ttimestamp", *(f"u{u}\ti{i}\t{t}" for u, i, t in part))
        (tmp_path / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    split = read_split(tmp_path, graph(SCHEMA), "temporal")
    assert told(split.train) == [(0, 0, [1, 3, 8]), (0, 1, [2]), (1, 1, [4, 7])]
    assert told(split.test) == [(0, 0, [10])]
    assert split.again
    with pytest.raises(LoadError, match="u1"):
        read_split(tmp_path, graph(GENERIC), "temporal")


def graph(schema: GraphSchema, edges: EdgeTable | None = None) -> Snapshot:
    nodes = {"User": pa.table({"user_id": ["u0", "u1"]}), "Item": pa.table({"item_id": ["i0", "i1", "i2"]})}
    return toy_graph.snapshot(schema, nodes, {"INTERACTED": happened(*EVENTS) if edges is None else edges})


DAY = 86_400


def test_an_addend_by_hand() -> None:
    """Four times in gaps of 2, 4 and 3 days, the last 3 days before the list; once; and later than the list."""
    edges = happened(*((0, 0, day * DAY) for day in (1, 3, 7, 10)), (0, 1, 9 * DAY), (1, 0, 20 * DAY))
    until = 13 * DAY
    habits = Habits.of(edges, until)
    assert habits.count.tolist() == [4, 1, 1]
    assert habits.gap.tolist() == [3.0, 0.0, 0.0]
    assert habits.since.tolist() == [3.0, 4.0, 0.0]
    faded = sum(np.exp(-age / 10) for age in (12, 10, 6, 3))
    plain, due = Again(2.0, 10.0, 0.0, until), Again(2.0, 10.0, 0.5, until)
    np.testing.assert_allclose(plain.values(edges), [2 * faded, 2 * np.exp(-0.4), 2.0], rtol=1e-12)
    # as long ago as its mean gap: x exp(1 - x) is 1, its largest
    np.testing.assert_allclose(due.values(edges), [3 * faded, 2 * np.exp(-0.4), 2.0], rtol=1e-12)
    late = replace(due, until=19 * DAY)
    np.testing.assert_allclose(
        late.values(edges)[0], 2 * faded * np.exp(-0.6) * (1 + 0.5 * 3 * np.exp(1 - 3)), rtol=1e-12
    )
    matrix = due.matrix(edges, (2, 3)).toarray()
    assert (matrix > 0).tolist() == [[True, True, False], [True, False, False]]


def test_the_time_of_the_list_is_set_or_just_after_the_newest() -> None:
    edges = happened(*EVENTS)
    own = Again.of(1.0, 5.0, 0.0, edges)
    assert (own.until, own.moment) == (11, None)
    assert own.over(happened((0, 0, 50))).until == 51
    assert own.at(4, edges).until == own.at(4, edges).over(happened((0, 0, 50))).until == 4
    bare = EdgeTable(np.array([0]), np.array([1]), np.array([3], np.float32))  # counted, without times
    assert own.values(bare).tolist() == [0.0]
    assert own.values(edges.take(np.zeros(len(edges), np.bool_))).tolist() == []
