"""Reading the finished text of an explanation back: is every name in it a name, and every number true in the graph?

Nothing of the code that words explanations is used: names are found by their marks, numbers by the words around them,
and both are looked up in the graph (:class:`~kg_rec.explain.verify.truth.Facts`), on the paths and in the terms.  A
number that no claim below explains is a false one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from kg_rec.explain.explanation import Explanation
from kg_rec.explain.verify.truth import Facts
from kg_rec.snapshot.tables import own_times

#: A name, as the text to look into holds it: its place in the list of names.
_N = r"\x02(\d+)\x03"
_INT = r"(\d[\d,]*)"
_LIST = r"(?:\x02\d+\x03(?:, and |, or |, | and | or |、|和|或)?)+"

#: What a number may claim, by language: how many of the others who had an item had the next one; how many more items
#: of the user share a fact, or how many do; how many of all users had the item; how many items speak for it; shares.
_CLAIMS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "of": rf"(?:{_INT} of the {_INT}|(?:[Aa]ll) {_INT}|[Tt]he only)(?: other \w+)?"
        rf"(?:(?<=\w) who did the same| who[^\d\x02.;]*?{_N})",
        "more": rf"({_LIST}){_INT} other \w+",
        "rate": r"\((<?[\d.]+%) of all \w+ did\)",
        "fashion": rf"{_INT} \w+ chose it in the last {_INT} days",
        "again": rf"{_N} (?:{_INT} times|once)(?:, about every (?:(?P<gap>[\d,]+) days|(?P<daily>day)))?[;,] "
        r"(?:the last time )?(?:(?P<ago>[\d,]+) days|(?P<day>one day)|less than a day) ago",
        "speak": rf"(?:{_INT}|\bOne) of your \w+ speaks? for",
        "told": r"told here makes up ([\d.]+%)",
        "share": r"accounts for (<?[\d.]+%) of what speaks",
        "against": r"Against it: ([^.]*?) takes? away (<?[\d.,]+%) of what speaks for it",
        "sides": r"speaks for it, ([\d.e+-]+), does not outweigh what speaks against it, ([\d.e+-]+)\.",
    },
    "zh": {
        "of": rf"(?:{_N})?[^\d\x02。；]*(?:其他{_INT}[^\d\x02。；]*?中有{_INT}[^\d\x02。；、和或]"
        rf"|其他全部{_INT}|仅有的另一)",
        "more": rf"({_LIST})等{_INT}",
        "rate": r"这一比例为(<?[\d.]+%)",
        "fashion": r"最近(?P<days>\d+)天里有(?P<count>\d[\d,]*)\w+选择了它",
        "again": rf"{_N}(?:{_INT}次|一次)(?:，大约每(?:(?P<gap>[\d,]+)天|(?P<daily>天))一次)?，(?:上一次)?是"
        r"(?:(?P<ago>[\d,]+)天|(?P<day>一天)|不到一天)前",
        "speak": rf"历史记录中有{_INT}",
        "told": r"以下理由占其中的([\d.]+%)",
        "share": r"占推荐理由的(<?[\d.]+%)",
        "against": r"反对的理由：([^。]*?)抵消支持理由的(<?[\d.,]+%)",
        "sides": r"支持的理由共([\d.e+-]+)，不超过反对的理由([\d.e+-]+)。",
    },
}
_QUOTED = re.compile(r"“([^“”]*)”|《([^《》]*)》")
_ARTICLES = tuple(f", {word}" for word in ("The", "A", "An", "La", "Le", "Les", "L'", "El", "Los", "Las", "Il", "Der"))
_ARTICLES += tuple(f", {word}" for word in ("Die", "Das", "Un", "Une", "Una"))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says that is not so, one line each.

    Attributes:
        names: names that nothing on the paths or in the terms has.
        numbers: numbers that are not true in the graph, or that no claim explains.
    """

    names: tuple[str, ...]
    numbers: tuple[str, ...]


def read(facts: Facts, explanation: Explanation) -> Reading:
    """Read a text in English or Chinese back.

    Args:
        facts: the graph.
        explanation: the explanation, in the words of a schema whose user and item nouns are one word.
    """
    reader = _Reader(facts, explanation)
    return Reading(tuple(reader.names()), tuple(reader.numbers()))


class _Reader:
    def __init__(self, facts: Facts, explanation: Explanation) -> None:
        self.facts, self.e = facts, explanation
        self.user = explanation.user
        self.found: list[str] = []
        told = explanation.text
        for said, _ in explanation.stated:  # the person's own words; that they are kept is asked of the graph
            told = told.replace(said, " ", 1)
        self.text = _QUOTED.sub(self._marked, told)
        snapshot = facts.snapshot
        item = snapshot.schema.item.name
        nodes = [(n.type, n.key, n.name) for p in explanation.paths for n in p.nodes[1:] if n.key is not None]
        nodes += [(item, t.source, t.source_name) for t in explanation.terms]
        nodes.append((item, explanation.item, explanation.item_name))
        self.keys: dict[str, set[tuple[str, str]]] = {}
        for kind, key, name in nodes:
            for form in _forms(name or key):
                self.keys.setdefault(form, set()).add((kind, str(key)))

    def _marked(self, match: re.Match[str]) -> str:
        self.found.append(next(group for group in match.groups() if group is not None))
        return f"\x02{len(self.found) - 1}\x03"

    def names(self) -> Iterator[str]:
        """Names in marks, and capitalised words without marks, that belong to nothing the explanation is about."""
        for name in self.found:
            if _folded(name) not in self.keys:
                yield f"no node is called {name!r}"
        bare = self.text
        for form in sorted(self.keys, key=len, reverse=True):
            if form[:1].isupper():
                word = rf"(?<!\w){re.escape(form)}(?!\w)" if self.e.lang == "en" else re.escape(form)
                bare = re.sub(word, " ", bare)
        places = r"(?<=[a-z,;] )[A-Z]\w+" if self.e.lang == "en" else r"[A-Za-z]+"
        for word in re.findall(places, bare):
            yield f"{word!r} is no part of a name on the paths"

    def numbers(self) -> Iterator[str]:
        """Numbers that are not so."""
        left = self.text
        for claim, pattern in _CLAIMS[self.e.lang].items():
            for match in re.finditer(pattern, self.text):
                if not getattr(self, f"_{claim}")(match):
                    yield f"{claim}: {self._shown(match.group())!r} is not so"
            left = re.sub(pattern, " ", left)
        bare = re.sub(r"\x02\d+\x03", " ", left)
        for form in sorted(self.keys, key=len, reverse=True):  # names without marks can hold figures
            bare = bare.replace(form, " ")
        for number in re.findall(r"\d[\d,.]*", bare):
            yield f"{number!r} is no number of a known claim"

    def _shown(self, text: str) -> str:
        return re.sub(_N, lambda m: self.found[int(m.group(1))], text)

    def _items(self, place: str) -> set[str]:
        item = self.facts.snapshot.schema.item.name
        return {key for kind, key in self.keys.get(_folded(self.found[int(place)]), ()) if kind == item}

    def _of(self, match: re.Match[str]) -> bool:
        """Whether so many of the others who had this item had another one that is on a path with it."""
        if self.e.lang == "en":
            common, total, every, place = match.groups()
            total = total or every or "1"
            common = common or total
            before = re.findall(_N, self.text[: match.start()])
            place = place or (before[-1] if before else "")
        else:
            before = re.findall(_N, self.text[: match.start()])
            place = match.group(1) or (before[-1] if before else "")
            total = match.group(2) or match.group(4) or "1"
            common = match.group(3) or total
        if place == "":
            return False
        for source in self._items(place):
            others = self.facts.who_liked(source) - {self.user}
            for path in self.e.paths:
                nodes = path.nodes
                if len(nodes) > 3 and nodes[2].key is None and nodes[1].key == source:
                    both = others & self.facts.who_liked(str(nodes[3].key))
                    if (len(both), len(others)) == (_whole(common), _whole(total)):
                        return True
        return False

    def _more(self, match: re.Match[str]) -> bool:
        """Whether these items of the user and so many more, or so many in all, share a fact on a path."""
        named = [self._items(place) for place in re.findall(_N, match.group(1))]
        total = _whole(match.groups()[-1]) + (len(named) if self.e.lang == "en" else 0)
        for path in self.e.paths:
            if len(path.nodes) == 4 and path.nodes[2].key is not None:
                edge, entity = path.edges[-1], path.nodes[2].key
                sharing = {
                    item
                    for item in self.facts.liked_by(self.user) - {self.e.item}
                    if self.facts.holds(
                        *((str(edge.type), entity, item) if edge.forward else (str(edge.type), item, entity))
                    )
                }
                if len(sharing) == total and all(some & sharing for some in named):
                    return True
        return False

    def _rate(self, match: re.Match[str]) -> bool:
        share = len(self.facts.who_liked(self.e.item)) / len(self.facts.snapshot.users)
        return _near(match.group(1), share)

    def _speak(self, match: re.Match[str]) -> bool:
        sums = self._sums()
        return _whole(match.group(1) or "1") == sum(value > 0 for value in sums.values())

    def _told(self, match: re.Match[str]) -> bool:
        shares = [group.share for group in self.e.groups]
        if self.e.again is not None:
            shares.append(self.e.again.value / self._positive())
        return any(
            _near(match.group(1), sum(some)) for n in range(1, len(shares) + 1) for some in combinations(shares, n)
        )

    def _positive(self) -> float:
        """What speaks for the item, over all addends of the channels."""
        shares = [(g.value, g.share) for g in self.e.groups if g.share > 0]
        return shares[0][0] / shares[0][1] if shares else sum(max(t.value, 0.0) for t in self.e.terms)

    _share = _told

    def _against(self, match: re.Match[str]) -> bool:
        """Whether so many items speak against it, these ones most, and take away so much of what speaks for it."""
        named = [self._items(place) for place in re.findall(_N, match.group(1))]
        count = re.search(_INT, re.sub(_N, "", match.group(1)))
        less = sorted(value for value in self._sums().values() if value < 0)
        sums, most, gain = self._sums(), [], max(self.e.speaks_for, 1e-12)
        for keys, times in Counter(map(frozenset, named)).items():  # different items may have one name
            most += sorted(sums.get(key, 0.0) for key in keys)[:times]
        return (
            (_whole(count.group()) if count else len(named)) == len(less)
            and len(most) == len(named)
            and all(abs(one - two) <= 1e-9 for one, two in zip(sorted(most), less, strict=False))
            and _near(match.group(2), -sum(less) / gain, most=float("inf"))  # it may be more than all
        )

    def _sides(self, match: re.Match[str]) -> bool:
        values = [*self._sums().values(), self.e.base]
        sides = sum(v for v in values if v > 0), -sum(v for v in values if v < 0)
        return all(
            abs(float(said) - side) <= 1e-3 * max(side, 1e-9) for said, side in zip(match.groups(), sides, strict=True)
        )

    def _fashion(self, match: re.Match[str]) -> bool:
        """Whether so many liked the item in the days before the list, counted in the graph."""
        fashion, snapshot = self.e.fashion, self.facts.snapshot
        liked = snapshot.liked()
        if fashion is None or liked.time is None:
            return False
        count, days = (match["count"], match["days"]) if self.e.lang == "zh" else match.groups()
        mine = liked.time[liked.target == snapshot.items.index(self.e.item)]
        lately = int(((mine < fashion.until) & (mine >= fashion.until - _whole(days) * 86_400)).sum())
        return lately == _whole(count)

    def _again(self, match: re.Match[str]) -> bool:
        """Whether the user had the item so many times, in such gaps, so long before the list, by the graph."""
        had, snapshot = self.e.again, self.facts.snapshot
        if had is None or self.e.item not in self._items(match.group(1)):
            return False
        edges, liked = snapshot.liked(), snapshot.items.index(self.e.item)
        mine = edges.take((edges.source == snapshot.users.index(self.user)) & (edges.target == liked))
        times = [time for some in own_times(mine).to_pylist() for time in some]
        if not times:
            return False
        gap = (times[-1] - times[0]) / 86_400 / max(len(times) - 1, 1)
        days = max(had.until - times[-1], 0) // 86_400
        said_gap = 1 if match["daily"] else _whole(match["gap"]) if match["gap"] else 0
        said_days = _whole(match["ago"]) if match["ago"] else 1 if match["day"] else 0
        return (
            (_whole(match.group(2)) if match.group(2) else 1) == len(times)
            and said_gap == (max(1, round(gap)) if len(times) > 1 and gap >= 0.5 else 0)
            and said_days == days
        )

    def _sums(self) -> dict[str, float]:
        sums: dict[str, float] = {}
        for term in self.e.terms:
            sums[term.source] = sums.get(term.source, 0.0) + term.value
        return sums


def _near(said: str, share: float, most: float = 1.0) -> bool:
    """Whether a percentage is a share, as it was rounded."""
    if said.startswith("<"):
        return share < 1e-4
    figures = said.removesuffix("%").replace(",", "")
    digits = len(figures.partition(".")[2])
    return bool(abs(float(figures) - 100 * min(share, most)) <= 0.5 * 10.0**-digits + 1e-9)


def _whole(text: str) -> int:
    return int(text.replace(",", ""))


def _folded(name: str) -> str:
    """The letters and digits of a name, at most 100: the same, however its spaces and marks are written."""
    kept = "".join(c for c in name if c.isalnum())
    return kept[:100] or name


def _forms(name: str) -> set[str]:
    """How a name can stand in a text."""
    parts = []
    for part in " ".join(name.split()).split(" ("):  # a title, and others of it in brackets
        title, _, last = part.rpartition(", ")
        parts.append(last + title if part.removesuffix(")").endswith(_ARTICLES) else part)
    return {name, _folded(name), _folded("".join(parts))}
