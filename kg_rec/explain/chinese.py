"""Chinese sentences.

Names of works with a title stand in 《》, which the measure word tells (部, 首, 本, ...); names of other items in 「」;
names of people, places and other attributes stand bare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kg_rec.explain.explanation import PathEdge, PathNode
from kg_rec.explain.lexicon import Lexicon
from kg_rec.explain.slots import clean_name
from kg_rec.explain.story import MAX_NAMED, Mention, Story

REMARKS = {
    "already_interacted": "它已在你的历史记录中。",
    "no_interactions": "目前还不了解你的喜好，{item}的得分来自它的整体受欢迎程度。",
    "base_only": "你的历史记录与{item}没有关联，它的得分来自整体受欢迎程度。",
    "no_path": "没有哪一条路径单独支持{item}，它的得分来自整体受欢迎程度和你的全部历史记录。",
}


@dataclass(frozen=True, slots=True)
class Chinese:
    """See :class:`kg_rec.explain.story.Language`."""

    words: Lexicon

    def names(self, nodes: Sequence[PathNode]) -> str:
        """Names joined with 、; more than three are cut to 《盗火线》、《浪人》等5部电影."""
        names = [self._quoted(n) for n in nodes]
        if len(names) <= MAX_NAMED:
            return "、".join(names)
        return f"{'、'.join(names[: MAX_NAMED - 1])}等{self._number(len(names), nodes[0].type)}"

    def other_items(self, node_type: str, count: int) -> str:
        """另外3部电影."""
        return f"另外{self._number(count, node_type)}"

    def people(self, count: int, first: bool) -> str:
        """37位观众, then 25位."""
        user = self.words.schema.user.name
        return self._number(count, user) if first else f"{count}{self.words.measure(user)}"

    def sentence(self, story: Story) -> str:
        """One sentence with slots."""
        if story.crowd:
            return f"{self._crowd(story)}{self._onward(story)}。"
        item = story.item or "它"
        if story.link == "chain" or story.liked is None:
            return f"{item}{_through(story)}与{self._yours(story.liked) if story.liked else '你'}相关联。"
        liked = self._yours(story.liked)
        if story.link == "shared":
            return f"和{liked}一样，{item}{self._facts(story)}。"
        if story.link == "mixed":
            return f"{self._mixed(story, liked, story.item or self._this())}。"
        if story.link == "direct":
            return f"{self._direct(story, item, liked)}。"
        return f"{item}的简介与{liked}的简介相近。"

    def _crowd(self, story: Story) -> str:
        """有37位观众和你一样喜欢A，25位喜欢B，他们也都喜欢C."""
        did = self.words.did()
        parts = [
            f"{count.others}{'' if position else '和你一样'}{_put(did, count.item)}"
            for position, count in enumerate(story.counts)
        ]
        if story.rest:
            parts.append(f"还有人{_put(did, story.rest.tag)}")
        if story.liked:
            user = self.words.noun(self.words.schema.user.name)
            parts.append(f"一些{user}和你一样{_put(did, story.liked.tag)}")
        reached = story.bridge.tag if story.bridge else story.item or self._this()
        also = "他们也都" if len(parts) > 1 else "也"
        return f"有{'，'.join(parts)}，{also}{_put(did, reached)}"

    def _onward(self, story: Story) -> str:
        """How it goes on from the bridge to the item."""
        if story.bridge is None:
            return ""
        item, it = story.item or self._this(), "它们" if story.bridge.several else "它"
        if story.link == "shared":
            return f"；和{it}一样，{item}{self._facts(story)}"
        if story.link == "mixed":
            return f"；{self._mixed(story, it, item)}"
        if story.link == "direct":
            return f"；{self._direct(story, item, it)}"
        if story.link == "text":
            return f"，而{item}的简介与{it}的简介相近"
        return f"；{item}{_through(story)}与{it}相关联"

    def _facts(self, story: Story) -> str:
        verbs = [_put(self.words.verb(fact.edge), fact.tag) for fact in story.facts]
        return "，".join([verbs[0], *(_its(verb) for verb in verbs[1:])])

    def _mixed(self, story: Story, known: str, item: str) -> str:
        to_known, to_item = (self.words.verb(fact.edge) for fact in story.facts)
        return f"{story.through[0]}{_put(to_known, known)}，{_also(_put(to_item, item))}"

    def _direct(self, story: Story, item: str, known: str) -> str:
        edge = story.facts[0].edge
        forth = PathEdge(edge.type, not edge.forward)
        if self.words.phrase(edge) is None and (phrase := self.words.phrase(forth)) is not None:
            return f"{known}{_put(phrase, self._this() if item == '它' else item)}"
        return f"{item}{_put(self.words.verb(edge), known)}"

    def _yours(self, liked: Mention) -> str:
        """你喜欢的A, or A（你给它打了高分）where the phrase has no open end."""
        did = self.words.did()
        if did.endswith("{}"):
            return f"你{did[:-2]}的{liked.tag}"
        return f"{liked.tag}（你{_put(did, '它们' if liked.several else '它')}）"

    def _this(self) -> str:
        item = self.words.schema.item.name
        return f"这{self.words.measure(item)}{self.words.noun(item)}"

    def _number(self, count: int, node_type: str) -> str:
        return f"{count}{self.words.measure(node_type)}{self.words.noun(node_type, count)}"

    def _quoted(self, node: PathNode) -> str:
        name = clean_name(node.name, node.key)
        if self.words.titled(node.type):
            return f"《{name.replace('《', '〈').replace('》', '〉')}》"
        if self.words.type(node.type).role == "item":
            return f"「{name.replace('「', '『').replace('」', '』')}」"
        return name


def _put(phrase: str, what: str) -> str:
    return phrase.replace("{}", what)


def _its(verb: str) -> str:
    """A verb that follows on: 的分级是R becomes 其分级是R."""
    return f"其{verb[1:]}" if verb.startswith("的") else verb


def _also(verb: str) -> str:
    return _its(verb) if verb.startswith("的") else f"也{verb}"


def _through(story: Story) -> str:
    return f"通过{'、'.join(story.through)}" if story.through else ""
