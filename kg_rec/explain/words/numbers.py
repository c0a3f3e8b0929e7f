"""Numbers as text, the same in every language."""

from __future__ import annotations


def percent(share: float) -> str:
    """A share as a percentage; a small part is never shown as nothing.

    >>> percent(0.314), percent(0.0002)
    ('31.4%', '0.02%')
    """
    return f"{100 * share:.1f}%" if share == 0 or share >= 0.0005 else f"{100 * share:.1g}%"


def signed(value: float) -> str:
    """Four significant digits with a sign.

    >>> signed(0.81234), signed(-0.0214), signed(0)
    ('+0.8123', '-0.0214', '0')
    """
    return f"{value:+.4g}" if value else "0"
