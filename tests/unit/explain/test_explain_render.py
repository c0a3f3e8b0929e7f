from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from io import BytesIO

import jsonschema
import pytest
from explain_paths import SIMILAR, Make, back, forth

import kg_rec.explain.show.figure as figure_module
from kg_rec.explain.path import PathGroup, Term
from kg_rec.explain.show.cells import cut
from kg_rec.explain.show.text import to_dict, to_html, to_json, to_markdown, to_text
from kg_rec.explain.show.view import ExplanationView
from kg_rec.schema import GraphSchema

KEYS = [
    "user",
    "item",
    "item_name",
    "score",
    "base",
    "fashion",
    "again",
    "stated",
    "speaks_for",
    "speaks_against",
    "by_facts",
    "terms",
    "paths",
    "shown_share",
    "about_counts",
    "notes",
    "text",
    "lang",
]
KEYS += ["cypher", "parameters"]
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def groups(films: Make, *names: str) -> list[PathGroup]:
    a, b, person = names if names else ("Heat", "Fargo", "Robert De Niro")
    both = [forth("STARRING"), back("STARRING")]
    return [
        films.shared(*both, "Person", person, a, b),
        films.taste((a, 37), (b, 2)),
        films.direct(SIMILAR, b),
        films.cold([b], [films.node("Person", person)], both, (a, 5)),
    ]


class Tags(HTMLParser):
    """Collects tags and attribute names; fails on tags that are left open."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        if tag not in ("meta", "path", "rect", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def schema() -> dict[str, object]:
    text = files("kg_rec.explain").joinpath("explanation.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, object] = json.loads(text)
    return loaded


def test_dict_has_the_promised_keys(films: Make) -> None:
    data = to_dict(films.explanation(groups(films)))
    assert list(data) == KEYS
    assert list(data["terms"][0]) == ["channel", "source", "source_name", "value"]
    path = data["paths"][0]
    assert list(path) == ["channel", "channels", "nodes", "relations", "value", "share"]
    assert list(path["nodes"][0]) == ["type", "key", "name", "count"]
    assert list(path["relations"][0]) == ["type", "forward"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_json_fits_its_schema(films: Make, lang: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    for explanation in (films.explanation(groups(films), lang, against=-0.4), films.explanation([], lang)):
        data = json.loads(to_json(explanation))
        jsonschema.validate(data, schema())
        assert data == to_dict(explanation)


def test_the_schema_refuses_named_others(films: Make) -> None:
    data = json.loads(to_json(films.explanation(groups(films))))
    others = next(n for p in data["paths"] for n in p["nodes"] if n["key"] is None)
    others["name"] = "Eve"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema())


def test_json_refuses_numbers_that_are_not_finite(films: Make) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(replace(films.explanation([]), score=float("nan")))


def test_json_keeps_names_and_escapes_what_a_terminal_would_act_on(films: Make) -> None:
    name = "a\x9b31m\u202eb\ud800 电影"
    text = to_json(films.named(name).explanation([]))
    assert not CONTROL.search(text)
    assert "电影" in text
    assert json.loads(text)["item_name"] == name
    text.encode()


def test_text(films: Make) -> None:
    text = to_text(films.explanation(groups(films), against=-0.4))
    assert "The Score  (for 42, score 6.1)" in text
    amounts = dict(
        re.findall(r"^  (base|taste|relations|knowledge|meaning) +([-+][0-9.]+)  [█▒]+$", text, re.MULTILINE)
    )
    assert amounts == {"base": "+0.5", "taste": "+2", "relations": "+1", "knowledge": "+2", "meaning": "+0.6"}
    assert "disliked" in text
    assert "  for +6.5, against -0.4 = 6.1\n" in text
    assert "-0.4" in text
    assert "10.0%  you —rated→ Heat —starring→ Robert De Niro ←starring— The Score" in text
    assert "you —rated→ Heat ←rated— 37 viewers —rated→ The Score" in text
    assert "The paths shown account for 100.0% of what speaks for it; 0.0% is not shown." in text


def test_text_in_chinese(films: Make) -> None:
    text = to_text(films.explanation(groups(films), "zh"))
    assert "你 —评分→ Heat ←评分— 37位观众 —评分→ The Score" in text
    assert "所示路径占推荐理由的100.0%，其余0.0%未显示。" in text


def test_text_of_a_base_only_score(films: Make) -> None:
    text = to_text(films.explanation([]))
    assert "No path is shown." in text


def test_markdown(films: Make) -> None:
    made = films.named("A|B *c* <d> [e](f)")
    markdown = to_markdown(made.explanation(groups(made)))
    assert markdown.startswith("### A\\|B \\*c\\* &lt;d&gt; \\[e\\](f)\n")
    assert "| knowledge | +2 |" in markdown
    assert markdown.count("```") == 4


@pytest.mark.parametrize(
    ("value", "score", "expected"),
    [
        (3.2, 8.0, "By shared facts alone: +3.2, 40.0% of the score."),
        (0.0, 8.0, "By shared facts alone: 0, 0.0% of the score."),
        (-0.5, 8.0, "By shared facts alone: -0.5."),
        (0.5, -1.0, "By shared facts alone: +0.5."),
    ],
)
def test_how_much_shared_facts_carry_is_told_everywhere(films: Make, value: float, score: float, expected: str) -> None:
    terms = (Term("knowledge", "a", "Heat", value), Term("taste", "a", "Heat", 1.0))
    explanation = replace(films.explanation(groups(films)), terms=terms, score=score)
    assert explanation.by_facts == to_dict(explanation)["by_facts"] == value
    assert ExplanationView(explanation).by_facts == expected
    assert expected in to_text(explanation)
    assert expected in to_html(explanation)
    assert expected in to_markdown(explanation)


def test_html_bars_show_what_speaks_against(films: Make) -> None:
    html = to_html(films.explanation([films.taste(("Heat", 3))], against=-1.0))
    bars = re.findall(r'<i class="of-(\w+)" style="left:([\d.]+)%;width:([\d.]+)%', html)
    assert bars == [("base", "50.00", "25.00"), ("taste", "50.00", "50.00"), ("meaning", "0.00", "50.00")]
    assert "-1" in html


def test_html_page_needs_nothing_from_outside(films: Make) -> None:
    html = to_html(films.explanation(groups(films)), page=True)
    tags = Tags(html)
    names = {tag for tag, _ in tags.tags}
    assert html.startswith("<!DOCTYPE html>")
    assert names.isdisjoint({"script", "link", "img", "iframe", "object", "foreignobject"})
    attributes = {name for _, attrs in tags.tags for name in attrs}
    assert not [name for name in attributes if name.startswith("on") or name in ("src", "href", "xlink:href")]
    assert "url(" not in html
    assert "@import" not in html
    text = "".join(tags.text)
    for shown in ("The Score", "37 viewers", "Robert De Niro", "similar text", "UNWIND $rows_0 AS row", '"n1": "heat"'):
        assert shown in text


def test_notebooks_show_the_card(films: Make) -> None:
    explanation = films.explanation(groups(films))
    assert explanation._repr_html_() == to_html(explanation)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.filterwarnings("ignore:no installed font", "ignore:Glyph")
def test_figure(films: Make, lang: str) -> None:
    explanation = films.explanation(groups(films), lang)
    figure = explanation.to_figure()
    written = [text.get_text() for text in figure.axes[0].texts]
    view = ExplanationView(explanation)
    assert written.count("Heat") == 1
    assert {"Fargo", "Robert De Niro", view.shown, view.words["you"], view.title("taste")} <= set(written)
    assert ("37 viewers" if lang == "en" else "37位观众") in written
    lines = {p.get_gid(): p.get_linewidth() for p in figure.axes[0].patches if p.get_gid()}
    assert len(set(lines.values())) > 1
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    assert drawn.getvalue().startswith(b"\x89PNG")


def test_figure_without_a_path(films: Make) -> None:
    written = [text.get_text() for text in films.explanation([]).to_figure().texts]
    assert written == ["The Score  (score 0.5)", "No path is shown."]


def test_a_figure_says_which_font_is_missing(films: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure_module, "_cjk", lambda: None)
    with pytest.warns(UserWarning, match="no installed font has Chinese characters; install one of Noto Sans CJK SC"):
        films.explanation(groups(films), "zh").to_figure()


def test_schemas_ship_with_the_package() -> None:
    assert GraphSchema.bundled("movies").languages == ("en", "zh")


@pytest.mark.parametrize(
    ("lang", "start"), [("en", "The numbers of others are counted"), ("zh", "其他人数是在图中数出来的")]
)
def test_how_counts_relate_to_values_is_said_where_others_are_shown(films: Make, lang: str, start: str) -> None:
    crowd = films.explanation([films.taste(("Heat", 2))], lang)
    alone = films.explanation([films.direct(SIMILAR, "Heat")], lang)
    for render in (to_text, to_markdown, to_html):
        assert start in render(crowd)
        assert start not in render(alone)
    assert to_dict(crowd)["about_counts"].startswith(start)
    assert to_dict(alone)["about_counts"] == ""


def test_a_name_that_fits_is_not_cut() -> None:
    assert [cut("Heat", cells) for cells in (5, 4, 3)] == ["Heat", "Heat", "He…"]
    assert [cut("活着", cells) for cells in (4, 3)] == ["活着", "活…"]
    assert cut("The Score", 5) == "The…"
