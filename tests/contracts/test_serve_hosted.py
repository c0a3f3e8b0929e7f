"""An embedded graph that one process has open for others: what they ask, write and are refused is as with their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from toy_graph import everything, fill, films

from kg_rec.errors import NotFoundError, QueryRefusedError, StoreUnavailableError
from kg_rec.feedback.events import REACTED, EventLog
from kg_rec.serve.hosted import Host, Hosted
from kg_rec.store import GraphStore, connect

MODEL = everything()
USER, ITEM = MODEL.users.key(0), MODEL.items.key(0)
COUNT = "MATCH (n) RETURN count(n) AS n"


@pytest.fixture
def url(tmp_path: Path) -> str:
    found = str(tmp_path / "graph")
    with closing(connect(found)) as store:
        fill(store, films())
    return found


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short name, as sockets need."""
    with TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def host(url: str, place: Path) -> Iterator[Host]:
    made = Host(lambda: connect(url, read_only=True), lambda: connect(url), 1000.0)
    made.listen(place)
    yield made
    made.close()


def hosted(url: str, folder: Path) -> GraphStore:
    """What a worker has."""
    return cast("GraphStore", Hosted(folder, url))


def reaction(event: str, item: str = ITEM) -> dict[str, object]:
    return {"event": event, "list": "", "user": USER, "item": item, "at": 5, "kind": "click", "value": 1.0}


def test_what_one_writes_all_read_at_once_and_it_is_in_the_graph(url: str, host: Host, place: Path) -> None:
    one, other = hosted(url, place), hosted(url, place)
    assert one.schema().digest == MODEL.snapshot.schema.digest
    with closing(connect(url, read_only=True)) as own:
        assert one.query(COUNT).equals(own.query(COUNT))
    rows = REACTED.empty_table().from_pylist([reaction("first")], schema=REACTED)
    assert EventLog.of(one).record_reactions(rows) == 1
    assert EventLog.of(other).reactions(user=USER).to_pylist() == rows.to_pylist()
    with pytest.raises(StoreUnavailableError, match="in use"):
        connect(url)
    host.close()
    with closing(connect(url)) as store:
        assert EventLog.of(store).reactions(user=USER).to_pylist() == rows.to_pylist()


def test_faults_are_told_as_by_a_graph_of_ones_own(url: str, host: Host, place: Path) -> None:
    store = hosted(url, place)
    with pytest.raises(QueryRefusedError, match="refused"):
        store.query("MATCH (n) DETACH DELETE n")
    rows = REACTED.empty_table().from_pylist([reaction("second", "nobody has this")], schema=REACTED)
    with pytest.raises(NotFoundError, match="nothing was written"):
        EventLog.of(store).record_reactions(rows)
    assert store.query(COUNT, limit=1).num_rows == 1


def test_another_program_writes_after_a_pause_and_is_read(url: str, host: Host, place: Path) -> None:
    store = hosted(url, place)
    rows = REACTED.empty_table().from_pylist([reaction("third")], schema=REACTED)
    EventLog.of(store).record_reactions(rows)
    opened = cast("Hosted", store).files()
    assert opened  # what is written by the host itself does not show
    EventLog.of(store).record_reactions(rows)
    assert cast("Hosted", store).files() == opened
    with host._turn:  # as after a pause
        host._let_go()
    with closing(connect(url)) as other:
        EventLog.of(other).record_reactions(REACTED.empty_table().from_pylist([reaction("fourth")], schema=REACTED))
    assert cast("Hosted", store).files() != opened
    told = EventLog.of(store).reactions(user=USER).column("event").to_pylist()
    assert told == ["fourth", "third"]


def test_a_host_that_is_gone_is_told(url: str, place: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="is gone"):
        hosted(url, place).query(COUNT)
