"""Figures of a run in Prometheus' text format, in a file or on a port.

No client library: a run has a dozen gauges and no labels that grow.
Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from kg_rec.errors import ConfigError
from kg_rec.jobs.config import MetricsConfig

_HELP = {
    "users_done": "Users whose lists are written.",
    "users": "Users of the run.",
    "rows": "Recommendations written by this process.",
    "chunks_done": "Chunks written.",
    "chunks": "Chunks of the run.",
    "users_with_fewer_than_k": "Users with fewer than k recommendations, in the chunks of this process.",
    "stage_seconds": "Seconds per stage of this process.",
    "drift": "Population stability index of the scores against the run before.",
    "last_success_timestamp_seconds": "When the run was complete.",
}


@dataclass
class Metrics:
    """The gauges of one run.

    Attributes:
        job: label of all.
        config: where they go.
        values: by name, as in the help texts.
        stages: seconds per stage.
    """

    job: str
    config: MetricsConfig
    values: dict[str, float] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)

    def text(self) -> str:
        """All gauges."""
        lines = []
        for name, about in _HELP.items():
            rows = [(f'stage="{s}",', v) for s, v in self.stages.items()] if name == "stage_seconds" else []
            rows += [("", self.values[name])] if name in self.values else []
            if rows:
                lines += [f"# HELP kg_rec_job_{name} {about}", f"# TYPE kg_rec_job_{name} gauge"]
                lines += [f'kg_rec_job_{name}{{{label}job="{self.job}"}} {value:.17g}' for label, value in rows]
        return "\n".join(lines) + "\n"

    def update(self, **values: float) -> None:
        """Set gauges, and write the file anew, whole or not at all."""
        self.values.update(values)
        if self.config.file:
            partial = Path(f"{self.config.file}.{os.getpid()}")
            partial.write_text(self.text(), encoding="utf-8")
            os.replace(partial, self.config.file)

    @contextmanager
    def served(self) -> Iterator[None]:
        """Answer ``GET /metrics`` on 127.0.0.1 while the block runs, where there is a port.

        Raises:
            ConfigError: the port is taken.
        """
        if not self.config.port:
            yield
            return
        metrics = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                data = metrics.text().encode()
                self.send_response(200 if self.path == "/metrics" else 404)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.end_headers()
                self.wfile.write(data if self.path == "/metrics" else b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the base class has it
                return

        try:
            server = ThreadingHTTPServer(("127.0.0.1", self.config.port), Handler)
        except OSError as error:
            raise ConfigError(f"metrics.port: cannot listen on {self.config.port}: {error.strerror}") from error
        thread = threading.Thread(target=server.serve_forever, daemon=True, name="metrics")
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
