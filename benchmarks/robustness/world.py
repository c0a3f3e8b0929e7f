"""The data under attack: a split's training interactions, to which fake users are added or wrong rows put in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.model.histories import histories
from kg_rec.snapshot import EdgeTable, Snapshot
from kg_rec.split import Split, join

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """What a recommender is trained on.

    Attributes:
        snapshot: the graph with the training interactions; fake users come after the real ones.
        real: how many users are real.
    """

    snapshot: Snapshot
    real: int

    @property
    def edges(self) -> EdgeTable:
        """The training interactions, of real and fake users."""
        return self.snapshot.interactions

    @cached_property
    def interactions(self) -> sparse.csr_array:
        """The same as binary CSR, shape (users, items)."""
        return histories(self.edges, (len(self.snapshot.users), len(self.snapshot.items)), 0)

    @cached_property
    def counts(self) -> Ints:
        """Interactions of each item, shape (items,)."""
        return np.bincount(self.edges.target, minlength=len(self.snapshot.items))

    @cached_property
    def late(self) -> float:
        """From when on the last tenth of the interactions was; -inf without times."""
        return -np.inf if self.edges.time is None else float(np.quantile(self.edges.time, 0.9))

    def with_edges(self, edges: EdgeTable) -> World:
        """The same with other training interactions."""
        return replace(self, snapshot=self.snapshot.with_edges(self.snapshot.schema.interaction.name, edges))

    def with_users(
        self, profiles: list[Ints], ratings: list[NDArray[np.float32]], random: np.random.Generator
    ) -> World:
        """The same with fake users.

        Args:
            profiles: items of each.
            ratings: of these items, where interactions have ratings.
            random: when they came.  Each begins at the time of one of the last tenth of the real interactions, and acts
                every half minute.
        """
        edges, snapshot = self.edges, self.snapshot
        first = len(snapshot.users)
        source = np.repeat(np.arange(first, first + len(profiles)), [len(p) for p in profiles])
        time = None
        if edges.time is not None:
            starts = random.choice(edges.time[edges.time >= self.late], len(profiles))
            time = np.concatenate([s + 30 * np.arange(len(p)) for s, p in zip(starts, profiles, strict=True)])
        weight = None if edges.weight is None else np.concatenate(ratings).astype(np.float32)
        added = EdgeTable(source, np.concatenate(profiles), weight, time)
        kind = snapshot.schema.user.name
        table = snapshot.nodes[kind]
        last = snapshot.users.key(first - 1)  # what begins with the last key and is longer comes after it
        keys = pa.array([f"{last}-fake-{n:06d}" for n in range(len(profiles))], pa.string())
        key = snapshot.schema.user.key
        columns = [keys if f.name == key else pa.nulls(len(keys), f.type) for f in table.schema]
        users = pa.concat_tables([table, pa.table(columns, schema=table.schema)])
        nodes = {**snapshot.nodes, kind: users}
        name = snapshot.schema.interaction.name
        return World(
            Snapshot(snapshot.schema, snapshot.source, nodes, {**snapshot.edges, name: join(edges, added)}),
            self.real,
        )


def clean(snapshot: Snapshot, split: Split) -> World:
    """The world as it is: the training interactions of a split."""
    seen = snapshot.with_edges(snapshot.schema.interaction.name, split.train)
    return World(seen, len(snapshot.users))


def random_interactions(world: World, share: float, random: np.random.Generator) -> World:
    """Pairs of users and items drawn at random, ``share`` times as many as there are interactions, added to these."""
    edges, shape = world.edges, world.interactions.shape
    had = set((edges.source * shape[1] + edges.target).tolist())
    wanted, found = round(share * len(edges)), dict[int, None]()
    while len(found) < min(wanted, shape[0] * shape[1] - len(had)):
        drawn = random.integers(0, shape[0] * shape[1], wanted)
        found |= dict.fromkeys(cell for cell in drawn.tolist() if cell not in had)
    cells = np.fromiter(found, np.int64, len(found))[:wanted]
    like = random.integers(0, len(edges), len(cells))  # with ratings and times such as there are
    added = EdgeTable(
        cells // shape[1],
        cells % shape[1],
        None if edges.weight is None else edges.weight[like],
        None if edges.time is None else edges.time[like],
    )
    return world.with_edges(join(edges, added))


def wrong_facts(world: World, share: float, random: np.random.Generator) -> World:
    """A share of the facts of each relation type changes places: their other ends are dealt out again among them."""
    snapshot = world.snapshot
    for relation in snapshot.schema.knowledge_relations:
        edges = snapshot.edges[relation.name]
        chosen = np.flatnonzero(random.random(len(edges)) < share)
        target = edges.target.copy()
        target[chosen] = target[random.permutation(chosen)]
        snapshot = snapshot.with_edges(relation.name, _once(replace(edges, target=target)))
    return replace(world, snapshot=snapshot)


def wrong_links(world: World, share: float, random: np.random.Generator) -> World:
    """A share of the items get all facts of one another, as where catalogue and graph were linked wrongly."""
    snapshot = world.snapshot
    chosen = np.flatnonzero(random.random(len(snapshot.items)) < share)
    order = np.arange(len(snapshot.items))
    order[chosen] = random.permutation(chosen)
    item = snapshot.schema.item.name
    for relation in snapshot.schema.knowledge_relations:
        edges = snapshot.edges[relation.name]
        source = order[edges.source] if relation.source == item else edges.source
        target = order[edges.target] if relation.target == item else edges.target
        snapshot = snapshot.with_edges(relation.name, _once(replace(edges, source=source, target=target)))
    return replace(world, snapshot=snapshot)


def _once(edges: EdgeTable) -> EdgeTable:
    """Sorted, each pair once."""
    rows = np.lexsort((edges.target, edges.source))
    found = edges.take(rows)
    new = np.ones(len(found), np.bool_)
    new[1:] = (np.diff(found.source) != 0) | (np.diff(found.target) != 0)
    return found.take(new)
