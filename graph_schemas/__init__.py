"""The graph schemas that ship with kg_rec, one Turtle file a domain."""
