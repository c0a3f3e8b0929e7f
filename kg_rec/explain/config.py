"""Settings of explanations: which of the true paths are shown."""

from __future__ import annotations

from dataclasses import dataclass

from kg_rec.settings import expect


@dataclass(frozen=True, slots=True)
class ExplainConfig:
    """Which of the true paths are shown, and in which order; never their values, the terms or the score.

    Attributes:
        groups: most groups of paths.
        paths_per_group: most paths of a group.
        groups_per_pattern: most groups of one pattern, for more diverse reasons; 0 for no bound.
        max_hops: longest path shown, in steps from the user to the item.
        least_share: a group below this share of what speaks for the item is not shown, unless there is no other.
        least_specific: the same for one group a score that shares a fact which is no hub: a director says more than
            a genre, even where it weighs less.
        specificity: groups that share a fact are ordered by value times rarity to this power; the rarity is 1 for a
            fact of one item and 0 for a fact of all.
        hubs: most groups that share a hub, a fact of very many items (:data:`kg_rec.explain.paths.search.HUB`).
        repeats: whether one fact may stand there through several channels, each with its own value.
        recency: paths are ordered by value times e^(recency x LIR): LIR is 0 for the user's oldest interaction and 1
            for the latest (:mod:`kg_rec.explain.paths.metrics`).  0 orders by value; below 0 prefers old interactions.
        popularity: paths are ordered by value times e^(popularity x SEP): SEP is 0 for the least and 1 for the most
            common shared entity of a type, and 0 on paths without one.  Below 0 prefers rare entities.
        channels: channels whose paths are shown; empty for all.
        blocked: relation types whose paths are not shown; ``text`` stands for similar text, and the name of a property
            for its alike vectors.
        least_crowd: paths through fewer than so many other users are not shown, so no smaller number is told.
    """

    groups: int = 3
    paths_per_group: int = 5
    groups_per_pattern: int = 0
    max_hops: int = 5
    least_share: float = 0.03
    least_specific: float = 0.002
    specificity: float = 1.0
    hubs: int = 1
    repeats: bool = False
    recency: float = 0.0
    popularity: float = 0.0
    channels: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    least_crowd: int = 1

    def __post_init__(self) -> None:
        for name, least in (
            ("groups", 1),
            ("paths_per_group", 1),
            ("groups_per_pattern", 0),
            ("hubs", 0),
            ("least_crowd", 1),
        ):
            expect(getattr(self, name) >= least, f"explain.{name}", f"at least {least}", getattr(self, name))
        expect(self.max_hops >= 2, "explain.max_hops", "at least 2", self.max_hops)
        for name in ("least_share", "least_specific"):
            expect(0 <= getattr(self, name) <= 1, f"explain.{name}", "a number from 0 to 1", getattr(self, name))
        expect(0 <= self.specificity <= 10, "explain.specificity", "a number from 0 to 10", self.specificity)
        for name in ("recency", "popularity"):
            expect(abs(getattr(self, name)) <= 50, f"explain.{name}", "a number from -50 to 50", getattr(self, name))
