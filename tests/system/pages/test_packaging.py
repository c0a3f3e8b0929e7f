"""What is handed on: the wheel, its metadata, the container's files, the citation."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "kg_rec", "loaders", "graph_schemas")

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what the Dockerfile copies."""
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    code = "from setuptools import build_meta; print(build_meta.build_wheel('dist'))"
    (source / "dist").mkdir()
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return source / "dist" / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content, as an installer would unpack it."""
    place = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(place)
    return place


def kg_rec(installed: Path, cwd: Path, *args: str) -> subprocess.CompletedProcess[str]:
    code = "import sys, kg_rec.cli; print(kg_rec.__file__, file=sys.stderr); kg_rec.cli.main()"
    env = {k: v for k, v in os.environ.items() if not k.startswith("KG_REC_GRAPH")} | {"PYTHONPATH": str(installed)}
    done = subprocess.run([sys.executable, "-c", code, *args], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(installed) in done.stderr.splitlines()[0]
    return done


def metadata(installed: Path) -> Message:
    (found,) = installed.glob("*.dist-info/METADATA")
    return message_from_string(found.read_text(encoding="utf-8"))


def small_data(folder: Path) -> Path:
    """Forty users and thirty items in RecBole's files: a taste for one of three colours, and chance."""
    rows = [
        f"u{u}\ti{i}\t{5 - (i % 3 != u % 3) - (u + i) % 2}\t{1_700_000_000 + 1000 * u + i}"
        for u in range(40)
        for i in range(30)
        if (7 * u + 3 * i) % 5 < 2 + (i % 3 == u % 3)
    ]
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    folder.mkdir()
    (folder / "small.inter").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    items = [f"i{i}\tFilm number {i}\t{1960 + i}\t{('Comedy', 'Horror', 'Western')[i % 3]}" for i in range(30)]
    head = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq"
    (folder / "small.item").write_text("\n".join([head, *items]) + "\n", encoding="utf-8")
    return folder


def test_the_wheel_runs_the_demo_outside_the_repository(installed: Path, tmp_path: Path) -> None:
    data = small_data(tmp_path / "small")
    done = kg_rec(installed, tmp_path, "demo", "--data", str(data), "--out", "out", "--json")
    assert json.loads(done.stdout)["counts"]["users"] == 40
    assert "<html" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_wheel_holds_the_package_alone_with_its_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"kg_rec", f"kg_rec-{PROJECT['version']}.dist-info"}
    here = [p for p in (ROOT / "kg_rec").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    here += [
        ROOT / "kg_rec" / p.relative_to(ROOT)
        for top in ("loaders", "graph_schemas")
        for p in (ROOT / top).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    ]
    missing = {str(p.relative_to(ROOT)) for p in here} - set(names)
    assert {name for name in missing if not name.endswith("README.md")} == set()


def test_the_metadata_says_what_a_registry_shows(installed: Path) -> None:
    found = metadata(installed)
    assert found["Name"] == "kg-rec"
    assert found["License-Expression"] == "Apache-2.0"
    assert found["Author"] == "kg_rec maintainers"
    assert found["Description-Content-Type"] == "text/markdown"
    versions = {c.rpartition(" ")[2] for c in found.get_all("Classifier") or [] if ":: 3." in c}
    assert versions == {"3.11", "3.12", "3.13"}
    assert set(found.get_all("Provides-Extra") or []) == set(PROJECT["optional-dependencies"])
    assert "Project-URL" not in found  # there is no public address yet, and none is invented


def test_the_citation_is_of_this_version() -> None:
    cited: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(cited)
    assert cited["version"] == PROJECT["version"]
    assert cited["license"] == PROJECT["license"]
    assert cited["authors"] == PROJECT["authors"]


def test_the_changes_have_a_section_for_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", text, re.MULTILINE)
    assert versions[0] == PROJECT["version"]
    assert len(versions) == len(set(versions))


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction of a Dockerfile with what follows it."""
    lines = [line for line in re.sub(r"\\\n", " ", text).splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_dockerfile_copies_what_is_there_and_runs_as_nobody_special() -> None:
    found = instructions((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ARG", "USER", "VOLUME", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in found} <= known
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    copied = [what.split()[:-1] for name, what in found if name == "COPY" and not what.startswith("--from")]
    for path in (path for paths in copied for path in paths):
        assert (ROOT / path).exists(), path
        assert path in kept, f"{path} is left out by .dockerignore"
    assert set(SOURCES) <= {path for paths in copied for path in paths}
    assert [what for name, what in found if name == "USER"] == ["app"]
    assert json.loads(next(what for name, what in found if name == "ENTRYPOINT")) == ["kg-rec"]
    install = next(what for name, what in found if name == "RUN" and "constraints" in what)
    extras = re.findall(r"\[([a-z,]+)\]\"", install)
    assert extras
    assert set(extras[0].split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_services_fit_together() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    services = compose["services"]
    assert set(services) == {"neo4j", "kg-rec", "serve"}
    for service in services.values():
        assert {v.partition(":")[0] for v in service["volumes"]} <= set(compose["volumes"])
        assert set(service.get("depends_on", {})) <= set(services)
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        passwords = [v for v in service["environment"].values() if "PASSWORD" in v]
        assert passwords
        assert all(v.partition("${")[2].startswith("NEO4J_PASSWORD:?") for v in passwords)
    assert services["neo4j"]["image"] == "neo4j:5.26-community"
    graph = services["serve"]["environment"]["KG_REC_GRAPH"]
    assert graph == "bolt://neo4j:7687"


def test_the_service_is_started_by_options_that_there_are() -> None:
    from kg_rec.cli.serve import serve

    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    name, model, *options = compose["services"]["serve"]["command"].split()
    context = serve.make_context("serve", [model, *options], resilient_parsing=True)
    assert (name, context.params["host"]) == ("serve", "0.0.0.0")
    assert context.params["tokens"] is not None
