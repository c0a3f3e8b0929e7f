"""Reading the finished text of an explanation back, to see whether it says only what its paths say.

The text is cut into sentences, each is recognised by the literal words of the known sentences (the grammar's and the
phrasebook's, which say for each slot what role it plays), and what stands in the slots is looked up on the paths:

- every name is the name of a node on the paths in that role, and every pair that the sentence claims (this item, that
  attribute) is on one path;
- every number is a number of others on such a path, or how many more names there are than those said;
- the relation of the sentence is that of these paths.

Nothing of the code that fills sentences is used, so a fault there shows here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kg_rec.explain.explanation import Explanation
from kg_rec.explain.path import Path, PathNode
from kg_rec.explain.verify.sentences import ENDS, Sentence, Sentences
from kg_rec.explain.words.slots import clean_name

_NUMBER = re.compile(r"\d[\d,]*")
_BESIDE = re.compile(r" ?[(（](\d[\d,]*)[^)）]*[)）]")
_BETWEEN = re.compile(r", |、| and | or |或")
_MORE = re.compile(r"(?: and | or one of | or |等|或?另外)(\d[\d,]*)([^\d]*)$")


def misread(sentences: Sentences, explanation: Explanation) -> tuple[str, ...]:
    """What the text says and the paths do not, one line each; empty if it says only what is on them.

    Args:
        sentences: of the explanation's schema and language, with the phrasebook it was told with.
        explanation: the explanation.
    """
    text = explanation.text
    candidates = [
        s for s in sentences.known if s.longest in text and all(part.rstrip(".") in text for part in s.literals)
    ]
    start, problems = 0, []
    while start < len(text):
        best: tuple[str, ...] | None = None
        for end in _ends(text, start):
            for sentence, shape in ((s, shape) for s in candidates for shape in s.shapes):
                match = shape.fullmatch(text, start, end)
                if match is None:
                    continue
                wrong = _Claim(sentences, explanation, sentence, match.groups()).problems()
                if not wrong:
                    best = ()
                    break
                best = best or wrong
            if best == ():
                start = end + (text[end : end + 1] == " ")
                break
        if best != ():
            problems.append(f"{text[start : start + 200]!r}: {'; '.join(best or ('no known sentence',))}")
            break
    return tuple(problems)


def _ends(text: str, start: int) -> Iterator[int]:
    """Where a sentence may end: after a closing mark before a blank or the end (anywhere in Chinese)."""
    for n in range(start, len(text)):
        if text[n] in ENDS and (n + 1 == len(text) or text[n + 1] == " " or text[n] in "。！？"):
            yield n + 1
    if text[-1] not in ENDS:
        yield len(text)


@dataclass(frozen=True)
class _Claim:
    """One sentence, what stands in its slots, and the paths that could bear it out."""

    sentences: Sentences
    explanation: Explanation
    sentence: Sentence
    groups: tuple[str, ...]

    def problems(self) -> tuple[str, ...]:
        said = dict(zip(self.sentence.roles, self.groups, strict=True))
        e = self.explanation
        if "item" in said and said["item"] != self._shown(
            PathNode(self.sentences.schema.item.name, e.item, e.item_name)
        ):
            return (f"{said['item']!r} is not the item",)
        if self.sentence.key.startswith("remark "):
            return self._remark(self.sentence.key.removeprefix("remark "))
        lead, link, *steps = self.sentence.key.split(" ")
        paths = [p for p in e.paths if p.value > 0 and self._fits(p, lead, link, steps)]
        if not paths:
            return (f"no path says {self.sentence.key!r}",)
        start = 3 if lead in ("counted", "counts", "crowd") else 1
        places = {"liked": 1, "bridge": 3, "shared": -2}
        named: dict[str, tuple[str, ...]] = {}
        more: dict[str, int] = {}
        for role, text in said.items():
            if role in ("item", "count", "share"):
                continue
            if role == "through":
                nodes = [n for p in paths for n in p.nodes[start + 1 : -1]]
            else:
                nodes = [p.nodes[places[role]] for p in paths]
            read = self._names(text, nodes)
            if read is None:
                return (f"{text!r} is not a list of names on the paths ({role})",)
            named[role], more[role], numbers = read
            beside = [(self._shown(p.nodes[1]), p.nodes[2].count) for p in paths if numbers]
            wrong = [
                f"no path has {number} others at {name}" for name, number in numbers if (name, number) not in beside
            ]
            if wrong:
                return tuple(wrong)
        return self._together(paths, named, more, places) or self._count(said, paths, named)

    def _remark(self, note: str) -> tuple[str, ...]:
        e = self.explanation
        true = {
            "already_interacted": "already_interacted" in e.notes,
            "no_interactions": "no_interactions" in e.notes and not e.terms,
            "base_only": not e.terms,
            "no_path": bool(e.terms) and not any(p.value > 0 for p in e.paths),
        }
        return () if true[note] else (f"the remark {note} does not hold",)

    def _fits(self, path: Path, lead: str, link: str, steps: Sequence[str]) -> bool:
        """Whether a path runs as the key says, read from its nodes and edges alone."""
        crowd = len(path.nodes) > 3 and path.nodes[2].key is None
        if crowd != (lead in ("counted", "counts", "crowd")) or lead == "you":
            return False
        tail = path.edges[3 if crowd else 1 :]
        if link == "none":
            return not tail
        if link == "text":
            return len(tail) == 1 and tail[0].type is None
        if link == "direct":
            return (
                len(tail) == 1 and tail[0].type == steps[0].lstrip("^") and tail[0].forward == steps[0].startswith("^")
            )
        if link == "shared":
            back = steps[0].startswith("^")
            return (
                len(tail) == 2
                and tail[0].type == tail[1].type == steps[0].lstrip("^")
                and (tail[0].forward, tail[1].forward) == (not back, back)
            )
        return link == "chain"

    def _shown(self, node: PathNode) -> str:
        name = clean_name(node.name, node.key)
        if self.sentences.lang != "zh":
            return name
        kind = self.sentences.schema.node_types[node.type]
        if kind.measure_words.get("zh", "个") in "部首本篇册卷出集期张":
            return f"《{name.replace('《', '〈').replace('》', '〉')}》"
        return f"「{name.replace('「', '『').replace('」', '』')}」" if kind.role == "item" else name

    def _names(self, text: str, nodes: Sequence[PathNode]) -> tuple[tuple[str, ...], int, list[tuple[str, int]]] | None:
        """Names at the start of a text, how many more it says there are, and names with the numbers beside them.

        A name stands there at most as often as there are nodes of that name.
        """
        left = Counter(self._shown(n) for n in {n.key: n for n in nodes if n.key is not None}.values())
        longest = sorted(left, key=len, reverse=True)
        found: list[str] = []
        numbers: list[tuple[str, int]] = []
        at = 0
        while True:
            name = next((n for n in longest if left[n] and text.startswith(n, at)), None)
            if name is None:
                return None
            left[name] -= 1
            found.append(name)
            at += len(name)
            beside = _BESIDE.match(text, at)
            if beside:
                numbers.append((name, _whole(beside.group(1))))
                at = beside.end()
            if at == len(text):
                return tuple(found), 0, numbers
            between = _BETWEEN.match(text, at)
            if between and any(left[n] and text.startswith(n, between.end()) for n in longest):
                at = between.end()
                continue
            tail = _MORE.fullmatch(text, at)
            if tail is None:
                return None
            total = _whole(tail.group(1))
            return tuple(found), total - len(found) if text[at] == "等" else total, numbers

    def _together(
        self,
        paths: Sequence[Path],
        named: Mapping[str, tuple[str, ...]],
        more: Mapping[str, int],
        places: Mapping[str, int],
    ) -> tuple[str, ...]:
        """Every named pair is on one path, and there are as many more as it says."""
        lists = [(places[role], names) for role, names in named.items() if role in places]
        for n, (place, names) in enumerate(lists):
            for other, others in lists[n + 1 :]:
                pairs = {(self._shown(p.nodes[place]), self._shown(p.nodes[other])) for p in paths}
                free = self.sentence.key.startswith("crowd")  # several lead to several: each is on some path
                apart = [(one, two) for one in names for two in others if (one, two) not in pairs and not free]
                if apart:
                    return (f"no path through {' and '.join(apart[0])}",)
        for role, count in more.items():
            if count == 0:
                continue
            whole = {r: names for r, names in named.items() if r != role and not more[r] and r in places}
            fitting = [p for p in paths if all(self._shown(p.nodes[places[r]]) in names for r, names in whole.items())]
            counts = self._counts(fitting, places[role], named[role])
            if len(named[role]) + count not in counts:
                return (f"{count} more at {role}, but {sorted(counts)} in all on the paths",)
        return ()

    def _counts(self, paths: Sequence[Path], place: int, names: Sequence[str]) -> set[int]:
        """How many nodes stand at a place of the paths, in each group that has these names, and in all such groups."""
        nodes = [
            {p.nodes[place].key for p in group.paths if p in paths}
            for group in self.explanation.groups
            if set(names) <= {self._shown(p.nodes[place]) for p in group.paths if p in paths}
        ]
        return {len(keys) for keys in (*nodes, set().union(*nodes))}

    def _count(
        self, said: Mapping[str, str], paths: Sequence[Path], named: Mapping[str, tuple[str, ...]]
    ) -> tuple[str, ...]:
        """The number of others, and the share, are those of the paths."""
        told = [p for p in paths if "liked" not in named or self._shown(p.nodes[1]) in named["liked"]]
        told = [p for p in told if "bridge" not in named or self._shown(p.nodes[3]) in named["bridge"]]
        if "count" in said:
            numbers = [_whole(x) for x in _NUMBER.findall(said["count"])]
            if len(numbers) != 1 or not any(n.count == numbers[0] for p in told for n in p.nodes if n.key is None):
                return (f"{said['count']!r} is not the number of others on the path",)
        if "share" in said:
            shares = [float(x) for x in re.findall(r"\d+(?:\.\d+)?", said["share"])]
            told = [p for p in told if "shared" not in named or self._shown(p.nodes[-2]) in named["shared"]]
            most = 100 * sum(p.share for p in paths)
            least = 100 * min((p.share for p in told), default=0.0)
            if len(shares) != 1 or not least - 0.06 <= shares[0] <= most + 0.06:
                return (f"{said['share']!r} is not the share of the paths",)
        return ()


def _whole(text: str) -> int:
    return int(text.replace(",", ""))
