"""Which languages there are, known without loading one: help texts name them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from kg_rec.errors import SchemaError
from kg_rec.plugins import installed

_GROUP = "kg_rec.languages"
#: Title and class of those that ship, by code.
_SHIPPED = {
    "en": ("English", "kg_rec.explain.words.languages.english:English"),
    "zh": ("Chinese", "kg_rec.explain.words.languages.chinese:Chinese"),
}
_registered: dict[str, Any] = {}


def register_class(code: str, language: Any) -> None:
    """Make a language known to this process; one of the same code is replaced."""
    _registered[code] = language


def languages() -> tuple[str, ...]:
    """The codes of all languages: those that ship, those of entry points, those registered."""
    return tuple(dict.fromkeys([*_SHIPPED, *(point.name for point in installed(_GROUP)), *_registered]))


def title_of(code: str) -> str:
    """What a language is called, in English; its code where it is not loaded yet."""
    if code in _SHIPPED:
        return _SHIPPED[code][0]
    return str(_registered[code].title) if code in _registered else code


def code_of(lang: str) -> str:
    """The code of a language, without a region (``zh-CN``).

    Raises:
        SchemaError: there is none of that code.
    """
    code = lang.replace("_", "-").split("-")[0].lower()
    if code not in languages():
        raise SchemaError(f"no grammar for the language {lang!r}; expected one of {', '.join(languages())}")
    return code


def class_of(lang: str) -> Any:
    """The class of a language, loaded on first use.

    Raises:
        SchemaError: there is none of that code.
    """
    code = code_of(lang)
    if code not in _registered:
        if code in _SHIPPED:
            module, _, name = _SHIPPED[code][1].partition(":")
            _registered[code] = getattr(import_module(module), name)
        else:
            _registered[code] = next(point for point in installed(_GROUP) if point.name == code).load()
    return _registered[code]
