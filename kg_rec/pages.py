"""HTML pages and cards: one way to read their templates, which escape what they are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

#: How whole pages are printed: nothing is cut in two, what can be scrolled is shown whole, what is folded is left out.
_PRINT = (
    "@media print { section, figure, tr, .kg-rec-card, .entry { break-inside: avoid; } "
    ".wide, pre { overflow: visible; max-height: none; } details:not([open]) { display: none; } "
    "* { print-color-adjust: exact; } }"
)


def template(package: str, name: str, filters: Mapping[str, Callable[..., Any]] = MappingProxyType({})) -> Template:
    """A template beside the code that fills it; a name that it is not given is an error.

    Args:
        package: where it lies.
        name: of the file.
        filters: by name.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= filters
    environment.globals["print_style"] = _PRINT
    return environment.from_string(files(package).joinpath(name).read_text(encoding="utf-8"))
