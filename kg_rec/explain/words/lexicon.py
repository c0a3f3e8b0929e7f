"""The words of a schema in one language, with the fallbacks where it gives none.

what is missing                     what is said instead
label of a node type                the type's name
plural                              the label
measure word (Chinese)              个
phrase of the interaction           "interacted with {}", 接触过{}
phrase of another relation          the sentence turned round, then "is linked to {} (label)", 与{}有关（label）
that, and the label too             SchemaError
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kg_rec.errors import SchemaError
from kg_rec.explain.path import PathEdge
from kg_rec.schema import GraphSchema, NodeType, RelationType

_INTERACTED = {"en": "interacted with {}", "zh": "接触过{}"}
_LINKED = {"en": "is linked to {{}} ({label})", "zh": "与{{}}有关（{label}）"}

#: Chinese measure words of works with a title: their names stand in 《》.
_TITLED = frozenset("部首本篇册卷出集期张")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Nouns and verbs of a schema.

    Attributes:
        schema: the schema.
        lang: ``en`` or ``zh``.
    """

    schema: GraphSchema
    lang: str

    def type(self, name: str) -> NodeType:
        """A node type by name; SchemaError if the schema has none of that name."""
        try:
            return self.schema.node_types[name]
        except KeyError:
            known = ", ".join(self.schema.node_types)
            raise SchemaError(f"schema {self.schema.name} has no node type {name!r}; expected one of {known}") from None

    def noun(self, node_type: str, count: int = 1) -> str:
        """What a node of this type is called; the plural where ``count`` is not 1."""
        found = self.type(node_type)
        label = found.labels.get(self.lang, found.name)
        return label if count == 1 else found.plurals.get(self.lang, label)

    def measure(self, node_type: str) -> str:
        """The Chinese measure word of a node type."""
        return self.type(node_type).measure_words.get(self.lang, "个")

    def titled(self, node_type: str) -> bool:
        """Whether nodes of this type are works with a title (by their measure word): then 《》, not 「」."""
        return self.measure(node_type) in _TITLED

    def did(self) -> str:
        """Verb phrase of the interaction with ``{}`` for the item: "liked {}"."""
        return self.schema.interaction.phrases.get(self.lang, _INTERACTED[self.lang])

    def phrase(self, edge: PathEdge) -> str | None:
        """The schema's verb phrase for a step, its start as subject and ``{}`` for its end; None if it has none."""
        relation = self._relation(edge)
        return (relation.phrases if edge.forward else relation.inverse_phrases).get(self.lang)

    def verb(self, edge: PathEdge, *, several: bool = False) -> str:
        """Like :meth:`phrase`, or what can be said with the relation's label.

        Where the object is ``several`` nodes, its noun in the phrase takes the plural: "belongs to the genres {}".

        Raises:
            SchemaError: the relation has neither a phrase nor a label in this language.
        """
        phrase = self.phrase(edge)
        if phrase is not None:
            one, many = (f"{self.noun(self.end(edge), n)} {{}}" for n in (1, 2))
            return re.sub(rf"\b{re.escape(one)}", many, phrase) if several and self.lang == "en" else phrase
        relation = self._relation(edge)
        label = relation.labels.get(self.lang)
        if label is None:
            raise SchemaError(
                f"schema {self.schema.name}: {relation.name} cannot be said in {self.lang!r}: expected "
                f"kr:phrase, kr:inversePhrase or rdfs:label with @{self.lang}, got none; add one to the schema"
            )
        return _LINKED[self.lang].format(label=label)

    def labels(self, edge: PathEdge) -> tuple[str, ...]:
        """The short labels of a relation in both directions, where it has them."""
        relation = self._relation(edge)
        return tuple(ls[self.lang] for ls in (relation.labels, relation.inverse_labels) if self.lang in ls)

    def end(self, edge: PathEdge) -> str:
        """Node type where a step ends."""
        relation = self._relation(edge)
        return relation.target if edge.forward else relation.source

    def _relation(self, edge: PathEdge) -> RelationType:
        found = self.schema.relation_types.get(edge.type or "")
        if found is None:
            known = ", ".join(self.schema.relation_types)
            raise SchemaError(f"schema {self.schema.name} has no relation type {edge.type!r}; expected one of {known}")
        return found
