"""Names and words of a guessed schema, and how they are written in Turtle; what the graph holds is data."""

from __future__ import annotations

import re
import unicodedata
import zlib

from kg_rec.store.mapping import quoted

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
#: Names of properties that a table of edges has already.
_TAKEN = ("source", "target")
#: Names that begin so are kg_rec's own.
_OURS = "KgRec"


def identifier(label: str) -> str:
    """A name for a label, a relationship type or a property: its own, unless a schema cannot have that."""
    if _IDENTIFIER.fullmatch(label) and label not in _TAKEN and not label.startswith(_OURS):
        return label
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    name = re.sub(r"\W+", "_", plain).strip("_")
    if not name or name in _TAKEN:
        name = f"{name}_{zlib.crc32(label.encode()):x}".strip("_")
    return name if _IDENTIFIER.fullmatch(name) and not name.startswith(_OURS) else f"T_{name}"[:63]


class Identifiers:
    """Names of the types of one schema, which differ in more than case."""

    def __init__(self, *taken: str) -> None:
        self._taken = {name.lower() for name in taken}
        self._labels: dict[str, str] = {}

    def label(self, label: str) -> str:
        """The name of a label, always the same."""
        if label not in self._labels:
            self._labels[label] = self._free(identifier(label))
        return self._labels[label]

    def relation(self, name: str, source: str, target: str) -> str:
        """The name of one more relation from a label to another."""
        return self._free(identifier(name), identifier(f"{name}_{target}"), identifier(f"{source}_{name}_{target}"))

    def _free(self, *wanted: str) -> str:
        numbered = (f"{wanted[0][:58]}_{n}" for n in range(2, 10_000))
        name = next(one for one in (*wanted, *numbered) if one.lower() not in self._taken)
        self._taken.add(name.lower())
        return name


def words_of(name: str) -> str:
    """A name as words: ``HAS_GENRE`` and ``hasGenre`` are *has genre*."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_{}\s]+", " ", name).strip().lower()
    return " ".join(spaced.split()) or "related"


def plural(noun: str) -> str:
    """Most often right in English; of other scripts the noun itself."""
    if not re.search(r"[a-z]$", noun) or noun.endswith(("media", "series", "news")):
        return noun
    if noun.endswith("person"):
        return f"{noun[:-6]}people"
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


def literal(text: str) -> str:
    """A text of Cypher."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def label_pattern(label: str) -> str:
    """A label as Cypher, in backticks where it needs them."""
    return label if re.fullmatch(r"[^\W\d]\w*", label) else quoted(label)
