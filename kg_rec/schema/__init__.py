"""Graph schemas: what a domain's graph looks like, said once in Turtle.  No torch here."""

from kg_rec.schema.schema import GraphSchema
from kg_rec.schema.types import DATATYPES, Datatype, NodeType, PropertyType, RelationType, Texts

__all__ = ["DATATYPES", "Datatype", "GraphSchema", "NodeType", "PropertyType", "RelationType", "Texts"]
