"""Explanations: exact contributions, paths, words."""
