"""The pictures of the demo's report: inline SVG whose text stays text and whose colours are those of the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from markupsafe import Markup
from numpy.typing import NDArray

from kg_rec import notebook as analytics
from kg_rec import theme
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.show.view import ExplanationView, score_parts
from kg_rec.model.channels.about import BASE
from kg_rec.model.channels.registry import about_of
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot import Snapshot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours of the plots; in the page each is a variable of its style sheet.
_INK, _SOFT, _PAPER, _EDGE = theme.LIGHT.ink, theme.LIGHT.soft, theme.LIGHT.paper, BASE.colour
_WATERFALL, _AROUND = 9, 11


def part_name(name: str) -> str:
    """What a part of the score is called."""
    return "popularity" if name == "base" else about_of(name).title("en")


def label_of(snapshot: Snapshot, relation: str) -> str:
    """The label of a relation type, else its name."""
    known = snapshot.schema.relation_types.get(relation)
    return known.labels.get("en", relation) if known else relation


def tail(model: Recommender, lists: pa.Table) -> Markup:
    """Share of the users who liked an item, and share who are recommended it, by popularity rank."""
    liked = np.diff(model.users_of_items.indptr)
    order = np.argsort(-liked, kind="stable")
    listed = np.bincount(model.items.indices(lists.column("item")), minlength=len(liked))
    users = max(len(model.users), 1)
    ranks = np.arange(1, len(liked) + 1)

    def paint(axes: Axes) -> None:
        some = listed[order] > 0
        axes.scatter(ranks[some], 100 * listed[order][some] / users, s=9, color=theme.FOR, alpha=0.6, lw=0,
                     label="in a top-10 list")  # fmt: skip
        axes.plot(ranks, 100 * liked[order] / users, color=_INK, lw=1.6, label="liked")
        axes.set_xlabel("rank by popularity")
        axes.set_ylabel("% of users")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, loc="upper right")

    return _svg(paint, (5.8, 2.7), "tail", "Share of users who liked each item and who are recommended it")


def spread(model: Recommender) -> Markup:
    """How much each part adds to the scores of the lists of up to 300 users."""
    rng = np.random.default_rng(model.config.seed)
    rows = np.sort(rng.permutation(len(model.users))[:300])
    top, _ = model.rank(rows, 10)
    users, places = np.nonzero(top >= 0)
    items = top[users, places]
    values: dict[str, NDArray[Any]] = {"base": model.base[items].astype(np.float64)}
    for channel in model.channels:
        scores = np.asarray(channel.kernel.scores(model.histories[rows]))
        values[channel.name] = scores[users, items] * channel.weight[items]
    names = [p for p in score_parts() if p in values][::-1]

    def paint(axes: Axes) -> None:
        boxes = axes.boxplot([values[p] for p in names], orientation="horizontal", whis=(5, 95), showfliers=False,
                             patch_artist=True, widths=0.55)  # fmt: skip
        for box, name in zip(boxes["boxes"], names, strict=True):
            box.set(facecolor=score_parts()[name], edgecolor=score_parts()[name], alpha=0.75)
        for line in [*boxes["whiskers"], *boxes["caps"], *boxes["medians"]]:
            line.set(color=_INK)
        axes.axvline(0, color=_EDGE, lw=0.8)
        axes.set_yticks(range(1, len(names) + 1), [part_name(p) for p in names])
        axes.set_xlabel("added to a score (box: middle half; line: 5 % to 95 %)")

    return _svg(paint, (5.8, 0.42 * len(names) + 0.8), "spread", "What each part adds to the scores of the lists")


def waterfall(explanation: Explanation) -> Markup:
    """From popularity over the largest interactions to the score."""
    sources, more, rest = ExplanationView(explanation).sources(_WATERFALL)
    steps = [("popularity", explanation.base), *((_short(s.name), s.value) for s in sources)]
    if more:
        steps.append((f"{more:,} more", rest))
    ends = np.cumsum([value for _, value in steps])

    def beside(axes: Axes, x: float, row: int, text: str, **style: Any) -> None:
        axes.annotate(text, (x, -row), xytext=(4, 0), textcoords="offset points", va="center", size=9, **style)

    def paint(axes: Axes) -> None:
        for row, ((_, value), end) in enumerate(zip(steps, ends, strict=True)):
            colour = _EDGE if not row else theme.FOR if value >= 0 else theme.AGAINST
            axes.barh(-row, value, left=end - value, height=0.62, color=colour)
            beside(axes, max(end, end - value), row, f"{value:+.3g}")
        axes.barh(-len(steps), explanation.score, height=0.62, color=_INK)
        beside(axes, max(0.0, explanation.score), len(steps), f"{explanation.score:.4g}", weight="bold")
        labels = [name for name, _ in steps] + ["score"]
        axes.set_yticks([-row for row in range(len(labels))], labels, parse_math=False)
        low, high = min(0.0, *ends), max(0.0, *ends)
        axes.set_xlim(low - 0.02 * (high - low), high + 0.12 * (high - low))

    return _svg(paint, (5.8, 0.3 * len(steps) + 0.9), "waterfall", "From popularity to the score, step by step")


def around(explanation: Explanation, snapshot: Snapshot) -> Markup | None:
    """The recommended item, what the graph knows of it, and the user's items that share it."""
    item_type = snapshot.schema.item.name
    piece = analytics.neighbourhood(snapshot, item_type, explanation.item, 2, analytics.knowledge(snapshot))
    values: dict[str, float] = {}
    for term in explanation.terms:
        values[term.source] = values.get(term.source, 0.0) + abs(term.value)
    far = {n: about["distance"] for n, about in piece.nodes(data=True)}
    own = sorted((n for n in far if far[n] and n[0] == item_type and n[1] in values), key=lambda n: (-values[n[1]], n))
    own = own[:_AROUND]
    if not own:
        return None
    near = [n for n in far if far[n] == 1 and n not in own]
    near.sort(key=lambda n: (-sum(piece.has_edge(o, n) or piece.has_edge(n, o) for o in own), n))
    kept = piece.subgraph([(item_type, explanation.item), *own, *near[:_AROUND]])
    labels = {name: label_of(snapshot, name) for name in snapshot.schema.relation_types}
    rows = max(len(own), min(len(near), _AROUND))
    colours = {**analytics.COLOURS, "line": _SOFT}
    return _svg(lambda axes: analytics.draw(kept, axes, labels=labels, colours=colours), (6.2, 0.4 * rows + 0.6),
                "around", "A piece of the graph around one recommendation")  # fmt: skip


def _short(name: str) -> str:
    return name if len(name) <= 28 else name[:27].rstrip() + "…"


_RULES: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.edgecolor": _EDGE,
    "axes.facecolor": "none",
    "axes.labelcolor": _SOFT,
    "text.color": _INK,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "xtick.labelcolor": _SOFT,
    "ytick.labelcolor": _INK,
    "ytick.left": False,
}
_IDS = re.compile(r' id="(?!(?:[mpC][0-9a-f_]{6,}|C\d))[^"]*"')
_FONT = re.compile(r"font: ([^;\"]*?)([\d.]+px) [^;\"]*")


def _svg(paint: Callable[[Axes], None], size: tuple[float, float], name: str, label: str) -> Markup:
    """A matplotlib picture as inline SVG: its text stays text, its colours become the page's."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({**_RULES, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_alpha(0)
        paint(figure.subplots())
        sink = io.StringIO()
        figure.savefig(sink, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = sink.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = _IDS.sub("", text)
    text = _FONT.sub(r"font: \1\2 system-ui, sans-serif", text)
    for name, colour in {"ink": _INK, "soft": _SOFT, "paper": _PAPER}.items():
        text = text.replace(colour, f"var(--{name})")
    for part, colour in score_parts().items():
        text = text.replace(colour, f"var(--of-{part})")
    width, height = 72 * size[0], 72 * size[1]
    head = (
        f'<svg class="plot" role="img" aria-label="{Markup.escape(label)}" viewBox="0 0 {width:g} {height:g}" '
        f'style="max-width:{1.5 * width:.0f}px;min-width:{0.84 * width:.0f}px">'
    )
    return Markup(re.sub(r"<svg[^>]*>", lambda _: head, text, count=1))  # noqa: S704  matplotlib escapes its texts
