"""The displays of an explanation: what it can be shown as, found by name.

A display is a function that takes an :class:`~kg_rec.explain.explanation.Explanation` and gives what is shown: a text
for the terminal, a page, a picture.  Those of the package are listed here by where they stand and imported when they
are asked for, so an explanation does not know how it is shown.  A package outside adds its own by an entry point of
the group ``kg_rec.displays`` that names a :class:`Display`::

    [project.entry-points."kg_rec.displays"]
    rdf = "my_package:RDF"

    RDF = Display("rdf", "RDF in Turtle", "my_package:to_turtle", "text/turtle", ".ttl")
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from kg_rec.errors import ConfigError
from kg_rec.plugins import installed

_GROUP = "kg_rec.displays"


@dataclass(frozen=True, slots=True)
class Display:
    """One way to show an explanation.

    Attributes:
        name: what it is asked for by.
        description: what it is, in a few words of help.
        function: where the function stands, ``module:name``.  It takes an explanation.
        media_type: media type of the text that the function gives; None where it gives another object.
        ending: ending of a file that holds the text, ``.html``; None where there is no text.
    """

    name: str
    description: str
    function: str
    media_type: str | None = None
    ending: str | None = None

    def load(self) -> Callable[[Any], Any]:
        """The function.

        Raises:
            ConfigError: there is no such function.
        """
        module, _, name = self.function.partition(":")
        try:
            function: Callable[[Any], Any] = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"display {self.name}: expected a function at {self.function!r}, got: {error}") from error
        return function


_SHOW = "kg_rec.explain.show"
_OWN = (
    Display("text", "text for a terminal", f"{_SHOW}.text:to_text", "text/plain", ".txt"),
    Display("json", "as explain/explanation.schema.json says", f"{_SHOW}.text:to_json", "application/json", ".json"),
    Display("html", "one page of HTML", f"{_SHOW}.text:to_page", "text/html", ".html"),
    Display("card", "the card of that page, to put into another", f"{_SHOW}.text:to_html", "text/html", ".html"),
    Display("markdown", "Markdown as GitHub reads it", f"{_SHOW}.text:to_markdown", "text/markdown", ".md"),
    Display("cypher", "the query that returns the shown paths", f"{_SHOW}.cypher:to_cypher", "text/plain", ".cypher"),
    Display("networkx", "the shown paths as a networkx graph", f"{_SHOW}.networkx:to_networkx"),
    Display("figure", "the shown paths as a matplotlib figure", f"{_SHOW}.figure:figure"),
)


def displays() -> dict[str, Display]:
    """Every display by name: those of the package, then those of other packages by name.

    Raises:
        ConfigError: an entry point does not name a :class:`Display` of its own name, or takes a name that is in use.
    """
    by_name = {display.name: display for display in _OWN}
    for point in installed(_GROUP):
        try:
            display = point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"entry point {point.name} of {_GROUP}: cannot load {point.value}: {error}") from error
        if not isinstance(display, Display) or display.name != point.name:
            raise ConfigError(
                f"entry point {point.name} of {_GROUP}: expected a Display called {point.name!r}, got {display!r}"
            )
        if display.name in by_name:
            raise ConfigError(f"entry point {point.name} of {_GROUP}: there is a display of this name; choose another")
        by_name[display.name] = display
    return by_name


def display(name: str) -> Display:
    """The display of a name.

    Raises:
        ConfigError: there is none.
    """
    own = next((known for known in _OWN if known.name == name), None)
    if own is not None:  # without a look at what is installed, which takes milliseconds
        return own
    every = displays()
    if name not in every:
        raise ConfigError(f"expected one of the displays {', '.join(every)}, got {name!r}")
    return every[name]
