"""Results that are tables: as Arrow, as pandas, and in a notebook as a table that a click sorts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

from kg_rec import theme

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: Rows that a notebook shows at most.
_SHOWN = 200

# Sorts the table by the column clicked on: numbers by size, the rest by their letters; again, the other way round.
_SORT = (
    "const h=event.target.closest('th'),b=h.closest('table').tBodies[0],n=h.cellIndex,d=h.dataset.up!=='1';"
    "for(const o of h.parentNode.cells)delete o.dataset.up;h.dataset.up=d?'1':'0';"
    "const v=r=>r.cells[n].dataset.v??r.cells[n].textContent;"
    "[...b.rows].sort((p,q)=>{const x=v(p),y=v(q),m=x-y;"
    "return(d?1:-1)*(x===''||y===''||isNaN(m)?x.localeCompare(y):m)}).forEach(r=>b.append(r))"
)


class Tabular(ABC):
    """A result with rows.

    A console shows it in one line; a notebook as a table, sorted by a click on the head of a column.
    """

    __slots__ = ()

    @abstractmethod
    def to_arrow(self) -> pa.Table:
        """The rows."""

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a data frame."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def __repr__(self) -> str:
        table = self.to_arrow()
        return f"{type(self).__name__}({table.num_rows:,} rows of {', '.join(table.column_names)})"

    def _repr_html_(self) -> str:
        return html_table(self.to_arrow())


def columns(objects: Iterable[Any], **kinds: pa.DataType) -> pa.Table:
    """The named fields of some objects as columns, a row an object.

    Args:
        objects: what has the fields.
        kinds: datatype by field.
    """
    import pyarrow as pa

    rows = list(objects)
    return pa.table({name: pa.array([getattr(row, name) for row in rows], kind) for name, kind in kinds.items()})


def html_table(table: pa.Table, most: int = _SHOWN) -> str:
    """A table of HTML that a click on the head of a column sorts; every text is escaped.

    Args:
        table: the rows.
        most: rows shown; a line below says how many are left out.
    """
    shown = table.slice(0, most).to_pydict()
    heads = "".join(f'<th style="cursor:pointer">{escape(name)}</th>' for name in shown)
    rows = zip(*shown.values(), strict=True)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    rest = table.num_rows - most
    more = f'<div style="color:{theme.LIGHT.soft}">and {rest:,} rows more</div>' if rest > 0 else ""
    head = f'<thead><tr onclick="{escape(_SORT)}">{heads}</tr></thead>'
    return f"<table>{head}<tbody>{body}</tbody></table>{more}"


def _cell(value: Any) -> str:
    """Numbers to the right, with four digits that count; they sort by their exact value."""
    if value is None:
        return "<td></td>"
    if isinstance(value, float):
        return f'<td style="text-align:right" data-v="{value!r}">{value:.4g}</td>'
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td style="text-align:right" data-v="{value}">{value:,}</td>'
    text = str(value)
    return f'<td style="text-align:left">{escape(text if len(text) <= 80 else text[:79] + "…")}</td>'
