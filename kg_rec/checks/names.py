"""Names and words of a guessed schema, and how they are written in Turtle; what the graph holds is data."""

from __future__ import annotations

import re
import unicodedata
import zlib

from kg_rec.store.mapping import quoted

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
#: Names of properties that a table of edges has already.
_TAKEN = ("source", "target")


def identifier(label: str) -> str:
    """A name for a label, a relationship type or a property: its own, unless a schema cannot have that."""
    if _IDENTIFIER.fullmatch(label) and label not in _TAKEN:
        return label
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    name = re.sub(r"\W+", "_", plain).strip("_")
    if not name or name in _TAKEN:
        name = f"{name}_{zlib.crc32(label.encode()):x}".strip("_")
    return name if _IDENTIFIER.fullmatch(name) else f"T_{name}"[:63]


def words_of(name: str) -> str:
    """A name as words: ``HAS_GENRE`` and ``hasGenre`` are *has genre*."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_{}\s]+", " ", name).strip().lower()
    return " ".join(spaced.split()) or "related"


def plural(noun: str) -> str:
    """Most often right in English."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"


def comment(text: str) -> str:
    """A line of comment: names of the graph are data, whatever they hold."""
    return f"# {' '.join(text.split())}\n"


def string(text: str) -> str:
    """A text of Turtle."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def english(text: str) -> str:
    """A text of Turtle in English."""
    return f"{string(text)}@en"


def label_pattern(label: str) -> str:
    """A label as Cypher, in backticks where it needs them."""
    return label if re.fullmatch(r"\w+", label) else quoted(label)
