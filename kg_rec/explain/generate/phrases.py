"""Fill a phrasebook by a language model: every pattern of a schema, in languages and tones, in several variants.

A million explanations then cost as many requests as there are patterns.  Each answer is checked, and what is accepted
is appended to the file at once, so that a run can be killed and started again: it goes on where it stopped and loses
the request under way at most.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from kg_rec.errors import AnswerError, BudgetSpentError, ConfigError, LanguageModelError
from kg_rec.explain.generate import prompts
from kg_rec.explain.generate.language_model import LanguageModel
from kg_rec.explain.words.grammar import check_phrase
from kg_rec.explain.words.languages.registry import languages as known_languages
from kg_rec.explain.words.patterns import TONES, Pattern, Tone, patterns
from kg_rec.explain.words.phrasebook import Phrase, Phrasebook
from kg_rec.explain.words.slots import clean_name
from kg_rec.progress import Progress, no_progress
from kg_rec.schema import GraphSchema

if sys.platform != "win32":
    import fcntl

#: So many answers in a row that cannot be used at all end a run: something is wrong with the model.
MAX_UNUSABLE = 10
#: So many rejected sentences of each pattern are shown.
MAX_EXAMPLES = 3

_MEANT = re.compile(r"'[^']*'|\"[^\"]*\"|\[[A-Z0-9_]+\]")


@dataclass(frozen=True)
class Rejected:
    """A sentence that is no phrase.

    Attributes:
        text: the sentence, cut where it is long.
        reasons: all that is wrong with it.
    """

    text: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class PatternReport:
    """What became of one pattern in one language and tone.

    Attributes:
        pattern: its key.
        lang: ``en`` or ``zh``.
        tone: the tone.
        before: phrases that were in the file.
        accepted: phrases that were added.
        rejected: sentences that were not; an answer that could not be used at all counts as one.
        reasons: in how many of these each was a reason, with … for the word or slot that was meant.
        examples: the first rejected sentences.
    """

    pattern: str
    lang: str
    tone: Tone
    before: int
    accepted: int = 0
    rejected: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    examples: tuple[Rejected, ...] = ()

    @property
    def fallback(self) -> bool:
        """There is no phrase, so the grammar speaks."""
        return not self.before + self.accepted


@dataclass(frozen=True)
class PhraseReport:
    """What a run did.

    Attributes:
        schema: name of the schema.
        model: the model that was asked.
        file: the phrasebook.
        requests: answers asked for.
        stopped: why the run ended early (a cap was reached), or None.
        patterns: one for each pattern, language and tone.
    """

    schema: str
    model: str
    file: str
    requests: int
    stopped: str | None
    patterns: tuple[PatternReport, ...]

    @property
    def accepted(self) -> int:
        """Phrases that were added."""
        return sum(p.accepted for p in self.patterns)

    @property
    def rejected(self) -> int:
        """Sentences that were not."""
        return sum(p.rejected for p in self.patterns)

    @property
    def fallback(self) -> int:
        """Patterns, by language and tone, for which the grammar speaks."""
        return sum(p.fallback for p in self.patterns)

    @property
    def reasons(self) -> dict[str, int]:
        """In how many sentences each was a reason, the most frequent first."""
        return dict(sum((Counter(p.reasons) for p in self.patterns), Counter[str]()).most_common())

    def to_dict(self) -> dict[str, Any]:
        """As one JSON object."""
        totals = {name: getattr(self, name) for name in ("accepted", "rejected", "fallback", "reasons")}
        rows = [{**asdict(p), "fallback": p.fallback} for p in self.patterns]
        return {**asdict(self), **totals, "patterns": rows}


def phrase(
    schema: GraphSchema,
    model: LanguageModel,
    file: Path,
    *,
    languages: Sequence[str] | None = None,
    tones: Sequence[Tone] = TONES,
    variants: int = 8,
    rounds: int = 2,
    seed: int = 2026,
    progress: Progress = no_progress,
) -> PhraseReport:
    """Ask a model for what a phrasebook lacks, and append what is accepted.

    Args:
        schema: the patterns and their words.
        model: writes the sentences.
        file: the phrasebook, JSON Lines; made if it is not there.  What it holds is not asked for again, and phrases
            for other schemas stay as they are.
        languages: their codes; None for all.
        tones: of ``short``, ``friendly``, ``formal``, ``audit``.
        variants: phrases wanted for each pattern, language and tone.
        rounds: most requests for each; a second one asks for what the first left missing.
        seed: of the model's random choices.
        progress: told the patterns done.

    Raises:
        ConfigError: a number is below 1, or another process writes this file.
        LanguageModelError: the model cannot be used; what was accepted until then is in the file.
        PhraseError: the file is no phrasebook, or holds a phrase that is not accepted.
        SchemaError: the schema has no words for a language.
    """
    for name, value in (("variants", variants), ("rounds", rounds)):
        if value < 1:
            raise ConfigError(f"{name}: expected a number from 1 on, got {value}")
    languages = known_languages() if languages is None else languages
    listed = {lang: patterns(schema, lang) for lang in languages}
    wanted = [(pattern, tone) for lang in languages for tone in tones for pattern in listed[lang]]
    with _appending(file) as book:
        have = _texts(Phrasebook.load(file), schema, languages)
        run = _Run(schema, model, book, variants, rounds, seed)
        reports = []
        for done, (pattern, tone) in enumerate(wanted):
            progress(done, len(wanted), f"phrasing {pattern.lang} {tone}: {pattern.key}")
            reports.append(run.fill(pattern, tone, have.get((pattern.lang, pattern.key, tone), ())))
        progress(len(wanted), len(wanted), "phrasing")
    return PhraseReport(schema.name, model.name, str(file), run.requests, run.stopped, tuple(reports))


@dataclass
class _Run:
    """One run: asks, checks, appends."""

    schema: GraphSchema
    model: LanguageModel
    book: IO[bytes]
    variants: int
    rounds: int
    seed: int
    requests: int = 0
    stopped: str | None = None
    unusable: int = 0

    def fill(self, pattern: Pattern, tone: Tone, before: Sequence[str]) -> PatternReport:
        """Ask for what is missing for one pattern and tone."""
        texts = list(before)
        rejected = 0
        counts: Counter[str] = Counter()
        examples: list[Rejected] = []
        for n in range(self.rounds):
            missing = self.variants - len(texts)
            if missing <= 0 or self.stopped is not None:
                break
            answers, fault = self._ask(pattern, tone, texts, n + len(before))
            if fault is not None:
                rejected += 1
                counts[fault] += 1
            accepted: list[str] = []
            for text in answers:
                reasons = check_phrase(pattern, text, pattern.lang, tone) or _repeats(text, [*texts, *accepted])
                if not reasons:
                    accepted.append(text)
                    continue
                rejected += 1
                counts.update({general(reason) for reason in reasons})
                examples.append(Rejected(clean_name(text, longest=300), reasons))
            self._append(Phrase(self.schema.name, pattern.lang, pattern.key, tone, text) for text in accepted)
            texts += accepted
        added = len(texts) - len(before)
        return PatternReport(
            pattern.key, pattern.lang, tone, len(before), added, rejected, dict(counts), tuple(examples[:MAX_EXAMPLES])
        )

    def _ask(self, pattern: Pattern, tone: Tone, texts: Sequence[str], n: int) -> tuple[tuple[str, ...], str | None]:
        """Sentences besides those there are, and what was wrong with the answer as a whole."""
        missing = self.variants - len(texts)
        digest = hashlib.sha256(f"{self.seed} {pattern.lang} {tone} {n} {pattern.key}".encode()).digest()
        seed = int.from_bytes(digest[:4]) >> 1
        request = replace(prompts.request(self.schema, pattern, tone, missing, seed), taken=tuple(texts))
        try:
            answers = self.model.write(request)
        except BudgetSpentError as error:
            self.stopped = str(error)
            return (), None
        except AnswerError as error:
            self.requests += 1
            self.unusable += 1
            if self.unusable >= MAX_UNUSABLE:
                raise LanguageModelError(
                    f"{self.model.name}: {self.unusable} answers in a row cannot be used, the last one because "
                    f"{error}; try another model"
                ) from error
            return (), str(error)
        self.requests += 1
        self.unusable = 0
        return answers[:missing], None

    def _append(self, phrases: Iterable[Phrase]) -> None:
        lines = b"".join(_line(phrase) for phrase in phrases)
        if lines:
            self.book.write(lines)
            self.book.flush()
            os.fsync(self.book.fileno())


def general(reason: str) -> str:
    """A reason without the words and slots of one sentence."""
    return _MEANT.sub("…", reason)


def _line(phrase: Phrase) -> bytes:
    row = {name: value for name, value in asdict(phrase).items() if name != "origin"}
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _repeats(text: str, others: Iterable[str]) -> tuple[str, ...]:
    return ("it repeats another phrase",) if text in others else ()


def _texts(
    book: Phrasebook, schema: GraphSchema, languages: Iterable[str]
) -> dict[tuple[str, str, Tone], tuple[str, ...]]:
    """Texts by language, pattern and tone."""
    return {
        (lang, pattern, tone): some
        for lang in languages
        for (pattern, tone), some in book.for_schema(schema, lang).items()
    }


@contextmanager
def _appending(file: Path) -> Iterator[IO[bytes]]:
    """The file, open to append, for this process alone; the half of a line that a kill left is taken away."""
    with file.open("a+b") as book:
        if sys.platform != "win32":
            try:
                fcntl.flock(book, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ConfigError(
                    f"{file}: another process writes this phrasebook; wait for it, or name another"
                ) from None
        book.seek(0)
        whole, newline, rest = book.read().rpartition(b"\n")
        if rest and _complete(rest):
            book.write(b"\n")
        elif rest:
            book.truncate(len(whole) + len(newline))
        book.flush()
        yield book


def _complete(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
