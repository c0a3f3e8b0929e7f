"""Array work of its own: segments of flat arrays, inverses."""
