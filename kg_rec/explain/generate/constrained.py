"""Decoding in which every slot occurs exactly once, with any tokenizer and any model, even one with random weights.

The text that is written passes through a small automaton.  Outside a slot, plain tokens are free and a bracket may
only open a slot that was not used yet; inside, only what leads on to such a slot; the end comes after the last slot.
Tokens are followed by their text, so it does not matter where a tokenizer cuts ``[FILM_1].``.  A token is allowed
only if the slots that are left can still be written in the tokens that are left.

This is regular-language guided generation (Willard & Louf 2023, https://arxiv.org/abs/2307.09702) for the language
"each of these words once, anything without brackets between them", whose states are few: the unused slots, and the
part of a slot that is already written.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LogitsProcessor

from kg_rec.errors import LanguageModelError

#: What no sentence has outside its slots: brackets, quotation marks of titles, markup, figures.
FORBIDDEN = frozenset("[]{}<>《》「」『』【】〈〉*`#|\\=_~^@$0123456789")

_SLOT_CHARACTERS = frozenset("[]ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a tokenizer that a sentence may hold, by the text that each adds.

    Attributes:
        plain: ids of tokens that may stand anywhere outside a slot.
        bracketed: text by id of the tokens that hold a square bracket.
        by_text: ids by text, of all.
        ends: ids that end an answer.
    """

    plain: tuple[int, ...]
    bracketed: Mapping[int, str]
    by_text: Mapping[str, tuple[int, ...]]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: Any, ends: Iterable[int], size: int) -> Vocabulary:
        """Read a transformers tokenizer.

        A token's text is what it adds to a decoded text, which for some tokenizers differs from its decoding alone.

        Args:
            tokenizer: a transformers tokenizer.
            ends: ids of the tokens that end an answer.
            size: number of scores of the model.
        """
        ends = tuple(ends)
        special = {*ends, *tokenizer.all_special_ids}
        special |= {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
        anchor = tokenizer.encode("a", add_special_tokens=False)[-1:]
        before = tokenizer.decode(anchor, clean_up_tokenization_spaces=False)
        ids = [i for i in range(min(len(tokenizer), size)) if i not in special]
        decoded = tokenizer.batch_decode([[*anchor, i] for i in ids], clean_up_tokenization_spaces=False)
        plain: list[int] = []
        bracketed: dict[int, str] = {}
        by_text: dict[str, tuple[int, ...]] = {}
        for i, whole in zip(ids, decoded, strict=True):
            text = whole[len(before) :]
            if not text or not whole.startswith(before) or any(unicodedata.category(c)[0] == "C" for c in text):
                continue
            characters = set(text)
            if "[" in characters or "]" in characters:
                bracketed[i] = text
            elif not characters & FORBIDDEN:
                plain.append(i)
            elif not characters <= _SLOT_CHARACTERS:
                continue
            by_text[text] = (*by_text.get(text, ()), i)
        return cls(tuple(plain), bracketed, by_text, ends)


@dataclass(frozen=True, slots=True)
class State:
    """Where a text stands: the slots not used yet, with brackets, and the part of one that is written."""

    unused: frozenset[str]
    partial: str = ""


class SlotAutomaton:
    """Accepts texts that use each slot once and hold no other bracket.

    Args:
        vocabulary: the tokens.
        slots: tags with brackets, ``[FILM_1]``.

    Raises:
        LanguageModelError: the tokenizer has no tokens to write a slot with.
    """

    def __init__(self, vocabulary: Vocabulary, slots: Iterable[str]) -> None:
        self.vocabulary = vocabulary
        self.start = State(frozenset(slots))
        self._costs: dict[str, float] = {"": 0}
        self._moves: dict[State, dict[int, State]] = {}
        self._needs: dict[State, float] = {}
        cannot = sorted(slot for slot in self.start.unused if math.isinf(self._slot_cost(slot)))
        if cannot:
            raise LanguageModelError(
                f"this model's tokenizer cannot write {', '.join(cannot)}: expected tokens for capital letters, "
                "digits, _ and square brackets with no space between them; choose a model with another tokenizer"
            )

    def step(self, state: State, text: str) -> State | None:
        """The state after more text; None where the text is not allowed."""
        unused, partial = state.unused, state.partial
        for c in text:
            if partial or c == "[":
                partial += c
                if not any(slot.startswith(partial) for slot in unused):
                    return None
                if partial in unused:
                    unused, partial = unused - {partial}, ""
            elif c in FORBIDDEN:
                return None
        return State(unused, partial)

    def moves(self, state: State) -> Mapping[int, State]:
        """Allowed tokens besides the plain ones and the end, and where each leads."""
        if state not in self._moves:
            texts = dict(self.vocabulary.bracketed)
            for rest in _rests(state):
                for n in range(1, len(rest)):
                    texts.update(dict.fromkeys(self.vocabulary.by_text.get(rest[:n], ()), rest[:n]))
            steps = ((i, self.step(state, text)) for i, text in texts.items())
            self._moves[state] = {i: s for i, s in steps if s is not None and not math.isinf(self.need(s))}
        return self._moves[state]

    def need(self, state: State) -> float:
        """Fewest tokens in which the rest of the slots can be written; infinite where they cannot."""
        if state not in self._needs:
            whole = sum(map(self._slot_cost, state.unused))
            rests = [self._cost(rest) - self._slot_cost(state.partial + rest) for rest in _rests(state)]
            self._needs[state] = whole + min(rests, default=0)
        return self._needs[state]

    def _slot_cost(self, slot: str) -> float:
        return min(self._cost(slot), self._cost(" " + slot))

    def _cost(self, text: str) -> float:
        """Fewest tokens that spell a text."""
        if text not in self._costs:
            cuts = [n for n in range(1, len(text) + 1) if text[:n] in self.vocabulary.by_text]
            self._costs[text] = min((1 + self._cost(text[n:]) for n in cuts), default=math.inf)
        return self._costs[text]


def _rests(state: State) -> list[str]:
    """What is left to write of the slots that the partial one can become."""
    n = len(state.partial)
    return [slot[n:] for slot in state.unused if slot.startswith(state.partial)] if n else []


class SlotConstraint(LogitsProcessor):
    """Lets ``generate`` write only what the automaton accepts; for sampling and greedy search, not for beams.

    Args:
        automaton: what to accept.
        rows: number of texts written at once.
        budget: most tokens of one text; at least ``automaton.need(automaton.start)``.

    Raises:
        LanguageModelError: the budget is too small for the slots.
    """

    def __init__(self, automaton: SlotAutomaton, rows: int, budget: int) -> None:
        need = automaton.need(automaton.start)
        if budget < need:
            raise LanguageModelError(
                f"expected room for at least {need:.0f} tokens, which the slots take; got {budget}"
            )
        self._automaton = automaton
        self._left = budget
        self._states: list[State | None] = [automaton.start] * rows  # None after the end
        self._prompt: int | None = None
        self._masks: dict[tuple[State, bool, int], torch.Tensor] = {}

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores of the tokens that are not allowed become minus infinity; both are of shape (rows, ...)."""
        if self._prompt is None:
            self._prompt = input_ids.shape[1]
        else:
            self._left -= 1
            self._states = [self._after(s, i) for s, i in zip(self._states, input_ids[:, -1].tolist(), strict=True)]
        allowed = torch.stack([self._allowed(state, scores) for state in self._states])
        return scores.masked_fill(~allowed, -math.inf)

    def _after(self, state: State | None, token: int) -> State | None:
        if state is None or token in self._automaton.vocabulary.ends:
            return None
        return self._automaton.moves(state).get(token, state)

    def _allowed(self, state: State | None, scores: torch.Tensor) -> torch.Tensor:
        """Mask over the tokens, True where allowed."""
        if state is None:  # generate fills ended texts up itself
            return torch.ones(scores.shape[1], dtype=torch.bool, device=scores.device)
        automaton, vocabulary, spare = self._automaton, self._automaton.vocabulary, self._left - 1
        ids = [i for i, after in automaton.moves(state).items() if automaton.need(after) <= spare]
        plain = not state.partial and automaton.need(state) <= spare
        key = (state, plain, len(ids))  # fewer tokens left allow fewer ids: their number tells which
        if key not in self._masks:
            mask = torch.zeros(scores.shape[1], dtype=torch.bool)
            mask[ids] = True
            if plain:
                mask[list(vocabulary.plain)] = True
            if state == _END:
                mask[list(vocabulary.ends)] = True
            self._masks[key] = mask.to(scores.device)
        return self._masks[key]


_END = State(frozenset())
