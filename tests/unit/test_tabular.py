"""Results as tables, and what a notebook shows of them."""

from __future__ import annotations

import math
import re
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from toy_graph import everything, films

from kg_rec import notebook
from kg_rec.api import Model
from kg_rec.errors import ArgumentError, MissingDependencyError
from kg_rec.tabular import Tabular, html_table


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(everything())


@pytest.fixture(scope="module")
def listed(model: Model) -> dict[str, object]:
    return model.recommend(["u00"], k=3).to_pylist()[0]


def results(model: Model) -> dict[str, Tabular]:
    user = model.recommender.users.key(0)
    best, other = model.recommend([user], k=12)["item"].to_pylist()[::11][:2]
    return {
        "explanation": model.explain(user, best),
        "counterfactual": model.counterfactual(user, best),
        "why_not": model.why_not(user, other, k=5),
        "what_if": model.what_if(user, removed=[model.explain(user, best).terms[0].source]),
        "profile": model.profile(user),
        "newcomer": model.newcomer(likes=[best]),
    }


def test_each_result_is_a_table_a_line_and_html(model: Model) -> None:
    for name, result in results(model).items():
        table = result.to_arrow()
        assert result.to_pandas().shape == (table.num_rows, table.num_columns), name
        assert len(repr(result)) < 250, name
        assert "\n" not in repr(result), name
        assert "<" in result._repr_html_(), name


def test_the_rows_are_those_of_the_result(model: Model) -> None:
    found = results(model)
    why = found["explanation"]
    assert why.to_arrow()["value"].to_pylist() == [t.value for t in why.terms]  # type: ignore[attr-defined]
    changes = found["what_if"]
    assert changes.to_arrow()["rank_after"].to_pylist() == [c.rank_after for c in changes.changes]  # type: ignore[attr-defined]
    assert found["newcomer"].to_arrow().equals(found["newcomer"].recommend(10))  # type: ignore[attr-defined]


def test_html_holds_numbers_to_sort_by_and_escapes_texts() -> None:
    table = pa.table({"<b>": ["<script>", "a & b", None], "n": [1234567, 2, 3], "x": [1 / 3, 1e-9, math.nan]})
    html = html_table(table)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert '<th style="cursor:pointer">&lt;b&gt;</th>' in html
    assert f'data-v="{1 / 3!r}">0.3333<' in html
    assert 'data-v="1234567">1,234,567<' in html
    assert "<td></td>" in html


def test_html_says_how_many_rows_are_left_out() -> None:
    html = html_table(pa.table({"n": range(205)}))
    assert html.count("<tr>") == 200
    assert "and 5 rows more" in html
    assert "more" not in html_table(pa.table({"n": range(200)}))


def test_sortable_takes_arrow_and_pandas() -> None:
    frame = pd.DataFrame({"n": [1, 2]}, index=pd.Index(["a", "b"], name="key"))
    assert notebook.sortable(frame).table.column_names == ["key", "n"]
    assert notebook.sortable(frame.reset_index(drop=True)).table.column_names == ["n"]
    shown = notebook.sortable(pa.table({"n": range(30)}), most=3)
    assert shown._repr_html_().count("<tr>") == 3
    assert repr(shown).count("\n") == 3


def test_a_map_has_a_point_and_a_name_an_item() -> None:
    names = [f"item {n} <i>" for n in range(5)]
    shown = notebook.NameMap(np.arange(10.0).reshape(5, 2), names, ["b", "a", "b", "", "b"])
    assert shown.shown == ("b", "a")
    html = shown._repr_html_()
    assert html.count("<circle") == html.count("<title>") == 5
    assert "<i>" not in html
    places = [(int(x), int(y)) for x, y in re.findall(r'cx="(\d+)" cy="(\d+)"', html)]
    assert places[0] == (12, 12)
    assert places[-1] == (748, 508)
    colours = re.findall(r'fill="(#\w+)"', html)
    assert colours[0] == colours[2] == notebook.display.GROUP_COLOURS[0]
    assert colours[1] == notebook.display.GROUP_COLOURS[1]
    assert colours[3] not in notebook.display.GROUP_COLOURS


def test_points_on_one_place_and_faults_of_a_map() -> None:
    assert 'cx="12"' in notebook.NameMap(np.zeros((2, 2)), ["a", "b"], ["", ""])._repr_html_()
    with pytest.raises(ArgumentError, match=r"points of shape \(2, 2\)"):
        notebook.NameMap(np.zeros((3, 2)), ["a", "b"], ["", ""])
    with pytest.raises(ArgumentError, match="at most 8 groups, got 9"):
        notebook.NameMap(np.zeros((9, 2)), list("abcdefghi"), list("abcdefghi"))


def test_a_bar_says_what_is_done_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    display = pytest.importorskip("IPython.display")
    shown: list[str] = []

    class Handle:
        def update(self, html: object) -> None:
            shown.append(html.data)  # type: ignore[attr-defined]

    monkeypatch.setattr(display, "display", lambda html, display_id: Handle())
    with notebook.progress() as progress:
        progress(0, 10, "load <x>")
        progress(1, 10, "load <x>")  # too soon to be shown
        progress(0, None, "train")
    assert shown == [
        '<progress value="0" max="10"></progress> load &lt;x&gt;',
        "<progress></progress> train",
        "",
    ]


def test_without_ipython_the_bar_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(MissingDependencyError, match=r"kg-rec\[notebooks\]"), notebook.progress():
        pass


def test_a_table_of_no_rows() -> None:
    assert "<tbody></tbody>" in html_table(pa.table({"n": pa.array([], pa.int64())}))
    assert films().to_arrow()["Film"].num_rows == 45
