"""What a notebook shows, in a real browser: tables that a click sorts, points that say their name."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from playwright.sync_api import Browser, Page

from kg_rec.notebook import NameMap, sortable


@pytest.fixture
def page(chromium: Browser) -> Page:
    return chromium.new_page()


def first_column(page: Page) -> list[str]:
    found: list[str] = page.locator("tbody tr").evaluate_all("rows => rows.map(r => r.cells[0].textContent)")
    return found


def test_a_click_sorts_numbers_by_size_and_texts_by_letters(page: Page) -> None:
    table = pa.table({"name": ["b", "a", "<i>", "c"], "x": [1000.5, -2.5, None, 3.0]})
    page.set_content(sortable(table)._repr_html_())
    name, number = page.locator("th").all()
    number.click()
    assert [row for row in first_column(page) if row != "<i>"] == ["a", "c", "b"]
    number.click()
    assert [row for row in first_column(page) if row != "<i>"] == ["b", "c", "a"]
    name.click()
    assert first_column(page)[-3:] == ["a", "b", "c"]
    assert page.locator("tbody i").count() == 0


def test_a_point_has_its_name_in_its_place(page: Page) -> None:
    shown = NameMap(np.array([[0.0, 0.0], [1.0, 1.0]]), ["Heat", "A & <b>"], ["x", ""])
    page.set_content(shown._repr_html_())
    assert page.locator("circle title").evaluate_all("all => all.map(t => t.textContent)") == ["Heat", "A & <b>"]
    boxes = [circle.bounding_box() for circle in page.locator("circle").all()]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[1]["x"] - boxes[0]["x"] > 300
    page.close()
