"""Processes that answer: one, or several that share a socket, a mapped model and what was written of whom.

Each process reads the graph for itself.  One that dies is replaced.  What was acknowledged is in the graph, so a killed
process loses nothing but the requests that it was answering.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import uvicorn
from threadpoolctl import threadpool_limits
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from kg_rec.errors import ConfigError, KgRecError, ModelError, StoreUnavailableError
from kg_rec.serve.config import ServeConfig
from kg_rec.serve.protocol import Protocol
from kg_rec.store import connect
from kg_rec.textfile import parse_json, read_text

if TYPE_CHECKING:
    from fastapi import FastAPI

_log = logging.getLogger(__name__)
#: Seconds that a thread may keep others waiting: an answer passes through several, each of which waits its turn.
_SWITCH = 0.0005
#: Seconds after which a process that says nothing at all is taken for dead; reading a large graph keeps it busy.
_SILENT = 60


@dataclass(frozen=True)
class Application:
    """Makes the application; it is sent to worker processes, so it holds settings only.

    Attributes:
        graph: URL of the graph.
        model: folder of the model.
        mmap: leave what was learned in its file.
        config: settings of the service.
    """

    graph: str
    model: Path
    mmap: bool
    config: ServeConfig

    def __call__(self) -> FastAPI:
        """The application.

        Raises:
            KgRecError: model, graph or tokens cannot be read.
        """
        from kg_rec.serve.app import create_app  # it reads the environment that the worker was given
        from kg_rec.serve.hosted import Hosted
        from kg_rec.serve.live import Live

        share = self.config.shared is not None and not _compressed(self.model)
        folder, hosted = self.config.shared, None
        if folder is not None and _in_folder(self.graph):
            hosted = Hosted(folder, self.graph)
        live = Live(lambda: connect(self.graph, read_only=True), self.model, mmap=self.mmap, share=share, hosted=hosted)
        app = create_app(live, lambda: connect(self.graph), self.config)
        sys.setswitchinterval(_SWITCH)
        threadpool_limits(1)  # a list is little work: threads of BLAS for it wait, busily, for cores that others need
        gc.collect()
        gc.freeze()  # what stays for long is not looked through again and again while somebody waits
        return app


@dataclass(frozen=True)
class _Worker:
    """The application in a worker process.

    A worker that takes the place of another while the graph is away waits for it; any other fault ends the service.
    """

    make: Application

    def __call__(self) -> FastAPI:
        while True:
            try:
                return self.make()
            except StoreUnavailableError as error:
                _log.warning("a worker waits for the graph: %s", error)
                time.sleep(self.make.config.poll)
            except KgRecError as error:
                _log.error("%s", error)
                sys.exit(STARTUP_FAILURE)


def run(make: Application, started: Callable[[int], None]) -> None:
    """Answer until SIGINT or SIGTERM.

    Args:
        make: the application.
        started: told the port before requests are answered.

    Raises:
        KgRecError: model, graph or tokens cannot be read, or the port is taken.
    """
    config, several = make.config, make.config.workers > 1
    options: dict[str, Any] = {"log_level": "warning", "timeout_keep_alive": 30, "server_header": False}
    options |= {"host": config.host, "port": config.port, "factory": True, "http": Protocol}
    if not several:
        app = make()
        started(config.port)
        uvicorn.run(app, **{**options, "factory": False})
        return
    _compressed(make.model)  # a folder without a model is told here
    with closing(connect(make.graph, read_only=True)) as store:
        store.schema()
    with TemporaryDirectory(prefix="kg_rec-serve-") as name:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = name  # read by prometheus_client when a worker imports it
        shared = replace(make, config=replace(config, shared=Path(name)))
        served = uvicorn.Config(_Worker(shared), workers=config.workers, timeout_worker_healthcheck=_SILENT, **options)
        with _listening(config) as line, _hosting(make.graph, Path(name), config.poll):
            started(line.getsockname()[1])
            Multiprocess(served, sockets=[line]).run()


def _in_folder(graph: str) -> bool:
    """Whether a graph is in a folder, which one process at a time writes to."""
    return "://" not in graph


@contextmanager
def _hosting(graph: str, folder: Path, poll: float) -> Iterator[None]:
    """An embedded graph open in this process for all workers; nothing for a server."""
    if not _in_folder(graph):
        yield
        return
    from kg_rec.serve.hosted import Host

    host = Host(lambda: connect(graph, read_only=True), lambda: connect(graph), poll)
    host.listen(folder)
    try:
        yield
    finally:
        host.close()


def _listening(config: ServeConfig) -> socket.socket:
    """A socket that all workers accept from.

    It names its protocol: only then does asyncio send what is written at once (TCP_NODELAY).  Else each answer waits
    about 40 ms for the client to acknowledge its head.

    Raises:
        ConfigError: the port is taken, or the address is none of this machine.
    """
    line = socket.socket(
        socket.AF_INET6 if ":" in config.host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )
    line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        line.bind((config.host, config.port))
    except OSError as error:
        line.close()
        raise ConfigError(
            f"cannot listen on {config.host} port {config.port} ({error.strerror}); take another"
        ) from error
    line.set_inheritable(True)
    return line


def _compressed(model: Path) -> bool:
    """Whether a model has to be unpacked into the memory of each process.

    Raises:
        ModelError: the folder holds no model.
    """
    try:
        return parse_json(read_text(model / "model.json", ModelError)).get("compression") is not None
    except (ValueError, AttributeError) as error:
        raise ModelError(f"{model}: not a model ({error}); train one with `kg-rec train`") from error
