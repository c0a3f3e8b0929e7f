"""The picture of the card as a matplotlib figure, for papers and slides."""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING

from kg_rec.explain.explanation import Explanation
from kg_rec.explain.show.cells import cut
from kg_rec.explain.show.layout import Box, Line, Picture, draw, to_draw
from kg_rec.explain.show.view import ExplanationView, score_parts
from kg_rec.explain.words.numbers import percent
from kg_rec.theme import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Fonts with Chinese characters, in order of liking; the first that is installed is used where a glyph is missing.
CJK_FONTS = (
    *("Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Micro Hei"),
    *("Noto Sans CJK JP", "Noto Serif CJK SC", "SimHei", "Arial Unicode MS"),
)
_PIXELS = 72  # pixels of the picture for an inch of the figure


def figure(explanation: Explanation) -> Figure:
    """The shown paths drawn in columns: you on the left, the recommended item on the right, lines as thick as shares.

    Args:
        explanation: what to draw; at most ten paths are, the largest of each group first.

    Returns:
        A figure that belongs to no window; save it with ``savefig``.  Where text needs Chinese characters and no font
        has them, a warning says which to install.
    """
    from matplotlib.figure import Figure

    view = ExplanationView(explanation)
    paths, _ = to_draw(explanation)
    title = f"{view.item}  ({view.words['score']} {explanation.score:.4g})"
    if not paths:
        empty = Figure(figsize=(6, 1))
        empty.text(0.02, 0.62, title, size=12, color=LIGHT.ink, family=families(title), parse_math=False)
        empty.text(0.02, 0.2, view.shown, size=9, color=LIGHT.soft, family=families(view.shown), parse_math=False)
        return empty
    picture = draw(paths, view)
    width, height = picture.width + 20, picture.height + 62
    made = Figure(figsize=(width / _PIXELS, height / _PIXELS))
    axes = made.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-10, picture.width + 10)
    axes.set_ylim(picture.height + 30, -32)
    _write(axes, 0, -12, cut(title, int((picture.width - 84 * 3) / 8)), 12, LIGHT.ink, "left", bold=True)
    _write(axes, 0, picture.height + 18, view.shown, 8, LIGHT.soft, "left")
    for line in picture.lines:
        _line(axes, line, picture)
    colours = score_parts()
    channels = [channel for channel in colours if any(line.channel == channel for line in picture.lines)]
    for place, channel in enumerate(reversed(channels)):
        x = picture.width - 84 * place - 60
        _write(axes, x, -12, view.title(channel), 8, LIGHT.soft, "left")
        axes.scatter([x - 9], [-12], s=22, color=colours[channel], zorder=3)
    for x, label in picture.headings:
        _write(axes, x, 10, label, 8, LIGHT.soft)
    for line in picture.lines:
        if line.label:
            _write(axes, line.label_x(picture.box_width), line.label_y - 4, line.label, 8, LIGHT.soft)
    for box in picture.boxes:
        if box.lines:
            _box(axes, box, picture)
    return made


def families(text: str) -> list[str]:
    """Font families for a text: the default one, then one with Chinese characters if the text needs it."""
    if all(ord(c) < 0x2E80 for c in text):
        return ["DejaVu Sans"]
    font = _cjk()
    if font is None:
        warnings.warn(
            f"no installed font has Chinese characters; install one of {', '.join(CJK_FONTS[:3])} (Debian: "
            "fonts-noto-cjk)",
            stacklevel=4,
        )
    return ["DejaVu Sans", *([font] if font else [])]


@cache
def _cjk() -> str | None:
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in CJK_FONTS if name in installed), None)


def _write(
    axes: Axes, x: float, y: float, text: str, size: float, colour: str, align: str = "center", *, bold: bool = False
) -> None:
    from matplotlib.patheffects import withStroke

    axes.text(
        x,
        y,
        text,
        ha=align,
        va="center",
        size=size,
        color=colour,
        family=families(text),
        weight="bold" if bold else "normal",
        parse_math=False,
        path_effects=[withStroke(linewidth=3, foreground=LIGHT.paper)],
        zorder=3,
    )


def _line(axes: Axes, line: Line, picture: Picture) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    x1, x2 = line.start.x + picture.box_width, line.end.x
    middle = (x1 + x2) / 2
    points = [(x1, line.start.y), (middle, line.start.y), (middle, line.end.y), (x2, line.end.y)]
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    if not line.end.lines:
        points.append((x2 + picture.box_width, line.end.y))
        codes.append(Path.LINETO)
    colour = score_parts()[line.channel]
    patch = PathPatch(Path(points, codes), fill=False, edgecolor=colour, lw=line.width, alpha=0.7, capstyle="round")
    patch.set_gid(f"share {percent(line.share)}")
    axes.add_patch(patch)


def _box(axes: Axes, box: Box, picture: Picture) -> None:
    from matplotlib.patches import FancyBboxPatch

    you, target = box.kind == "you", box.x + picture.box_width >= picture.width
    axes.add_patch(
        FancyBboxPatch(
            (box.x + 8, box.y - picture.box_height / 2 + 8),
            picture.box_width - 16,
            picture.box_height - 16,
            boxstyle="round,pad=8,rounding_size=8",
            facecolor=LIGHT.ink if you else LIGHT.tint if box.kind in ("attribute", "others") else LIGHT.paper,
            edgecolor=LIGHT.ink if you or target else LIGHT.soft if box.kind == "item" else LIGHT.line,
            linestyle="--" if box.kind == "others" else "-",
            linewidth=1.8 if target else 1,
            zorder=2,
        )
    )
    for n, text in enumerate(box.lines):
        y = box.y + 15 * (n - (len(box.lines) - 1) / 2)
        axes.text(
            box.x + picture.box_width / 2,
            y,
            text,
            ha="center",
            va="center",
            size=9,
            color=LIGHT.paper if you else LIGHT.ink,
            weight="bold" if you else "normal",
            family=families(text),
            parse_math=False,
            zorder=4,
        )
