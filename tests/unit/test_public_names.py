"""What ``import kg_rec`` promises: the names, their documentation, one short line each in a console."""

from __future__ import annotations

import importlib.util
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from toy_graph import everything, films

import kg_rec as kg
from kg_rec import errors
from kg_rec.api import Model

ROOT = Path(__file__).resolve().parents[2]


def test_the_documentation_lists_every_public_name_and_no_other() -> None:
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- `(\w+)(?:\([^`]*\))?`: \S", text, re.MULTILINE)
    assert sorted(listed) == sorted(kg.__all__)
    assert len(listed) == len(set(listed))


def test_every_name_is_there_with_a_docstring() -> None:
    for name in kg.__all__:
        found = getattr(kg, name)
        assert found.__name__ == name
        assert found.__doc__, name
    assert set(dir(kg)) == {*kg.__all__, "__version__"}
    with pytest.raises(AttributeError, match="module 'kg_rec' has no attribute 'nothing'"):
        kg.nothing  # noqa: B018


def test_all_errors_are_public() -> None:
    tree = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert tree == {name for name in kg.__all__ if name.endswith("Error")}


def test_the_version_is_that_of_the_package() -> None:
    assert kg.__version__ == version("kg-rec")


def test_a_model_is_one_short_line_and_a_table_in_a_notebook() -> None:
    model = Model(everything())
    valid = f"{everything().chosen.valid:.3f}"
    assert repr(model) == (
        f"Model(60 users, 45 items; taste, sequence, relational, knowledge, meaning; validation NDCG@10 {valid})"
    )
    html = model._repr_html_()
    rows = dict(re.findall(r"<tr><th[^>]*>([^<]*)</th><td[^>]*>([^<]*)</td></tr>", html))
    assert rows["users"] == "60"
    assert rows["items"] == "45"
    assert rows["validation NDCG@10"] == valid
    warm = everything().chosen.warm
    assert rows["weight of taste"] == f"{warm['taste']:.3g}"
    assert {f"weight of {c.name}" for c in everything().channels} <= set(rows)
    assert len(repr(films())) < 200


@pytest.mark.parametrize("name", ["loaders", "graph_schemas"])
def test_a_checkout_without_links_says_so_in_one_line(tmp_path: Path, name: str) -> None:
    """Git writes the target of a link into a text file where the system has no links."""
    source = ROOT / "kg_rec" / "__init__.py"
    copy = tmp_path / "__init__.py"
    copy.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("copied", copy)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    (tmp_path / name).write_text(f"../{name}", encoding="utf-8")
    with pytest.raises(ImportError, match=rf"{name} is a text file where a link .* config core\.symlinks true") as e:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert "\n" not in str(e.value)
