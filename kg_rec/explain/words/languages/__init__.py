"""One file a language, and what they have in common."""
