"""The page of the service in a real browser: find, list, why, change, check; hostile names stay text."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from toy_graph import everything, fill, films

from kg_rec.model import persist
from kg_rec.serve.app import create_app
from kg_rec.serve.live import Live
from kg_rec.store import connect

expect.set_options(timeout=20_000)  # a busy machine answers late

MODEL = everything()
USER = MODEL.users.key(0)


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
        store.transact([(f"MATCH (i:{item.name}) SET i.{item.name_property} = $name", {"name": hostile})])
    persist.save(MODEL, place / "model")
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
    page.get_by_label("Find a user").fill(USER)
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
    expect(page.locator("#counterfactual")).not_to_be_empty(timeout=15_000)


def test_unticking_and_weighing_change_the_list_and_write_nothing(page: Page) -> None:
    find(page)
    scores = page.locator("#items .moved").all_inner_texts()
    page.locator("#history input").first.uncheck()
    expect(page.locator("#note")).to_contain_text("nothing is written")
    assert page.locator("#items .moved").all_inner_texts() != scores
    page.locator("#history input").first.check()
    expect(page.locator("#items .bars").first).to_be_visible()  # as it was
    slider = page.locator("#weights input").first
    slider.fill("3")
    expect(page.locator("#note")).to_contain_text("nothing is written")


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
    for view in ("empty", "list", "opened"):
        if view == "list":
            find(page)
        if view == "opened":
            page.get_by_text("As a table").click()
            page.get_by_text("Check it in the graph").click()
            page.get_by_role("button", name="Compare").click()
            expect(page.locator("#compared table")).to_be_visible()
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
