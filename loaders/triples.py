"""RecBole's knowledge-graph files: ``.kg`` (head, relation, tail) and ``.link`` (item, entity).

An entity that the link names is the item itself; every other entity is an attribute node.  Relation ids map to
relation types by the schema's aliases, or, for the generic schema, relation types are derived from the ids.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from rdflib import Literal

from kg_rec.errors import LoadError
from kg_rec.loaders.base import LoadContext
from kg_rec.loaders.batches import EdgeBatch, NodeBatch, attributes
from kg_rec.loaders.text import Faults, Layout, Origin, header, read_whole
from kg_rec.schema import GraphSchema, RelationType

_LEAST_TO_MIRROR = 5  # fewer triples may mirror each other by chance


@dataclass(frozen=True, slots=True)
class Triples:
    """A knowledge graph about items.

    Attributes:
        by_relation: relation id to (head, tail, line) of its triples; ids sorted.
        items: the items that an entity is; usually one, more where a catalogue lists an item twice.
        path: the ``.kg`` file.
    """

    by_relation: Mapping[str, list[tuple[str, str, int]]]
    items: Mapping[str, tuple[str, ...]]
    path: Path

    def shapes(self) -> set[tuple[str, bool, bool]]:
        """The combinations (relation id, head is an item, tail is an item) that occur."""
        return {
            (relation, head in self.items, tail in self.items)
            for relation, triples in self.by_relation.items()
            for head, tail, _ in triples
        }


def read_triples(kg: Path, link: Path, faults: Faults) -> Triples:
    """Read both files.

    Raises:
        LoadError: a file is malformed.
    """
    items: dict[str, list[str]] = {}
    for (item, entity), _ in _rows(link, 2, faults):
        items.setdefault(entity, []).append(item)
    by_relation: dict[str, list[tuple[str, str, int]]] = {}
    for (head, relation, tail), line in _rows(kg, 3, faults):
        by_relation.setdefault(relation, []).append((head, tail, line))
    return Triples(dict(sorted(by_relation.items())), {e: tuple(i) for e, i in items.items()}, kg)


def _rows(path: Path, width: int, faults: Faults) -> Iterator[tuple[tuple[str, ...], int]]:
    names = header(path, Layout())
    if len(names) != width or not all(":" in name for name in names):
        raise LoadError(f"expected {width} columns headed name:type, got {', '.join(names)}", path, 1)
    chunk = read_whole(path, Layout(), faults, names)
    columns = [column.to_pylist() for column in chunk.table.columns]
    for row, line in zip(zip(*columns, strict=True), chunk.origin.lines.to_pylist(), strict=True):
        if all(row):
            yield row, line
        else:
            faults.add(path, line, f"expected {', '.join(names)}, got an empty field; correct the line", row)


def triple_batches(
    context: LoadContext, triples: Triples, known_items: Collection[str]
) -> Iterator[NodeBatch | EdgeBatch]:
    """Nodes and edges of the triples that the schema has a place for; the others are counted as unmapped.

    Args:
        context: of the load.
        triples: the knowledge graph.
        known_items: item keys of the dataset.

    Raises:
        LoadError: no alias names some relation ids and faults stop, or no linked item is in the dataset.
    """
    schema = context.schema
    items = {}
    strangers = 0
    for entity, linked in triples.items.items():
        kept = tuple(item for item in linked if item in known_items)
        strangers += len(linked) - len(kept)
        if kept:
            items[entity] = kept
    if not items:
        raise LoadError(
            "no item of the link is an item of the dataset; is it the link of another dataset?", triples.path
        )
    if strangers:
        context.unmapped["link: item not in the dataset"] += strangers
    places = {relation: _places(schema, relation) for relation in triples.by_relation}
    nameless = [relation for relation, found in places.items() if not found]
    if nameless:
        shown = ", ".join(f"{r} ({len(triples.by_relation[r])})" for r in nameless)
        context.faults.add(
            triples.path,
            None,
            f"schema {schema.name} has no alias for these relation ids: {shown}; add them as kr:alias or "
            f"kr:inverseAlias, or load under the schema 'interactions', which takes any",
        )
    edges: dict[str, dict[tuple[str, str], int]] = {}  # an id and its inverse give the same edges
    for relation, found in places.items():
        known = triples.by_relation[relation]
        placed = sum(
            _collect(schema, kind, inverted, known, items, edges.setdefault(kind.name, {})) for kind, inverted in found
        )
        if placed < len(known):
            reason = "ends in these roles have no place" if found else "no alias"
            context.unmapped[f"{relation}: {reason}"] += len(known) - placed
    for name, pairs in sorted(edges.items()):
        if pairs:
            yield from _batches(schema, schema.relation_types[name], pairs, triples.path)


def _batches(
    schema: GraphSchema, kind: RelationType, pairs: Mapping[tuple[str, str], int], path: Path
) -> Iterator[NodeBatch | EdgeBatch]:
    table = pa.table({"source": pa.array([s for s, _ in pairs]), "target": pa.array([t for _, t in pairs])})
    origin = Origin(path, pa.array(list(pairs.values()), pa.int64()))
    if kind.source != schema.item.name:
        source = schema.node_types[kind.source]
        yield NodeBatch(source.name, pa.table({source.key: table["source"]}), origin, mention=True)
    if kind.target == schema.item.name:
        yield EdgeBatch(kind.name, table, origin)
    else:
        yield from attributes(schema, kind, table, origin, named=False)


def _places(schema: GraphSchema, relation: str) -> list[tuple[RelationType, bool]]:
    user = schema.user.name
    return [(r, inverted) for r, inverted in schema.relations_called(relation) if user not in (r.source, r.target)]


def _collect(
    schema: GraphSchema,
    kind: RelationType,
    inverted: bool,
    triples: Iterable[tuple[str, str, int]],
    items: Mapping[str, tuple[str, ...]],
    edges: dict[tuple[str, str], int],
) -> int:
    """Add (source, target) with its line to ``edges`` for triples whose ends have the roles of ``kind``; count them."""
    source_is_item, target_is_item = kind.source == schema.item.name, kind.target == schema.item.name
    used = 0
    for head, tail, line in triples:
        source, target = (tail, head) if inverted else (head, tail)
        if (source in items) is source_is_item and (target in items) is target_is_item:
            used += 1
            for source_key in items.get(source, (source,)):
                for target_key in items.get(target, (target,)):
                    edges.setdefault((source_key, target_key), line)
    return used


def derive_schema(base: GraphSchema, triples: Triples) -> GraphSchema:
    """The generic schema, extended by a relation type for each relation id and pair of roles that occurs.

    Names are the ids in capitals with other characters than letters and digits as ``_``; ids that would get the
    same name get a digest of the id besides, so names depend on the set of ids only.  An id whose triples are
    exactly those of another turned round becomes its inverse alias: the same knowledge is not stored twice.

    Args:
        base: a schema with the node types ``Item`` and ``Entity``.
        triples: the knowledge graph.
    """
    inverses = _inverses(triples)
    mirrored = {r for owner, found in inverses.items() if not base.relations_called(owner) for r in found}
    shapes = {s for s in triples.shapes() if s[0] not in mirrored and not _has_place(base, *s)}
    names = _identifiers({relation for relation, _, _ in shapes}, {*base.relation_types, *base.node_types})
    text = [base.turtle, "", "# --- derived from the relation ids of the knowledge graph"]
    for relation, head_is_item, tail_is_item in sorted(shapes):
        text.append(_turtle(relation, inverses.get(relation, []), names[relation], head_is_item, tail_is_item))
    return GraphSchema.from_turtle("\n".join(text) + "\n", origin=f"{base.name}, extended from {triples.path.name}")


def _has_place(schema: GraphSchema, relation: str, head_is_item: bool, tail_is_item: bool) -> bool:
    item = schema.item.name
    ends = [(k.target, k.source) if inverted else (k.source, k.target) for k, inverted in _places(schema, relation)]
    return any((head == item, tail == item) == (head_is_item, tail_is_item) for head, tail in ends)


def _inverses(triples: Triples) -> dict[str, list[str]]:
    """Relation ids whose triples are exactly another's turned round; the one that leaves items more comes first."""
    leaving = {r: sum(h in triples.items for h, _, _ in known) for r, known in triples.by_relation.items()}
    owners: dict[frozenset[tuple[str, str]], str] = {}
    inverses: dict[str, list[str]] = {}
    for relation in sorted(triples.by_relation, key=lambda r: (-leaving[r], r)):
        known = triples.by_relation[relation]
        owner = owners.get(frozenset((tail, head) for head, tail, _ in known))
        if owner is not None and len(known) >= _LEAST_TO_MIRROR:
            inverses.setdefault(owner, []).append(relation)
        else:
            owners.setdefault(frozenset((head, tail) for head, tail, _ in known), relation)
    return inverses


def _identifiers(relations: set[str], taken: set[str]) -> dict[str, str]:
    """An identifier for each relation id, no two alike whatever their case."""
    plain = {}
    for relation in relations:
        name = re.sub(r"[^A-Z0-9]+", "_", relation.upper()).strip("_")[:40].rstrip("_")
        plain[relation] = name if name[:1].isalpha() else f"R_{name}".rstrip("_")
    counts = Counter(plain.values())
    used = {name.upper() for name in taken}
    return {
        relation: name
        if counts[name] == 1 and name not in used and name != "R"
        else f"{name}_{hashlib.sha256(relation.encode()).hexdigest()[:8].upper()}"
        for relation, name in plain.items()
    }


def _turtle(relation: str, inverses: list[str], name: str, head_is_item: bool, tail_is_item: bool) -> str:
    words = re.split(r"[./#:]", relation)[-1].replace("_", " ")
    words = " ".join(re.sub(r'[{}"“”\\\x00-\x1f]', " ", words).split())[:60] or "related"
    backward = tail_is_item and not head_is_item  # an edge leaves the item, so it is stored turned round
    suffix = {(True, False): "", (False, True): "_INVERSE", (True, True): "_ITEM", (False, False): "_ENTITY"}
    there, back = f"is linked to {{}} by “{words}”", f"is linked from {{}} by “{words}”"
    there_zh, back_zh = f"以“{words}”关联到{{}}", f"被{{}}以“{words}”关联"
    label, inverse_label = words, f"{words} (inverse)"
    if backward:
        there, back, there_zh, back_zh = back, there, back_zh, there_zh
        label, inverse_label = inverse_label, label

    def say(text: str, language: str) -> str:
        return str(Literal(text, lang=language).n3())

    forward, inverse = ("kr:inverseAlias", "kr:alias") if backward else ("kr:alias", "kr:inverseAlias")
    mirrors = "".join(f" ; {inverse} {Literal(r).n3()}" for r in inverses)
    source = "Item" if head_is_item or tail_is_item else "Entity"
    target = "Item" if head_is_item and tail_is_item else "Entity"
    name += suffix[head_is_item, tail_is_item]
    return (
        f"\n:{name} a kr:RelationType ; rdfs:domain :{source} ; rdfs:range :{target} ;\n"
        f"    rdfs:label {say(label, 'en')} ; kr:inverseLabel {say(inverse_label, 'en')} ;\n"
        f"    kr:phrase {say(there, 'en')} , {say(there_zh, 'zh')} ;\n"
        f"    kr:inversePhrase {say(back, 'en')} , {say(back_zh, 'zh')} ;\n"
        f"    {forward} {Literal(relation).n3()}{mirrors} ."
    )
