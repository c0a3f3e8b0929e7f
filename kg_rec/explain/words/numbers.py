"""Numbers as text, the same in every language."""

from __future__ import annotations


def percent(share: float) -> str:
    """0.314 -> "31.4%"; a small part is never shown as nothing: 0.0002 -> "0.02%"."""
    return f"{100 * share:.1f}%" if share == 0 or share >= 0.0005 else f"{100 * share:.1g}%"


def signed(value: float) -> str:
    """Four significant digits with a sign: "+0.8123", "-0.0214", "0"."""
    return f"{value:+.4g}" if value else "0"
