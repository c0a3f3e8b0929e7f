"""Chinese: names, numbers and the sentences of the grammar.

Names of works with a title stand in 《》, which the measure word tells (部, 首, 本, ...); names of other items in 「」;
names of people, places and other attributes stand bare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kg_rec.explain.path import PathEdge, PathNode
from kg_rec.explain.words.lexicon import Lexicon
from kg_rec.explain.words.sentence_kinds import Kind, Role
from kg_rec.explain.words.slots import clean_name

REMARKS = {
    "already_interacted": "它已在你的历史记录中。",
    "no_interactions": "目前还不了解你的喜好，[ITEM_1]的得分来自它的整体受欢迎程度。",
    "base_only": "你的历史记录与[ITEM_1]没有关联，它的得分来自整体受欢迎程度。",
    "no_path": "没有哪一条路径单独支持[ITEM_1]，它的得分来自整体受欢迎程度和你的全部历史记录。",
}


@dataclass(frozen=True, slots=True)
class Chinese:
    """See :class:`kg_rec.explain.words.sentence_kinds.Language`."""

    words: Lexicon
    gap: ClassVar[str] = ""

    def name(self, node: PathNode) -> str:
        """The cleaned name, in 《》 or 「」 where it is an item's."""
        name = clean_name(node.name, node.key)
        if self.words.titled(node.type):
            return f"《{name.replace('《', '〈').replace('》', '〉')}》"
        if self.words.type(node.type).role == "item":
            return f"「{name.replace('「', '『').replace('」', '』')}」"
        return name

    def join(self, names: Sequence[str], more: int, node_type: str, *, either: bool = False) -> str:
        """《盗火线》、《浪人》等5部电影; with "or": 《盗火线》、《浪人》或另外3部电影之一."""
        if not either:
            return "、".join(names) + (f"等{self._number(len(names) + more, node_type)}" if more else "")
        if more:
            names = [*names, f"另外{self._number(more, node_type)}{'之一' if more > 1 else ''}"]
        return names[0] if len(names) == 1 else f"{'、'.join(names[:-1])}或{names[-1]}"

    def people(self, count: int, *, noun: bool = True) -> str:
        """37位观众; 25位."""
        user = self.words.schema.user.name
        return self._number(count, user) if noun else f"{count}{self.words.measure(user)}"

    def beside(self, name: str, number: str) -> str:
        """《盗火线》（25位）."""
        return f"{name}（{number}）"

    def this_item(self) -> str:
        """这部电影."""
        item = self.words.schema.item.name
        return f"这{self.words.measure(item)}{self.words.noun(item)}"

    def sentence(self, kind: Kind, tags: dict[Role, str]) -> str:
        """One sentence with slots."""
        item = tags["item"]
        if kind.lead in ("counted", "counts", "crowd"):
            return f"{self._crowd(kind, tags)}{self._onward(kind, tags)}。"
        if "liked" not in tags:
            return f"{item}{_through(tags)}与你相关联。"
        liked = self._yours(tags["liked"], kind.lead == "several")
        if kind.link == "shared":
            return f"和{liked}一样，{item}{self._fact(kind, tags)}。"
        if kind.link == "mixed":
            return f"{self._mixed(kind, tags, liked)}。"
        if kind.link == "direct":
            return f"{self._direct(kind, item, liked)}。"
        if kind.link == "chain":
            return f"{item}{_through(tags)}与{liked}相关联。"
        return f"{item}的简介与{liked}的简介相近。"

    def _crowd(self, kind: Kind, tags: dict[Role, str]) -> str:
        """有37位观众和你一样喜欢A，也喜欢B."""
        did = self.words.did()
        people = tags.get("count") or f"一些{self.words.noun(self.words.schema.user.name)}"
        reached = tags["bridge"] if kind.bridged else tags["item"]
        return f"有{people}和你一样{_put(did, tags['liked'])}，也{_put(did, reached)}"

    def _onward(self, kind: Kind, tags: dict[Role, str]) -> str:
        """How it goes on from the bridge to the item."""
        if not kind.bridged:
            return ""
        item, it = tags["item"], "它们" if kind.lead == "crowd" else "它"
        if kind.link == "shared":
            return f"；和{it}一样，{item}{self._fact(kind, tags)}"
        if kind.link == "mixed":
            return f"；{self._mixed(kind, tags, it)}"
        if kind.link == "direct":
            return f"；{self._direct(kind, item, it)}"
        if kind.link == "text":
            return f"，而{item}的简介与{it}的简介相近"
        return f"；{item}{_through(tags)}与{it}相关联"

    def _fact(self, kind: Kind, tags: dict[Role, str]) -> str:
        return _put(self.words.verb(kind.steps[0]), tags["shared"])

    def _mixed(self, kind: Kind, tags: dict[Role, str], known: str) -> str:
        to_known, to_item = (self.words.verb(edge) for edge in kind.steps)
        return f"{tags['through']}{_put(to_known, known)}，{_also(_put(to_item, tags['item']))}"

    def _direct(self, kind: Kind, item: str, known: str) -> str:
        edge = kind.steps[0]
        forth = PathEdge(edge.type, not edge.forward)
        if self.words.phrase(edge) is None and (phrase := self.words.phrase(forth)) is not None:
            return f"{known}{_put(phrase, item)}"
        return f"{item}{_put(self.words.verb(edge), known)}"

    def _yours(self, liked: str, several: bool) -> str:
        """你喜欢的A, or A（你给它打了高分）where the phrase has no open end."""
        did = self.words.did()
        if did.endswith("{}"):
            return f"你{did[:-2].removesuffix('了')}的{liked}"
        return f"{liked}（你{_put(did, '它们' if several else '它')}）"

    def _number(self, count: int, node_type: str) -> str:
        return f"{count}{self.words.measure(node_type)}{self.words.noun(node_type, count)}"


def _put(phrase: str, what: str) -> str:
    return phrase.replace("{}", what)


def _also(verb: str) -> str:
    """A verb that follows on: 的分级是R becomes 其分级是R."""
    return f"其{verb[1:]}" if verb.startswith("的") else f"也{verb}"


def _through(tags: dict[Role, str]) -> str:
    return f"通过{tags['through']}"
