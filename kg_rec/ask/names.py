"""Names of the graph, and what people mean by them: exact, by another name, misspelt, near in meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from babel import Locale
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from kg_rec.arrays.types import Ints
from kg_rec.ask.atoms import Key, key
from kg_rec.ask.request import How, Node
from kg_rec.ask.words import Words
from kg_rec.snapshot import Snapshot

#: Names at least this alike (0 to 100, rapidfuzz's ratio) are taken for misspelt.
_ALIKE = 84.0
#: Types with at most this many nodes are kinds of things (genres, brands), whose plurals and parts are names too.
KINDS = 300


@dataclass(frozen=True, slots=True)
class Mention:
    """What some words may mean.

    Attributes:
        nodes: any of these.
        how: how the words lead there.
        loose: a part of a person's name, or of another long list: needs a capital letter or a word such as "by".
    """

    nodes: tuple[Node, ...]
    how: How
    loose: bool = False


class Names:
    """The names of a snapshot's items and of what they are tied to; users are not among them.

    Args:
        snapshot: the graph.
        words: of one language: plurals and other names.
    """

    def __init__(self, snapshot: Snapshot, words: Words) -> None:
        self._snapshot, schema = snapshot, snapshot.schema
        item, user = schema.item.name, schema.user.name
        ends = [(r.source, r.target) for r in schema.knowledge_relations]
        self.types = tuple(sorted({end for pair in ends for end in pair} - {item, user}))
        self.item_type = item
        self.nodes: dict[Key, Mention] = {}
        self.titles: dict[Key, tuple[Node, ...]] = {}
        self._by_name: dict[str, list[Node]] = {}
        for node_type in self.types:
            self._add_type(node_type)
        self._add_other_names(words)
        for node in self.of_type(item):
            self._add_title(key(node.name), node)
        for name, node in self._aliases(item):
            self._add_title(key(name), node)
        self.longest = max((len(k) for k in (*self.nodes, *self.titles)), default=1)

    def of_type(self, node_type: str) -> Iterator[Node]:
        """The nodes of a type, in order."""
        keys = self._snapshot.ids[node_type].keys.to_pylist()
        for k, name in zip(keys, self._snapshot.names(node_type).to_pylist(), strict=True):
            yield Node(node_type, k, name)

    def _aliases(self, node_type: str) -> Iterator[tuple[str, Node]]:
        """Other names that the graph itself gives: properties such as ``aliases`` or ``name_zh``."""
        for p in self._snapshot.schema.node_types[node_type].properties:
            if p.use is not None or not p.name.startswith(("alias", "also_known", "name_", "title_", "other_name")):
                continue
            if p.datatype not in ("string", "string_list"):
                continue
            column = self._snapshot.nodes[node_type].column(p.name).to_pylist()
            for node, value in zip(self.of_type(node_type), column, strict=True):
                for name in [value] if isinstance(value, str) else value or []:
                    yield name, node

    def _add(self, name: Key, node: Node, how: How, loose: bool = False) -> None:
        """Add a name; a whole name counts before another, and that before a part of one."""
        if not name:
            return
        there, order = self.nodes.get(name), ("exact", "alias", "fuzzy", "near", "list")
        if there is None or (loose, order.index(how)) < (there.loose, order.index(there.how)):
            self.nodes[name] = Mention((node,), how, loose)
        elif (there.loose, there.how) == (loose, how) and node not in there.nodes:
            self.nodes[name] = Mention((*there.nodes, node), how, loose)

    def _add_title(self, name: Key, node: Node) -> None:
        for form in {name, name[1:] if name[:1] in (("the",), ("a",), ("an",)) and len(name) > 1 else name}:
            if form and node not in self.titles.get(form, ()):
                self.titles[form] = (*self.titles.get(form, ()), node)

    def _add_type(self, node_type: str) -> None:
        nodes = list(self.of_type(node_type))
        few = len(nodes) <= KINDS
        parts: dict[str, list[Node]] = {}
        for node in nodes:
            whole = key(node.name)
            self._by_name.setdefault(" ".join(whole), []).append(node)
            alone = len(whole) == 1 and not few  # a person of one name
            self._add(whole, node, "exact", loose=alone)
            if few:
                for form in _forms(whole):
                    self._add(form, node, "alias")
            for n in range(1, len(whole)):
                if len(whole[n:]) < len(whole) and len("".join(whole[n:])) > 2:
                    parts.setdefault(" ".join(whole[n:]), []).append(node)
        degree = self._degrees(node_type)
        for part, some in parts.items():
            best = max(some, key=lambda node: degree[node.key])
            for form in (tuple(part.split(" ")), *(_forms(tuple(part.split(" "))) if few else ())):
                if few and len(some) > 1:
                    continue
                self._add(form, best, "alias", loose=not few)
        for name, node in self._aliases(node_type):
            self._add(key(name), node, "alias")

    def _degrees(self, node_type: str) -> Mapping[str, int]:
        """How many edges each node has to items: of two people of one surname, the better known is meant."""
        ids, total = self._snapshot.ids[node_type], np.zeros(len(self._snapshot.ids[node_type]), np.int64)
        for relation in self._snapshot.schema.knowledge_relations:
            edges = self._snapshot.edges[relation.name]
            for end, at in ((relation.source, edges.source), (relation.target, edges.target)):
                if end == node_type:
                    total += np.bincount(at, minlength=len(ids))
        return dict(zip(ids.keys.to_pylist(), total.tolist(), strict=True))

    def _add_other_names(self, words: Words) -> None:
        """Names that the language has for names of the graph, and countries and languages of the world."""
        for said, meant in (*words.names.items(), *_world(words.code)):
            nodes = [n for name in meant for n in self._by_name.get(" ".join(key(name)), [])]
            for node in nodes:
                there = self.nodes.get(key(said))
                if there is None or there.loose:
                    self.nodes[key(said)] = Mention((node,), "alias")
                elif node not in there.nodes and there.nodes[0].type != node.type:  # French: the language, and France
                    self.nodes[key(said)] = Mention((*there.nodes, node), there.how)
                elif node not in there.nodes and there.how == "alias":
                    self.nodes[key(said)] = Mention((*there.nodes, node), "alias")

    def called(self, names: Sequence[str]) -> tuple[Node, ...]:
        """Nodes of these names, of any type but the items'."""
        return tuple(dict.fromkeys(n for name in names for n in self._by_name.get(" ".join(key(name)), [])))

    @cached_property
    def _misspelt(self) -> tuple[list[str], list[Key]]:
        keys = [k for k, m in self.nodes.items() if len("".join(k)) > 4]
        return [" ".join(k) for k in keys], keys

    @cached_property
    def _han(self) -> dict[str, Key]:
        return {"".join(k): k for k in self.nodes if all("\u4e00" <= part <= "\u9fff" for part in k)}

    @cached_property
    def _titles(self) -> tuple[list[str], list[Key]]:
        keys = list(self.titles)
        return [" ".join(k) for k in keys], keys

    def misspelt(self, said: Key, *, loose: bool) -> Mention | None:
        """The node whose name is most alike, if it is alike enough."""
        texts, keys = self._misspelt
        typed = " ".join(said)
        if "\u4e00" <= typed[:1] <= "\u9fff":
            return self._misspelt_han("".join(said))
        if len(typed) < 4:
            return None
        if len(typed) < 8:  # one slip of the hand in a short word is more than the ratio allows
            for text, _, place in process.extract(typed, texts, scorer=OSA.distance, score_cutoff=1, limit=3):
                named = self.nodes[keys[place]]
                slip = len(text) != len(typed) or sorted(text) == sorted(typed) or len(typed) > 5
                if slip and text[0] == typed[0] and (loose or not named.loose):
                    return Mention(named.nodes, "fuzzy")
        if len(typed) < 5:
            return None
        for _, _, place in process.extract(typed, texts, scorer=fuzz.ratio, score_cutoff=_ALIKE, limit=3):
            named = self.nodes[keys[place]]
            if loose or not named.loose:
                return Mention(named.nodes, "fuzzy")
        return None

    def _misspelt_han(self, typed: str) -> Mention | None:
        """The node whose Chinese name, of three or more characters, has one more, fewer or other."""
        if len(typed) < 3:
            return None
        for text, node in self._han.items():
            if abs(len(text) - len(typed)) <= 1 and max(len(text), len(typed)) > 2 and OSA.distance(text, typed) == 1:
                return Mention(self.nodes[node].nodes, "fuzzy")
        return None

    def title(self, said: Key) -> tuple[Node, How] | None:
        """The item that some words mean: its name, a misspelt name, or words that only few names have."""
        if said in self.titles:
            return self.titles[said][0], "exact"
        texts, keys = self._titles
        typed = " ".join(said)
        if len(typed) < 4:
            return None
        best = process.extractOne(typed, texts, scorer=fuzz.ratio, score_cutoff=_ALIKE)
        if best is not None:
            return self.titles[keys[best[2]]][0], "fuzzy"
        inside = [k for k in keys if set(said) <= set(k)]
        if inside:
            return self.titles[min(inside, key=lambda k: (len(k), k))][0], "alias"
        return None

    def indices(self, nodes: Sequence[Node]) -> Ints:
        """Dense indices of nodes of one type."""
        return np.array([self._snapshot.ids[n.type].index(n.key) for n in nodes], np.int64)


def _forms(name: Key) -> Iterator[Key]:
    """Singular and plural of a name's last word."""
    *first, last = name
    forms = [f"{last}s", f"{last}es"]
    if last.endswith("y"):
        forms.append(f"{last[:-1]}ies")
    if last.endswith("ies"):
        forms.append(f"{last[:-3]}y")
    elif last.endswith("ves"):
        forms += [f"{last[:-3]}f", f"{last[:-3]}fe"]
    elif last.endswith("es"):
        forms += [last[:-1], last[:-2]]
    elif last.endswith("s"):
        forms.append(last[:-1])
    for form in forms:
        yield (*first, form)


def _world(code: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Countries and languages in a language, with their English names, from Unicode's tables."""
    here, english = Locale.parse(code), Locale.parse("en")
    for table in ("territories", "languages"):
        ours, theirs = getattr(here, table), getattr(english, table)
        for which, name in ours.items():
            if which in theirs and not str(which).isdigit():
                yield str(name), (str(theirs[which]),)
