"""The languages in which requests are understood."""

from __future__ import annotations

from kg_rec.ask.words.base import Words
from kg_rec.ask.words.chinese import CHINESE
from kg_rec.ask.words.english import ENGLISH
from kg_rec.errors import ConfigError

__all__ = ["ENGLISH", "WORDS", "Words", "language_of", "words_of"]

WORDS = {words.code: words for words in (ENGLISH, CHINESE)}


def words_of(language: str) -> Words:
    """The words of a language.

    Raises:
        ConfigError: requests in it are not understood.
    """
    words = WORDS.get(language)
    if words is None:
        raise ConfigError(f"requests are understood in {', '.join(WORDS)}, got the language {language!r}")
    return words


def language_of(text: str) -> str:
    """``zh`` where a text has a Chinese character outside quoted titles, or has only such ones; else ``en``."""
    return "zh" if any("\u4e00" <= c <= "\u9fff" for c in text) else "en"
