"""Where everything stands in the picture of an explanation, and in the figure of it."""

from __future__ import annotations

from dataclasses import replace

from explain_paths import SIMILAR, Make, back, forth
from matplotlib.colors import to_hex

from kg_rec.explain.path import PathGroup
from kg_rec.explain.show.layout import DRAWN, Picture, draw, to_draw
from kg_rec.explain.show.view import ExplanationView
from kg_rec.theme import LIGHT

BOTH = [forth("STARRING"), back("STARRING")]


def weighed(group: PathGroup, *shares: float) -> PathGroup:
    """A group whose paths have these shares, and values ten times as large."""
    paths = tuple(replace(p, value=10 * s, share=s) for p, s in zip(group.paths, shares, strict=True))
    return PathGroup(paths, sum(p.value for p in paths), sum(p.share for p in paths))


def reasons(films: Make, cold: bool = False) -> list[PathGroup]:
    """Five paths of at most four nodes and, for an item that nobody has seen, one of six."""
    long = "A Very Long Title That Needs Two Lines and More"
    found = [
        weighed(films.shared(*BOTH, "Person", "Robert De Niro", "Heat", "Fargo"), 0.2, 0.1),
        weighed(films.taste(("Heat", 37), (long, 2)), 0.3, 0.05),
        weighed(films.direct(SIMILAR, "Fargo"), 0.15),
    ]
    bridge = films.cold(["Casino"], [films.node("Person", "Al Pacino")], BOTH, ("Heat", 5))
    return [*found, weighed(bridge, 0.2)] if cold else found


def picture(films: Make, cold: bool = False) -> Picture:
    explanation = films.explanation(reasons(films, cold))
    return draw(to_draw(explanation)[0], ExplanationView(explanation))


def test_boxes_stand_in_columns_by_the_mean_height_of_their_neighbours(films: Make) -> None:
    drawn = picture(films)
    assert (drawn.width, drawn.height, drawn.box_width, drawn.box_height) == (848, 266, 146, 44)
    assert [(b.column, b.kind, b.lines, b.x, b.y, sorted(b.paths)) for b in drawn.boxes] == [
        (0, "you", ("you",), 0, 146, [0, 1, 2, 3, 4]),
        (1, "item", ("Heat",), 234, 66, [0, 1]),
        (2, "others", ("37 viewers",), 468, 56, [0]),
        (3, "item", ("The Score",), 702, 146, [0, 1, 2, 3, 4]),
        (2, "attribute", ("Robert De Niro",), 468, 116, [1, 3]),
        (1, "item", ("Fargo",), 234, 146, [2, 3]),
        (2, "way", (), 468, 176, [2]),
        (1, "item", ("A Very Long Title", "That Needs Two Li…"), 234, 226, [4]),
        (2, "others", ("2 viewers",), 468, 236, [4]),
    ]


def test_lines_are_as_thick_as_their_shares_and_labelled_once(films: Make) -> None:
    drawn = picture(films)
    place = {id(box): n for n, box in enumerate(drawn.boxes)}
    lines = [
        (
            place[id(ln.start)],
            place[id(ln.end)],
            ln.channel,
            ln.label,
            round(ln.share, 9),
            round(ln.width, 3),
            ln.label_y,
        )
        for ln in drawn.lines
    ]
    assert lines == [
        (0, 1, "taste", "", 0.3, 6.5, 0),
        (1, 2, "taste", "← rated", 0.3, 6.5, 56),
        (2, 3, "taste", "rated →", 0.3, 6.5, 96),
        (0, 1, "knowledge", "", 0.2, 4.833, 0),
        (1, 4, "knowledge", "starring →", 0.2, 4.833, 86),
        (4, 3, "knowledge", "← starring", 0.3, 6.5, 126),
        (0, 5, "meaning", "", 0.15, 4.0, 0),
        (5, 6, "meaning", "similar text", 0.15, 4.0, 156),
        (6, 3, "meaning", "", 0.15, 4.0, 0),
        (0, 5, "knowledge", "", 0.1, 3.167, 0),
        (5, 4, "knowledge", "starring →", 0.1, 3.167, 126),
        (0, 7, "taste", "", 0.05, 2.333, 0),
        (7, 8, "taste", "← rated", 0.05, 2.333, 226),
        (8, 3, "taste", "rated →", 0.05, 2.333, 186),
    ]  # fmt: skip
    assert [sorted(ln.paths) for ln in drawn.lines[:6]] == [[0], [0], [0], [1], [1], [1, 3]]
    assert drawn.headings == ((190.0, "rated →"),)  # what all five lines say
    assert drawn.lines[1].curve(146) == "M 380 66.0 C 424 66.0, 424 56.0, 468 56.0"
    assert drawn.lines[7].curve(146) == "M 380 146.0 C 424 146.0, 424 176.0, 468 176.0 h 146"  # on through a waypoint
    assert drawn.lines[1].label_x(146) == 424


def test_a_long_path_makes_narrow_columns_and_waypoints(films: Make) -> None:
    drawn = picture(films, cold=True)
    assert (drawn.width, drawn.height, drawn.box_width) == (1124, 326, 124)
    assert drawn.headings == ((162.0, "rated →"),)
    columns = [[(b.lines or ("-",), b.y) for b in drawn.boxes if b.column == c] for c in range(6)]
    assert [len(column) for column in columns] == [1, 3, 5, 5, 5, 1]
    assert [{b.x for b in drawn.boxes if b.column == c} for c in range(6)] == [{200 * c} for c in range(6)]
    assert columns[1] == [(("Heat",), 76), (("Fargo",), 176), (("A Very Long", "Title That Nee…"), 276)]
    assert columns[2] == [
        (("37 viewers",), 56),
        (("Robert De Niro",), 116),
        (("5 viewers",), 176),
        (("-",), 236),
        (("2 viewers",), 296),
    ]
    assert columns[4] == [(("-",), 56), (("-",), 116), (("Al Pacino",), 176), (("-",), 236), (("-",), 296)]
    labels = {(ln.start.column, ln.label): ln.label_y for ln in drawn.lines if ln.label and ln.channel == "relational"}
    assert labels == {
        (1, "← rated"): 121,
        (2, "rated →"): 171,
        (3, "starring →"): 171,
        (4, "← starring"): 171,
    }


def test_the_groups_take_turns_where_there_is_room_for_few(films: Make) -> None:
    many = [films.taste(*((f"T{n}", n + 1) for n in range(DRAWN)), value=2.0), films.shared(*BOTH, "Person", "X", "A")]
    drawn, others = to_draw(films.explanation(many))
    assert len(drawn) == DRAWN
    assert [p.nodes[1].name for p in drawn] == [*(f"T{n}" for n in range(DRAWN - 1)), "A"]  # the largest first
    assert [p.nodes[1].name for p in others] == [f"T{DRAWN - 1}"]


def test_the_figure_writes_every_text_where_the_picture_has_it(films: Make) -> None:
    explanation = films.explanation(reasons(films))
    figure = explanation.to_figure()
    axes = figure.axes[0]
    assert [round(size * 72, 6) for size in figure.get_size_inches()] == [868, 328]  # 10 at each side, 62 for its words
    assert axes.get_position().bounds == (0, 0, 1, 1)
    assert (axes.get_xlim(), axes.get_ylim()) == ((-10, 858), (296, -32))
    texts = [(t.get_text(), *t.get_position(), t.get_size(), t.get_color(), t.get_weight()) for t in axes.texts]
    soft = (8, LIGHT.soft, "normal")
    shown = "The paths shown account for 100.0% of what speaks for it; 0.0% is not shown."
    assert texts[:9] == [
        ("The Score  (score 8.5)", 0, -12, 12, LIGHT.ink, "bold"),
        (shown, 0, 284, *soft),
        ("meaning", 788, -12, *soft),
        ("knowledge", 704, -12, *soft),
        ("taste", 620, -12, *soft),
        ("rated →", 190, 10, *soft),
        ("← rated", 424, 52, *soft),
        ("rated →", 658, 92, *soft),
        ("starring →", 424, 82, *soft),
    ]
    assert texts[14:17] == [
        ("you", 73, 146, 9, LIGHT.paper, "bold"),
        ("Heat", 307, 66, 9, LIGHT.ink, "normal"),
        ("37 viewers", 541, 56, 9, LIGHT.ink, "normal"),
    ]
    assert texts[-3:-1] == [
        ("A Very Long Title", 307, 218.5, 9, LIGHT.ink, "normal"),
        ("That Needs Two Li…", 307, 233.5, 9, LIGHT.ink, "normal"),
    ]
    dots = [dot.get_offsets().tolist() for dot in axes.collections]
    assert dots == [[[779, -12]], [[695, -12]], [[611, -12]]]


def test_the_figure_draws_lines_and_boxes_as_the_picture_has_them(films: Make) -> None:
    axes = films.explanation(reasons(films)).to_figure().axes[0]
    lines = [p for p in axes.patches if p.get_gid()]
    boxes = [p for p in axes.patches if not p.get_gid()]
    assert [line.get_gid() for line in lines[:4]] == ["share 30.0%", "share 30.0%", "share 30.0%", "share 20.0%"]
    assert [round(line.get_linewidth(), 3) for line in lines[:4]] == [6.5, 6.5, 6.5, 4.833]
    assert lines[1].get_path().vertices.tolist() == [[380, 66], [424, 66], [424, 56], [468, 56]]
    assert lines[7].get_path().vertices.tolist()[-2:] == [[468, 176], [614, 176]]  # on through a waypoint
    frames = [
        (*p.get_path().get_extents().bounds, to_hex(p.get_facecolor()), to_hex(p.get_edgecolor()), p.get_linestyle(),
         p.get_linewidth())
        for p in boxes
    ]  # fmt: skip
    assert frames[:5] == [
        (0, 124, 146, 44, LIGHT.ink, LIGHT.ink, "-", 1),
        (234, 44, 146, 44, LIGHT.paper, LIGHT.soft, "-", 1),
        (468, 34, 146, 44, LIGHT.tint, LIGHT.line, "--", 1),
        (702, 124, 146, 44, LIGHT.paper, LIGHT.ink, "-", 1.8),
        (468, 94, 146, 44, LIGHT.tint, LIGHT.line, "-", 1),
    ]
    assert len(boxes) == 8  # a waypoint has none


def test_a_title_that_is_too_long_for_the_figure_is_cut(films: Make) -> None:
    made = films.named("Word " * 40)
    title = made.explanation([made.taste(("Heat", 3))]).to_figure().axes[0].texts[0].get_text()
    assert title == f"{' '.join(['Word'] * 14)} Wor…"  # 74 cells of 8 pixels, beside the names of the channels
