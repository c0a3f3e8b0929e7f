"""Graph schemas: one Turtle file per domain, from which everything else derives.

A schema says which node types and relation types a graph has, which of their properties is the key, the
name, the text, the weight or the time, which type is the user and which the item, which relation type is
the interaction, and how to say each relation in words.  Constraints, tables, loader checks, the export,
path patterns and sentences all come from it; a new domain is a new file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from kg_rec.errors import SchemaError
from kg_rec.schema.iris import local_name, plain
from kg_rec.schema.turtle import parse, with_limit
from kg_rec.schema.types import NodeType, RelationType, Texts
from kg_rec.textfile import nothing_told_of_links, read_text


@dataclass(frozen=True)
class GraphSchema:
    """A validated schema.

    Attributes:
        name: short name, the local part of the schema's IRI ("movies").
        node_types: by name, sorted.
        relation_types: by name, sorted.
        labels: name of the domain in words, by language.
        turtle: the text it was parsed from, kept so that a store can carry its schema.
    """

    name: str
    node_types: Mapping[str, NodeType]
    relation_types: Mapping[str, RelationType]
    labels: Texts
    turtle: str

    @classmethod
    def from_file(cls, path: str | Path) -> GraphSchema:
        """Read a schema from a Turtle file.

        Raises:
            SchemaError: the file is absent, not Turtle, or not a valid schema.
        """
        with nothing_told_of_links(path, SchemaError):
            return cls.from_turtle(read_text(path, SchemaError), origin=str(path))

    @classmethod
    def bundled(cls, name: str) -> GraphSchema:
        """The schema that ships as ``graph_schemas/<name>.ttl``.

        Raises:
            SchemaError: no schema of that name ships; the message lists those that do.

        >>> schema = GraphSchema.bundled("movies")
        >>> schema.item.name, schema.interaction.name, schema.languages
        ('Film', 'RATED', ('en', 'zh'))
        """
        folder = files("kg_rec.graph_schemas")
        names = sorted(f.name[:-4] for f in folder.iterdir() if f.name.endswith(".ttl"))
        if name not in names:
            raise SchemaError(
                f"no bundled schema {name!r}; expected one of {', '.join(names)} or a path to a .ttl file"
            )
        file = folder / f"{name}.ttl"
        return cls.from_turtle(file.read_text(encoding="utf-8"), origin=f"{name}.ttl")

    @classmethod
    def find(cls, name_or_path: str) -> GraphSchema:
        """A bundled schema by name, or a schema file by path (anything that ends in ``.ttl``)."""
        return cls.from_file(name_or_path) if name_or_path.endswith(".ttl") else cls.bundled(name_or_path)

    @classmethod
    def from_turtle(cls, text: str, origin: str = "<text>") -> GraphSchema:
        """Parse and validate a schema.

        Args:
            text: Turtle.
            origin: file name for error messages.

        Raises:
            SchemaError: the message names ``origin``, the subject and what is missing.
        """
        parts = parse(text, origin)
        schema = cls(
            name=parts.name,
            node_types={t.name: t for t in sorted(parts.node_types, key=lambda t: t.name)},
            relation_types={r.name: r for r in sorted(parts.relation_types, key=lambda r: r.name)},
            labels=parts.labels,
            turtle=text,
        )
        _check_whole(schema, [t.name for t in parts.node_types] + [r.name for r in parts.relation_types], origin)
        return schema

    def liked_from(self, least: float) -> GraphSchema:
        """The same schema, in which interactions with a weight of at least ``least`` count as liked.

        Raises:
            SchemaError: interactions have no weight in it.
        """
        relation = self.interaction
        if relation.weight is None:
            raise SchemaError(f"schema {self.name}: {relation.name} has no weight, so none is liked from {least:g} on")
        return GraphSchema.from_turtle(with_limit(self.turtle, least))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the Turtle text, hexadecimal."""
        return hashlib.sha256(self.turtle.encode()).hexdigest()

    @cached_property
    def user(self) -> NodeType:
        """The node type whose role is ``user``."""
        return next(t for t in self.node_types.values() if t.role == "user")

    @cached_property
    def item(self) -> NodeType:
        """The node type whose role is ``item``."""
        return next(t for t in self.node_types.values() if t.role == "item")

    @cached_property
    def interaction(self) -> RelationType:
        """The relation type from user to item that is learned from."""
        return next(r for r in self.relation_types.values() if r.interaction)

    @property
    def mapped(self) -> bool:
        """Whether it maps a graph that others made and write: kg_rec then writes no node and no property of it."""
        return any(t.pattern is not None for t in self.node_types.values())

    @property
    def knowledge_relations(self) -> tuple[RelationType, ...]:
        """Relation types that tie an item to an attribute or to another item, in either direction, by name.

        Those of rules are not among them.
        """
        item, user = self.item.name, self.user.name
        ends = {name: (r.source, r.target) for name, r in self.relation_types.items() if not r.rule}
        return tuple(self.relation_types[n] for n, both in ends.items() if item in both and user not in both)

    @property
    def item_relations(self) -> tuple[RelationType, ...]:
        """Relation types that leave an item for an attribute or another item: the knowledge of the graph."""
        return tuple(r for r in self.relation_types.values() if r.source == self.item.name and not r.rule)

    def relations_called(self, name: str) -> tuple[tuple[RelationType, bool], ...]:
        """Relation types that an outside file may mean by ``name``.

        Args:
            name: the name of a relation type, one of its aliases, or one of its inverse aliases.

        Returns:
            Pairs (relation type, inverted): ``inverted`` says that ``name`` gives the target first.  Empty when
            none is meant; several when one alias stands for relation types with different ends.
        """
        return self._by_alias.get(name, ())

    @cached_property
    def _by_alias(self) -> dict[str, tuple[tuple[RelationType, bool], ...]]:
        by_alias: dict[str, list[tuple[RelationType, bool]]] = {}
        for relation in self.relation_types.values():
            for name in dict.fromkeys((relation.name, *relation.aliases)):
                by_alias.setdefault(name, []).append((relation, False))
            for name in relation.inverse_aliases:
                by_alias.setdefault(name, []).append((relation, True))
        return {name: tuple(pairs) for name, pairs in by_alias.items()}

    def types_of(self, iri: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Which node types the members of an RDF class are.

        Args:
            iri: of the class.

        Returns:
            Names of the node types that all members are, and of those that some are; both empty for an unknown class.
            A class that no node type names is the node type of its local name, if there is one.
        """
        sure, some = self._by_class.get(plain(iri), ((), ()))
        if not (sure or some) and (local := local_name(iri)) in self.node_types:
            return (local,), ()
        return sure, some

    def properties_called(self, iri: str) -> tuple[str, ...]:
        """Names of the properties that an RDF predicate gives: those that name its IRI, and that of its local name."""
        names = (*self._by_property.get(plain(iri), ()), *self._by_property.get(local_name(iri), ()))
        return tuple(dict.fromkeys(names))

    @cached_property
    def _by_class(self) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
        kinds = self.node_types.values()
        iris = {iri for kind in kinds for iri in (*kind.classes, *kind.wider)}
        return {
            iri: (tuple(t.name for t in kinds if iri in t.classes), tuple(t.name for t in kinds if iri in t.wider))
            for iri in iris
        }

    @cached_property
    def _by_property(self) -> dict[str, tuple[str, ...]]:
        by_property: dict[str, dict[str, None]] = {}
        for prop in (p for kind in self.node_types.values() for p in kind.properties):
            for name in (prop.name, *prop.aliases):
                by_property.setdefault(name, {})[prop.name] = None
        return {name: tuple(names) for name, names in by_property.items()}

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages in which every interaction and item relation has a phrase, sorted."""
        spoken = [set(r.phrases) for r in (self.interaction, *self.item_relations)]
        return tuple(sorted(set.intersection(*spoken)))


def _check_whole(schema: GraphSchema, names: list[str], origin: str) -> None:
    for role, kind in (("user", "kr:UserType"), ("item", "kr:ItemType")):
        of_role = [t.name for t in schema.node_types.values() if t.role == role]
        if len(of_role) != 1:
            raise SchemaError(f"{origin}: expected one node type of type {kind}, got {of_role or 'none'}")
    interactions = [r.name for r in schema.relation_types.values() if r.interaction]
    if len(interactions) != 1:
        raise SchemaError(f"{origin}: expected one kr:InteractionType, got {interactions or 'none'}")
    lower = [n.lower() for n in names]  # the embedded store's table names ignore case
    counts = Counter(lower)
    twice = sorted({n for n in names if counts[n.lower()] > 1})
    if twice:
        raise SchemaError(
            f"{origin}: {', '.join(twice)} is defined twice; names of types must differ in more than case"
        )
    for relation in schema.relation_types.values():
        for end, what in ((relation.source, "rdfs:domain"), (relation.target, "rdfs:range")):
            if end not in schema.node_types:
                raise SchemaError(f"{origin}: {relation.name}: {what} {end} is not a node type of this schema")
    _check_aliases(schema, origin)
    interaction = schema.interaction
    if (interaction.source, interaction.target) != (schema.user.name, schema.item.name):
        raise SchemaError(
            f"{origin}: {interaction.name}: an interaction goes from {schema.user.name} "
            f"to {schema.item.name}, got {interaction.source} to {interaction.target}"
        )


def _check_aliases(schema: GraphSchema, origin: str) -> None:
    owners: dict[tuple[str, str, str], str] = {}
    for relation in schema.relation_types.values():
        readings = [(a, relation.source, relation.target) for a in relation.aliases]
        readings += [(a, relation.target, relation.source) for a in relation.inverse_aliases]
        for reading in readings:
            other = owners.setdefault(reading, relation.name)
            if other != relation.name:
                raise SchemaError(
                    f"{origin}: {relation.name}: alias {reading[0]!r} is also one of {other} "
                    f"with the same ends; keep one"
                )
