"""All colours, once: pages, cards and pictures take theirs from here, and the channels' own from the channels."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import asdict, dataclass

#: Least lightness (0 to 1) of a colour on a dark page.
_LIGHT_ENOUGH = 0.66


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a page; each ``#rrggbb``.

    Attributes:
        ink: text.
        soft: text that matters less.
        line: lines between rows and around boxes.
        paper: the background.
        tint: the background of what stands out a little.
        warn: the background of a note.
        yes: a difference that can be told, upwards.
        no: the same, downwards.
    """

    ink: str
    soft: str
    line: str
    paper: str
    tint: str
    warn: str
    yes: str
    no: str


LIGHT = Palette(
    ink="#1c2430",
    soft="#5b6675",
    line="#d9dee5",
    paper="#ffffff",
    tint="#f5f7fa",
    warn="#fff4e0",
    yes="#2e8b3d",
    no="#c26a06",
)
DARK = Palette(
    ink="#e7ebf0",
    soft="#a3adba",
    line="#38414d",
    paper="#1a2029",
    tint="#222a35",
    warn="#33290f",
    yes="#66c177",
    no="#eba24a",
)

#: What speaks for an item, and against it, where no channel is meant.
FOR, AGAINST = "#2f6fde", "#c26a06"
#: Lines of a drawn graph.
EDGE = "#8792a2"


def on_dark(colour: str) -> str:
    """The same hue, light enough to be seen on a dark page."""
    red, green, blue = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    shown = colorsys.hls_to_rgb(hue, max(light, _LIGHT_ENOUGH), saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in shown)


def variables(parts: Mapping[str, str], *, dark: bool = False) -> str:
    """The colours as CSS variables: ``--ink: #1c2430; ...``, and ``--of-taste`` for a part of the score.

    Args:
        parts: the colour of each part of the score, as it is on a light page.
        dark: for a dark page.
    """
    own = {f"of-{name}": on_dark(colour) if dark else colour for name, colour in parts.items()}
    return " ".join(f"--{name}: {colour};" for name, colour in {**asdict(DARK if dark else LIGHT), **own}.items())
