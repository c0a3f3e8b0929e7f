"""Settings as frozen dataclasses: how they are read from a dictionary or a TOML file, and refused by name.

A TOML file may set any field; a table per nested config.  Unknown keys and wrong types are refused::

    seed = 7
    [gnn]
    dimensions = 48

Each part of the package keeps its settings beside what they set; this file only reads them.
"""

from __future__ import annotations

import re
import tomllib
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from kg_rec.errors import ConfigError, SettingError
from kg_rec.textfile import nothing_told_of_links, read_toml

ConfigT = TypeVar("ConfigT")


def expect(holds: bool, setting: str, expected: str, got: object) -> None:
    """Raise SettingError unless ``holds``."""
    if not holds:
        raise SettingError(f"{setting}: expected {expected}, got {got}", setting)


def from_dict(cls: type[ConfigT], values: Mapping[str, Any]) -> ConfigT:
    """A config dataclass from a nested dictionary; missing keys keep their defaults.

    Raises:
        SettingError: a key is unknown or a value has the wrong type.
    """
    return _read(cls, values, "")


def from_toml(cls: type[ConfigT], path: str | Path, defaults: Mapping[str, Any] | None = None) -> ConfigT:
    """A config dataclass from a TOML file.

    Args:
        cls: the dataclass.
        path: the file.
        defaults: values of settings that the file does not hold.

    Raises:
        ConfigError: not TOML, a key is unknown, or a value has the wrong type; the message names file and line.
    """
    with nothing_told_of_links(path, ConfigError):
        values, text = read_toml(path)
        try:
            return _read(cls, {**(defaults or {}), **values}, "")
        except SettingError as error:
            raise ConfigError(f"{path}:{setting_line(text, error.setting)}: {error}") from error


def setting_line(text: str, setting: str) -> int:
    """The line of a TOML text on which a setting begins; of the nearest table around it if it is not written there.

    Args:
        text: valid TOML.
        setting: a path such as ``gnn.iterations`` or ``candidates.caps[0].most``.
    """
    path = [int(index) if index else name for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", setting)]
    lines = text.splitlines(keepends=True)
    while path:
        begin = 1
        for end in range(1, len(lines) + 1):  # a beginning of the text that parses ends with a whole statement
            try:
                values = tomllib.loads("".join(lines[:end]))
            except tomllib.TOMLDecodeError:
                continue
            if _holds(values, path):
                return begin
            begin = end + 1
        path.pop()
    return 1


def _holds(values: Any, path: Sequence[str | int]) -> bool:
    for step in path:
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _read(cls: type[ConfigT], values: Mapping[str, Any], path: str) -> ConfigT:
    hints = _types(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        setting = path + unknown[0]
        raise SettingError(f"unknown setting {setting}; expected one of {', '.join(sorted(hints))}", setting)
    missing = sorted(f.name for f in fields(cls) if f.name not in values and _required(f))  # type: ignore[arg-type]
    if missing:
        raise SettingError(f"{path}{missing[0]} is missing; set it", path + missing[0])
    make: Callable[..., ConfigT] = getattr(cls, "from_settings", cls)
    return make(**{key: _value(hints[key], value, path + key) for key, value in values.items()})


def _types(cls: type[Any]) -> Mapping[str, Any]:
    """The type of each setting.

    A class whose settings are not its fields says them by ``setting_types``, and is made of them by ``from_settings``
    if its constructor does not take them.
    """
    own = getattr(cls, "setting_types", None)
    return get_type_hints(cls) if own is None else own()


def _value(kind: Any, value: Any, path: str) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise SettingError(f"{path}: expected a table, got {value!r}", path)
        return _read(kind, value, path + ".")
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple) or not value:
            raise SettingError(f"{path}: expected a list with at least one value, got {value!r}", path)
        inner = get_args(kind)[0]
        place = f"{path}[{{}}]" if is_dataclass(inner) else path
        return tuple(_value(inner, v, place.format(i)) for i, v in enumerate(value))
    if get_origin(kind) in (Union, types.UnionType):
        raise SettingError(f"{path}: cannot be set from a file", path)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise SettingError(f"{path}: expected {kind.__name__}, got {value!r}", path)
    return value


def _required(f: Field[Any]) -> bool:
    return f.default is MISSING and f.default_factory is MISSING
