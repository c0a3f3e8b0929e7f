"""Builders of paths and explanations for the tests of kg_rec.explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pytest

from kg_rec.explain.explanation import Explanation
from kg_rec.explain.path import Path, PathEdge, PathGroup, PathNode, Term
from kg_rec.explain.show.cypher import cypher_for
from kg_rec.explain.words.languages.base import Language
from kg_rec.explain.words.patterns import Role, SentenceKind
from kg_rec.explain.words.sentences import Row, sentences_of
from kg_rec.explain.words.wording import Wording
from kg_rec.schema import GraphSchema

SIMILAR = PathEdge(None, True)


def forth(relation: str) -> PathEdge:
    return PathEdge(relation, True)


def back(relation: str) -> PathEdge:
    return PathEdge(relation, False)


def group(*paths: Path) -> PathGroup:
    return PathGroup(paths, sum(p.value for p in paths), sum(p.share for p in paths))


def rows(groups: Sequence[PathGroup], language: Language) -> list[Row]:
    """The reasons of some groups, in the plainest way: a group is told by itself, and three more had each item."""
    found = []
    for paths in (g.paths for g in groups):
        first = paths[0]
        liked = list(dict.fromkeys(language.name(p.nodes[1]) for p in paths))
        crowd = len(first.nodes) > 3 and first.nodes[2].key is None
        bridges = (
            list(dict.fromkeys(language.name(p.nodes[3]) for p in paths)) if crowd and len(first.nodes) > 4 else []
        )
        tail = first.edges[3 if crowd else 1 :]
        link = "none" if not tail else "shared" if len(tail) == 2 else "direct" if tail[0].type is not None else "text"
        if link == "text" and not language.schema.item.text_properties:
            link = "facts"
        lead = "one" if len(liked) == 1 else "several"
        if crowd:
            lead = "crowd" if len(bridges) > 1 else "counted" if len(liked) == 1 else "counts"
        texts: dict[Role, str] = {"liked": language.join(liked, either=lead == "crowd")}
        if lead == "counts":
            counts = {language.name(p.nodes[1]): p.nodes[2].count for p in paths}
            told = [language.people_of(name, n, n + 3, not at) for at, (name, n) in enumerate(counts.items())]
            texts["liked"] = language.join(told)
        if lead == "counted":
            texts |= {"count": language.people(first.nodes[2].count, first.nodes[2].count + 3), "rate": "9%"}
        if bridges:
            texts["bridge"] = language.join(bridges, either=len(bridges) > 1)
        if link == "shared":
            texts["shared"] = language.name(first.nodes[-2])
        last = first.edges[-1]
        steps = (PathEdge(last.type, not last.forward),) if link in ("shared", "direct") else ()
        found.append(Row(SentenceKind(lead, link, steps), texts, sum(p.share for p in paths)))  # type: ignore[arg-type]
    return found


def told(
    schema: GraphSchema, groups: Sequence[PathGroup], item_name: str, wording: Wording | None = None, seed: int = 0
) -> str:
    """Some groups in words; a second one says "this film"."""
    spoken = sentences_of(schema, wording or Wording())
    name = spoken.language.name(PathNode(schema.item.name, item_name.lower(), item_name))
    said = [spoken.say(row, None if n else name, seed + n) for n, row in enumerate(rows(groups, spoken.language))]
    return spoken.language.gap.join(said or [spoken.remark("base_only", {"ITEM": name})])


@dataclass(frozen=True)
class Make:
    """Builds groups of paths in one schema; a node's key is its name in lower case."""

    schema: GraphSchema
    item_name: str = "The Score"
    user_key: str = "42"

    @cached_property
    def user(self) -> PathNode:
        return PathNode(self.schema.user.name, self.user_key, None)

    @cached_property
    def item(self) -> PathNode:
        return self.node(self.schema.item.name, self.item_name)

    @cached_property
    def acted(self) -> str:
        return self.schema.interaction.name

    def node(self, node_type: str, name: str) -> PathNode:
        return PathNode(node_type, name.lower(), name)

    def others(self, count: int) -> PathNode:
        return PathNode(self.schema.user.name, None, None, count)

    def path(self, channel: str, between: Sequence[PathNode], edges: Sequence[PathEdge], value: float = 1.0) -> Path:
        return Path(channel, (self.user, *between, self.item), (forth(self.acted), *edges), value, value / 10)

    def liked(self, name: str) -> PathNode:
        return self.node(self.schema.item.name, name)

    def taste(self, *seen: tuple[str, int], channel: str = "taste", value: float = 1.0) -> PathGroup:
        edges = [back(self.acted), forth(self.acted)]
        return group(*(self.path(channel, [self.liked(j), self.others(n)], edges, value) for j, n in seen))

    def shared(self, to: PathEdge, on: PathEdge, node_type: str, name: str, *liked: str) -> PathGroup:
        entity = self.node(node_type, name)
        return group(*(self.path("knowledge", [self.liked(j), entity], [to, on]) for j in liked))

    def direct(self, edge: PathEdge, *liked: str) -> PathGroup:
        channel = "meaning" if edge.type is None else "knowledge"
        return group(*(self.path(channel, [self.liked(j)], [edge]) for j in liked))

    def cold(
        self, bridges: Sequence[str], tail: Sequence[PathNode], edges: Sequence[PathEdge], *seen: tuple[str, int]
    ) -> PathGroup:
        acted = [back(self.acted), forth(self.acted)]
        return group(
            *(
                self.path("relational", [self.liked(j), self.others(n), self.liked(t), *tail], [*acted, *edges])
                for j, n in seen
                for t in bridges
            )
        )

    def explanation(self, groups: Sequence[PathGroup], lang: str = "en", against: float = 0.0) -> Explanation:
        paths = [p for g in groups for p in g.paths]
        terms = [Term(p.channel, p.nodes[1].key or "", p.nodes[1].name or "", p.value) for p in paths]
        terms += [Term("meaning", "disliked", "disliked", against)] if against else []
        cypher, parameters = cypher_for(self.schema, self.user_key, self.item.key or "", paths)
        return Explanation(
            user=self.user_key,
            item=self.item.key or "",
            item_name=self.item_name,
            score=0.5 + sum(t.value for t in terms),
            base=0.5,
            terms=tuple(terms),
            groups=tuple(groups),
            shown_share=1.0 if paths else 0.0,
            notes=(),
            text=told(self.schema, groups, self.item_name, Wording(lang)),
            lang=lang,
            cypher=cypher,
            parameters=parameters,
            schema=self.schema,
        )

    def named(self, item_name: str) -> Make:
        return replace(self, item_name=item_name)


@pytest.fixture(scope="session")
def films() -> Make:
    return Make(GraphSchema.bundled("movies"))


@pytest.fixture(scope="session")
def music() -> Make:
    return Make(GraphSchema.bundled("music"), item_name="Low")
