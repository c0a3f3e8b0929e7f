"""A graph with a model, and its open store."""

from job_world import store, world

__all__ = ["store", "world"]
