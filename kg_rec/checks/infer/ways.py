"""What leads from users to items, in one step or over nodes between; who the users and the items are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kg_rec.checks.infer.lexicon import is_copy, is_person, warns
from kg_rec.checks.infer.nodes import name_of
from kg_rec.checks.infer.survey import Survey, Tie
from kg_rec.errors import SchemaError
from kg_rec.store.mapping import quoted

_MOST_STEPS = 3
_MOST_WAYS = 8
#: Variables of relationships, and of the nodes between.
EDGES, NODES = "rst", "vw"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller knows.

    Attributes:
        user: label of those who get recommendations; None to guess.
        item: label of what is recommended; None to guess.
        weights: weight of one relationship by type, below 0 where it speaks against; none to guess.
        liked_from: least weight that counts as liked; None to guess.
    """

    user: str | None = None
    item: str | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    liked_from: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A tie, walked from its source or from its target."""

    tie: Tie
    forward: bool

    @property
    def start(self) -> str:
        """Label that it leaves."""
        return self.tie.source if self.forward else self.tie.target

    @property
    def end(self) -> str:
        """Label that it reaches."""
        return self.tie.target if self.forward else self.tie.source

    def arrow(self, inside: str) -> str:
        """The relationship in a pattern."""
        return f"-[{inside}]->" if self.forward else f"<-[{inside}]-"


@dataclass(frozen=True, slots=True)
class Way:
    """Steps from a user to an item."""

    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """Its relationship types, as ``--interaction`` names it."""
        return "_".join(step.tie.type for step in self.steps)

    def count(self, labels: Mapping[str, int]) -> int:
        """About how many there are, where so many nodes have each label."""
        found = float(self.steps[0].tie.count)
        for step in self.steps[1:]:
            found *= step.tie.count / labels[step.start]
        return round(found)

    @property
    def between(self) -> tuple[str, ...]:
        """Labels of the nodes between."""
        return tuple(step.end for step in self.steps[:-1])

    def pattern(self, start: str, end: str, *, named: bool = True) -> str:
        """As Cypher; relationships are r, s, t and the nodes between v, w, unless they go without names."""
        parts = [start]
        for n, step in enumerate(self.steps):
            parts.append(step.arrow(f"{EDGES[n] if named else ''}:{quoted(step.tie.type)}"))
            parts.append(end if n == len(self.steps) - 1 else f"({NODES[n]}:{quoted(step.end)})")
        return "".join(parts)


def steps_from(found: Survey, label: str) -> list[Step]:
    """All ties of a label to others and to its own, in both directions."""
    forward = [Step(tie, True) for tie in found.ties if tie.source == label]
    return forward + [Step(tie, False) for tie in found.ties if tie.target == label]


def one_each(found: Survey, tie: Tie, label: str) -> bool:
    """Whether nodes of a label have one such tie each, such as an order its customer; a fifth may have none."""
    return 0.2 * found.labels[label] <= tie.count <= 1.05 * found.labels[label]


def roles(found: Survey, wishes: Wishes, named: frozenset[str]) -> tuple[str, str]:
    """The labels of users and items.

    Args:
        found: the graph.
        wishes: what the caller knows.
        named: labels whose nodes have names.

    Raises:
        SchemaError: there are none; the message lists what there is.
    """
    for given, what in ((wishes.user, "user"), (wishes.item, "item")):
        if given is not None and given not in found.labels:
            raise SchemaError(f"no nodes labelled {given} for the {what}; the graph has {', '.join(found.labels)}")
    if wishes.user is not None and wishes.user == wishes.item:
        raise SchemaError(f"{wishes.user} cannot be user and item at once; give one of them another label")
    best: dict[tuple[str, str], float] = {}
    for user in [wishes.user] if wishes.user else found.labels:
        for way in _ways(found, user):
            item = way.steps[-1].end
            if (wishes.item or item) != item or (is_person(item) and not wishes.item):
                continue
            # who bought a thing says more of taste than who has a name, an address or a visit: one each
            count = way.count(found.labels)
            often = count > max(found.labels[user], found.labels[item])
            worth = count * 0.7 ** (len(way.steps) - 1) * (1.0 if often else 0.01)
            worth *= (20.0 if is_person(user) else 1.0) * (1.0 if item in named else 0.2)
            best[user, item] = best.get((user, item), 0.0) + worth
    if not best and wishes.user and wishes.item:
        return wishes.user, wishes.item
    if not best:
        raise SchemaError(
            "no relationships from users to items are found; name the labels by --user and --item; the graph has "
            + (", ".join(f"({t.source})-[{t.type}]->({t.target})" for t in found.ties) or "no relationships")
        )
    return max(best, key=lambda pair: (best[pair], pair))


def ways_between(found: Survey, user: str, item: str, wishes: Wishes) -> list[Way]:
    """What leads from users to items, most frequent first: all that the caller names, or all that seem to.

    Raises:
        SchemaError: nothing does, or not what the caller names.
    """
    ways = [way for way in _ways(found, user) if way.steps[-1].end == item]
    if not ways:
        ways = [way for way in _ways(found, user, strict=False) if way.steps[-1].end == item][:1]
    if not ways:
        raise SchemaError(f"nothing leads from {user} to {item}, in up to three steps; name other labels")
    if wishes.weights:
        unknown = sorted(set(wishes.weights) - {way.name for way in ways})
        if unknown:
            known = ", ".join(sorted({way.name for way in ways}))
            raise SchemaError(f"no {unknown[0]} leads from {user} to {item}; expected some of {known}")
        return [way for way in ways if way.name in wishes.weights]
    betweens = [set(way.between) for way in ways if way.between]
    shortest = [way for way in ways if not any(other < set(way.between) for other in betweens)]
    least = 0.02 * shortest[0].count(found.labels)
    kept = [way for way in shortest if len(way.steps) == 1 or way.count(found.labels) >= least]
    return kept[:_MOST_WAYS]


def _ways(found: Survey, user: str, *, strict: bool = True) -> list[Way]:
    """Ways that leave a label, most frequent first.

    The nodes between are events: each has one user, such as an order, a visit or a review; or each leads to one thing
    and has no name of its own, such as a copy of a book; the first one then has to be called so.  A warning is no part
    of a way.
    """
    ways: list[Way] = []
    open_ends = [Way((step,)) for step in steps_from(found, user) if step.end != user]
    while open_ends:
        ways += open_ends
        longer = []
        for way in open_ends:
            last = way.steps[-1]
            if len(way.steps) == _MOST_STEPS:
                continue
            first = len(way.steps) == 1
            for step in steps_from(found, last.end):
                if step.end in (user, last.end, *way.between) or step.tie is last.tie or warns(step.tie.type):
                    continue
                single = one_each(found, step.tie, last.end) and not _has_own_names(found, last.end)
                copies = single and (not first or is_copy(last.end) or is_copy(step.tie.type))
                event = one_each(found, last.tie, last.end) or copies
                if event or not strict:
                    longer.append(Way((*way.steps, step)))
        open_ends = longer
    return sorted(ways, key=lambda way: (-way.count(found.labels), len(way.steps), way.name))


def _has_own_names(found: Survey, label: str) -> bool:
    """Whether most nodes of a label have names that no others of it have; copies of a book share its title."""
    name = name_of(found.properties[label])
    return name is not None and name.distinct >= 0.9 * found.labels[label]
