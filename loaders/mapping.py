"""Mapping files: which columns of a table feed which node and relation types.

::

    [[nodes]]                       # one node a row
    type = "Film"
    columns = { item_id = "id", title = "name", year = "year" }     # property = column
    mention = false                 # true: the same key may come in several rows

    [[edges]]                       # one edge a row
    relation = "RATED"
    source = "user"                 # columns with the keys of the ends
    target = "film"
    columns = { rating = "stars" }  # property = column
    create = ["source"]             # ends that are made from their key where they are not there yet

    [[edges]]                       # several edges a row
    relation = "HAS_GENRE"
    source = "film"
    target = "genres"
    split = "|"                     # the target column holds a list
    create = ["target"]

    [[facts]]                       # the relation is in a column: a relation type or one of its aliases
    source = "item_id"
    relation = "relation"
    target = "name"
    create = ["target"]
    names = { "regie" = "DIRECTED_BY" }     # further names
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from kg_rec.errors import ConfigError
from kg_rec.textfile import nothing_told_of_links, read_toml

_ENDS = frozenset({"source", "target"})


@dataclass(frozen=True, slots=True)
class NodeRule:
    """Rows as nodes.

    Attributes:
        type: node type.
        columns: property to column; the key is among them.
        mention: the same key may come in several rows.
    """

    type: str
    columns: Mapping[str, str]
    mention: bool = False

    def reads(self) -> tuple[str, ...]:
        """Columns that must be there."""
        return tuple(self.columns.values())


@dataclass(frozen=True, slots=True)
class EdgeRule:
    """Rows as edges of one relation type.

    Attributes:
        relation: relation type.
        source: column with the source's key.
        target: column with the target's key.
        columns: property to column.
        create: ``source`` and ``target``, whichever is made from its key (as key and name).
        split: separator of several targets in one field, or None.
    """

    relation: str
    source: str
    target: str
    columns: Mapping[str, str] = field(default_factory=dict)
    create: tuple[str, ...] = ()
    split: str | None = None

    def reads(self) -> tuple[str, ...]:
        """Columns that must be there."""
        return (self.source, self.target, *self.columns.values())


@dataclass(frozen=True, slots=True)
class FactRule:
    """Rows as edges whose relation type is in a column.

    Attributes:
        source: column with the source's key.
        relation: column with the relation's name.
        target: column with the target's key.
        create: ends that are made from their key (as key and name).
        names: further names of relation types.
    """

    source: str
    relation: str
    target: str
    create: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    def reads(self) -> tuple[str, ...]:
        """Columns that must be there."""
        return (self.source, self.relation, self.target)


@dataclass(frozen=True, slots=True)
class TableMapping:
    """What the rows of a table mean.

    Attributes:
        nodes: rules that make nodes.
        edges: rules that make edges.
        facts: rules that make edges with the relation in a column.
    """

    nodes: tuple[NodeRule, ...] = ()
    edges: tuple[EdgeRule, ...] = ()
    facts: tuple[FactRule, ...] = ()

    @classmethod
    def from_file(cls, path: Path) -> TableMapping:
        """Read a mapping.

        Raises:
            ConfigError: the file is absent, not TOML, or says what is not understood; the message names the place.
        """
        with nothing_told_of_links(path, ConfigError):
            return cls._read(path)

    @classmethod
    def _read(cls, path: Path) -> TableMapping:
        data, _ = read_toml(path)
        unknown = sorted(set(data) - {"nodes", "edges", "facts"})
        if unknown or not data:
            got = unknown[0] if unknown else "nothing"
            raise ConfigError(f"{path}: expected [[nodes]], [[edges]] or [[facts]], got {got}")
        return cls(
            tuple(_rule(NodeRule, r, f"{path}: nodes[{i}]") for i, r in enumerate(_list(data, "nodes", path))),
            tuple(_rule(EdgeRule, r, f"{path}: edges[{i}]") for i, r in enumerate(_list(data, "edges", path))),
            tuple(_rule(FactRule, r, f"{path}: facts[{i}]") for i, r in enumerate(_list(data, "facts", path))),
        )

    def reads(self) -> tuple[str, ...]:
        """Columns that must be there."""
        rules: list[NodeRule | EdgeRule | FactRule] = [*self.nodes, *self.edges, *self.facts]
        return tuple(dict.fromkeys(column for rule in rules for column in rule.reads()))


_Rule = TypeVar("_Rule", NodeRule, EdgeRule, FactRule)


def _list(data: Mapping[str, Any], name: str, path: Path) -> list[Any]:
    value = data.get(name, [])
    if not isinstance(value, list):
        raise ConfigError(f"{path}: expected [[{name}]], an array of tables, got [{name}]")
    return value


def _rule(kind: type[_Rule], data: object, where: str) -> _Rule:
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: expected a table, got {data!r}")
    known = {f.name: f for f in fields(kind)}
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; expected some of {', '.join(known)}")
    for name, value in data.items():
        expected: type = {"columns": dict, "names": dict, "create": list, "mention": bool}.get(name, str)
        if not isinstance(value, expected):
            raise ConfigError(f"{where}.{name}: expected {expected.__name__}, got {value!r}")
        if isinstance(value, dict) and not all(isinstance(v, str) for v in value.values()):
            raise ConfigError(f"{where}.{name}: expected texts as values, got {value!r}")
        if isinstance(value, list) and not all(isinstance(end, str) and end in _ENDS for end in value):
            raise ConfigError(f"{where}.create: expected 'source' and 'target', got {value!r}")
        if name == "split" and not value:
            raise ConfigError(f"{where}.split: expected a separator, got an empty text")
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"{where}: {str(error).split('__init__() ')[-1]}") from error
