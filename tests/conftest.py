"""Fixtures for all tests, and the three tiers that they run in.

The folder says the tier: ``tests/unit``, ``tests/contracts``, ``tests/system``.  A test that needs a server, a
browser or the real data, or is marked ``system``, is of the system tier wherever it stands.  A unit test that starts a
process or listens on a port fails.

With ``KG_REC_REQUIRE_ALL=1`` a missing server, browser or missing data is a failure instead of a skip.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import NoReturn

import browser
import hypothesis
import neo4j
import neo4j_server
import pytest
from playwright.sync_api import Browser

from kg_rec.loaders.base import load
from kg_rec.schema import GraphSchema
from kg_rec.store import GraphStore, connect
from kg_rec.store.ledger import RunLedger

# the same examples each time, however long they take; others with --hypothesis-profile=default
hypothesis.settings.register_profile(
    "kg_rec", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("kg_rec")

#: The tiers in the order in which they run, and the folder of each.
TIERS = {"unit": "unit", "contract": "contracts", "system": "system"}
#: What makes a test one of the system tier.
_OUTSIDE = {"neo4j_url", "chromium", "shared_data"}
#: What leaves the server the indexes of the toy films; a test that asks for one by name only is marked ``films``.
_FILMS = {"films_neo4j", "films_store"}
#: Events of the interpreter that a unit test must not cause.
_FORBIDDEN = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "socket.bind")

_SERVER = pytest.StashKey[neo4j_server.Server]()


def _absent(reason: str) -> NoReturn:
    if os.environ.get("KG_REC_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason} (KG_REC_REQUIRE_ALL=1)", pytrace=False)
    pytest.skip(reason)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with its tier, and run the tiers in their order.

    In the last one the files of the toy films come first, so that their indexes stay: where one was made or dropped the
    server plans every statement anew.  Tests that may halt it come last: it does so too when it starts again.
    """
    films = set()
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        outside = _OUTSIDE.intersection(getattr(item, "fixturenames", ())) or "neo4j" in params.values()
        if outside or item.get_closest_marker("neo4j"):
            item.add_marker("system")
        if not any(item.get_closest_marker(tier) for tier in TIERS):
            folder = item.path.relative_to(Path(__file__).parent).parts[0]
            item.add_marker(next(tier for tier, name in TIERS.items() if name == folder))
        asks = _FILMS.intersection(getattr(item, "fixturenames", ())) or item.get_closest_marker("films")
        if item.get_closest_marker("neo4j") and asks:
            films.add(item.path)
    order = list(TIERS)

    def place(item: pytest.Item) -> tuple[int, bool, bool]:
        tier = max(order.index(tier) for tier in order if item.get_closest_marker(tier))
        asked = getattr(item, "fixturenames", ())
        others = item.path not in films or "clean_neo4j" in asked
        return tier, "own_server" in asked, TIERS[order[tier]] == "system" and others

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """A million objects of what was imported stay: they need not be looked through again."""
    gc.collect()
    gc.freeze()


_unit_test: str | None = None


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    finds_library = event == "subprocess.Popen" and arguments[0] == "/sbin/ldconfig"  # when torch is imported
    asks_for_ipv6 = event == "socket.bind" and arguments[1] == ("::1", 0)  # when urllib3 is imported
    store = "kg_rec.store.embedded.bounded"  # answers what only builds in a copy of the process
    answers = event == "os.fork" and sys._getframe(1).f_globals.get("__name__") == store
    if _unit_test is not None and event in _FORBIDDEN and not (finds_library or asks_for_ipv6 or answers):
        pytest.fail(f"{_unit_test} caused {event}: a unit test starts no process and no server; see CONTRIBUTING.md")


sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def _nothing_outside(request: pytest.FixtureRequest) -> Iterator[None]:
    """Unit tests stay in their process."""
    global _unit_test
    _unit_test = request.node.nodeid if request.node.get_closest_marker("unit") else None
    yield
    _unit_test = None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the real datasets: ``$KG_REC_SHARED/data``, else ``../shared/data`` beside the repository."""
    named = os.environ.get("KG_REC_SHARED")
    base = Path(named) if named else Path(__file__).resolve().parents[1] / "../shared"
    for folder in (base / "data", base):
        if (folder / "ml-100k").is_dir():
            return folder.resolve()
    _absent(f"no real datasets in {base.resolve()}")


@pytest.fixture(scope="session")
def real_films(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """MovieLens-100K in embedded graphs to be opened for reading, each loaded once for all tests.

    By the facts: ``right`` and ``wrong`` (.kg, linked to the films or misaligned), ``named`` (from DBpedia).
    """

    @cache
    def loaded(facts: str) -> Path:
        data, folder = shared_data / "ml-100k", tmp_path_factory.mktemp("films") / facts
        links = {"right": "ml-100k.link", "wrong": "ml-100k.misaligned.link"}
        with closing(connect(str(folder))) as store:
            if facts == "named":
                load(store, "recbole", data / "ml-100k.inter", kg="none")
                load(store, "table", data / "dbpedia_facts.tsv")
            else:
                load(store, "recbole", data, link=str(data / links[facts]))
        return folder

    return loaded


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A real headless browser; see tests/browser.py.  It must not outlive its module: it runs an event loop."""
    try:
        with browser.chromium() as found:
            yield found
    except browser.NoBrowserError as error:
        _absent(str(error))


@pytest.fixture(scope="session")
def own_server(pytestconfig: pytest.Config) -> Iterator[neo4j_server.Server]:
    """The server of this process of tests; it says within four seconds that it is at work.

    How a statement is carried out is kept though the data change, as they do with each test: to plan it anew costs it
    more time than to run.
    """
    settings = {
        "server.bolt.connection_keep_alive": "2s",
        "server.bolt.connection_keep_alive_probes": "2",
        "dbms.cypher.min_replan_interval": "1h",
    }
    try:
        found = neo4j_server.start(settings, short=True)
    except neo4j_server.ServerError as error:
        _absent(f"no Neo4j server: {error}")
    pytestconfig.stash[_SERVER] = found
    yield found
    found.stop()


@pytest.fixture(scope="session")
def neo4j_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a real server, with its credentials in the environment.

    ``KG_REC_TEST_NEO4J_URI`` (with NEO4J_USERNAME and NEO4J_PASSWORD) names a running one, **whose data the tests
    delete**; otherwise each process of the tests starts one for the session and stops it at its end.
    """
    given = os.environ.get("KG_REC_TEST_NEO4J_URI")
    if given:
        yield given
        return
    server: neo4j_server.Server = request.getfixturevalue("own_server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEO4J_USERNAME", server.user)
        patch.setenv("NEO4J_PASSWORD", server.password)
        patch.delenv("NEO4J_AUTH_FILE", raising=False)
        yield server.url


@pytest.fixture(scope="session")
def neo4j_driver(neo4j_url: str) -> Iterator[neo4j.Driver]:
    """A bare driver on the test server, to arrange and to look behind the store's back."""
    auth = (os.environ["NEO4J_USERNAME"], os.environ["NEO4J_PASSWORD"])
    address = neo4j_url.partition("?")[0]
    with neo4j.GraphDatabase.driver(address, auth=auth, liveness_check_timeout=0) as driver:  # it may have been halted
        yield driver


@pytest.fixture
def clean_neo4j(neo4j_url: str, neo4j_driver: neo4j.Driver) -> str:
    """URL of the server, whose database is empty."""
    neo4j_server.empty_database(neo4j_driver)
    return neo4j_url


@pytest.fixture(scope="session")
def emptied(neo4j_url: str, neo4j_driver: neo4j.Driver) -> Callable[[GraphSchema], str]:
    """Empties the server, but for the indexes that a schema and the ledger of runs make; gives its URL.

    To make them, and to plan each statement anew, takes the server longer than most tests.
    """

    @cache
    def made(turtle: str) -> frozenset[neo4j_server.Index]:
        neo4j_server.empty_database(neo4j_driver)
        with closing(connect(neo4j_url)) as store:
            store.apply_schema(GraphSchema.from_turtle(turtle))
            RunLedger(store).prepare()
        with neo4j_driver.session(database="neo4j") as session:
            return neo4j_server.indexes(session)

    def empty(schema: GraphSchema) -> str:
        neo4j_server.empty_database(neo4j_driver, keep=made(schema.turtle))
        return neo4j_url

    return empty


@pytest.fixture
def films_neo4j(emptied: Callable[[GraphSchema], str]) -> str:
    """URL of the server, empty but for the indexes of the toy films."""
    return emptied(GraphSchema.bundled("movies"))


@pytest.fixture
def server(
    request: pytest.FixtureRequest, own_server: neo4j_server.Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[neo4j_server.Server]:
    """A server that a test may halt and start again, with its credentials in the environment.

    It is empty, but for the indexes of the toy films where it is the server of all tests.
    """
    monkeypatch.setenv("NEO4J_USERNAME", own_server.user)
    monkeypatch.setenv("NEO4J_PASSWORD", own_server.password)
    monkeypatch.delenv("NEO4J_AUTH_FILE", raising=False)
    if "KG_REC_TEST_NEO4J_URI" in os.environ:
        with neo4j.GraphDatabase.driver(own_server.url, auth=(own_server.user, own_server.password)) as driver:
            neo4j_server.empty_database(driver)
    else:
        request.getfixturevalue("films_neo4j")
    yield own_server
    if own_server.halted:  # the test failed
        own_server.go_on()


@pytest.fixture(params=["embedded", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def tmp_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GraphStore]:
    """A connected, empty store of each kind."""
    url = str(tmp_path / "graph") if request.param == "embedded" else request.getfixturevalue("clean_neo4j")
    store = connect(url)
    yield store
    store.close()


@pytest.fixture(params=["embedded", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def films_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GraphStore]:
    """As ``tmp_store``, for the toy films."""
    url = str(tmp_path / "graph") if request.param == "embedded" else request.getfixturevalue("films_neo4j")
    with closing(connect(url)) as store:
        yield store


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """A process that does not end shows its threads and ends after two minutes."""
    faulthandler.dump_traceback_later(120, exit=True, file=sys.__stderr__ or 2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the server's own log where a test with a server failed."""
    report = yield
    server = item.config.stash.get(_SERVER, None)
    if report.failed and server is not None and "neo4j_url" in getattr(item, "fixturenames", ()):
        report.sections.append(("Neo4j log", server.log_tail()))
    return report
