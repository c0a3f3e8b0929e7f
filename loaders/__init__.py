"""Loaders: raw files to batches of nodes and edges, one module a format."""
