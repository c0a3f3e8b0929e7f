"""What is known of the items: relation types to attributes and to other items, in one step and in two."""

from __future__ import annotations

from dataclasses import dataclass

from kg_rec.checks.infer.lexicon import warns
from kg_rec.checks.infer.names import Identifiers, comment, english, string, words_of
from kg_rec.checks.infer.nodes import key_of
from kg_rec.checks.infer.survey import Survey
from kg_rec.checks.infer.ways import Step, one_each, steps_from
from kg_rec.checks.infer.words import is_noun, told_of_items
from kg_rec.store.mapping import quoted


@dataclass(frozen=True, slots=True)
class Fact:
    """A relation type of the schema.

    Attributes:
        steps: from the item on; one, or two seen as one.
        source: label at its tail.
        target: label at its head.
        warning: no reason to recommend anything.
    """

    steps: tuple[Step, ...]
    source: str
    target: str
    warning: bool

    @property
    def type(self) -> str:
        """Its relationship types."""
        return "_".join(step.tie.type for step in self.steps)

    @property
    def attribute(self) -> str:
        """The label that it ties to the item, which may be the item's own."""
        return self.steps[-1].end


def facts_of(found: Survey, user: str, item: str, events: frozenset[str]) -> tuple[list[Fact], list[str]]:
    """The facts of items, and notes on what is left out.

    Args:
        found: the graph.
        user: label of the users.
        item: label of the items.
        events: labels of nodes between users and items, such as orders.
    """
    facts: list[Fact] = []
    notes: list[str] = []
    reached: list[Step] = []
    for step in steps_from(found, item):
        other, kind = step.end, step.tie.type
        if other == user or other in events or (other == item and not step.forward):
            continue  # an event, such as an order, is a part of the interaction
        why = "" if other == item else _unfit(found, other, user, item, events)
        if why:
            notes.append(f"{kind} left out: {why}")
            if not one_each(found, step.tie, item):
                continue
        else:
            facts.append(Fact((step,), step.tie.source, step.tie.target, warns(kind)))
        if other != item and not warns(kind):
            reached.append(step)
    near = {fact.attribute for fact in facts}
    for first in reached:
        for second in steps_from(found, first.end):
            far = second.end
            upwards = far == first.end and second.forward
            further = far not in (user, item, first.end) and (far in near or not _unfit(found, far, user, item, events))
            few = second.tie.count <= 3 * found.labels[first.end]  # a genre is of many works, a work by few authors
            if (upwards or (further and few)) and not warns(second.tie.type):
                facts.append(Fact((first, second), item, far, False))
    return facts, notes


def _unfit(found: Survey, other: str, user: str, item: str, events: frozenset[str]) -> str:
    """Why nodes of a label are no attributes of items; empty where they are."""
    if other in events or any(
        one_each(found, tie, other) for tie in found.ties if {tie.source, tie.target} == {user, other}
    ):
        return f"nodes labelled {other} belong to users"
    if not found.properties[other] or key_of(other, found.properties[other]) is None:
        return f"no property tells the nodes labelled {other} apart"
    if found.labels[other] > 2 * found.labels[item]:
        return f"there are many more nodes labelled {other} than items"
    return ""


def relation(names: Identifiers, fact: Fact) -> str:
    """A relation type as Turtle."""
    own = names.relation(fact.type, fact.source, fact.target)
    if len(fact.steps) == 1:
        way = None if own == fact.type else f"(a)-[:{quoted(fact.type)}]->(b)"
        why = f"{fact.steps[0].tie.count:,} relationships"
    else:
        first, second = fact.steps
        arrows = [step.arrow(f":{quoted(step.tie.type)}") for step in (first, second)]
        way = f"(a){arrows[0]}(:{quoted(first.end)}){arrows[1]}(b)"
        why = "two steps seen as one"
    if fact.warning:
        why += ", a warning by its name: no reason to recommend anything; a job can ask for it in candidates.never_for"
    words, phrase, inverse = _words(fact)
    kind = "kr:RuleType" if fact.warning else "kr:RelationType"
    pattern = "" if way is None else f" kr:from {string(way)} ;"
    pattern += " kr:repeats kr:last ;"  # several between two nodes are one fact
    return (
        f"{comment(why)}:{own} a {kind} ; rdfs:domain :{names.label(fact.source)} ; "
        f"rdfs:range :{names.label(fact.target)} ;{pattern}\n"
        f"    rdfs:label {english(words)} ; kr:phrase {english(phrase)} ; "
        f"kr:inversePhrase {english(inverse)} .\n"
    )


def _words(fact: Fact) -> tuple[str, str, str]:
    """The label, and what is said of the source and of the target."""
    source, target, item = (words_of(label) for label in (fact.source, fact.target, fact.steps[0].start))
    words = [words_of(step.tie.type) for step in fact.steps]
    if len(words) == 1:
        return words[0], *told_of_items(words[0], source, target, item)
    first, second = fact.steps
    if second.start != second.end:
        return f"{target} of {words_of(first.end)}", f"has the {target} {{}}", f"is the {target} of {{}}"
    noun = f"{words[1].removeprefix('has ')} {target}" if is_noun(words[1]) else f"wider {target}"
    return noun, f"has the {noun} {{}}", f"is the {noun} of {{}}"
