"""Help and usage errors: they answer at once, and every command explains itself by an example."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from cli_world import run

from kg_rec.cli import main

COMMANDS = [
    "demo",
    "load",
    "formats",
    "schema",
    "check",
    "query",
    "export",
    "train",
    "inspect",
    "similar",
    "vectors",
    "pictures",
    "evaluate",
    "audit",
    "recommend",
    "rules",
    "job",
    "newcomer",
    "profile",
    "evolve",
    "prefer",
    "explain",
    "what-if",
    "ask",
    "phrase",
    "feedback",
    "serve",
    "serve-token",
    "compress",
    "forget",
    "certificate",
    "site",
    "suspects",
]
HEAVY = ["torch", "transformers", "pyarrow", "neo4j", "kglite", "matplotlib", "rdflib", "scipy", "pandas"]
_SCRIPT = """
import json, resource, sys
from kg_rec.cli import main
heavy, found, before = set(json.loads(sys.argv[1])), [], 0.0
for args in json.loads(sys.argv[2]):
    try:
        main(args)
    except SystemExit as end:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        after = usage.ru_utime + usage.ru_stime
        imported = sorted(heavy & {name.partition(".")[0] for name in sys.modules})
        found.append({"code": end.code, "imported": imported, "seconds": after - before})
        before = after
print(json.dumps(found), file=sys.stderr)
"""
#: What is typed, and its exit status.
TYPED: list[tuple[list[str], int]] = [
    (["--help"], 0),
    *(([c, "--help"], 0) for c in COMMANDS),
    (["nothing"], 2),
    (["load", "nothing", "."], 2),
    (["load", "movielens"], 2),
    (["train"], 2),
    (["evaluate", "--protocol", "none"], 2),
    (["recommend", "model", "--users-query", "MATCH (u:User) RETURN u.user_id"], 2),
    (["explain", "model"], 2),
    (["phrase", "--schema", "movies"], 2),
]


def test_commands_are_listed_in_their_order_of_use() -> None:
    text = run("--help").stdout
    listed = [line.split()[0] for line in text.split("Commands:")[1].splitlines() if line.strip()]
    assert listed == COMMANDS == list(main.commands)


@pytest.mark.parametrize(
    "command",
    [[c] for c in COMMANDS if c not in ("schema", "job", "feedback", "serve", "serve-token", "site")]
    + [["feedback", c] for c in ("show", "record", "learn", "status", "rollback", "export", "prune")]
    + [["schema", c] for c in ("list", "show", "infer", "check", "apply", "diff", "remove")]
    + [["job", c] for c in ("run", "resume", "status")],
)
def test_each_command_has_help(command: list[str]) -> None:
    text = run(*command, "--help").stdout
    assert "-v, --verbose" in text
    assert "--json" in text
    assert "..." not in run("--help").stdout.split("Commands:")[1]  # no summary is cut


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in ("schema", "formats")])
def test_help_has_an_example(command: str) -> None:
    assert f"  kg-rec {command}" in run(command, "--help").stdout


def test_version() -> None:
    assert run("--version").stdout == f"kg-rec, version {version('kg-rec')}\n"


@pytest.mark.system
def test_help_and_usage_errors_import_nothing_heavy() -> None:
    """One after the other in one process, so that what the first of them imports is seen there."""
    typed = [json.dumps(HEAVY), json.dumps([args for args, _ in TYPED])]
    done = subprocess.run([sys.executable, "-c", _SCRIPT, *typed], capture_output=True, text=True, check=True)
    found = json.loads(done.stderr.splitlines()[-1])
    for (args, code), one in zip(TYPED, found, strict=True):
        assert (one["code"], one["imported"]) == (code, []), args
        assert one["seconds"] < 0.6, args  # processor time; of the first python's own start too, 0.2 s when idle


@pytest.mark.system
def test_the_shell_completes_commands() -> None:
    words = {"_KG_REC_COMPLETE": "bash_complete", "COMP_WORDS": "kg-rec ex", "COMP_CWORD": "1"}
    code = "from kg_rec.cli import main; main(prog_name='kg-rec')"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **words}, capture_output=True, text=True)
    assert done.stdout.split() == ["plain,export", "plain,explain"]
