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


#: A number that is no part of a name such as sim-0100, and the sign of a percentage.
NUMBER = re.compile(r"(?<![A-Za-z0-9.,@-])(\d[\d,]*(?:\.\d+)?)( ?%)?(?![\d-])")


def numbers(text: str) -> tuple[str, list[tuple[float, float]]]:
    """A text with a NUL for each number, and the numbers, each with how much another one may differ.

    Whole numbers count something and are the same everywhere; others may differ by 2 % from one processor to another,
    a percentage also by one of its last digit.
    """
    found = []

    def taken(match: re.Match[str]) -> str:
        digits, percent = match.group(1).replace(",", ""), match.group(2)
        places = len(digits.partition(".")[2])
        value = float(digits)
        slack = 0.02 * value if places or percent else 0.0
        found.append((value, max(slack, 10.0**-places) if percent else slack))
        return f"\0{percent or ''}"

    masked = NUMBER.sub(taken, re.sub(r"\s+", " ", text).strip())
    return masked, found


def says(line: str, printed: str) -> bool:
    """Whether a line of the README is among what was printed."""
    wanted, expected = numbers(line)
    masked, found = numbers(printed)
    at = masked.find(wanted)
    while at >= 0:
        skipped = masked[:at].count("\0")
        pairs = zip(expected, found[skipped:], strict=False)
        if all(abs(value - other) <= slack + 1e-9 for (value, slack), (other, _) in pairs):
            return True
        at = masked.find(wanted, at + 1)
    return False


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
        for line in lines:
            assert says(line, done.stdout + done.stderr), (
                f"$ {command}\nsays {line!r}, but printed\n{done.stdout}{done.stderr}"
            )


@pytest.mark.timeout(600)
def test_python_block_runs(folder: Path) -> None:
    assert (folder / "model").is_dir(), "the console blocks come first: they build the graph and the model"
    for code in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, env=environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip(), "the block prints an explanation"
