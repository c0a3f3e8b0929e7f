"""The plan of a run: what is fixed before the first chunk, kept in a folder so that a run can be resumed anywhere."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.errors import ConfigError, JobError
from kg_rec.jobs.candidates import allowed_items, blocked_pairs, file_keys, queried_keys
from kg_rec.jobs.changes import catalogue_changed, changes, user_digests
from kg_rec.jobs.config import JobConfig
from kg_rec.jobs.stated import Said, digest_of, load_said, said_in, save_said, with_said
from kg_rec.model import persist
from kg_rec.model.item_groups import items_of_group
from kg_rec.model.shown import limits_of
from kg_rec.people.kept import Kept
from kg_rec.progress import Progress, no_progress
from kg_rec.settings import from_dict
from kg_rec.snapshot import NO_TIME, Snapshot, export
from kg_rec.store.base import GraphStore
from kg_rec.store.ledger import Run, RunLedger
from kg_rec.textfile import HIDDEN, is_link_outside

_log = logging.getLogger(__name__)
_SETTINGS = "job.json"
_PARTS = frozenset({_SETTINGS, "plan.json", "plan.json.partial", "users.npy", "digests.npy", "allowed.npy"})
_PARTS |= {"blocked.npy", "stated.json", "snapshot"}


@dataclass(frozen=True)
class Plan:
    """What a run works on.

    Attributes:
        snapshot: the graph when the run began, memory-mapped.
        users: dense indices of its users, ascending, int64.
        digests: of what they did (:func:`kg_rec.jobs.changes.user_digests`) and said, int64.
        allowed: items that may be in a list, shape (n,).
        blocked: users and items that may not be in these users' lists, shape (pairs, 2), sorted.
        about: digests and counts, as kept in the ledger.
        said: what users said of themselves, by user key.
    """

    snapshot: Snapshot
    users: NDArray[np.int64]
    digests: NDArray[np.int64]
    allowed: NDArray[np.bool_]
    about: dict[str, Any]
    blocked: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))
    said: Said = field(default_factory=dict)


def make_plan(
    job: JobConfig, store: GraphStore, folder: Path, base: Sequence[Run] = (), progress: Progress = no_progress
) -> Plan:
    """Export the graph, ask the rules, and write the plan into ``folder``.

    Args:
        job: the job.
        store: its graph.
        folder: made; the file ``plan.json`` is written last, so a folder without it is no plan.
        base: the runs that this one adds to, newest first; where the job wants changed users only.
        progress: of the export.

    Raises:
        ConfigError: a user is unknown, the interactions have no times where ``changed_since`` needs them, or what
            decides the lists of all users (the model, the settings) is not as in ``base``.
        StoreError: a query failed.
        JobError: the folder holds what no plan holds.
    """
    _check_folder(folder)
    for old in folder.iterdir() if folder.exists() else ():
        if old.is_dir():
            shutil.rmtree(old)
        elif old.name != _SETTINGS:
            old.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    export(store, progress).save(folder / "snapshot")
    snapshot = Snapshot.load(folder / "snapshot")
    users = _users(job, store, snapshot)
    limits = limits_of(job.candidates.limits, snapshot, "candidates.limits")  # refuses what the graph does not hold
    own = persist.settings(job.model).shown.limits
    said = said_in(store, snapshot)
    digests = user_digests(snapshot, [limit.user for limit in (*job.candidates.limits, *own)])
    digests = with_said(digests, snapshot, said)[users]
    allowed, rules = allowed_items(job.candidates, store, snapshot)
    blocked, pairs = blocked_pairs(job.candidates, store, snapshot)
    common: dict[str, Any] = {
        "model": persist.digest(job.model),
        "facts": snapshot.facts_digest,
        "allowed_sha256": hashlib.sha256(allowed.tobytes() + blocked.tobytes()).hexdigest(),
    }
    if job.candidates.floors or job.candidates.limits:
        groups = [items_of_group(snapshot, f.group, "candidates.floors")[1] for f in job.candidates.floors]
        parts = [limits.of_items.tobytes(), *(group.tobytes() for group in groups)]
        common["groups_sha256"] = hashlib.sha256(b"".join(parts)).hexdigest()
    gone: tuple[str, ...] = ()
    if job.changed_since == "last":
        changed = catalogue_changed(job, common, base)
        if changed:
            _log.warning("%s changed since the last run: the lists of all users are made anew", changed)
            common["base"] = []  # it adds to no run: readers see its lists alone, and the next run compares with it
        else:
            since_base = changes(snapshot, users, digests, RunLedger(store), base)
            gone, users, digests = since_base.gone, users[since_base.users], digests[since_base.users]
    elif job.changed_since:
        since = int(job.changed_since)
        spoke = [key for key in Kept.of(store).since(since) if key in snapshot.users]
        chosen = np.isin(users, [*touched(snapshot, since).tolist(), *snapshot.users.indices(spoke).tolist()])
        users, digests = users[chosen], digests[chosen]
    about = {
        **common,
        "snapshot": json.loads((folder / "snapshot/manifest.json").read_text(encoding="utf-8"))["sha256"],
        "users": len(users),
        "users_sha256": hashlib.sha256(users.tobytes()).hexdigest(),
        "said_sha256": digest_of(said),
        "items": len(allowed),
        "allowed": int(allowed.sum()),
        "rules": rules | pairs,
        "chunks": job.chunks(len(users)),
        "gone": list(gone),
        "watermark": watermark(snapshot),
    }
    np.save(folder / "users.npy", users)
    np.save(folder / "digests.npy", digests)
    np.save(folder / "allowed.npy", allowed)
    np.save(folder / "blocked.npy", blocked)
    save_said(said, folder / "stated.json")
    partial = folder / "plan.json.partial"
    partial.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, folder / "plan.json")
    return Plan(snapshot, users, digests, allowed, about, blocked, said)


def discard_plan(folder: Path) -> None:
    """Delete the folder of a run, and no other: its path comes from the ledger, in a graph that others write to.

    Raises:
        JobError: the folder holds what no plan holds; nothing is deleted.
    """
    _check_folder(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        return
    others = [] if folder.is_symlink() else sorted(p.name for p in folder.iterdir() if p.name not in _PARTS)
    if folder.is_symlink() or others:
        obstacle = f"{others[0]} in it" if others else "a link"
        raise JobError(f"{folder}: expected the folder of a run, found {obstacle}; nothing was deleted: move it away")


def keep_settings(folder: Path, job: JobConfig) -> None:
    """Keep what a run begins with in its folder, which is this machine's, unlike the ledger."""
    _check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / "plan.json.partial"
    new.write_text(json.dumps(job.to_dict()) + "\n", encoding="utf-8")
    os.replace(new, folder / _SETTINGS)


def settings_of(record: Run) -> JobConfig:
    """The settings that a run began with, from the ledger: others write to the graph that it is in.

    So they count only where the folder that they name holds the same ones; no file is written or deleted where
    nobody but the ledger says so.

    Raises:
        JobError: it does not.
    """
    job = from_dict(JobConfig, record.about["config"])
    file = Path(job.work) / record.run / _SETTINGS
    try:
        same = json.loads(file.read_text(encoding="utf-8")) == job.to_dict()
    except (OSError, ValueError, RecursionError):
        same = False
    if not same:
        raise JobError(
            f"run {record.run}: {file} does not hold the settings that the graph says of the run, so no folder is "
            "touched; begin another run, or go on with this one by its job file: job run FILE --run NAME --or-resume"
        )
    return job


def open_plan(folder: Path) -> Plan | None:
    """The plan in a folder; None if there is none or it was cut off."""
    if not all(
        (folder / name).exists() for name in ("plan.json", "digests.npy", "blocked.npy", "stated.json")
    ):  # the latter three: of an older kg_rec
        return None
    about = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    users, digests, allowed, blocked = (
        np.load(folder / f"{name}.npy") for name in ("users", "digests", "allowed", "blocked")
    )
    said = load_said(folder / "stated.json")
    return Plan(Snapshot.load(folder / "snapshot"), users, digests, allowed, about, blocked, said)


def check_same(before: dict[str, Any], now: dict[str, Any], run: str) -> None:
    """Raise JobError where what decides a run's lists differs from what it began with."""
    words = {
        "snapshot": "the graph",
        "model": "the model",
        "users_sha256": "the set of users",
        "said_sha256": "what users said of themselves",
        "allowed_sha256": "the set of candidates",
        "chunks": "the number of chunks",
    }
    changed = [text for name, text in words.items() if name in before and before[name] != now[name]]
    if changed:
        raise JobError(
            f"run {run} cannot be resumed: since it began, {', '.join(changed)} changed; cancel it and start a new run"
        )


def touched(snapshot: Snapshot, since: int) -> NDArray[np.int64]:
    """Users with an interaction at ``since`` or later, ascending.

    Raises:
        ConfigError: the interactions have no time.
    """
    edges = snapshot.interactions
    if edges.time is None:
        raise ConfigError(
            f"changed_since: the schema's interactions {snapshot.schema.interaction.name} have no property with "
            "kr:use kr:time; run the job for all users"
        )
    return np.unique(edges.source[edges.time >= max(since, NO_TIME + 1)])


def watermark(snapshot: Snapshot) -> int | None:
    """Time of the newest interaction, Unix seconds; None without one."""
    time = snapshot.interactions.time
    newest = None if time is None or not len(time) else int(time.max())
    return None if newest == NO_TIME else newest


def _users(job: JobConfig, store: GraphStore, snapshot: Snapshot) -> NDArray[np.int64]:
    if job.users.cypher:
        setting, keys = "users.cypher", queried_keys(store, job.users.cypher, "users.cypher")
    elif job.users.file:
        setting, keys = "users.file", file_keys(job.users.file)
    else:
        return np.arange(len(snapshot.users))
    indices = snapshot.users.indices(keys)
    unknown = [key for key, index in zip(keys, indices.tolist(), strict=True) if index < 0]
    if unknown:
        if job.users.file and is_link_outside(Path(job.users.file)):
            raise ConfigError(f"{setting}: {job.users.file}: {HIDDEN}")
        raise ConfigError(
            f"{setting}: expected keys of users in the graph; {len(unknown)} of {len(keys)} are not: "
            f"{', '.join(unknown[:5])}{' ...' if len(unknown) > 5 else ''}"
        )
    return np.unique(indices)
