"""What an explanation looks like: text, pages, pictures, Cypher."""
