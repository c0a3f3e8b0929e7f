"""What was read of a request so far, and what holds for the tokens that follow."""

from __future__ import annotations

from dataclasses import dataclass, field

from kg_rec.ask.request import Anchor, Constraint, Request, Wish


@dataclass
class State:
    """Where the grammar is, and what it found."""

    found: Request
    negative: bool = False
    mentioned: bool = False  # something was said since "not"
    begun: int = 0  # how many wishes there were when the clause began
    soft: int = 0  # 1 after "more", -1 after "less"
    either: bool = False  # "or" stands before
    relation: tuple[str, ...] = ()
    context: str | None = None
    anchored: bool = False  # the mention before was an item
    anchors: list[Anchor] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    constraints: list[Constraint] = field(default_factory=list)
    count: int | None = None
    like: list[int] = field(default_factory=list)
    drop: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def clause(self) -> None:
        """A new clause begins."""
        self.negative = self.mentioned = self.either = self.anchored = False
        self.soft, self.relation, self.begun = 0, (), len(self.wishes)
