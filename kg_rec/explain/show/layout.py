"""The layout of the picture of paths: where its boxes and lines go.  The HTML card and the figure both draw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest

from rich.cells import cell_len

from kg_rec.explain.explanation import Explanation
from kg_rec.explain.path import Path
from kg_rec.explain.show.cells import cut
from kg_rec.explain.show.view import ExplanationView

#: Paths drawn at most; the others are in the list below the picture.
DRAWN = 10

_HEIGHT, _ROW, _TOP = 44, 60, 26
_CELL = 7.2  # width of half a Chinese character, in pixels
_LABEL = 13  # least distance between two labels


@dataclass(frozen=True, slots=True)
class Grid:
    """Widths of boxes and of the gaps between columns, in pixels; narrower where there are many columns."""

    box: int
    gap: int

    def x(self, column: int) -> int:
        """Left side of a column."""
        return column * (self.box + self.gap)


@dataclass(slots=True)
class Box:
    """A node in the picture, or the waypoint of a line that skips a column (no lines of text); which paths use it."""

    column: int
    kind: str
    title: str
    lines: tuple[str, ...]
    x: float
    y: float = 0.0
    paths: set[int] = field(default_factory=set)

    @property
    def first_baseline(self) -> float:
        """Where the first line of text stands, in pixels."""
        return self.y + (5 if len(self.lines) == 1 else -3)


@dataclass(slots=True)
class Line:
    """A step in the picture: a curve from box to box, thick by its share; which paths use it."""

    start: Box
    end: Box
    channel: str
    label: str
    share: float
    width: float = 1.5
    label_y: float = 0.0
    paths: set[int] = field(default_factory=set)

    def curve(self, box: int) -> str:
        """Path data of SVG for boxes of this width; a waypoint is crossed in a straight line."""
        x1, x2 = self.start.x + box, self.end.x
        middle, across = (x1 + x2) / 2, "" if self.end.lines else f" h {box}"
        return (
            f"M {x1:.0f} {self.start.y:.1f} C {middle:.0f} {self.start.y:.1f}, {middle:.0f} {self.end.y:.1f}, "
            f"{x2:.0f} {self.end.y:.1f}{across}"
        )

    def label_x(self, box: int) -> float:
        """Where the label stands."""
        return (self.start.x + box + self.end.x) / 2


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes and lines with their places, in pixels."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    headings: tuple[tuple[float, str], ...]
    width: float
    height: float
    box_width: int
    box_height: int = _HEIGHT


def to_draw(explanation: Explanation) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The paths for the picture, at most :data:`DRAWN`, and the others; both by value, largest first.

    The groups take turns, so that a picture with room for few paths still shows every kind of reason.
    """
    turns = zip_longest(*(group.paths for group in explanation.groups))
    in_turn = [path for turn in turns for path in turn if path is not None]
    by_value = [sorted(some, key=lambda path: -path.value) for some in (in_turn[:DRAWN], in_turn[DRAWN:])]
    return tuple(by_value[0]), tuple(by_value[1])


def draw(paths: Sequence[Path], view: ExplanationView) -> Picture:
    """Lay out paths in columns: you on the left, the item on the right, a node of several paths once.

    A path shorter than the longest gets waypoints, so that its line does not run through other boxes.  The order in
    a column follows the mean height of the neighbours (the barycentre method for layered drawings, Sugiyama et al.
    1981).

    Args:
        paths: at least one.
        view: gives names and labels.
    """
    columns = max(len(p.nodes) for p in paths)
    grid = Grid(146, 88) if columns <= 4 else Grid(124, 76)
    boxes: dict[object, Box] = {}
    lines: dict[object, Line] = {}
    for number, path in enumerate(paths):
        stops = [_stop(path, position, columns, view, grid, boxes) for position in range(len(path.nodes) - 1)]
        skipped = range(len(path.nodes) - 1, columns - 1)
        ways = [
            ((column, id(stops[-1]), path.edges[-1]), Box(column, "way", "", (), grid.x(column))) for column in skipped
        ]
        stops += [boxes.setdefault(key, box) for key, box in ways] + [
            _stop(path, len(path.nodes) - 1, columns, view, grid, boxes)
        ]
        for position, (start, end) in enumerate(pairwise(stops)):
            edge = path.edges[min(position, len(path.edges) - 1)]
            label = view.step(edge)
            if edge.type is not None:
                label = f"{label} →" if edge.forward else f"← {label}"
            new = Line(start, end, path.channel, label if position < len(path.edges) else "", 0.0)
            line = lines.setdefault((id(start), id(end), edge, path.channel), new)
            line.share += abs(path.share)
            line.paths.add(number)
        for box in stops:
            box.paths.add(number)
    _place(list(boxes.values()), list(lines.values()), columns)
    most = max((line.share for line in lines.values()), default=0.0) or 1.0
    for line in lines.values():
        line.width = 1.5 + 5 * line.share / most
    height = _TOP + _ROW * max(sum(b.column == c for b in boxes.values()) for c in range(columns))
    headings = _label(list(lines.values()), columns, grid)
    width = grid.x(columns - 1) + grid.box
    return Picture(tuple(boxes.values()), tuple(lines.values()), headings, width, height, grid.box)


def _stop(path: Path, position: int, columns: int, view: ExplanationView, grid: Grid, boxes: dict[object, Box]) -> Box:
    node, last = path.nodes[position], position == len(path.nodes) - 1
    column = columns - 1 if last else position
    key: object = (column, node.type, node.key)
    if node.key is None:
        around = tuple(n.key for n in path.nodes[position - 1 : position + 2])
        key = (column, node.type, around, node.count)
    if position == 0:
        kind = "you"
    elif node.key is None:
        kind = "others"
    else:
        kind = "item" if node.type == path.nodes[-1].type else "attribute"
    title = view.node(node, position)
    return boxes.setdefault(key, Box(column, kind, title, _wrap(title, int((grid.box - 12) / _CELL)), grid.x(column)))


def _place(boxes: list[Box], lines: list[Line], columns: int) -> None:
    by_column = [[b for b in boxes if b.column == c] for c in range(columns)]
    height = _ROW * max(len(column) for column in by_column)

    def spread(column: list[Box]) -> None:
        for n, box in enumerate(column):
            box.y = _TOP + height * (n + 0.5) / len(column)

    for column in by_column:
        spread(column)
    for sweep in range(6):
        for column in by_column if sweep % 2 == 0 else by_column[::-1]:
            means = {id(b): _mean_height(b, lines) for b in column}
            column.sort(key=lambda b: means[id(b)])
            spread(column)


def _mean_height(box: Box, lines: list[Line]) -> float:
    around = [ln.end.y for ln in lines if ln.start is box] + [ln.start.y for ln in lines if ln.end is box]
    return sum(around) / len(around)


def _label(lines: list[Line], columns: int, grid: Grid) -> tuple[tuple[float, str], ...]:
    """Give labels their heights; one that all lines between two columns share becomes a heading above them."""
    headings = []
    for column in range(columns - 1):
        between = [line for line in lines if line.start.column == column and line.label]
        labels = {line.label for line in between}
        if len(between) > 1 and len(labels) == 1:
            headings.append((grid.x(column) + grid.box + grid.gap / 2, labels.pop()))
            for line in between:
                line.label = ""
            continue
        lowest = 0.0
        for line in sorted(between, key=lambda ln: ln.start.y + ln.end.y):
            line.label_y = lowest = max((line.start.y + line.end.y) / 2 - 5, lowest + _LABEL)
    return tuple(headings)


def _wrap(name: str, cells: int) -> tuple[str, ...]:
    """At most two lines that fit a box; the second is cut with an ellipsis."""
    if cell_len(name) <= cells:
        return (name,)
    end = _fits(name, cells)
    space = name.rfind(" ", 0, end + 1)
    if space > end // 2 or (space > 0 and cell_len(name[space:].strip()) <= cells):
        end = space
    first, second = name[:end].rstrip(), name[end:].lstrip()
    return first, cut(second, cells)


def _fits(text: str, cells: int) -> int:
    end = 0
    while end < len(text) and cell_len(text[: end + 1]) <= cells:
        end += 1
    return end
