"""kg_rec: knowledge-graph recommendations whose every score adds up."""
