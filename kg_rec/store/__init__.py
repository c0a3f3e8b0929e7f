"""Graph stores: Neo4j and an embedded graph behind one protocol."""
