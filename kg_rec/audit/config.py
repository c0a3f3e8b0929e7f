"""Settings of an audit."""

from __future__ import annotations

from dataclasses import dataclass

from kg_rec.settings import expect


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """What is compared, and how sure one has to be.

    Attributes:
        k: length of the lists.
        by: properties of users, or relation types that leave them, by which they are grouped; ``age=18,35,50`` says
            where bands of a number begin; ``history`` stands for how many items they liked.  Empty: ``history`` and
            all properties that make groups.
        items: relation types whose nodes group the items, besides how popular they are; empty: the one that sorts
            most items (:func:`kg_rec.audit.groups.main_relation`).
        calibration: relation type by whose nodes a list is compared with what the user liked; empty: the same one.
        bands: groups of about equal size that users are cut into by a number without given bounds.
        least: a group of fewer users, or for a relation type of fewer items, is not told of.
        groups: most groups of one property or relation type; those with most members are told.
        facts: facts told of a gap, those that add most in either direction.
        level: share of false alarms that is borne among the gaps called telling.
        samples: draws of a bootstrap interval.
        users: most users whose scores are taken apart, drawn with the seed.
        seed: of every random choice.
    """

    k: int = 10
    by: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    calibration: str = ""
    bands: int = 4
    least: int = 20
    groups: int = 25
    facts: int = 5
    level: float = 0.05
    samples: int = 1000
    users: int = 2000
    seed: int = 2026

    def __post_init__(self) -> None:
        for name, low in (("k", 1), ("bands", 2), ("least", 2), ("groups", 2), ("facts", 0), ("samples", 100)):
            expect(getattr(self, name) >= low, f"audit.{name}", f"at least {low}", getattr(self, name))
        expect(self.users >= 1, "audit.users", "at least 1", self.users)
        expect(0 < self.level < 1, "audit.level", "a number between 0 and 1", self.level)
