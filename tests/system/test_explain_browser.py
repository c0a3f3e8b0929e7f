"""The HTML card in a real browser: what it shows, what pointing and keys do, and that it needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import toy_graph
from explain_paths import Make, back, films, forth
from playwright.sync_api import Browser, ConsoleMessage, Page

from kg_rec.explain.explanation import Explanation
from kg_rec.explain.show.text import to_html
from kg_rec.explain.single import explain
from kg_rec.explain.words.wording import Wording
from kg_rec.schema import GraphSchema

__all__ = ["films"]

MOVIES = GraphSchema.bundled("movies")


def real(lang: str) -> Explanation:
    model = toy_graph.everything()
    user, item = model.users.key(3), model.items.key(30)
    return explain(model, user, item, wording=Wording(lang))


class Watched:
    """A page that may load nothing but itself, and whose complaints are collected."""

    def __init__(self, browser: Browser, html: str, folder: Path, scheme: str) -> None:
        self.page = browser.new_page(viewport={"width": 1000, "height": 1400}, color_scheme=scheme)  # type: ignore[arg-type]
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self._console(message))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        file = folder / "card.html"
        file.write_text(html, encoding="utf-8")
        self.page.goto(file.as_uri())
        self.url = file.as_uri()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.said.append(message.text)

    def check(self) -> None:
        assert self.said == []
        assert self.asked == [self.url]


def opacity(page: Page, selector: str) -> list[float]:
    """Where each element's transition ends."""
    script = """elements => { elements.forEach(e => e.style.transition = 'none');
                return elements.map(e => Number(getComputedStyle(e).opacity)) }"""
    found: list[float] = page.locator(selector).evaluate_all(script)
    return found


def lit(page: Page, path: int) -> bool:
    """Whether this path, and nothing else, stands out."""
    mine, others = opacity(page, f"svg .p{path}"), opacity(page, f"svg .use:not(.p{path})")
    assert len(mine) >= 5
    assert others
    return min(mine) == 1 and max(others) < 0.3


@pytest.fixture(params=["en", "zh"])
def card(request: pytest.FixtureRequest, chromium: Browser, tmp_path: Path) -> Iterator[tuple[Explanation, Watched]]:
    explanation = real(request.param)
    scheme = "dark" if request.param == "zh" else "light"
    watched = Watched(chromium, to_html(explanation, page=True), tmp_path, scheme)
    yield explanation, watched
    watched.check()
    watched.page.close()


def test_a_path_stands_out_while_the_pointer_is_on_it(card: tuple[Explanation, Watched]) -> None:
    explanation, watched = card
    page = watched.page
    assert len(explanation.paths) >= 3
    assert set(opacity(page, "svg .use")) == {1.0}
    assert page.locator(".told > .hint").is_visible()
    page.locator(".row.p1").hover()
    assert lit(page, 1)
    told = page.locator(".told > .p1")
    assert told.is_visible()
    assert f"{100 * explanation.paths[1].share:.1f}%" in told.inner_text()
    assert not page.locator(".told > .p2").is_visible()
    assert not page.locator(".told > .hint").is_visible()
    page.locator("h2").hover()
    assert set(opacity(page, "svg .use")) == {1.0}


def test_a_chosen_path_stays_lit_until_all_are_chosen(card: tuple[Explanation, Watched]) -> None:
    _, watched = card
    page = watched.page
    page.locator(".row.p2").click()
    page.locator("h2").hover()
    assert lit(page, 2)
    assert page.locator(".row.p2 .share").evaluate("e => getComputedStyle(e).fontWeight") == "700"
    page.locator(".row").first.click()
    page.locator("h2").hover()
    page.evaluate("document.activeElement.blur()")
    assert set(opacity(page, "svg .use")) == {1.0}


def test_the_keyboard_reaches_every_path_and_every_node(card: tuple[Explanation, Watched]) -> None:
    explanation, watched = card
    page = watched.page
    nodes = page.locator("svg g.use")
    seen: list[str] = []
    for _ in range(nodes.count()):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert seen == [nodes.nth(n).get_attribute("aria-label") for n in range(nodes.count())]
    classes = page.evaluate("document.activeElement.getAttribute('class')").split()
    through = [f".{name}" for name in classes if name[0] == "p" and name[1:].isdigit()]
    assert through
    assert min(opacity(page, ", ".join(f"svg {name}" for name in through))) == 1
    page.keyboard.press("Tab")
    for number in range(min(3, len(explanation.paths))):
        page.keyboard.press("ArrowDown")
        assert lit(page, number)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Enter")
    assert page.locator("details pre").first.is_visible()


def test_a_node_shows_the_paths_through_it(card: tuple[Explanation, Watched]) -> None:
    _, watched = card
    page = watched.page
    first = page.locator("svg g.item.p0:not(.target)")
    first.hover()
    assert min(opacity(page, "svg .p0")) == 1
    assert page.locator(".told > .p0").is_visible()


def test_cards_on_one_page_do_not_disturb_each_other(chromium: Browser, tmp_path: Path) -> None:
    explanation = real("en")
    html = f"<!DOCTYPE html><meta charset=utf-8><title>two</title>{explanation._repr_html_() * 2}"
    watched = Watched(chromium, html, tmp_path, "light")
    page = watched.page
    cards = page.locator(".kg-rec-card")
    cards.nth(0).locator(".row.p1").click()
    cards.nth(1).locator(".row.p2").click()
    page.mouse.move(0, 0)
    assert cards.nth(0).locator(".row.p1 input").is_checked()
    page.evaluate("document.querySelectorAll('svg *').forEach(e => e.style.transition = 'none')")
    for place, path in ((0, 1), (1, 2)):
        lit_ones = "es => es.filter(e => getComputedStyle(e).opacity == 1).map(e => e.getAttribute('class').split(' '))"
        classes = cards.nth(place).locator("svg .use").evaluate_all(lit_ones)
        assert len(classes) >= 5
        assert all(f"p{path}" in some for some in classes)
    watched.check()
    page.close()


HOSTILE = '"><script>alert(1)</script><img src="http://evil.example/x" onerror=alert(2)></style></svg>[FILM_1]{{7*7}}'


def test_a_hostile_name_stays_text(films: Make, chromium: Browser, tmp_path: Path) -> None:
    made = films.named(HOSTILE)
    both = [forth("STARRING"), back("STARRING")]
    groups = [
        made.shared(*both, "Person", HOSTILE + "p", HOSTILE + "a", HOSTILE + "b"),
        made.taste((HOSTILE + "c", 3)),
    ]
    explanation = replace(made.explanation(groups), user=HOSTILE)
    watched = Watched(chromium, to_html(explanation, page=True), tmp_path, "light")
    page = watched.page
    assert page.title() == HOSTILE
    assert page.locator("h2").inner_text() == HOSTILE
    assert page.locator("script, img, iframe, object, link").count() == 0
    titles = page.locator("svg title").all_text_contents()
    assert HOSTILE in titles
    assert HOSTILE + "p" in titles
    page.locator(".row.p0").hover()
    assert HOSTILE + "a" in page.locator(".told > .p0").inner_text()
    watched.check()
    page.close()
