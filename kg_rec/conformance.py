"""The name under which programs written for version 0.1 import :func:`kg_rec.check`."""

from __future__ import annotations

from kg_rec.checks.check import check

__all__ = ["check"]
