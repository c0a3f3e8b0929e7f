"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from kg_rec.tables import format_of

if TYPE_CHECKING:
    from kg_rec.model.config import TrainConfig
    from kg_rec.progress import Progress
    from kg_rec.snapshot import Snapshot
    from kg_rec.split import Protocol, Split
    from kg_rec.store import GraphStore

#: The graph where none is named.
DEFAULT_GRAPH = "kg.graph"
#: As in kg_rec.explain.words.patterns, which takes long to import.
TONES = ("short", "friendly", "formal", "audit")
#: As in kg_rec.split, which imports NumPy.
PROTOCOLS = ("random", "temporal", "calendar", "cold-items", "cold-users")

F = TypeVar("F", bound=Callable[..., Any])


def graph_option(command: F) -> F:
    """``--graph``, with a default."""
    return click.option(
        "--graph",
        envvar="KG_REC_GRAPH",
        default=DEFAULT_GRAPH,
        show_default=True,
        show_envvar=True,
        metavar="URL",
        help="Folder of an embedded graph, or neo4j://HOST:PORT[?database=NAME].",
    )(command)


def live_graph_option(command: F) -> F:
    """``--graph`` without a default: the graph to read users and interactions from, instead of the model's."""
    return click.option(
        "--graph",
        envvar="KG_REC_GRAPH",
        show_envvar=True,
        metavar="URL",
        help="Use the users and interactions of this graph as it is now, not as it was in training.",
    )(command)


def learned_option(command: F) -> F:
    """``--learned``."""
    return click.option(
        "--learned",
        is_flag=True,
        help="With the weights that `kg-rec feedback learn` taught, and with the clicks in --graph as interactions.",
    )(command)


def mmap_option(command: F) -> F:
    """``--mmap``."""
    return click.option(
        "--mmap", is_flag=True, help="Leave what was learned in the file: for a model larger than memory."
    )(command)


def source_options(command: F) -> F:
    """``--graph`` or ``--snapshot``."""
    command = click.option(
        "--snapshot",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="A folder that `kg-rec export` wrote, instead of a graph.",
    )(command)
    return graph_option(command)


def budget_options(what: str) -> Callable[[F], F]:
    """``--epsilon`` and ``--delta``; ``what`` says what the first one does."""

    def added(command: F) -> F:
        command = click.option(
            "--delta",
            type=click.FloatRange(min=0, max=1, min_open=True, max_open=True),
            help="With --epsilon: chance that the bound fails.  [default: 1e-5]",
        )(command)
        return click.option("--epsilon", type=click.FloatRange(min=0, min_open=True, max=100), help=what)(command)

    return added


def json_option(command: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


class _Languages(click.Option):
    """An option whose help lists the languages that ship or are installed, looked up when it is asked for."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option, and the languages."""
        from kg_rec.explain.words.languages.registry import languages, title_of

        self.help = f"Language of the words: {', '.join(f'{c} ({title_of(c)})' for c in languages())}."
        return super().get_help_record(ctx)


def _known_languages(_: click.Context, __: click.Parameter, value: Any) -> Any:
    from kg_rec.errors import SchemaError
    from kg_rec.explain.words.languages.registry import code_of

    try:
        return tuple(code_of(v) for v in value) if isinstance(value, tuple) else code_of(value)
    except SchemaError as error:
        raise click.BadParameter(str(error)) from None


def html_options(command: F) -> F:
    """``--html`` and ``--out FILE``; see :func:`one_form`."""
    to = click.Path(dir_okay=False, path_type=Path)
    command = click.option("--out", type=to, metavar="FILE", help="With --html: write the page into a file.")(command)
    return click.option("--html", is_flag=True, help="As a page that needs nothing from outside.")(command)


def one_form(*, html: bool, as_json: bool, out: Path | None) -> None:
    """Refuse two forms at a time.

    Raises:
        UsageError: ``--html`` with ``--json``, or ``--out`` without ``--html``.
    """
    if html and as_json:
        raise click.UsageError("give --html or --json, one of them")
    if out is not None and not html:
        raise click.UsageError("--out needs --html")


def lang_option(command: F) -> F:
    """``--lang``, one language."""
    option = click.option(
        "--lang", cls=_Languages, default="en", show_default=True, metavar="CODE", callback=_known_languages
    )
    return option(command)


def langs_option(command: F) -> F:
    """``--lang``, repeatable; none for all."""
    option = click.option("--lang", cls=_Languages, multiple=True, metavar="CODE", callback=_known_languages)
    return option(command)


def list_file(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    """Callback of an option that names a file of a table format."""
    if value is not None:
        from kg_rec.errors import ConfigError

        try:
            format_of(value)
        except ConfigError as error:
            raise click.BadParameter(str(error)) from error
    return value


def in_words(_: click.Context, __: click.Parameter, value: Any) -> Any:
    """One text or several that say something, for a callback; nothing given stays nothing."""
    for text in (value,) if isinstance(value, str) else value or ():
        if not text.strip():
            raise click.BadParameter("expected words, got an empty text; leave it out")
    return value


def key_values(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, str]]:
    """Callback of an option that is given as key=value, several times: keys and texts of the values."""
    pairs = []
    for value in values:
        key, separator, text = value.partition("=")
        if not separator or not key.strip():
            raise click.BadParameter(f"expected key=value, got {value!r}")
        pairs.append((key.strip(), text))
    return pairs


class ChannelHelp(click.Option):
    """An option whose help lists the channels that there are, looked up when it is asked for."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option, and its help with the names of the channels."""
        from kg_rec.model.channels.registry import channel_names

        record = super().get_help_record(ctx)
        names = ", ".join(channel_names())
        return None if record is None else (record[0], f"{record[1]} Channels: {names}.")


def settings_options(command: F) -> F:
    """Everything that decides a model besides the graph: passed on as one argument ``settings``."""
    options = (
        click.option(
            "--config", type=click.Path(path_type=Path), metavar="TOML", help="Settings; see kg_rec/model/config.py."
        ),
        click.option(
            "--set",
            "sets",
            cls=ChannelHelp,
            metavar="KEY=VALUE",
            callback=key_values,
            multiple=True,
            help="One setting, over the file's: --set knowledge.steps=40. Repeatable.",
        ),
        click.option("--seed", type=click.IntRange(min=0), help="Seed of every random choice.  [default: 2026]"),
        click.option("--device", metavar="NAME", help="cpu, cuda, or auto: cuda where there is one.  [default: auto]"),
        click.option("--no-text", is_flag=True, help="Do without the text model."),
        click.option(
            "--block",
            multiple=True,
            metavar="RELATION",
            help="A relation type of items' facts that no score may use, nor an explanation. Repeatable.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def read_settings(
    config: Path | None,
    sets: Sequence[tuple[str, str]],
    seed: int | None,
    device: str | None,
    no_text: bool,
    block: Sequence[str] = (),
) -> TrainConfig:
    """The settings of a file, changed by ``--set`` and the other options.

    Raises:
        ConfigError: a setting is unknown or has a wrong type.
    """
    from kg_rec.errors import ConfigError
    from kg_rec.model.config import TrainConfig

    values = (TrainConfig() if config is None else TrainConfig.from_toml(config)).to_dict()
    for key, text in sets:
        assign(values, key, toml_value(text))
    try:
        chosen = TrainConfig.from_dict(values)
    except ConfigError as error:
        raise ConfigError(f"--set: {error}") from error
    values = chosen.to_dict()
    if seed is not None:
        values["seed"] = seed
    if device is not None:
        values["device"] = device
    if no_text:
        values["meaning"]["encoder"] = "none"
    if block:
        values["blocked"] = list(dict.fromkeys([*values.get("blocked", ()), *block]))
    return TrainConfig.from_dict(values)


def assign(values: dict[str, Any], key: str, value: Any) -> None:
    """Set one of nested settings, such as ``knowledge.steps``; a list of choices takes one value as a list of it.

    Raises:
        ConfigError: a part of the key is a value, not a group of settings.
    """
    from kg_rec.errors import ConfigError

    *tables, name = key.split(".")
    inner: Any = values
    for table in tables:
        inner = inner.setdefault(table, {}) if isinstance(inner, dict) else None
    if not isinstance(inner, dict):
        raise ConfigError(f"--set {key}: {'.'.join(tables)} is one value, not a group of settings")
    inner[name] = [value] if isinstance(inner.get(name), tuple | list) and not isinstance(value, list) else value


def toml_value(text: str) -> Any:
    """A value written as TOML; what is not TOML is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def json_value(text: str) -> Any:
    """A value written as JSON; what is not JSON is a text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


@contextmanager
def opened(graph: str, *, read_only: bool = True, create: bool = False) -> Iterator[GraphStore]:
    """An open store, closed at the end; only ``create`` makes a folder, so that a slip in its name leaves none."""
    from kg_rec.store import connect

    with closing(connect(graph, read_only=read_only, create=create)) as store:
        yield store


def read_source(ctx: click.Context, graph: str, snapshot: Path | None, progress: Progress) -> Snapshot:
    """The snapshot of ``--snapshot``, else an export of ``--graph``.

    Raises:
        UsageError: both were given on the command line.
    """
    from kg_rec.snapshot import Snapshot, export

    if snapshot is None:
        with opened(graph) as store:
            return export(store, progress)
    if ctx.get_parameter_source("graph") == click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("give --graph or --snapshot, not both", ctx)
    return Snapshot.load(snapshot)


def read_split(folder: Path, snapshot: Snapshot, protocol: str) -> Split:
    """The split that ``--split`` names."""
    from kg_rec.split_files import read_split

    return read_split(folder, snapshot, cast("Protocol", protocol))


def counted(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Rows of a table of counts: the types that occur."""
    return [(name, count) for name, count in counts.items() if count]
