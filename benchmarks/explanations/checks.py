"""Is what explanations say true?  Every pair in both languages, by the checks of :mod:`kg_rec.explain.verify.truth`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.explain.explanation import Explanation
from kg_rec.explain.show.cypher import mismatches
from kg_rec.explain.single import explain
from kg_rec.explain.verify.truth import Facts, Sentences, error, misread, missing, scores_of
from kg_rec.explain.words.grammar import LANGUAGES, compiled
from kg_rec.explain.words.phrasebook import Phrasebook
from kg_rec.model.recommender import Recommender
from kg_rec.progress import Progress
from kg_rec.store import GraphStore

#: Largest relative error at which a score counts as the sum of its parts.
TOLERANCE = 1e-5


@dataclass
class Tally:
    """What was counted.

    Attributes:
        explanations: pairs times languages.
        counts: how many of them passed, by check; and how many paths there were.
        worst: largest relative error.
        failures: the first failures of each check, in words.
    """

    explanations: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    worst: float = 0.0
    failures: dict[str, list[str]] = field(default_factory=dict)

    def note(self, check: str, explanation: Explanation, problems: tuple[str, ...]) -> None:
        """Count a check."""
        self.counts[check] += not problems
        if problems and len(self.failures.setdefault(check, [])) < 5:
            self.failures[check].append(f"{explanation.user} {explanation.item} {explanation.lang}: {problems[0]}")


def pairs_of(model: Recommender, count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Half of the pairs from top-10 lists, one place of a random user each, half of them any user and item."""
    rng = np.random.default_rng(seed)
    users = rng.integers(0, len(model.users), count)
    items = rng.integers(0, len(model.items), count)
    for start in range(0, count // 2, 512):
        rows = np.arange(start, min(start + 512, count // 2))
        top, _ = model.rank(users[rows], 10)
        items[rows] = top[np.arange(len(rows)), rng.integers(0, 10, len(rows))]
    return users, items


def checked(model: Recommender, count: int, seed: int, progress: Progress) -> Tally:
    """Explain and check.

    Args:
        model: the model.
        count: pairs of user and item.
        seed: of the pairs.
        progress: called as the work advances.
    """
    schema, book = model.snapshot.schema, Phrasebook.shipped()
    facts = Facts.of(model.snapshot)
    tellers = {lang: compiled(schema, lang, phrasebook=book) for lang in LANGUAGES}
    sentences = {lang: Sentences.of(schema, lang, book) for lang in LANGUAGES}
    users, items = pairs_of(model, count, seed)
    scores = scores_of(model, users, items)
    tally = Tally()
    for n, (user, item, score) in enumerate(zip(users.tolist(), items.tolist(), scores.tolist(), strict=True)):
        if n % 50 == 0:
            progress(n, count, "check explanations")
        keys = model.users.key(user), model.items.key(item)
        for lang in LANGUAGES:
            e = explain(model, *keys, lang=lang, teller=tellers[lang])
            tally.explanations += 1
            tally.counts["paths"] += len(e.paths)
            tally.note("exists", e, missing(facts, e))
            far = error(e, score)
            tally.worst = max(tally.worst, far)
            tally.note("adds_up", e, () if far <= TOLERANCE else (f"relative error {far:.2g}",))
            tally.note("says", e, misread(sentences[lang], e))
    progress(count, count, "check explanations")
    return tally


def confirmed(model: Recommender, store: GraphStore, count: int, seed: int, progress: Progress) -> dict[str, Any]:
    """How many of ``count`` explanations the store confirms, by running their Cypher."""
    users, items = pairs_of(model, count, seed + 1)
    right = paths = 0
    for n, (user, item) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        progress(n, count, "run the Cypher")
        e = explain(model, model.users.key(user), model.items.key(item))
        right += not mismatches(e.paths, store.query(e.cypher, e.parameters))
        paths += len(e.paths)
    return {"explanations": count, "paths": paths, "share": right / count}
