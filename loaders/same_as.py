"""``owl:sameAs``: which IRIs of RDF data are one thing.

The statements are taken in the order of the file.  Each joins the groups of its two ends (union-find, so chains and
loops are no matter), unless the groups cannot be one node: then it is refused, a fault with its file and line.  Of a
group one IRI gives the key: one whose node is in the graph already, else one with a key of its own, else one with a
type, else the first in alphabetical order; so the same file gives the same nodes, whatever the order of its statements,
where none is refused.

Nothing is lost: ``joins=FILE`` lists what was joined.  Lines of it as ``apart=FILE`` keep these two from being one
node, when the data are loaded into a new graph, and ``same=no`` joins nothing.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kg_rec.atomic import new_file
from kg_rec.errors import ConfigError
from kg_rec.loaders.text import Faults
from kg_rec.quantity import quantity
from kg_rec.textfile import csv_cell, read_lines

COLUMNS = ("joined", "into", "type", "key", "file", "line", "differs")
#: Fewer joined pairs with names may differ by chance.
_LEAST_NAMES = 4


@dataclass
class Joins:
    """The groups of one file.

    Attributes:
        path: of the file.
        apart: pairs that do not become one node, whatever the file says.
    """

    path: Path
    apart: frozenset[frozenset[str]] = frozenset()
    _said: dict[tuple[str, str], int | None] = field(default_factory=dict)
    _groups: dict[str, list[str]] = field(default_factory=dict)
    _by: dict[str, int | None] = field(default_factory=dict)

    def add(self, one: str, other: str, line: int | None) -> None:
        """Take a statement; one of a thing with itself says nothing."""
        if one != other:
            self._said.setdefault((one, other), line)

    def __bool__(self) -> bool:
        return bool(self._said)

    def decide(self, why_not: Callable[[Sequence[str], Sequence[str]], str | None], faults: Faults) -> list[list[str]]:
        """The groups of more than one IRI, each sorted.

        Args:
            why_not: why two groups cannot be one node; None where they can.
            faults: takes the statements that are refused.
        """
        for (one, other), line in self._said.items():
            a, b = self._groups.setdefault(one, [one]), self._groups.setdefault(other, [other])
            if a is b or self._kept_apart(a, b):
                continue
            reason = why_not(a, b)
            if reason is not None:
                faults.add(
                    self.path,
                    line,
                    f"owl:sameAs of <{one:.200}> and <{other:.200}>: {reason}; they are not joined: correct the "
                    "statement, or list the pair in the file of apart=",
                )
                continue
            few, many = sorted((a, b), key=len)
            many += few
            for iri in few:
                self._groups[iri] = many
            for iri in (one, other):
                self._by.setdefault(iri, line)
        return sorted({id(g): sorted(g) for g in self._groups.values() if len(g) > 1}.values())

    def _kept_apart(self, one: Sequence[str], other: Sequence[str]) -> bool:
        return any(frozenset((a, b)) in self.apart for a in one for b in other) if self.apart else False

    def neighbours(self) -> dict[str, list[str]]:
        """By IRI, those that a statement ties it to, in either direction."""
        neighbours: dict[str, list[str]] = {}
        for one, other in self._said:
            neighbours.setdefault(one, []).append(other)
            neighbours.setdefault(other, []).append(one)
        return neighbours

    def line(self, iri: str) -> int | None:
        """The line of the statement that first joined an IRI to another."""
        return self._by.get(iri)


@dataclass(frozen=True, slots=True)
class Join:
    """One IRI that became part of another's node.

    Attributes:
        joined: the IRI.
        into: the IRI whose node it is.
        node_type: of the node; empty where nothing says it.
        key: of the node.
        line: of the statement that joined it, or None.
        differs: by property, what the two say where the node has but one value.
    """

    joined: str
    into: str
    node_type: str
    key: str
    line: int | None
    differs: Mapping[str, tuple[str, str]]


def read_apart(path: str | Path) -> frozenset[frozenset[str]]:
    """Pairs of IRIs to keep apart, from a file as :func:`write_joins` writes it.

    Raises:
        ConfigError: it cannot be read or lacks the columns ``joined`` and ``into``.
    """
    rows = list(csv.reader(read_lines(path, ConfigError)))
    if not rows or not {"joined", "into"} <= set(rows[0]):
        got = ", ".join(rows[0]) if rows else "nothing"
        raise ConfigError(f"{path}: expected a CSV file with the columns joined and into, got {got:.200}")
    one, other = rows[0].index("joined"), rows[0].index("into")
    return frozenset(frozenset((row[one], row[other])) for row in rows[1:] if len(row) > max(one, other))


def write_joins(path: str | Path, joins: Sequence[Join], file: Path) -> None:
    """Write what was joined as CSV with the columns :data:`COLUMNS`."""
    with new_file(Path(path)) as part, part.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for join in joins:
            differs = "; ".join(f"{name}: {a!r} and {b!r}" for name, (a, b) in join.differs.items())
            line = "" if join.line is None else join.line
            cells = (join.joined, join.into, join.node_type, join.key)
            writer.writerow([*map(csv_cell, cells), file, line, csv_cell(differs)])


def told(joins: Sequence[Join], names: Mapping[str, str | None], path: Path) -> list[str]:
    """What a load says of its joins: how many, and where two joined nodes say different things.

    Args:
        joins: what was joined.
        names: the property that is the name, by node type.
        path: of the file.
    """
    if not joins:
        return []
    notes = [f"{quantity(len(joins), 'node')} became one with another node, as owl:sameAs says"]
    examples: dict[str, Join] = {}
    counts: Counter[str] = Counter()
    named: dict[bool, int] = defaultdict(int)
    for join in joins:
        for name in join.differs:
            counts[f"{join.node_type}.{name}"] += 1
            examples.setdefault(f"{join.node_type}.{name}", join)
        if (shown := names.get(join.node_type)) is not None:
            named[shown in join.differs] += 1
    for name, count in sorted(counts.items()):
        join = examples[name]
        kept, other = join.differs[name.partition(".")[2]]
        place = path.name if join.line is None else f"{path.name}:{join.line}"
        notes.append(
            f"{name}: {quantity(count, 'pair')} of joined nodes had two values, such as "
            f"{kept!r:.80} of <{join.into:.100}> and {other!r:.80} of <{join.joined:.100}> ({place}); the first is kept"
        )
    if sum(named.values()) >= _LEAST_NAMES and named[True] > named[False]:
        notes.append(
            f"{named[True]:,} of {sum(named.values()):,} joined nodes have another name than what they are joined to: "
            "are these statements about these data? kg-rec check tells whether the facts fit the interactions"
        )
    return notes
