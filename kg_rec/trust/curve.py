"""The picture of what compression costs: size against quality."""

from __future__ import annotations

from pathlib import Path

from kg_rec import theme
from kg_rec.atomic import new_file
from kg_rec.trust.compress import Compressed


def draw(result: Compressed, max_drop: float, path: Path) -> None:
    """Draw the curve into a file, whose ending (.png, .svg, .pdf) says how.

    Args:
        result: what was tried.
        max_drop: the share of NDCG@10 that could be given up; the rest of the picture lies below a line.
        path: the file; an earlier one is replaced.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ink, soft, taken = theme.LIGHT.ink, theme.LIGHT.soft, result.taken
    points = [p for p in result.curve if p.directions == taken.directions]
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    for bits in sorted({p.bits for p in points}):
        line = [p for p in points if p.bits == bits]
        sizes, errors = [p.bytes / 1e6 for p in line], [p.error * result.ndcg for p in line]
        axes.errorbar(
            sizes, [p.ndcg for p in line], yerr=errors, fmt="o-", color=theme.FOR, ms=4, lw=1.4, elinewidth=0.8
        )
        axes.annotate(f"{bits} bits", (sizes[0], line[0].ndcg), (4, 4), textcoords="offset points", size=7, color=soft)
    axes.plot(taken.bytes / 1e6, taken.ndcg, "o", ms=10, mfc="none", mec=theme.AGAINST, mew=2)
    lines = {"not compressed": result.ndcg, f"{100 * max_drop:g} % less": result.ndcg * (1 - max_drop)}
    for text, height in lines.items():
        axes.axhline(height, color=ink, lw=0.9, ls="-" if height == result.ndcg else "--", zorder=0)
        axes.annotate(text, (1.01, height), xycoords=axes.get_yaxis_transform(), va="center", size=8, color=soft)
    axes.set_title(
        f"taken: {taken.smaller:.0f} times smaller, NDCG@10 {-100 * taken.drop:+.1f} % ± {100 * taken.error:.1f}",
        loc="left",
        size=9,
        color=ink,
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("MB of what was learned")
    axes.set_ylabel("validation NDCG@10, ± standard error of the drop")
    axes.yaxis.label.set_fontsize(8)
    axes.spines[["top", "right"]].set_visible(False)
    with new_file(path) as partial:
        figure.savefig(partial, format=path.suffix[1:], dpi=150)
