"""What all commands share: errors in one line, progress on stderr, tables and JSON on stdout."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import shutil
import sys
import time
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from kg_rec.errors import KgRecError

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import Task
    from rich.text import Text

    from kg_rec.progress import Progress

_VERBOSE = "kg_rec.verbose"


class Command(click.Command):
    """A command with ``-v``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["-v", "--verbose"],
                is_flag=True,
                expose_value=False,
                callback=_remember,
                help="Show the log, and a traceback on errors.",
            )
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Set up logs, then run."""
        _configure(bool(ctx.meta.get(_VERBOSE)))
        for name, value in ctx.params.items():
            _expect_text(name, value)
        return super().invoke(ctx)


class Program(click.Group):
    """The whole program: keeps its commands in their order of use and turns errors into one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order they were added."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command.  A KgRecError is one line on stderr and exit status 1."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(130)
        except KgRecError as error:
            _fail(ctx, str(error))
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read our output has had enough; click ends quietly
                raise
            _fail(ctx, f"{error.filename}: {error.strerror}" if error.filename else str(error))
        except Exception as error:  # noqa: BLE001  a fault of ours: one line all the same
            _fail(ctx, f"unexpected {type(error).__name__}: {error}; this is a fault of kg-rec: -v shows where")


def _expect_text(name: str, value: object) -> None:
    """Refuse an argument that is no text: bytes of another encoding come as halves of characters, which nothing writes.

    The name of a file may be any bytes.
    """
    if isinstance(value, tuple | list):
        for one in value:
            _expect_text(name, one)
    elif isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
        raise click.UsageError(f"{name}: expected text in UTF-8, got other bytes")


def _fail(ctx: click.Context, message: str) -> NoReturn:
    if ctx.meta.get(_VERBOSE):
        traceback.print_exc()
    click.echo(f"error: {one_line(message)}", err=True)
    ctx.exit(1)


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.meta[_VERBOSE] = value


def _configure(verbose: bool) -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("kg_rec").setLevel(logging.INFO if verbose else logging.WARNING)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def json_log() -> None:
    """Log from INFO as JSON on stderr, one object a line: time, level, logger, message, and what the record adds."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("kg_rec").setLevel(logging.INFO)


class _JsonFormatter(logging.Formatter):
    _usual = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        values = {"time": when, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        values |= {name: value for name, value in vars(record).items() if name not in self._usual}
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return dumps(values, indent=None)


# --- text ---------------------------------------------------------------------------------------------


#: Of a longer word, such as a key of thousands of letters, a table and a message show the start; JSON has it whole.
LONGEST_WORD = 300


def one_line(text: str) -> str:
    """Text without line breaks and without characters that a terminal would act on; of a longer word the start."""
    words = "".join(c if c.isprintable() else " " for c in text).split()
    return " ".join(word if len(word) <= LONGEST_WORD else f"{word[:LONGEST_WORD]}…" for word in words)


def note(text: str) -> None:
    """A remark on stderr."""
    click.echo(one_line(text), err=True)


def figure(value: float) -> str:
    """A measure with four decimals."""
    return f"{value:.4f}"


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Collection[str] = ()) -> None:
    """A table on stdout; a None is an empty cell.

    Args:
        columns: their names.
        rows: one value per column.
        right: columns set to the right, besides those of numbers.
    """
    from rich.cells import cell_len

    values = [list(row) for row in rows]
    numeric = [name in right or _all_numbers([row[i] for row in values]) for i, name in enumerate(columns)]
    cells = [[one_line(name) for name in columns]]
    cells += [["" if value is None else one_line(_shown(value)) for value in row] for row in values]
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(columns))]
    if sys.stdout.isatty() and sum(widths) + 3 * len(widths) > shutil.get_terminal_size().columns:
        _print_folded(cells, numeric)
        return
    lines = []
    for row in cells:
        spaces = [" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        parts = [s + c if n else c + s for c, s, n in zip(row, spaces, numeric, strict=True)]
        lines.append("   ".join(parts).rstrip())
    lines.insert(1, "─" * (sum(widths) + 3 * (len(widths) - 1)))
    click.echo("\n".join(lines))


def _print_folded(cells: Sequence[Sequence[str]], numeric: Sequence[bool]) -> None:
    """A table that is wider than the terminal: long cells go over several lines."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, right in zip(cells[0], numeric, strict=True):
        table.add_column(Text(name), justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in cells[1:]:
        table.add_row(*map(Text, row))
    Console(file=sys.stdout, highlight=False).print(table)


def _all_numbers(values: Sequence[object]) -> bool:
    filled = [value for value in values if value is not None]
    return bool(filled) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in filled)


def _shown(value: object) -> str:
    if isinstance(value, list | tuple | dict):
        return dumps(value, indent=None)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


# --- JSON ---------------------------------------------------------------------------------------------


def print_json(value: Any, out: Path | None = None) -> None:
    """One JSON object on stdout, or in a file."""
    text = dumps(value)
    if out is None:
        click.echo(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")


def put(text: str, out: Path | None) -> None:
    """Write a text to standard output, or into a file."""
    if out is None:
        click.echo(text, nl=not text.endswith("\n"))
        return
    out.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
    note(f"written to {out}")


def dumps(value: Any, indent: int | None = 2) -> str:
    """JSON; infinite numbers and NaN are null, and what a terminal would act on is written as an escape."""
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent, default=str)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value


# --- progress -----------------------------------------------------------------------------------------


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Progress on stderr: a bar in a terminal, else one line per stage."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class Amount(TextColumn):
        def render(self, task: Task) -> Text:
            return Text(_amount(task.completed, task.total, task.speed))

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        Amount(""),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield _Bar(bars)


def staged(progress: Progress, stage: str) -> Progress:
    """The same progress, with the name of a larger stage before that of each step."""
    return lambda done, total, what: progress(done, total, f"{stage}: {what}")


def _amount(done: float, total: float | None, speed: float | None) -> str:
    if total is not None:
        return f"{done:,.0f}/{total:,.0f}"
    if not done:
        return ""
    return f"{done:,.0f}" if speed is None else f"{done:,.0f} ({speed:,.0f}/s)"


class _Lines:
    """A line where a stage begins; steps of one kind, which share their first word, at most one a second.

    Work that is done within a second prints nothing.
    """

    def __init__(self) -> None:
        self._last, self._printed, self._began = "", 0.0, time.monotonic()

    def __call__(self, done: int, total: int | None, what: str) -> None:
        now = time.monotonic()
        same = what.split()[:1] == self._last.split()[:1]
        if what == self._last or done == total or now - self._began < 1 or (same and now - self._printed < 1):
            return
        self._last, self._printed = what, now
        click.echo(f"  {one_line(what)}", err=True)


class _Bar:
    """One bar; a step that goes on counting where the last one stopped keeps it, another starts it anew."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task = bars.add_task("", total=None)
        self._state: tuple[int, int | None, str] = (0, None, "")

    def __call__(self, done: int, total: int | None, what: str) -> None:
        before, whole, last = self._state
        self._state = (done, total, what)
        if what != last and (total != whole or done < before):
            self._bars.remove_task(self._task)
            self._task = self._bars.add_task(one_line(what), total=total, completed=done)
        else:
            self._bars.update(self._task, total=total, completed=done, description=one_line(what))
