"""What the relation types of a graph tie items to."""

from __future__ import annotations

from collections.abc import Sequence

from kg_rec.ask.request import Node, Wish
from kg_rec.snapshot import Snapshot


class Ties:
    """The facts of a graph, as a request names them: "the director of Heat", "of the same brand"."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._relations = {r.name: (r.source, r.target) for r in snapshot.schema.knowledge_relations}
        self._snapshot = snapshot
        self._item_type = snapshot.schema.item.name

    def tied(self, item: Node, relations: Sequence[str], said: str, wanted: bool) -> Wish | None:
        """What an item is tied to: the director of Heat, the brand of a product."""
        place = self._snapshot.items.index(item.key)
        for relation in relations:
            source, target = self._relations[relation]
            other = target if source == self._item_type else source
            if other == self._item_type:
                continue
            edges = self._snapshot.edges[relation]
            mine, theirs = (edges.source, edges.target) if source == self._item_type else (edges.target, edges.source)
            ids, shown = self._snapshot.ids[other], self._snapshot.names(other)
            nodes = tuple(Node(other, ids.key(n), shown[n].as_py()) for n in theirs[mine == place].tolist())
            if nodes:
                return Wish(said, nodes, wanted, True, "exact", relation)
        return None

    def between_items(self, relations: Sequence[str]) -> str | None:
        """The first of some relation types that ties items to items."""
        item = self._item_type
        return next((r for r in relations if self._relations[r] == (item, item)), None)

    def restricted(self, nodes: tuple[Node, ...], relations: Sequence[str]) -> tuple[tuple[Node, ...], str | None]:
        """The nodes that a relation type may lead to, and the relation type; all and None where it leads to none."""
        for relation in relations:
            some = tuple(n for n in nodes if n.type in self._relations[relation])
            if some:
                return some, relation
        return nodes, None
