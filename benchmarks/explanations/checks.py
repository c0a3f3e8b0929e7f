"""Is what explanations say true?  Every pair in both languages, by the checks of :mod:`kg_rec.explain.verify.truth`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.segments import Ints
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.show.cypher import mismatches
from kg_rec.explain.single import explain
from kg_rec.explain.verify.reading import read
from kg_rec.explain.verify.truth import Facts, error, missing, scores_of
from kg_rec.explain.words.wording import Wording
from kg_rec.model.recommender import Recommender
from kg_rec.progress import Progress
from kg_rec.store import GraphStore

#: Languages whose texts can be read back.
LANGUAGES = ("en", "zh")

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
    facts = Facts.of(model.snapshot)
    degrees = {name: (np.bincount(e.source), np.bincount(e.target)) for name, e in model.snapshot.edges.items()}
    users, items = pairs_of(model, count, seed)
    scores = scores_of(model, users, items)
    tally = Tally()
    for n, (user, item, score) in enumerate(zip(users.tolist(), items.tolist(), scores.tolist(), strict=True)):
        if n % 50 == 0:
            progress(n, count, "check explanations")
        keys = model.users.key(user), model.items.key(item)
        for lang in LANGUAGES:
            e = explain(model, *keys, wording=Wording(lang))
            tally.explanations += 1
            tally.counts["paths"] += len(e.paths)
            tally.note("exists", e, missing(facts, e))
            far = error(e, score)
            tally.worst = max(tally.worst, far)
            tally.note("adds_up", e, () if far <= TOLERANCE else (f"relative error {far:.2g}",))
            told = read(facts, e)
            tally.note("names_true", e, told.names)
            tally.note("numbers_true", e, told.numbers)
            if n < count // 2:  # of top-10 lists
                tally.counts["top"] += 1
                tally.counts["against_told"] += any(mark in e.text for mark in ("Against it: ", "反对的理由："))
                tally.counts["specific_told"] += specific(degrees, facts, e)
    progress(count, count, "check explanations")
    return tally


def specific(degrees: Mapping[str, tuple[Ints, Ints]], facts: Facts, explanation: Explanation) -> bool:
    """Whether a fact of at most one item in twenty is told: a person, an award; not a genre of hundreds."""
    for path in explanation.paths:
        edge, entity = path.edges[-1], path.nodes[-2]
        if len(path.nodes) == 4 and entity.key is not None:
            index = facts.snapshot.ids[entity.type].index(entity.key)
            degree = degrees[str(edge.type)][0 if edge.forward else 1][index]
            if 20 * degree <= len(facts.snapshot.items):
                return True
    return False


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
