"""What every rendering of an explanation shares: sums, labels and names fit for a line of text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from kg_rec.explain.explanation import Explanation
from kg_rec.explain.path import Path, PathEdge, PathNode
from kg_rec.explain.words.lexicon import Lexicon
from kg_rec.explain.words.numbers import percent
from kg_rec.explain.words.slots import clean_name
from kg_rec.model.channels.about import BASE
from kg_rec.model.channels.registry import about_of, kinds


def score_parts() -> dict[str, str]:
    """The parts of a score in the order in which they are shown, the base first, and the colour of each."""
    return {"base": BASE.colour, **{kind.name: kind.about.colour for kind in kinds()}}


_EN = {
    "score": "score",
    "for_user": "for {}",
    "you": "you",
    "similar": "similar text",
    "channels": "What the score is made of",
    "interactions": "What your interactions contribute",
    "interaction": "interaction",
    "more": "{} more",
    "value": "value",
    "share": "share",
    "paths": "Paths",
    "shown": "The paths shown account for {} of what speaks for it; {} is not shown.",
    "none_shown": "No path is shown.",
    "counts": "The numbers of others are counted in the graph. The values are not made from them: a value is the "
    "weight that the model learned for two items from everyone's interactions, so more people need not mean more.",
    "details": "Numbers and the query that checks them",
    "query": "Cypher",
    "parameters": "Parameters",
    "drawn": "The {} largest of {} paths are drawn.",
    "all": "all paths",
    "pick": "Point at a path, or choose it, to see it in the picture.",
    "part": "{} of what speaks for it",
    "other_paths": "Paths not drawn",
}
_ZH = {
    "score": "得分",
    "for_user": "用户{}",
    "you": "你",
    "similar": "相似文本",
    "channels": "得分的构成",
    "interactions": "各次互动的贡献",
    "interaction": "互动",
    "more": "另外{}项",
    "value": "数值",
    "share": "占比",
    "paths": "路径",
    "shown": "所示路径占推荐理由的{}，其余{}未显示。",
    "none_shown": "没有显示路径。",
    "counts": "其他人数是在图中数出来的。数值并不由人数算出，而是模型从所有人的互动中为两个项目学到的权重，"
    "所以人数多不一定数值大。",
    "details": "数值与核对用的查询",
    "query": "Cypher",
    "parameters": "参数",
    "drawn": "图中为{1}条路径中最大的{0}条。",
    "all": "全部路径",
    "pick": "指向或选择一条路径，图中会突出显示。",
    "part": "占推荐理由的{}",
    "other_paths": "图中未画的路径",
}


@dataclass(frozen=True, slots=True)
class Source:
    """What one interaction contributes, over all channels."""

    name: str
    value: float
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class View:
    """An explanation, ready to be laid out.

    Attributes:
        explanation: what is shown.
    """

    explanation: Explanation

    @cached_property
    def words(self) -> dict[str, str]:
        """Headings in the explanation's language, English where there are none."""
        return _ZH if self.explanation.lang.startswith("zh") else _EN

    @property
    def item(self) -> str:
        """Name of the recommended item."""
        return clean_name(self.explanation.item_name, self.explanation.item)

    @cached_property
    def channels(self) -> tuple[tuple[str, float], ...]:
        """The base and the sum of each channel that has a term; they add up to the score."""
        sums: dict[str, float] = {}
        for term in self.explanation.terms:
            sums[term.channel] = sums.get(term.channel, 0.0) + term.value
        return (("base", self.explanation.base), *((c, sums[c]) for c in score_parts() if c in sums))

    def title(self, part: str) -> str:
        """What a part of the score is called."""
        return about_of(part).title("zh" if self.words is _ZH else "en")

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
        words = self._lexicon
        if words.lang == "zh":
            return f"{node.count}{words.measure(node.type)}{words.noun(node.type)}"
        return f"{node.count:,} {words.noun(node.type, node.count)}"

    def step(self, edge: PathEdge) -> str:
        """Label of a relation, in words."""
        if edge.type is None:
            return self.words["similar"]
        known = self.explanation.schema.relation_types.get(edge.type)
        labels = known.labels if known else {}
        return labels.get("zh" if self.words is _ZH else "en") or edge.type.lower().replace("_", " ")

    def line(self, path: Path) -> str:
        """A path in one line: ``you —rated→ Heat ←rated— 37 others —rated→ The Score``."""
        parts = [self.node(path.nodes[0], 0)]
        for position, edge in enumerate(path.edges, start=1):
            label = self.step(edge)
            arrow = f"≈{label}≈" if edge.type is None else f"—{label}→" if edge.forward else f"←{label}—"
            parts += [arrow, self.node(path.nodes[position], position)]
        return " ".join(parts)

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
    def _lexicon(self) -> Lexicon:
        return Lexicon(self.explanation.schema, "zh" if self.words is _ZH else "en")
