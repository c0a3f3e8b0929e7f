"""What changed since the runs that readers see: whose lists have to be made anew so that all are those of a full run.

A user's digest tells what the user did and said; it is kept with each chunk in the ledger.  A list depends on its
user's interactions and statements, and on what is the same for all users: model, facts, rules and settings.  So users
with equal digests keep their lists.  Where the graph's items or facts changed, all lists are made anew; where the model
or the settings did, the run is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kg_rec.errors import ConfigError
from kg_rec.jobs.config import JobConfig
from kg_rec.settings import from_dict
from kg_rec.snapshot import IdMap, Snapshot
from kg_rec.store.ledger import Run, RunLedger
from kg_rec.tables import table_formats

#: Users whose interactions are hashed at a time.
_USERS = 16_384
#: What the graph's owners change from day to day; it may change any list, so all are made anew.
_CATALOGUE = {
    "facts": "the graph's items and facts",
    "allowed_sha256": "the items that may be in a list (rules, files, novelty)",
    "groups_sha256": "the items of a group that has a floor, or their limits",
}
#: Rules that choose within a list.
_CHOOSING = (
    *("exclude_seen", "caps", "diversity", "pool", "new_items"),
    *("calibrate", "strength", "floors", "limits"),
)


def user_digests(snapshot: Snapshot, properties: Sequence[str] = ()) -> NDArray[np.int64]:
    """A digest of each user's interactions (item keys, weights and times, in any order), shape (users,).

    Sums of 64-bit hashes; 0 without interactions.  It does not depend on what else is in the graph.  Two different
    sets of interactions have the same digest with a chance of 2^-64.

    Args:
        snapshot: the graph.
        properties: numbers of users on which their lists depend, too.
    """
    edges, n = snapshot.interactions, len(snapshot.users)
    items = _item_hashes(snapshot.items)
    digests = np.zeros(n, dtype=np.uint64)
    for first in range(0, n, _USERS):
        users = np.arange(first, min(first + _USERS, n) + 1)
        bounds = np.searchsorted(edges.source, users)
        part = slice(int(bounds[0]), int(bounds[-1]))
        hashes = items[edges.target[part]]
        if edges.weight is not None:
            weight = np.where(np.isnan(edges.weight[part]), np.float32(np.nan), edges.weight[part] + np.float32(0))
            hashes = mixed(hashes ^ mixed(weight.view(np.uint32).astype(np.uint64) + np.uint64(1)))
        if edges.time is not None:
            hashes = mixed(hashes ^ mixed(edges.time[part].view(np.uint64) + np.uint64(2)))
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(hashes, dtype=np.uint64)])  # modulo 2^64
        at = bounds - bounds[0]
        digests[users[:-1]] = sums[at[1:]] - sums[at[:-1]]
    for name in properties:
        column = snapshot.nodes[snapshot.schema.user.name].column(name).cast(pa.float64())
        numbers = pc.fill_null(column, np.nan).to_numpy() + 0.0
        digests = mixed(digests ^ mixed(numbers.view(np.uint64) + np.uint64(3)))
    return digests.view(np.int64)


def _item_hashes(items: IdMap) -> NDArray[np.uint64]:
    texts = (hashlib.blake2b(key.encode(), digest_size=8).digest() for key in items.keys.to_pylist())
    return np.frombuffer(b"".join(texts), dtype="<u8").astype(np.uint64)


def mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@dataclass(frozen=True)
class Changes:
    """What a run has to do so that readers see the lists of a full run.

    Attributes:
        users: positions in the users asked for, ascending: they have no list yet, or another digest.
        gone: keys of users who have a list and are not asked for any more, sorted.
    """

    users: NDArray[np.int64]
    gone: tuple[str, ...]


def changes(
    snapshot: Snapshot, users: NDArray[np.int64], digests: NDArray[np.int64], runs: RunLedger, base: Sequence[Run]
) -> Changes:
    """Compare the users as they are with the ledger, chunk by chunk.

    Args:
        snapshot: the graph now.
        users: dense indices of the users asked for.
        digests: theirs.
        runs: the ledger.
        base: the runs that readers see, newest first.
    """
    n = len(snapshot.users)
    newest, known, listed = np.zeros(n, np.int64), np.zeros(n, bool), np.zeros(n, bool)
    missing: dict[str, bool] = {}  # users the graph lacks: whether they had a list

    def take(keys: Sequence[str], values: NDArray[np.int64] | None) -> None:
        place = snapshot.users.indices(keys)
        fresh = (place >= 0) & ~known[place]
        known[place[fresh]] = True
        if values is not None:
            newest[place[fresh]], listed[place[fresh]] = values[fresh], True
        for key in compress(keys, place < 0):
            missing.setdefault(key, values is not None)

    for run in base:
        for keys, values in runs.digests(run.run):
            take(keys, values)
        take(run.about.get("gone", []), None)
    asked = np.zeros(n, bool)
    asked[users] = True
    left = [snapshot.users.key(i) for i in np.flatnonzero(listed & ~asked).tolist()]
    gone = sorted([*left, *(key for key, there in missing.items() if there)])
    return Changes(np.flatnonzero(~listed[users] | (newest[users] != digests)), tuple(gone))


def catalogue_changed(job: JobConfig, about: Mapping[str, Any], base: Sequence[Run]) -> str:
    """Whether the lists of all users have to be made anew, as what the graph says of the items changed.

    Args:
        job: its settings.
        about: digests of its model, facts and candidates.
        base: the runs that it adds to.

    Returns:
        What changed, in words; empty where nothing did.

    Raises:
        ConfigError: the model or a setting that decides all lists is not as in ``base``, and the message names it; or
            a run has no digests.
    """
    now = _deciding(job)
    changed: dict[str, None] = {}
    for run in base:
        if "facts" not in run.about:
            raise ConfigError(
                f'changed_since = "last": run {run.run} has no digests of its users, as it is of an older kg_rec; run '
                "the job for all users once"
            )
        before = _deciding(from_dict(JobConfig, run.about["config"]))
        differ = ["the model"] if run.about.get("model") != about["model"] else []
        differ += [name for name, value in now.items() if before[name] != value]
        if differ:
            raise ConfigError(
                f'changed_since = "last": not as in run {run.run}: {", ".join(differ)}; this may change the list of '
                "any user: run the job for all users"
            )
        changed |= {text: None for name, text in _CATALOGUE.items() if run.about.get(name) != about.get(name)}
    return ", ".join(changed)


def _deciding(job: JobConfig) -> dict[str, Any]:
    """The settings that decide lists and where they are, besides the rules that choose the items allowed."""
    rules, sinks = job.candidates, job.sinks
    return {
        "k": job.k,
        "explanations": job.explanations,
        "language": job.language,
        **{f"candidates.{name}": getattr(rules, name) for name in _CHOOSING},
        **{f"sinks.{name}": sinks.files.get(name, "") for name in table_formats()},
        "sinks.graph": sinks.graph,
    }
