"""What kg_rec asks of a language model, and no more: sentences with slots, from words of the schema alone.

A model never sees a name from the graph.  Whatever it answers is checked before it is used
(:func:`kg_rec.explain.words.grammar.check_phrase`), so a model can be poor, or hostile, and no sentence becomes
untrue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """A sentence to be written in several ways.

    Attributes:
        system: what the model is for, and its rules.
        examples: sentences to reword, and how.
        task: the sentence to reword.
        rules: the grammar in words and rules, for a model that is not held to it while it writes.
        one: the last words of the prompt where each variant is an answer of its own.
        many: the last words where all variants come in one JSON object ``{"sentences": [...]}``.
        answer: what stands before a rewording where a model is no chat model, ``{}`` for it.
        slots: tags that must occur exactly once, without brackets: ``FILM_1``.
        grammar: what may be said, in EBNF; a sentence that does not derive from its rule ``start`` is not accepted.
        variants: how many sentences.
        seed: of the random choices.
        taken: sentences that are there already; a model may leave them out.
    """

    system: str
    examples: tuple[tuple[str, str], ...]
    task: str
    rules: str
    one: str
    many: str
    answer: str
    slots: tuple[str, ...]
    grammar: str
    variants: int
    seed: int
    taken: tuple[str, ...] = ()


class LanguageModel(Protocol):
    """Writes sentences."""

    @property
    def name(self) -> str:
        """Which model, for reports and the phrasebook's records: no secret is part of it."""
        ...

    def write(self, request: Request) -> tuple[str, ...]:
        """Sentences, unchecked; at most ``request.variants``.

        Raises:
            AnswerError: this answer cannot be used.
            BudgetSpentError: a cap is reached; nothing was sent.
            LanguageModelError: the model cannot be used at all.
        """
        ...
