"""What a notebook shows beside pictures: a bar of progress, tables that a click sorts, maps with names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec import theme
from kg_rec.errors import ArgumentError, MissingDependencyError
from kg_rec.explain.words.slots import clean_name
from kg_rec.tabular import html_table

if TYPE_CHECKING:
    import pandas as pd

    from kg_rec.progress import Progress

#: Colours of the groups of a :class:`NameMap`, one after the other; told apart by people who see no red or no green
#: (Okabe & Ito 2008).
GROUP_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#a1a100")
_WIDTH, _HEIGHT, _MARGIN = 760, 520, 12
#: Least seconds between two showings of progress.
_PAUSE = 0.1


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar that says what is being done and how far it is; it goes away at the end.

    Raises:
        MissingDependencyError: IPython is not installed.
    """
    try:
        from IPython.display import HTML, display
    except ImportError as error:
        raise MissingDependencyError("a bar of progress needs IPython: pip install 'kg-rec[notebooks]'") from error
    handle = display(HTML(""), display_id=True)
    shown = ("", 0.0)

    def show(done: int, total: int | None, what: str) -> None:
        nonlocal shown
        now = monotonic()
        if handle is None or (what == shown[0] and now - shown[1] < _PAUSE):
            return
        shown = what, now
        state = "" if total is None else f' value="{done}" max="{max(total, 1)}"'
        handle.update(HTML(f"<progress{state}></progress> {escape(what)}"))

    try:
        yield show
    finally:
        if handle is not None:
            handle.update(HTML(""))


@dataclass(frozen=True, repr=False)
class Sortable:
    """A table that a notebook shows so that a click on the head of a column sorts it.

    Attributes:
        table: the rows.
        most: rows shown.
    """

    table: pa.Table
    most: int = 200

    def __repr__(self) -> str:
        return str(self.table.slice(0, self.most).to_pandas())

    def _repr_html_(self) -> str:
        return html_table(self.table, self.most)


def sortable(table: pa.Table | pd.DataFrame, most: int = 200) -> Sortable:
    """A table of Arrow or pandas that a notebook shows sorted by the column clicked on.

    Args:
        table: the rows; an index of pandas that has a name becomes a column.
        most: rows shown.
    """
    if isinstance(table, pa.Table):
        return Sortable(table, most)
    frame = table.reset_index() if any(table.index.names) else table
    return Sortable(pa.Table.from_pandas(frame, preserve_index=False), most)


@dataclass(frozen=True, repr=False)
class NameMap:
    """Points of a plane that say their name when the mouse is over them; a drawing (SVG) without scripts.

    Attributes:
        points: coordinates, shape (n, 2).
        names: a name a point; data from the graph, escaped here.
        groups: a group a point, which gives its colour; points of "" are grey.  At most eight others.
        shown: groups in the order of their colours and of the legend.
    """

    points: NDArray[np.floating[Any]]
    names: Sequence[str]
    groups: Sequence[str]
    shown: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.names)
        if np.shape(self.points) != (n, 2) or len(self.groups) != n:
            raise ArgumentError(
                f"expected points of shape ({n}, 2) and {n} groups for {n} names, got {np.shape(self.points)} and "
                f"{len(self.groups)}"
            )
        count = {name: list(self.groups).count(name) for name in set(self.groups) if name}
        if len(count) > len(GROUP_COLOURS):
            raise ArgumentError(f"expected at most {len(GROUP_COLOURS)} groups, got {len(count)}; call the rest ''")
        object.__setattr__(self, "shown", tuple(sorted(count, key=lambda name: (-count[name], name))))

    def __repr__(self) -> str:
        return f"NameMap({len(self.names):,} points; {', '.join(self.shown)})"

    def _repr_html_(self) -> str:
        colour = dict(zip(self.shown, GROUP_COLOURS, strict=False))
        low, span = np.min(self.points, axis=0), np.maximum(np.ptp(self.points, axis=0), 1e-12)
        size = np.array([_WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN])
        places = _MARGIN + (np.asarray(self.points) - low) / span * size
        dots = [
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="4" fill="{colour.get(group, theme.LIGHT.line)}" fill-opacity=".75">'
            f"<title>{escape(clean_name(name, '?'))}</title></circle>"
            for (x, y), name, group in zip(places, self.names, self.groups, strict=True)
        ]
        legend = " &nbsp; ".join(
            f'<span style="color:{colour[name]}">● {escape(clean_name(name, "?"))}</span>' for name in self.shown
        )
        paper = f"max-width:100%;background:{theme.LIGHT.paper}"
        svg = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" style="{paper}">'
        return f"<div>{legend}</div>{svg}{''.join(dots)}</svg>"
