"""How much memory there is, and a refusal before more is asked for."""

from __future__ import annotations

from pathlib import Path

from kg_rec.errors import StoreError

#: Memory that stays free for everything else.
_RESERVE = 256 << 20
#: Memory that a node or an edge takes while it is written, properties included (measured: benchmarks/stores).
BYTES_PER_ROW = 400
_GROUPS = Path("/sys/fs/cgroup")
_GROUP_FILES = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


def available() -> int | None:
    """Bytes that this process may still take: what the system has free, or the control group's limit leaves.

    Returns:
        None where the system does not tell (outside Linux).
    """
    found = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError, IndexError):
        return None
    for limit, used in _GROUP_FILES:
        try:
            most = (_GROUPS / limit).read_text(encoding="ascii").strip()
            if most != "max":
                found.append(int(most) - int((_GROUPS / used).read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue
    return min(found) if found else None


def require_memory(needed: int, what: str) -> None:
    """Refuse what does not fit.

    Args:
        needed: bytes, as estimated.
        what: what needs them, for the message.

    Raises:
        StoreError: the message tells both numbers.
    """
    there = available()
    if needed and there is not None and needed + _RESERVE > there:
        raise StoreError(
            f"{what} needs about {_mib(needed)} MiB of memory and {_mib(_RESERVE)} MiB besides, and {_mib(there)} MiB "
            "are free; an embedded graph is held in memory: free some, take a larger machine, or use a Neo4j server"
        )


def _mib(size: int) -> str:
    return f"{max(0, size) >> 20:,}"
