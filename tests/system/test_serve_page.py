"""The page of the service in a real browser: find, list, why, change, check; hostile names stay text."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from toy_graph import everything, fill, films

from kg_rec.feedback.learn import LearnedFile, start
from kg_rec.model import persist
from kg_rec.serve.app import create_app
from kg_rec.serve.live import Live
from kg_rec.store import connect
from kg_rec.store.ledger import Run, RunLedger

expect.set_options(timeout=60_000)  # a busy machine answers late

MODEL = everything()
USER = MODEL.users.key(0)
#: The second of the user's list; the only item that keeps its name.
SECOND = MODEL.items.key(int(MODEL.rank(np.array([0]), 2)[0][0][1]))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server on a free port."""
    place: Path = tmp_path_factory.mktemp("serve")
    url = str(place / "graph")
    snapshot = films()
    with closing(connect(url)) as store:
        fill(store, snapshot)
        item = snapshot.schema.item
        hostile = "<img src=x onerror=window.hacked=1>"
        others = f"MATCH (i:{item.name}) WHERE i.{item.key} <> $second SET i.{item.name_property} = $name"
        store.transact([(others, {"name": hostile, "second": SECOND})])
        ledger = RunLedger(store)
        ledger.prepare()
        figures = {"users": 9, "rows": 90, "seconds": 1.0, "drift": 0.125}
        ledger.save(Run("run-1", "nightly", "done", "2026-11-29T01:00:00.000Z", report=figures))
    persist.save(MODEL, place / "model")
    LearnedFile.beside(place / "model").add(start(MODEL))
    gap = {"measure": "ndcg", "by": "age", "group": "<b>young</b>", "gap": -0.1, "gap_interval": [-0.2, -0.05]}
    shown = {"by": "popularity", "group": "tail", "ratio": 0.5, "gap": -0.2, "telling": True}
    heavy = {**gap, "by": "history", "group": "21 to 42", "telling": False}
    audit = {
        "protocol": "random",
        "users": 9,
        "items": 8,
        "k": 5,
        "means": {},
        "gaps": [{**gap, "telling": True}, heavy],
    }
    (place / "model" / "audit.json").write_text(json.dumps({**audit, "exposure": [shown]}))
    live = Live(lambda: connect(url, read_only=True), place / "model")
    server = uvicorn.Server(uvicorn.Config(create_app(live, lambda: connect(url)), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(params=[1280, 390], ids=["wide", "phone"])
def page(request: pytest.FixtureRequest, chromium: Browser, address: str) -> Iterator[Page]:
    """The page, with every fault that the browser tells."""
    context = chromium.new_context(viewport={"width": request.param, "height": 900})
    found = context.new_page()
    faults: list[str] = []
    found.on("pageerror", lambda error: faults.append(str(error)))
    found.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    found.goto(address)
    yield found
    assert faults == []
    context.close()


def find(page: Page) -> None:
    page.get_by_role("combobox", name="Find a user or an item").fill(USER)
    expect(page.locator("#matches li").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#picture svg")).to_be_visible()


def test_by_keyboard_from_a_name_to_a_reason_that_is_checked(page: Page) -> None:
    find(page)
    expect(page.locator("#items li")).to_have_count(10)
    expect(page.locator("#words")).not_to_be_empty()
    second = page.locator("#items button").nth(1)
    second.focus()
    page.keyboard.press("Enter")
    expect(second).to_have_attribute("aria-current", "true")
    expect(page.locator("#why-title")).to_be_focused()
    page.get_by_text("Check it in the graph").click()
    page.get_by_role("button", name="Run this now").click()
    expect(page.locator("#checked")).to_contain_text("returns exactly these")
    page.get_by_role("button", name="What would take it off the list?").click()
    expect(page.locator("#counterfactual")).not_to_be_empty()


def test_the_address_leads_back_and_names_what_is_shown(page: Page) -> None:
    find(page)
    page.locator("#items button").nth(1).click()
    expect(page.locator("#why-title")).to_contain_text(
        page.locator("#items .name").nth(1).inner_text().partition(". ")[2]
    )
    title = page.locator("#why-title").inner_text()
    page.get_by_role("button", name="Profile").click()
    expect(page.locator("#edited tbody tr")).to_have_count(10)
    page.go_back()
    expect(page.locator("#why-title")).to_have_text(title)
    page.reload()
    expect(page.locator("#why-title")).to_have_text(title)
    expect(page.locator("#list-title")).to_have_text(f"For {USER}")


def test_what_is_for_and_against_is_said_as_elsewhere_and_paths_name_their_relations(page: Page, address: str) -> None:
    find(page)
    key = page.locator("#items button").first.get_attribute("data-item")
    assert key is not None
    told = page.request.get(f"{address}v1/explanation", params={"user": USER, "item": key}).json()
    expect(page.locator("#sum")).to_have_text(
        f"{told['speaks_for']:.2f} for it, {told['speaks_against']:.2f} against it: score {told['score']:.2f}"
    )
    expect(page.locator("#picture svg text.small").first).to_have_text("rated")


def test_unticking_and_weighing_change_the_list_and_write_nothing(page: Page) -> None:
    find(page)
    scores = page.locator("#items .moved").all_inner_texts()
    page.locator("#history input").first.uncheck()
    expect(page.locator("#note")).to_contain_text("nothing is written")
    assert page.locator("#items .moved").all_inner_texts() != scores
    page.locator("#items button").nth(1).click()
    expect(page.locator("#why-title")).to_be_focused()
    expect(page.locator("#note")).to_contain_text("Reasons are told of the list as it is")
    page.locator("#history input").first.check()
    expect(page.locator("#items .bars").first).to_be_visible()  # as it was
    page.get_by_text("Weigh the channels").click()
    slider = page.get_by_label("Weigh taste")
    slider.fill("3")
    expect(page.locator("#note")).to_contain_text("nothing is written")
    expect(page.locator("#weights output").nth(1)).to_have_text("× 3.0")


def test_an_item_is_added_and_taken_back(page: Page) -> None:
    find(page)
    names = page.locator("#items .name")
    second = names.nth(1).inner_text().partition(". ")[2]
    page.get_by_label("As if the user had liked …").fill(second)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#note")).to_contain_text("nothing is written")
    expect(page.locator("#history label").first).to_contain_text("(added)")
    expect(page.locator("#items")).not_to_contain_text(second)
    page.locator("#history input").first.uncheck()
    expect(names.nth(1)).to_have_text(f"2. {second}")
    expect(page.locator("#history")).not_to_contain_text("(added)")


def test_a_profile_is_told_and_corrected(page: Page) -> None:
    find(page)
    page.get_by_role("button", name="Profile").click()
    expect(page.locator("#edited tbody tr")).to_have_count(10)
    before = page.locator("#edited").inner_text()
    genre = MODEL.snapshot.names("Genre")[0].as_py()
    page.get_by_label("Add to it in words").fill(f"more {genre}")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text(genre)
    expect(page.locator("#note")).to_contain_text("nothing is written")
    expect(page.locator("#edited")).not_to_have_text(before)
    page.get_by_role("button", name="Keep in the graph").click()
    expect(page.locator("#note")).to_have_text("It is in the graph.")
    page.get_by_role("button", name="List").click()
    page.get_by_role("button", name="Profile").click()
    expect(page.locator("#said")).to_contain_text(genre)
    page.get_by_role("button", name="Forget all that was said").click()
    expect(page.locator("#said li")).to_have_count(0)


def test_a_request_in_words_goes_on_with_the_one_before(page: Page) -> None:
    find(page)
    page.get_by_role("button", name="In words").click()
    genre = MODEL.snapshot.names("Genre")[0].as_py()
    for n, text in enumerate((f"more {genre}", "not the first"), 1):
        page.get_by_label("What is wanted?").fill(text)
        page.keyboard.press("Enter")
        expect(page.locator("#turns li")).to_have_count(n)
        expect(page.locator("#answer tbody tr").first).to_be_visible()
    page.get_by_role("button", name="Begin anew").click()
    expect(page.locator("#turns li")).to_have_count(0)


def test_an_item_is_found_and_what_goes_with_it(page: Page) -> None:
    page.get_by_role("combobox", name="Find a user or an item").fill("<img src=x")
    expect(page.locator("#matches li").first).to_contain_text("<img src=x onerror=window.hacked=1> item")
    page.keyboard.press("Enter")
    expect(page.locator("#similar tbody tr").first).to_be_visible()
    expect(page.locator("#item-why")).to_be_hidden()
    find(page)
    page.get_by_role("button", name="Item", exact=True).click()
    expect(page.locator("#item-words")).not_to_be_empty()
    assert page.evaluate("window.hacked") is None


def test_a_user_over_time_is_drawn_for_each_width(page: Page) -> None:
    find(page)
    page.get_by_role("button", name="Over time").click()
    picture = page.locator("#time-picture svg")
    expect(picture).to_be_visible()
    expect(page.locator("#time-text")).not_to_be_empty()
    page.set_viewport_size({"width": 700, "height": 900})
    expect(picture).to_have_attribute("width", str(page.locator("#time-picture").evaluate("e => e.clientWidth")))


def test_operators_see_versions_runs_drift_feedback_and_fairness(page: Page) -> None:
    page.get_by_role("button", name="Operations").click()
    expect(page.locator("#of-models tbody tr").first).to_be_visible()
    expect(page.locator("#of-runs")).to_contain_text("0.125")
    expect(page.locator("#drift-picture svg")).to_be_visible()
    expect(page.locator("#of-reactions tbody tr").first).to_be_visible()
    expect(page.locator("#of-fairness")).to_contain_text("<b>young</b>")
    expect(page.locator("#of-fairness")).to_contain_text("stands out")
    expect(page.locator("#of-fairness")).to_contain_text("things done: 21 to 42")
    page.locator("#lang").select_option("zh")
    expect(page.locator("#of-fairness")).to_contain_text("互动数: 21至42")


def test_paper_shows_list_and_reason_without_what_is_clicked(page: Page) -> None:
    find(page)
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("#items")).to_be_visible()
    expect(page.locator("#words")).to_be_visible()
    for part in ("header", "#did", "#versus", "#without"):
        expect(page.locator(part)).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_the_page_is_small_and_has_no_code_of_its_own_in_its_html(page: Page, address: str) -> None:
    sizes = []
    for name in ["", *(f"page/{file.name}" for file in (files("kg_rec.serve") / "page").iterdir())]:
        answer = page.request.get(address + name)
        assert answer.ok
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        sizes.append(len(answer.body()))
    assert sum(sizes) < 400_000
    assert page.locator("script:not([src]), style, [style]:not(svg *)").count() == 0


def test_why_not_and_which_of_two_are_told(page: Page) -> None:
    find(page)
    page.get_by_label("Why is this item not in the list?").fill("<img src=x")
    page.get_by_role("button", name="Tell me").click()
    expect(page.locator("#why-not")).not_to_be_empty()
    page.get_by_label("Why this one, and not …").select_option(index=1)
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#compared table")).to_be_visible()
    rows = page.locator("#compared tbody tr")
    numbers = [[float(v.replace(",", "")) for v in row.locator("td").all_inner_texts()] for row in rows.all()]
    *parts, total = numbers
    for column in range(3):
        assert sum(row[column] for row in parts) == pytest.approx(total[column], abs=0.005 * len(parts) + 0.005)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_in_any_view(page: Page, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    before = page.viewport_size
    assert before is not None
    opened = {
        "Profile": "#edited table",
        "Over time": "#time-picture svg",
        "In words": "#request",
        "Item": "#similar table",
        "Operations": "#drift-picture svg",
    }
    for view in ("empty", "list", "opened", *opened):
        if view == "list":
            page.get_by_role("combobox", name="Find a user or an item").fill("<img src=x")
            expect(page.locator("#matches li").first).to_be_visible()
            page.keyboard.press("Enter")
            expect(page.locator("#similar table")).to_be_visible()
            find(page)
        if view == "opened":
            for summary in page.locator("#view-list summary").all():
                summary.click()
            page.get_by_role("button", name="Compare").click()
            expect(page.locator("#compared table")).to_be_visible()
        if view in opened:
            page.get_by_role("button", name=view, exact=True).click()
            expect(page.locator(opened[view])).to_be_visible()
            for summary in page.locator("main summary:visible").all():
                summary.click()
            for side in (768, before["width"]):
                page.set_viewport_size({"width": side, "height": 900})
                told = page.evaluate(
                    "[document.documentElement.scrollWidth, [...document.querySelectorAll('main tbody th')]"
                    ".filter((one) => one.offsetParent && one.clientWidth < 60).map((one) => one.textContent)]"
                )
                assert told[0] <= side, (view, side)
                assert told[1] == [], "a column of one letter a line"
        found = Axe().run(page).response
        told = [(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in found["violations"]]
        assert told == [], view
        assert len(found["passes"]) > 10


def test_names_are_text_and_nothing_is_cut_off(page: Page) -> None:
    find(page)
    assert page.evaluate("window.hacked") is None
    expect(page.locator("#items")).to_contain_text("<img src=x onerror=window.hacked=1>")
    assert page.locator("#items img").count() == 0
    wide, shown = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= shown
    picture = page.locator("#picture svg").bounding_box()
    room = page.locator("#picture").bounding_box()
    assert picture is not None
    assert room is not None
    assert picture["width"] <= room["width"] + 1


def test_chinese_and_a_user_who_is_not_there(page: Page) -> None:
    find(page)
    page.locator("#lang").select_option("zh")
    expect(page.locator("#did-title")).to_have_text("用户做过的事")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    page.locator("#query").fill("qqqqzzzz")
    expect(page.locator("#note")).to_have_text("没有找到")
