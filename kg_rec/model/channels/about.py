"""What people are told of a part of the score: its title, a line about it, its colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: What the terms of a channel become in an explanation: a path through the users who had both items, paths through
#: the facts that the items share, a step of similar text, or one of alike vectors for each property that has some.
PathKind = Literal["co-users", "facts", "text", "vectors"]


@dataclass(frozen=True, slots=True)
class About:
    """What is shown of one part of the score, wherever it is shown.

    Attributes:
        titles: a word or two for tables and pictures, by language; ``en`` has to be there.
        lines: one line that says what the part measures, by language; ``en`` has to be there.
        colour: in pictures, ``#rrggbb``.
    """

    titles: Mapping[str, str]
    lines: Mapping[str, str]
    colour: str

    def title(self, lang: str) -> str:
        """The title in a language, in English where it has none."""
        return self.titles.get(lang, self.titles["en"])

    def line(self, lang: str) -> str:
        """The line in a language, in English where it has none."""
        return self.lines.get(lang, self.lines["en"])


#: The part of the score that does not depend on the user.
BASE = About(
    titles={"en": "base", "zh": "基础"},
    lines={"en": "how popular it is, whoever asks", "zh": "不论是谁，它有多受欢迎"},
    colour="#8792a2",
)

#: The part of the base that says what is in fashion at the time of the list.
FASHION = About(
    titles={"en": "in fashion", "zh": "流行"},
    lines={"en": "how many chose it in the days before the list", "zh": "列表生成前几天有多少人选择了它"},
    colour="#c026d3",
)

#: What the user had and may have again, by how often and how lately.
AGAIN = About(
    titles={"en": "again", "zh": "再次"},
    lines={"en": "how often and how lately you had it", "zh": "你拥有它的次数和最近时间"},
    colour="#0e9384",
)

#: The part of the base that comes from what a user said of themselves.
STATED = About(
    titles={"en": "what you said", "zh": "你说过的"},
    lines={"en": "what you said you want more or less of", "zh": "你说过想多看或少看什么"},
    colour="#b45309",
)
