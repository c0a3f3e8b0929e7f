"""The blocks of the README and of the guides, run as a newcomer would type them."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from forked import Program, kg_rec, start
from printed import says

ROOT = Path(__file__).resolve().parents[3]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    ("line", "printed", "expected"),
    [
        ("loaded 33,705 rows", "it loaded 33,705 rows into x", True),
        ("loaded 33,705 rows", "it loaded 33,706 rows into x", False),
        ("NDCG@10 0.1960;", "validation NDCG@10 0.1925; 600", True),
        ("NDCG@10 0.1960;", "validation NDCG@10 0.1890; 600", False),
        ("NDCG@10 0.1960;", "validation NDCG@20 0.1960; 600", False),
        ("up 42% of", "makes  up 43% of that", True),
        ("up 42% of", "makes up 44% of that", False),
        ("sim-0100 1", "sim-0100      1", True),
        ("sim-0100 1", "sim-0101      1", False),
        ("b 2", "b 1 and b 2", True),
        ("有45位", "其他135位观众中有45位", True),
        ("有45位", "其他135位观众中有46位", False),
    ],
)
def test_numbers_are_compared(line: str, printed: str, expected: bool) -> None:
    assert says(line, printed) is expected


#: The pages whose commands are run, in this order, in one folder.
PAGES = ("README.md", "docs/start.md", "docs/data-engineers.md", "docs/auditors.md")


def blocks(language: str, page: str) -> list[str]:
    found = [body for kind, body in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")) if kind == language]
    assert found, f"{page} has no {language} block"
    return found


def commands(page: str) -> list[tuple[str, list[str]]]:
    """Each command of the console blocks with the lines that it is said to print."""
    said: list[tuple[str, list[str]]] = []
    for line in "".join(blocks("console", page)).splitlines():
        if line.startswith("$ "):
            said.append((line[2:], []))
        elif line.strip():
            said[-1][1].append(line)
    return said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


@pytest.fixture(scope="module")
def printed(folder: Path) -> Callable[[str], str]:
    """Runs a command in the folder, once, and gives what it prints."""
    start(("torch_geometric", "transformers.models.bert.modeling_bert"))  # for train, explain and the Python blocks

    @cache
    def run(command: str) -> str:
        program, *arguments = shlex.split(command)
        assert program == "kg-rec"
        if arguments[0] == "load":  # as it is installed
            typed = [program, *arguments]
            done = subprocess.run(
                typed, cwd=folder, env=environment(), capture_output=True, text=True, encoding="utf-8"
            )
            status, out, err = done.returncode, done.stdout, done.stderr
        else:
            status, out, err = kg_rec(arguments, folder, environment()).end()
        assert status == 0, f"{command}\n{err}"
        return out + err

    return run


def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KG_REC_GRAPH")}
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "100"}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES)
def test_console_blocks_print_what_the_page_says(printed: Callable[[str], str], page: str) -> None:
    for command, lines in commands(page):
        found = printed(command)
        for line in lines:
            assert says(line, found), f"$ {command}\nsays {line!r}, but printed\n{found}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", ["README.md", "docs/analysts.md"])
def test_python_blocks_run(folder: Path, page: str) -> None:
    assert (folder / "model").is_dir(), "the console blocks come first: they build the graph and the model"
    code = "\n".join(blocks("python", page))
    status, out, err = Program(code, folder, environment()).end()
    assert status == 0, err
    assert out.strip() or page != "README.md", "the block prints an explanation"
