"""Rules of lists: what may be in one, and what a list as a whole has to keep."""

from __future__ import annotations

from dataclasses import dataclass

from kg_rec.errors import QueryRefusedError, SettingError
from kg_rec.model.shown import LimitConfig
from kg_rec.settings import expect
from kg_rec.store.gate import check_read_only


@dataclass(frozen=True, slots=True)
class CapConfig:
    """At most so many items of one category in a list.

    Attributes:
        relation: a relation type from the item; its targets are the categories.  An item may have several.
        most: items of one category in a list.
    """

    relation: str
    most: int


@dataclass(frozen=True, slots=True)
class FloorConfig:
    """At least a share of each list's exposure for a group of items, where there are such items.

    Attributes:
        group: ``RELATION:NODE`` such as ``genre:Documentary``; ``tail``, the less popular items that hold a third of
            all likes; or ``new``, those that nobody liked yet.
        share: of the list's exposure, in which rank r is worth 1 / log2(1 + r); from 0 to 1.
    """

    group: str
    share: float

    def __post_init__(self) -> None:
        expect(0 < self.share <= 1, "candidates.floors.share", "a number above 0, at most 1", self.share)


@dataclass(frozen=True, slots=True)
class CandidatesConfig:
    """What may be in a list.

    Attributes:
        only: read-only Cypher, run once a run; the first column holds the keys of the items allowed.  An item has to
            be in the results of all of them.
        never: the same for items that are left out.
        never_for: read-only Cypher, run once a run, with two columns: the key of a user, and of an item that is left
            out of the lists of this user, whatever its score.
        allow_file: a text file with the keys of the items allowed, one a line.
        block_file: the same for items that are left out.
        exclude_seen: leave out what the user interacted with.
        minimum_novelty: least -log2(share of the users who interacted with the item); 0 allows all.
        caps: limits per category.
        diversity: weight of dissimilarity to the items above in the list, from 0 (none) to below 1: maximal marginal
            relevance (Carbonell & Goldstein, SIGIR 1998) on scores scaled to 0 ... 1 and the cosine of text and
            relational embeddings.
        pool: best items of a user that caps and diversity choose from; caps look further where these do not suffice.
        new_items: places of a list kept for items that had no interaction when the model was trained, the best of them;
            they come last in the list, unless they are there by their score.
        calibrate: a relation type from the item, by name or label: of the best ``pool`` items those are chosen whose
            mix of its kinds (genres) is near that of what the user liked, and told in the order of their scores.
        strength: of that, from 0 (by score alone) to 1 (by the mix alone): the list L of k items maximises
            (1 - strength) sum of s(i) - strength KL(p || q(L)) (Steck, RecSys 2018), on scores scaled to 0 ... 1 over
            the pool; greedily, and then by swaps of one item, where neither caps nor diversity are set.  The default
            was chosen on validation of MovieLens 100K, where it costs less than 1 % of NDCG@10; `kg-rec audit MODEL
            --calibrate RELATION` chooses for another graph.
        floors: least exposure of groups of items in a list.
        never_facts: items that have one of these facts are left out, each as ``genre:Horror``.
        limits: age limits and the like: a number of the item that the user's number has to reach.
    """

    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    never_for: tuple[str, ...] = ()
    allow_file: str = ""
    block_file: str = ""
    exclude_seen: bool = True
    minimum_novelty: float = 0.0
    caps: tuple[CapConfig, ...] = ()
    diversity: float = 0.0
    pool: int = 100
    new_items: int = 0
    calibrate: str = ""
    strength: float = 0.5
    floors: tuple[FloorConfig, ...] = ()
    never_facts: tuple[str, ...] = ()
    limits: tuple[LimitConfig, ...] = ()

    def __post_init__(self) -> None:
        for name in ("only", "never", "never_for"):
            for text in getattr(self, name):
                check_cypher(f"candidates.{name}", text)
        expect(0 <= self.diversity < 1, "candidates.diversity", "a number from 0 to below 1", self.diversity)
        expect(self.minimum_novelty >= 0, "candidates.minimum_novelty", "a number from 0", self.minimum_novelty)
        expect(self.new_items >= 0, "candidates.new_items", "a number of places from 0", self.new_items)
        expect(0 <= self.strength <= 1, "candidates.strength", "a number from 0 to 1", self.strength)
        together = sum(floor.share for floor in self.floors)
        expect(together <= 1, "candidates.floors", "shares of at most 1 together", together)
        expect(self.pool >= 1, "candidates.pool", "at least 1", self.pool)
        for i, cap in enumerate(self.caps):
            expect(cap.most >= 1, f"candidates.caps[{i}].most", "at least 1", cap.most)


def check_cypher(setting: str, text: str) -> None:
    """Raise SettingError unless a setting's text is empty or read-only Cypher."""
    if text:
        try:
            check_read_only(text)
        except QueryRefusedError as error:
            raise SettingError(f"{setting}: {error}", setting) from error
