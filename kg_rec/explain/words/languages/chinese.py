"""Chinese: everything that is said in it.

Names of works with a title stand in 《》, which the measure word tells (部, 首, 本, ...); other names in “”.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from kg_rec.explain.path import PathEdge, PathNode
from kg_rec.explain.words.languages.base import TITLED, Language, article_first
from kg_rec.explain.words.slots import clean_name

#: What something of an item is: 的曲风是, 的投资地区包括.
_OF_IT = re.compile(r"(的[^\[]*?)(是|包括|包含|为|有)(?=\[)")


class Chinese(Language):
    """See :class:`kg_rec.explain.words.languages.base.Language`."""

    code = "zh"
    title = "Chinese"
    locale = "zh"
    gap = ""
    stop = "。"
    longest = 130

    grammar = """
    own_shared_short: "和" yours "一样，" fact
        | fact "，和" yours "一样"
        | ITEM "与" yours "有相同的" noun "：" SHARED
    own_shared_friendly: "就像" yours "一样，" fact
        | "你" did_liked "，" ITEM also_shared
        | ITEM "和" yours "有共同的" noun "：" SHARED
    own_shared_formal: "与" yours "相同，" fact
        | fact "，" yours "亦是如此"
        | ITEM "与" yours "有相同的" noun "，即" SHARED
    own_shared_more: "你" did_liked "，而" ITEM also_shared
        | "正如" yours "，" ITEM also_shared
        | "推荐理由之一：和" yours "一样，" fact
        | "你" did_liked ("，" | "，而") ITEM "的" noun "也是" SHARED
        | "你" did_liked ("，" | "，而") ITEM same_shared
        | like yours "一样，" (fact | ITEM also_shared)
        | ("就像" | "如同" | "正如") yours "，" fact
        | ITEM like yours "一样，" (verb_shared | also_verb)
        | ITEM with yours (both_shared | "的" noun ("都是" | "都有") SHARED)
        | ITEM with yours "有" ("相同" | "共同") "的" noun ("：" | "，即") SHARED
        | fact "，" yours ("亦" | "也") "是如此"
        | fact "，" ("正如" yours | like yours "一样" | with yours "相同")
        | yours has_shared "，" ITEM ("也是" | "也是如此" | "亦然")
        | SHARED "既"? of_yours "，也" of_item
        | ITEM "的" noun SHARED "也" of_yours

    own_text_short: ITEM "的" text_one "与" yours "的" text_one "相近"
        | ITEM "与" yours "的" text_one "相似"
    own_text_friendly: "你" did_liked "，而" ITEM "的" text_one "与" again "的很相似"
        | "从" text_one "来看，" ITEM "和" yours "很接近"
    own_text_formal: ITEM "的" text_one "与" yours "的" text_one "相似"
        | "根据" text_one "，" ITEM "与" yours "相近"
    own_text_more: ("从" text_one ("来看" | "上看" | "看") | "就" text_one ("而言" | "来看")) "，" ITEM with yours near
        | ITEM "的" text_one with yours "的" text_one? near
        | ITEM with yours "的"? text_one near
        | "你" did_liked "，" "而"? ITEM "的" text_one with again "的" near

    own_direct_short: ITEM forth_yours
        | yours back_item
    own_direct_friendly: "你" did_liked "，而" ITEM forth_again
        | yours back_item
    own_direct_formal: "根据图谱，" ITEM forth_yours
        | "根据图谱，" yours back_item
    own_direct_more: "你" did_liked "，" ITEM forth_again
        | "推荐理由之一：" ITEM forth_yours

    counted_short{next}: "和你一样" did_liked "的" COUNT "也" next
    counted_friendly{next}: "跟你一样" did_liked "的" COUNT "也" next
        | "你" did_liked "，和你一样的" COUNT "也" next
    counted_formal{next}: "与你一样" did_liked "的" COUNT "同时也" next
        | "根据图谱，与你一样" did_liked "的" COUNT "也" next
    counted_more{next}: ("和"|"与"|"跟"|"像"|"同") "你一样" did_liked "的" COUNT ("也"|"还"|"同样也"|"也都") next
        | "你" did_liked ("，"|"；") ("和"|"与"|"跟") "你一样的" COUNT ("也"|"还") next
    counts_short{next}: LIKED "也" next "；你也" did_those
    counts_friendly{next}: LIKED "也" next "，而你也" did_those
    counts_formal{next}: "根据图谱，" LIKED "也" next "；你同样" did_those
    counts_more{next}: LIKED ("同样也" | "同样" | "还" | "也") next "；" ("你也" | "你同样" | "而你也") did_those
    bridged_short{next}: LIKED "（你也" did_those "）也" next
    bridged_friendly{next}: LIKED "（而你也" did_those "）也" next
    bridged_formal{next}: "根据图谱，" LIKED "（你同样" did_those "）也" next
    bridged_more{next}: LIKED "（你也" did_those "）同样也" next
    crowd_short{next}: "有些" users "和你一样" did_liked "，也" next
    crowd_friendly{next}: "有些" users "跟你一样" did_liked "，也" next
    crowd_formal{next}: "根据图谱，有些" users "与你一样" did_liked "，同时也" next
    crowd_more{next}: ("一些" | "有些") users ("和"|"与"|"跟") "你一样" did_liked ("，还"|"，也"|"，同时也") next

    onward_shared: "；和" again "一样，" fact
        | "；" fact "，和" again "一样"
    onward_shared_more: "；" (with again "一样，" ITEM also_shared | ITEM also_shared "，" with again "一样")
    onward_text: "；" ITEM "的" text_one "与" again "的相近"
    onward_text_more: "；" ITEM "的" text_one with again "的" near
    onward_direct: "；" ITEM forth_again
    rate: "（在所有" users "中，这一比例为" RATE "）"
    audit: "；这一项占推荐理由的" SHARE

    more_short{has}: that_did TOTAL measure items "中有" COUNT measure has
    more_friendly{has}: more_short{has}
    more_formal{has}: "在" that_did TOTAL measure items "中，有" COUNT measure has
    every_short{has}: that_did items "中，全部" TOTAL measure has
    every_friendly{has}: every_short{has}
    every_formal{has}: "在" that_did items "中，全部" TOTAL measure has
    fewer_short{has}: that_did TOTAL measure items "中只有" COUNT measure has
    fewer_friendly{has}: fewer_short{has}
    fewer_formal{has}: "在" that_did TOTAL measure items "中，只有" COUNT measure has
    single_short{has}: fewer_short{has}
    single_friendly{has}: fewer_friendly{has}
    single_formal{has}: fewer_formal{has}
    never_short{has}: that_did TOTAL measure items "中没有一" measure has
    never_friendly{has}: never_short{has}
    never_formal{has}: "在" that_did TOTAL measure items "中，没有一" measure has
    usual: "（一般：" everybody RATE "）"
    audit_usual: "（" SHARE "；一般：" everybody RATE "）"

    fact: ITEM has_shared
    with: "和" | "与"
    like: "和" | "与" | "跟" | "同" | "像" | "就像" | "如同"
    near: "相近" | "相似" | "接近" | "很相近" | "很相似" | "很接近"
    """

    remarks: ClassVar = {
        "in_fashion": "它正在流行：最近[DAYS]天里有[CROWD]选择了它。",
        "again": "你{did_item}[TIMES]次，大约每[GAP]天一次，上一次是[AGO]。",
        "again_daily": "你{did_item}[TIMES]次，大约每天一次，上一次是[AGO]。",
        "again_times": "你{did_item}[TIMES]次，上一次是[AGO]。",
        "again_once": "你{did_item}一次，是[AGO]。",
        "ago": "[DAYS]天前",
        "ago_day": "一天前",
        "ago_today": "不到一天前",
        "already_interacted": "这{measure}{item}已在你的历史记录中。",
        "no_interactions": "目前还不了解你的喜好，[ITEM]的得分来自它的整体受欢迎程度。",
        "base_only": "你的历史记录与[ITEM]没有关联，得分来自整体受欢迎程度。",
        "no_path": "没有哪一条路径单独支持[ITEM]，得分来自整体受欢迎程度和你的全部历史记录。",
        "low": "[ITEM]不值得推荐：支持的理由共[FOR]，不超过反对的理由[AGAINST]。",
        "whole": "你的历史记录中有[NUMBER]{measure}{item}支持[ITEM]，以下理由占其中的[SHARE]。",
        "whole_one": "你的历史记录中有[NUMBER]{measure}{item}支持[ITEM]，以下理由占其中的[SHARE]。",
        "against": "反对的理由：你历史记录中的[LIKED]，抵消支持理由的[SHARE]。",
        "against_several": "反对的理由：你历史记录中的[LIKED]，共抵消支持理由的[SHARE]。",
        "against_most": "反对的理由：你历史记录中的[NUMBER]{measure}{item}，主要是[LIKED]，共抵消支持理由的[SHARE]。",
        "against_each": "反对的理由：你历史记录中的[NUMBER]{measure}{item}，各自影响很小，共抵消支持理由的[SHARE]。",
        "disliked": "你不喜欢[LIKED]。",
    }
    weights = ("主要理由：", "此外：", "次要理由：")
    weights_again = ("另一主要理由：", "还有：", "另一次要理由：")

    headings: ClassVar = {
        "score": "得分",
        "for_user": "用户{}",
        "you": "你",
        "others": "其他{}人",
        "similar": "相似文本",
        "alike": "相似的{}",
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
        "drawn": "{1}条路径中画出{0}条：依次取每类理由中最大的。",
        "sides": "支持{}，反对{}，合计{}",
        "by_facts": "仅凭共有的事实：{}。",
        "by_facts_of": "仅凭共有的事实：{}，占得分的{}。",
        "all": "全部路径",
        "pick": "指向或选择一条路径，图中会突出显示。",
        "part": "占推荐理由的{}",
        "other_paths": "图中未画的路径",
    }
    what_if: ClassVar = {
        "leaves": "就目前的模型而言：如果没有{reasons}，{item}就不在你的前{k}名里，{new}会取而代之。",
        "leaves_alone": "就目前的模型而言：如果没有{reasons}，{item}就不在你的前{k}名里。",
        "smaller": "不排除更小的组合：至少要去掉{n}项。",
        "stays": "就目前的模型而言，无论去掉你的哪些历史记录，{item}都在你的前{k}名里。",
        "open": "{item}在你的前{k}名里；在限定时间内没有找到可以去掉的组合，至少要去掉{n}项。",
        "not_listed": "{item}不在你的前{k}名里，排第{n}名。",
        "had": "{item}不在你的前{k}名里，已在你的历史记录中。",
        "moved": "从第{before}位移到第{now}位：{why}",
        "moved_below": "从第{before}位之后移到第{now}位：{why}",
        "moved_down": "其他项目被上移",
        "moved_floor": "列表的曝光至少有{share}%留给{group}",
        "moved_mix": "{kind}占你喜欢的内容的{own}%，占按分数排的前{k}名的{shown}%",
        "moved_nearer": "列表的{relation}构成更接近你喜欢的内容",
        "moved_new": "有一个位置留给新项目",
        "moved_diverse": "它与前面的项目不太相似",
        "moved_room": "前面的项目让出了位置",
        "tail": "较冷门的项目",
        "new": "新项目",
        "shut_out": "{item}不在你的前{k}名里，它不在可以列给你的范围内。",
        "entered": "就目前的模型而言，{new}会进入你的前{k}名。",
        "left": "{old}会离开。",
        "same": "就目前的模型而言，你的前{k}名不会有变化。",
        "listed": "{item}在你的前{k}名里，排第{n}名。",
        "behind": "{item}不在你的前{k}名里，它排第{n}名。它的得分{score}比名单上最后的{last}低{gap}。",
        "ahead": "{last}的领先主要来自你历史记录中的{names}。",
        "brings": "就目前的模型而言，如果你最近喜欢的是{names}，{item}就会进入名单。",
        "each_brings": "就目前的模型而言，如果你最近喜欢的是{names}，{item}就会进入名单。",
        "nothing_brings": "试过的添加都不能让{item}进入名单。",
        "first_ahead": "{first}比{second}领先{gap}。",
        "level": "{first}和{second}的得分相同。",
        "speaks_first": "在差距中最支持{first}的是你历史记录中的{names}。",
        "speaks_second": "最支持{second}的是{names}。",
        "what_row": "互动",
        "difference": "差距",
        "base_row": "不论是谁",
        "more_rows": "另外{n}项",
        "sum_row": "合计",
    }
    person: ClassVar = {
        "popularity": "全部{users}中有{chose}（{share}）{did}。",
        "attribute": "{attribute}为{shared}的{users}中有{chose}（{share}，全体为{all}）{did}。",
        "like": "{liked}的{users}中有{chose}（{share}，全体为{all}）{did}。",
        "model": "训练好的模型认为它与{item}有关。",
        "model_against": "训练好的模型认为喜欢{item}的人不常选它。",
        "sentence": "它的文本与你说的话相近。",
        "sentence_against": "它的文本与你说的话相去甚远。",
        "sensitive": "这份名单使用了敏感属性：{names}；可以用设置blocked禁用。",
        "struck": "你从画像中划掉了{shared}。",
        "more": "你想多要一些{shared}。",
        "less": "你想少要一些{shared}。",
        "never": "你不要{shared}。",
        "only": "你只要{shared}。",
        "yours": "你的行为，以及大家的喜好。",
        "everybody": "所有人",
        "changed": "你的喜好在{date}前后变化最大（p = {p}）。",
        "changed_all": "全体{users}的喜好在{date}前后变化最大（p = {p}）。",
        "unchanged": "没有哪个时间前后的变化超出偶然的程度（p = {p}）；最大的变化在{date}。",
        "untested": "时间点太少，无法检验变化。",
        "strand": "{shared}：此前{before_total}项中有{before}项，此后{after_total}项中有{after}项。",
        "shift_new": "此后新增的{item}",
        "shift_old": "此后权重改变的{item}",
        "profile_empty": "你还没有喜欢过什么，所以没有画像。",
        "profile_usual": "你的喜好与全体{users}的差别没有超出偶然的程度。",
        "silent": "没有用上（人数太少）：{names}。",
    }
    prompts: ClassVar = {
        "system": "请改写推荐理由。每个方括号占位符必须恰好出现一次，只说原句的意思，不增加内容，只回答一个句子。",
        "sentence": "原句：{}",
        "answer": "换句话说：{}",
        "rules": "只接受由以下语法的start规则推导出的句子：\n{}",
        "one": "请写出一个这样的句子，只回答句子本身。",
        "many": '请写出{n}个句式各不相同的句子，只用JSON回答：{{"sentences": ["……", "……"]}}',
        "short": "语气：尽量简短。",
        "friendly": "语气：亲切轻松。",
        "formal": "语气：礼貌客观。",
        "audit": "语气：平实准确，并说明占比。",
    }
    fallback_did = "接触过{}"
    fallback_linked = "与{{}}有关（{label}）"

    def measure(self, node_type: str) -> str:
        """The measure word of a node type; 个 where the schema gives none."""
        return self.type(node_type).measure_words.get(self.code, "个")

    def name(self, node: PathNode) -> str:
        """The cleaned name, in 《》 where it is a title, its article in front: 《A Fish Called Wanda》."""
        if self.measure(node.type) not in TITLED:
            return super().name(node)
        name = article_first(clean_name(node.name, node.key))
        return f"《{name.replace('《', '〈').replace('》', '〉')}》"

    def listed(self, names: Sequence[str], others: int, node_type: str) -> str:
        """《盗火线》、《浪人》等69部电影."""
        if not others:
            return self.join(names)
        return f"{'、'.join(names)}等{self.counted(len(names) + others, node_type)}"

    def people(self, common: int, total: int) -> str:
        """其他147位观众中有112位; where all of them did, 其他全部147位观众 and 仅有的另一位观众."""
        user = self.schema.user.name
        if common == total:
            return (
                f"其他全部{self.counted(total, user)}"
                if total > 1
                else f"仅有的另一{self.measure(user)}{self.noun(user)}"
            )
        return f"其他{self.counted(total, user)}中有{self.number(common)}{self.measure(user)}"

    def people_of(self, name: str, common: int, total: int, first: bool) -> str:
        """喜欢《A》的其他147位观众中有112位."""
        return f"{self.did().replace('{}', name)}的{self.people(common, total)}"

    def this_item(self) -> str:
        """这部电影."""
        item = self.schema.item.name
        return f"这{self.measure(item)}{self.noun(item)}"

    def again(self, many: bool) -> str:
        """那部电影, 那些电影."""
        item = self.schema.item.name
        return f"那{'些' if many else self.measure(item)}{self.noun(item)}"

    def copula(self, phrase: str) -> bool:
        """Whether it begins with 是."""
        return phrase.startswith("是")

    def yours(self, names: str, several: bool) -> str:
        """你喜欢的A, or A（你给那部电影打了高分）where the phrase has no open end."""
        did = self.did()
        if did.endswith("{}"):
            return f"你{did[:-2].removesuffix('了')}的{names}"
        return f"{names}（你{did.replace('{}', self.again(several))}）"

    def words(self, steps: Sequence[PathEdge], link: str, several: bool, many: bool) -> dict[str, tuple[str, ...]]:
        """Chinese adds 你喜欢的A, and 也 before a verb that can follow it."""
        did, users, items = self.did(), self.noun(self.schema.user.name), self.noun(self.schema.item.name)
        what = "名称和各项信息" if link == "facts" else "简介"
        if link == "vectors":
            what = self.attribute(self.schema.item.name, steps[0].alike or "")
        act = did[:-2].removesuffix("了") if did.endswith("{}") else None
        texts = super().words(steps, link, several, many) | {
            "has_years": ("来自[SHARED]年",),
            "have_years": ("来自[SHARED]年",),
            "that_did": ("你历史记录中的" if act is None else f"你{act}的",),
            "everybody": (f"占所有{users}" + ("历史记录的" if act is None else f"{act}的{items}的"),),
            "yours": (self.yours("[LIKED]", many),),
            "measure": (self.measure(self.schema.item.name),),
            "did_those": (self.did().replace("{}", self.again(True)),),
            "text_one": (what,),
        }
        texts["forth_yours"] = tuple(
            verb.replace("[LIKED]", self.yours("[LIKED]", many)) for verb in texts.get("forth_liked", ())
        )
        if "has_shared" in texts:
            for name, word in (("also_shared", "也"), ("same_shared", "同样"), ("both_shared", "都")):
                texts[name] = tuple(_with(verb, word) for verb in texts["has_shared"])
            verbs = tuple(verb for verb in texts["has_shared"] if not verb.startswith("的"))
            texts["verb_shared"], texts["also_verb"] = verbs, tuple(_with(verb, "也") for verb in verbs)
        if "of_liked" in texts:
            yours = self.yours("[LIKED]", many)
            texts["of_yours"] = tuple(verb.replace("[LIKED]", yours) for verb in texts["of_liked"])
        return texts

    def counted(self, count: int, node_type: str) -> str:
        """37位观众."""
        return f"{self.number(count)}{self.measure(node_type)}{self.noun(node_type)}"


def _with(verb: str, word: str) -> str:
    """A verb phrase with 也: 也由A执导; where it says what something of the item is, before that verb: 的曲风也是A."""
    match = _OF_IT.match(verb) or re.match(r"([^\[]*的[^\[]*?)(是)(?=\[)", verb)
    return f"{match[1]}{word}{match[2]}{verb[match.end() :]}" if match else f"{word}{verb}"
