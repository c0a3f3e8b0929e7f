"""What the users of a run said of themselves (``kg-rec prefer``): read when the run is planned, kept with the plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kg_rec.ask.session import Asker
from kg_rec.jobs.changes import mixed
from kg_rec.model.recommender import Recommender
from kg_rec.people.features import Feature
from kg_rec.people.kept import Kept
from kg_rec.people.preference_words import stated
from kg_rec.people.preferences import Editor, Preference, kind_of
from kg_rec.people.profile import Profiler
from kg_rec.snapshot import Snapshot
from kg_rec.store.base import GraphStore

#: By user key, in the order in which it was said.
Said = Mapping[str, tuple[Preference, ...]]


def said_in(store: GraphStore, snapshot: Snapshot) -> Said:
    """What the users of a snapshot said, as the graph keeps it, by ascending user key."""
    return {user: said for user, said in sorted(Kept.of(store).everybody().items()) if user in snapshot.users}


def save_said(said: Said, path: Path) -> None:
    """Keep it in a JSON file, which :func:`load_said` reads."""
    path.write_text(_text(said), encoding="utf-8")


def load_said(path: Path) -> Said:
    """What :func:`save_said` kept."""
    return {
        user: tuple(Preference(kind_of(kind), _feature(**of)) for kind, of in kept)
        for user, kept in json.loads(path.read_text(encoding="utf-8")).items()
    }


def digest_of(said: Said) -> str:
    """SHA-256 of all that was said."""
    return hashlib.sha256(_text(said).encode()).hexdigest()


def with_said(digests: NDArray[np.int64], snapshot: Snapshot, said: Said) -> NDArray[np.int64]:
    """Digests of users (:func:`kg_rec.jobs.changes.user_digests`) that tell what they said, too.

    What a struck clause is worth depends on what everybody did, and so does the digest of who struck one.

    Args:
        digests: of what each user did, shape (users,).
        snapshot: the graph.
        said: by user key.
    """
    found, everybody = digests.view(np.uint64).copy(), digests.view(np.uint64).sum(dtype=np.uint64)
    for user, preferences in said.items():
        place = snapshot.users.index(user)
        own = hashlib.blake2b(_text({user: preferences}).encode(), digest_size=8).digest()
        struck = everybody if any(p.kind == "struck" for p in preferences) else np.uint64(0)
        with_own = mixed(found[place : place + 1] ^ np.frombuffer(own, np.uint64))
        found[place : place + 1] = mixed(with_own ^ struck) if struck else with_own
    return found.view(np.int64)


def _text(said: Said) -> str:
    return json.dumps({user: [(p.kind, asdict(p.feature)) for p in kept] for user, kept in said.items()})


def _feature(relation: str, type: str, key: str, name: str, years: list[int] | None) -> Feature:  # noqa: A002
    return Feature(relation, type, key, name, None if years is None else (years[0], years[1]))


@dataclass(frozen=True)
class Stating:
    """The models of users who said something.

    Attributes:
        model: of everybody.
        said: by user key.
        spoke: which users said something, boolean, shape (users,).
        editor: applies what was said.
    """

    model: Recommender
    said: Said
    spoke: NDArray[np.bool_]
    editor: Editor

    @classmethod
    def of(cls, model: Recommender, said: Said) -> Stating:
        """See the attributes."""
        return cls(model, said, model.users.mask(list(said)), Editor(Profiler(model), Asker(model, near=False)))

    def models(self, users: NDArray[np.int64]) -> Iterator[tuple[Recommender, NDArray[np.int64]]]:
        """The users in parts, each with its model: that of everybody, and one user's own.

        Args:
            users: dense indices, shape (b,).

        Yields:
            The model, and the places of its users, ascending.
        """
        spoke = self.spoke[users]
        if not spoke.all():
            yield self.model, np.flatnonzero(~spoke)
        for place in np.flatnonzero(spoke).tolist():
            key = self.model.users.key(int(users[place]))
            yield self.model.stating(stated(self.editor.apply(key, self.said[key]))), np.array([place])
