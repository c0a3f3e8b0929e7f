"""What every rendering of an explanation shares: sums, labels and names fit for a line of text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from kg_rec.explain.explanation import Explanation
from kg_rec.explain.path import Path, PathEdge, PathNode
from kg_rec.explain.words.languages.base import Language, speaker
from kg_rec.explain.words.numbers import percent, signed
from kg_rec.explain.words.slots import clean_name
from kg_rec.model.channels.about import AGAIN, BASE, FASHION, STATED
from kg_rec.model.channels.registry import about_of, kinds


def score_parts() -> dict[str, str]:
    """The parts of a score in the order in which they are shown, the base first, and the colour of each."""
    same = {"base": BASE.colour, "fashion": FASHION.colour, "stated": STATED.colour, "again": AGAIN.colour}
    return {**same, **{kind.name: kind.about.colour for kind in kinds()}}


@dataclass(frozen=True, slots=True)
class Source:
    """What one interaction contributes, over all channels."""

    name: str
    value: float
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class ExplanationView:
    """An explanation, ready to be laid out.

    Attributes:
        explanation: what is shown.
    """

    explanation: Explanation

    @cached_property
    def words(self) -> Mapping[str, str]:
        """Headings in the explanation's language."""
        return self.language.headings

    @property
    def item(self) -> str:
        """Name of the recommended item."""
        return clean_name(self.explanation.item_name, self.explanation.item)

    @cached_property
    def channels(self) -> tuple[tuple[str, float], ...]:
        """The base, what is in fashion, what the user said, and the sum of each channel that has a term: the score."""
        sums: dict[str, float] = {}
        fashion = self.explanation.fashion
        if fashion is not None:
            sums["fashion"] = fashion.value
        if self.explanation.stated:
            sums["stated"] = sum(value for _, value in self.explanation.stated)
        for term in self.explanation.terms:
            sums[term.channel] = sums.get(term.channel, 0.0) + term.value
        base = self.explanation.base - sums.get("fashion", 0.0) - sums.get("stated", 0.0)
        return (("base", base), *((c, sums[c]) for c in score_parts() if c in sums))

    def title(self, part: str) -> str:
        """What a part of the score is called."""
        return about_of(part).title(self.language.code)

    def sources(self, limit: int) -> tuple[tuple[Source, ...], int, float]:
        """The interactions that contribute most, by absolute value; how many more there are, and their sum."""
        parts: dict[str, dict[str, float]] = {}
        names: dict[str, str] = {}
        for term in self.explanation.terms:
            names[term.source] = term.source_name
            of_source = parts.setdefault(term.source, {})
            of_source[term.channel] = of_source.get(term.channel, 0.0) + term.value
        rows = [
            Source(clean_name(names[key], key), sum(of.values()), tuple((c, of[c]) for c in score_parts() if c in of))
            for key, of in parts.items()
        ]
        rows.sort(key=lambda row: (-abs(row.value), row.name))
        return tuple(rows[:limit]), len(rows[limit:]), sum(row.value for row in rows[limit:])

    def node(self, node: PathNode, position: int) -> str:
        """What stands for a node: "you", a number of others, or its name."""
        if position == 0:
            return self.words["you"]
        if node.key is not None:
            return clean_name(node.name, node.key)
        return self.language.crowd(node.count)

    def step(self, edge: PathEdge) -> str:
        """Label of a relation, in words."""
        if edge.alike is not None:
            item = self.explanation.schema.item.name
            return self.words["alike"].format(self.language.attribute(item, edge.alike))
        if edge.type is None:
            return self.words["similar"]
        known = self.explanation.schema.relation_types.get(edge.type)
        labels = known.labels if known else {}
        return labels.get(self.language.code) or edge.type.lower().replace("_", " ")

    def line(self, path: Path) -> str:
        """A path in one line: ``you —rated→ Heat ←rated— 37 others —rated→ The Score``."""
        parts = [self.node(path.nodes[0], 0)]
        for position, edge in enumerate(path.edges, start=1):
            label = self.step(edge)
            arrow = f"≈{label}≈" if edge.type is None else f"—{label}→" if edge.forward else f"←{label}—"
            parts += [arrow, self.node(path.nodes[position], position)]
        return " ".join(parts)

    @property
    def sides(self) -> str:
        """What speaks for the item and what against it: "for +8.26, against -0.69 = 7.57"."""
        e = self.explanation
        return self.words["sides"].format(signed(e.speaks_for), signed(-e.speaks_against), f"{e.score:.4g}")

    @property
    def by_facts(self) -> str:
        """What shared facts add, and their part of the score: "By shared facts alone: +3.2, 33.0 % of the score."."""
        value, score = self.explanation.by_facts, self.explanation.score
        if value < 0 or score <= 0:
            return self.words["by_facts"].format(signed(value))
        return self.words["by_facts_of"].format(signed(value), percent(value / score))

    @property
    def shown(self) -> str:
        """How much of what speaks for the item the shown paths account for."""
        if not self.explanation.groups:
            return self.words["none_shown"]
        share = self.explanation.shown_share
        return self.words["shown"].format(percent(share), percent(1 - share))

    @property
    def about_counts(self) -> str:
        """How the numbers of others relate to the values; empty if no path shown passes through others."""
        crowd = any(node.key is None for path in self.explanation.paths for node in path.nodes)
        return self.words["counts"] if crowd else ""

    @cached_property
    def language(self) -> Language:
        """What speaks about the explanation's schema in its language."""
        return speaker(self.explanation.schema, self.explanation.lang)
