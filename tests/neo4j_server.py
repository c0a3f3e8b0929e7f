"""A throw-away Neo4j server for tests and for ``make neo4j``: ``python tests/neo4j_server.py start|stop``.

It runs the official Docker image where a Docker engine answers, else the Community server's own jars, fetched with
Maven into ``.neo4j/lib`` (once), on a JDK of 17 or newer.  It listens on a free loopback port only.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import neo4j
import neo4j.exceptions
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".neo4j"
IMAGE = "neo4j:5.26-community"
SECONDS_TO_START = 120
#: Of a server that does not live long: the first compiler alone; its classes, which come from Maven, are not verified.
_SHORT = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-BytecodeVerificationRemote",
)
_CONFIGURATION = """\
server.default_listen_address=127.0.0.1
server.bolt.listen_address=:{port}
server.bolt.advertised_address=127.0.0.1:{port}
server.http.enabled=false
server.memory.pagecache.size=128m
dbms.usage_report.enabled=false
dbms.security.auth_max_failed_attempts=0
internal.dbms.bolt.netty_server_shutdown_quiet_period=0
"""


#: Name, labels or types, properties, and the constraint that it is of, if any.
Index = tuple[str, tuple[str, ...], tuple[str, ...], str | None]


class ServerError(Exception):
    """No server could be started; the message says why."""


@dataclass
class Server:
    """A running server."""

    url: str
    user: str
    password: str = field(repr=False)
    home: Path
    pid: int | None = None
    container: str | None = None
    short: bool = False
    halted: bool = False

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of the server's log."""
        if self.container:
            done = _docker("logs", "--tail", str(lines), self.container)
            return done.stdout + done.stderr
        log = self.home / "logs" / "neo4j.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log yet)"

    def stop(self) -> None:
        """Stop the server and remove its files."""
        if self.container:
            _docker("rm", "--force", "--volumes", self.container)
        else:
            self.halt()
        shutil.rmtree(self.home, ignore_errors=True)

    def halt(self) -> None:
        """Stop the server and keep its files; :meth:`go_on` starts it again."""
        self.halted = True
        if self.container:
            _docker("stop", self.container)
        elif self.pid is not None and _is_java(self.pid):
            os.kill(self.pid, signal.SIGTERM)
            if not _gone(self.pid, 20):
                os.kill(self.pid, signal.SIGKILL)
                _gone(self.pid, 10)

    def go_on(self) -> None:
        """Start a halted server with its data, at the same address."""
        if self.container:
            _docker("start", self.container)
        else:
            self.pid = _launch(self.home, self.short)
        _wait(self)
        self.halted = False


def start(settings: Mapping[str, str] | None = None, *, short: bool = False) -> Server:
    """Start a server and wait until it answers on Bolt.

    Args:
        settings: of neo4j.conf, over those of every test server.
        short: it does not live long enough for the second compiler of the JVM, or to verify its classes, to be worth
            the time; not to measure by.

    Raises:
        ServerError: there is neither a Docker engine nor Maven and a JDK, or the server did not come up.
    """
    home = Path(tempfile.mkdtemp(prefix="kg-rec-neo4j-"))
    try:
        if shutil.which("docker") and _docker("info").returncode == 0:
            server = _start_docker(home, settings or {})
        elif shutil.which("java"):
            server = _start_java(home, settings or {}, short)
        else:
            raise ServerError("neither a Docker engine nor java is there to run Neo4j")
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    try:
        _wait(server)
    except BaseException as error:
        tail = server.log_tail()
        server.stop()
        if isinstance(error, ServerError):
            raise ServerError(f"{error}; its log ends with:\n{tail}") from error
        raise
    return server


def _start_docker(home: Path, settings: Mapping[str, str]) -> Server:
    password = secrets.token_hex(16)
    environment = os.environ | {"NEO4J_AUTH": f"neo4j/{password}"}  # not on the command line, where ps shows it
    port = _free_port()
    options = ["--detach", "--publish", f"127.0.0.1:{port}:7687", "--env", "NEO4J_AUTH"]
    options += ["--env", "NEO4J_server_memory_heap_max__size=512m"]
    options += ["--env", "NEO4J_dbms_security_auth__max__failed__attempts=0"]
    for name, value in settings.items():
        options += ["--env", f"NEO4J_{name.replace('_', '__').replace('.', '_')}={value}"]
    done = _docker("run", *options, IMAGE, environment=environment)
    if done.returncode:
        raise ServerError(f"docker run {IMAGE} failed: {done.stderr.strip()[-500:]}")
    container = done.stdout.strip()
    return Server(f"bolt://127.0.0.1:{port}", "neo4j", password, home, container=container)


def _start_java(home: Path, settings: Mapping[str, str], short: bool) -> Server:
    password = secrets.token_hex(16)
    port = _free_port()
    configuration = home / "conf"
    configuration.mkdir()
    more = "".join(f"{name}={value}\n" for name, value in settings.items())
    (configuration / "neo4j.conf").write_text(_CONFIGURATION.format(port=port) + more)
    _set_password(home, password)
    return Server(f"bolt://127.0.0.1:{port}", "neo4j", password, home, pid=_launch(home, short), short=short)


def _set_password(home: Path, password: str) -> None:
    """What ``neo4j-admin dbms set-initial-password`` writes; to start Java for it takes half as long as the server."""
    salt = secrets.token_bytes(32)
    digest = hashlib.sha256(salt + password.encode()).digest()
    for _ in range(1023):
        digest = hashlib.sha256(digest).digest()
    file = home / "data/dbms/auth.ini"
    file.parent.mkdir(parents=True)
    file.touch(mode=0o600)
    file.write_text(f"neo4j:SHA-256,{digest.hex()},{salt.hex()},1024:\n")


def _launch(home: Path, short: bool) -> int:
    """The process of a server whose files are in ``home``."""
    java = ["java", *(_SHORT if short else ()), "-cp", f"{fetch_jars()}/*"]
    opened = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")
    collector = "-XX:+UseSerialGC" if short else "-XX:+UseG1GC"
    memory = ["-Xms256m", "-Xmx512m", collector, *(f"--add-opens=java.base/{p}=ALL-UNNAMED" for p in opened)]
    with (home / "console.log").open("ab") as console:
        process = subprocess.Popen(
            [
                *java,
                *memory,
                "org.neo4j.server.CommunityEntryPoint",
                f"--home-dir={home}",
                f"--config-dir={home / 'conf'}",
            ],
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return process.pid


def _free_port() -> int:
    """A port that nobody listens on, below those that the system gives to connections that go out."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def fetch_jars() -> Path:
    """The folder of the server's jars; Maven fetches them when they are not there yet.

    Raises:
        ServerError: Maven is missing or failed.
    """
    jars = PLACE / "lib"
    PLACE.mkdir(exist_ok=True)
    with FileLock(PLACE / "lock"):  # another process of the tests may fetch them
        if (PLACE / "complete").exists():
            return jars
        if not shutil.which("mvn"):
            raise ServerError(f"Neo4j's jars are not in {jars} and there is no mvn to fetch them")
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
        command = ["mvn", "-q", "-B", "-f", str(ROOT / ".ci/neo4j/pom.xml"), *goal]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode:
            raise ServerError(f"Maven could not fetch Neo4j: {done.stdout.strip()[-500:]}")
        (PLACE / "complete").touch()
        return jars


def _wait(server: Server) -> None:
    until = time.monotonic() + SECONDS_TO_START
    with neo4j.GraphDatabase.driver(server.url, auth=(server.user, server.password)) as driver:
        while time.monotonic() < until:
            try:
                driver.verify_connectivity()
            except (neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError, OSError):
                if server.pid is not None and _gone(server.pid, 0):
                    raise ServerError("the Neo4j server ended while starting") from None
                time.sleep(0.5)
            else:
                return
    raise ServerError(f"the Neo4j server did not answer within {SECONDS_TO_START} s")


def empty_database(driver: neo4j.Driver, keep: frozenset[Index] = frozenset()) -> None:
    """Delete all data, and all constraints and indexes but some."""
    with driver.session(database="neo4j") as session:
        for what in ("()-[x]->()", "(x)"):  # edges first: a node with many would fill the transaction's memory
            session.run(f"MATCH {what} CALL (x) {{ DELETE x }} IN TRANSACTIONS OF 20000 ROWS").consume()
        for name, _, _, constraint in indexes(session) - keep:
            session.run(f"DROP CONSTRAINT `{constraint}`" if constraint else f"DROP INDEX `{name}`").consume()


def indexes(session: neo4j.Session) -> frozenset[Index]:
    """Every index: of the constraints, which the Community server keeps by one each, and the others."""
    listed = session.run(
        "SHOW INDEXES YIELD name, type, labelsOrTypes, properties, owningConstraint WHERE type <> 'LOOKUP' RETURN *"
    )
    return frozenset(
        (row["name"], (*row["labelsOrTypes"],), (*row["properties"],), row["owningConstraint"]) for row in listed
    )


def _docker(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = ["docker", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


def _is_java(pid: int) -> bool:
    """Whether the process is still the server, not another one that got its number."""
    command = Path(f"/proc/{pid}/cmdline")
    return not Path("/proc").exists() or (command.exists() and b"CommunityEntryPoint" in command.read_bytes())


def _gone(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while True:
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                return True
        except ChildProcessError:  # started by another process
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return True
        if time.monotonic() >= until:
            return False
        time.sleep(0.2)


def _main(arguments: list[str]) -> int:
    state, secret = PLACE / "server.json", PLACE / "auth"
    if arguments not in (["start"], ["stop"]):
        print("usage: neo4j_server.py start|stop", file=sys.stderr)
        return 2
    if arguments == ["stop"]:
        if not state.exists():
            print("no server was started here", file=sys.stderr)
            return 1
        kept = json.loads(state.read_text())
        Server(kept["url"], "", "", Path(kept["home"]), kept["pid"], kept["container"]).stop()
        state.unlink()
        secret.unlink(missing_ok=True)
        print("stopped")
        return 0
    if state.exists():
        print(f"a server was already started; end it with stop ({state})", file=sys.stderr)
        _tell(json.loads(state.read_text())["url"], secret)
        return 0
    try:
        server = start()
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    PLACE.mkdir(exist_ok=True)
    kept = {"url": server.url, "home": str(server.home), "pid": server.pid, "container": server.container}
    state.write_text(json.dumps(kept))
    secret.touch(mode=0o600)
    secret.write_text(f"{server.user}\n{server.password}\n")
    _tell(server.url, secret)
    return 0


def _tell(url: str, secret: Path) -> None:
    """What to type to use the server."""
    print(f"export KG_REC_GRAPH={url} NEO4J_AUTH_FILE={secret}")


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
