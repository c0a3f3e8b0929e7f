"""A text as atoms: words of letters, numbers, single Chinese characters and marks, with what was written."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TypeAlias

#: A name or phrase as plain atoms.
Key: TypeAlias = tuple[str, ...]
#: Requests are cut to this many characters.
MOST = 500
_ATOM = re.compile(
    r"""(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)
      | (?P<han>[\u4e00-\u9fff\u3005])
      | (?P<word>[^\W\d_\u4e00-\u9fff\u3005]+(?:['’][^\W\d_\u4e00-\u9fff\u3005]+)*)
      | (?P<mark>[^\w\s])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Atom:
    """The smallest part of a text.

    Attributes:
        kind: ``number``, ``han``, ``word`` or ``mark``.
        plain: lower case, without accents and apostrophes.
        start, end: where it stands in the text.
        capital: whether it begins with a capital letter.
    """

    kind: str
    plain: str
    start: int
    end: int
    capital: bool


def clean(text: str) -> str:
    """A request without control and other invisible characters, in composed form, cut to :data:`MOST` characters."""
    composed = unicodedata.normalize("NFC", text[: 4 * MOST])
    visible = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in composed)
    return " ".join(visible.split())[:MOST]


def bare(text: str) -> str:
    """Lower case, without accents; full-width letters and digits as usual ones."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def atoms(text: str) -> list[Atom]:
    """The atoms of a text, in order."""
    atoms_of_text = []
    for match in _ATOM.finditer(text):
        kind, written = str(match.lastgroup), match.group()
        plain = bare(written)
        before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
        if written in "-‐‑" and before.isalnum() and after.isalpha():
            continue  # feel-good, 5-star
        if kind == "number":
            plain = plain.replace(",", "")
        elif kind == "word":
            plain = plain.replace("'", "").replace("’", "")
        atoms_of_text.append(Atom(kind, plain, match.start(), match.end(), written[:1].isupper()))
    return atoms_of_text


def key(text: str) -> Key:
    """A name or phrase as the lexicon has it: its atoms without marks other than signs of money and ``#``."""
    return tuple(a.plain for a in atoms(text) if a.kind != "mark" or a.plain in "€$£¥★#、")
