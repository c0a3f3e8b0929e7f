"""Every domain that has a sample: from its files to explained lists, as its guide says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from cli_world import run

from kg_rec.loaders.base import load
from kg_rec.schema import GraphSchema
from kg_rec.store import connect

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "loaders/samples"
DOMAINS = sorted(folder.name for folder in SAMPLES.iterdir() if folder.is_dir())
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def commands(domain: str) -> list[tuple[list[str], list[str]]]:
    """The commands of a guide, each with the lines that it is said to print."""
    said: list[tuple[list[str], list[str]]] = []
    guide = (ROOT / f"docs/domains/{domain}.md").read_text(encoding="utf-8")
    for line in "".join(CONSOLE.findall(guide)).splitlines():
        if line.startswith("$ kg-rec "):
            said.append((shlex.split(line)[2:], []))
        elif line.strip():
            said[-1][1].append(line)
    return said


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_guide_s_commands_print_what_it_says(domain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loaders").symlink_to(ROOT / "loaders")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KG_REC_GRAPH", f"{domain}.graph")
    done = commands(domain)
    assert {"load", "train", "explain"} <= {args[0] for args, _ in done}
    for args, lines in done:
        result = run(*args)
        printed = " ".join((result.stdout + result.stderr).split())
        for line in lines:
            assert " ".join(line.split()) in printed, (args, line, printed)
    told = json.loads(run("explain", *next(a[1:4] for a, _ in done if a[0] == "explain"), "--json").stdout)
    assert told["base"] + sum(t["value"] for t in told["terms"]) == pytest.approx(told["score"], rel=1e-5)
    assert run("check").stdout
    for at, (args, _) in enumerate(done):
        if args[0] == "job" and "never_for" in args[-1]:  # without the rule the lists hold what it leaves out
            run(*args[:-2])
            assert run(*done[at + 1][0]).stdout.split()[-1] != "0"


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_sample_is_small_and_nothing_of_it_is_left_out(domain: str, tmp_path: Path) -> None:
    schema = GraphSchema.bundled(domain)
    with_guide = (ROOT / "docs/domains/README.md").read_text(encoding="utf-8")
    assert f"]({domain}.md)" in with_guide
    assert schema.languages == ("en", "zh")
    store = connect(str(tmp_path / "g"))
    report = load(store, "rdf", SAMPLES / domain / "catalogue.ttl", schema=schema)
    store.close()
    assert report.unmapped == {}
    assert 10 < report.nodes[schema.item.name] < 30
    relations = {r.name for r in schema.knowledge_relations}
    assert len(relations & report.edges.keys()) >= 3
    rows = max(len(f.read_text(encoding="utf-8").splitlines()) - 1 for f in (SAMPLES / domain).glob("*.csv"))
    assert 50 <= rows <= 60
