"""How explanations are worded: one value in place of a language, a tone and a phrasebook."""

from __future__ import annotations

from dataclasses import dataclass

from kg_rec.errors import ConfigError
from kg_rec.explain.words.languages.base import language
from kg_rec.explain.words.patterns import TONES, Tone
from kg_rec.explain.words.phrasebook import Phrasebook


@dataclass(frozen=True, slots=True)
class Wording:
    """How explanations are worded.

    Attributes:
        lang: code of a language; a region is ignored (``zh-CN``).
        tone: ``short``, ``friendly``, ``formal`` or ``audit``.
        phrasebook: phrases to speak in place of the sentences that ship; None for none.
        sentences: most reasons told.

    Raises:
        ConfigError: the tone is unknown, or ``sentences`` is below 1.
        SchemaError: there is no such language.

    >>> Wording("zh-CN", tone="short").lang
    'zh'
    """

    lang: str = "en"
    tone: Tone = "friendly"
    phrasebook: Phrasebook | None = None
    sentences: int = 3

    def __post_init__(self) -> None:
        if self.tone not in TONES:
            raise ConfigError(f"expected one of the tones {', '.join(TONES)}, got {self.tone!r}")
        if self.sentences < 1:
            raise ConfigError(f"expected sentences of at least 1, got {self.sentences}")
        object.__setattr__(self, "lang", language(self.lang).code)
