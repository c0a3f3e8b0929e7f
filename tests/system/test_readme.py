"""The README's blocks, run as a newcomer would type them."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def normal(text: str) -> str:
    """Without what may differ between processors: digits, and the width of columns."""
    return re.sub(r"\s+", " ", re.sub(r"[\d.,]*\d", "#", text)).strip()


def blocks(language: str) -> list[str]:
    found = [body for kind, body in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")) if kind == language]
    assert found, f"README.md has no {language} block"
    return found


def commands() -> list[tuple[str, list[str]]]:
    """Each command of the console blocks with the lines that it is said to print."""
    said: list[tuple[str, list[str]]] = []
    for line in "".join(blocks("console")).splitlines():
        if line.startswith("$ "):
            said.append((line[2:], []))
        elif line.strip():
            said[-1][1].append(line)
    return said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KG_REC_GRAPH")}
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "100"}


@pytest.mark.timeout(900)
def test_console_blocks_print_what_the_readme_says(folder: Path) -> None:
    for command, lines in commands():
        done = subprocess.run(
            shlex.split(command), cwd=folder, env=environment(), capture_output=True, text=True, encoding="utf-8"
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        printed = normal(done.stdout + done.stderr)
        for line in lines:
            assert normal(line) in printed, f"$ {command}\nsays {line!r}, but printed\n{done.stdout}{done.stderr}"


@pytest.mark.timeout(600)
def test_python_block_runs(folder: Path) -> None:
    assert (folder / "model").is_dir(), "the console blocks come first: they build the graph and the model"
    for code in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, env=environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip(), "the block prints an explanation"
