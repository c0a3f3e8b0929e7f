"""What installed packages add: their entry points, looked up once.

Looking through the metadata of everything that is installed takes milliseconds, and a service asks at each request.  A
package that is installed while a process runs is seen by the next process; another ``sys.path`` is looked through anew.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points


def installed(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group, such as ``kg_rec.stores``, by name."""
    return _installed(group, tuple(sys.path))


@cache
def _installed(group: str, _: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(sorted(entry_points(group=group), key=lambda point: point.name))
