"""An endpoint that misbehaves: what is tried again, what is refused, and what it may cost."""

from __future__ import annotations

import gzip
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from chat_server import (
    Act,
    ChatServer,
    Handler,
    breaks_off,
    chat_server,
    completion,
    drips,
    floods,
    hangs,
    resets,
    says,
    sends,
)

from kg_rec.errors import AnswerError, BudgetSpentError, ConfigError, LanguageModelError, MissingDependencyError
from kg_rec.explain.generate.budget import Budget, Limits
from kg_rec.explain.generate.endpoint import _ANSWER as ANSWER
from kg_rec.explain.generate.endpoint import OpenAiCompatible, read_key
from kg_rec.explain.generate.language_model import Request

KEY = "sk-very-secret-0123456789"
REQUEST = Request(
    system="You write sentences.",
    examples=(),
    task="Say that [FILM_1] is good.",
    rules="Plain words.",
    one="One.",
    many="As JSON.",
    answer="{}",
    slots=("FILM_1",),
    grammar="",
    variants=2,
    seed=7,
)
GOOD = says("[FILM_1] is good.", "Good: [FILM_1].")
SENTENCES = ("[FILM_1] is good.", "Good: [FILM_1].")


@dataclass
class Clock:
    """Time that passes only in waits."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server(GOOD) as started:
        yield started


def model(server: ChatServer, clock: Clock, **limits: float) -> OpenAiCompatible:
    budget = Budget(Limits(**limits), clock, clock.sleep)  # type: ignore[arg-type]
    return OpenAiCompatible(server.url, "a-model", KEY, budget)


# --- a good answer ------------------------------------------------------------------------------------


def test_a_request_holds_the_prompt_and_asks_for_json(server: ChatServer, clock: Clock) -> None:
    assert model(server, clock).write(REQUEST) == SENTENCES
    (body,) = server.requests
    assert body == {
        "model": "a-model",
        "messages": [
            {"role": "system", "content": "You write sentences."},
            {"role": "user", "content": "Say that [FILM_1] is good.\n\nPlain words.\n\nAs JSON."},
        ],
        "response_format": {"type": "json_schema", "json_schema": ANSWER},
        "temperature": 0.9,
        "max_tokens": 2000,
        "seed": 7,
    }
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_options_change_the_body_and_none_leaves_a_field_out(server: ChatServer) -> None:
    OpenAiCompatible(server.url, "m", options={"temperature": 0.1, "seed": None, "top_p": 0.5}).write(REQUEST)
    (body,) = server.requests
    assert (body["temperature"], body["top_p"]) == (0.1, 0.5)
    assert "seed" not in body
    assert "Authorization" not in server.headers[0]


def test_more_sentences_than_asked_are_left_out(server: ChatServer, clock: Clock) -> None:
    server.acts = [says("a", " b  c ", "d")]
    assert model(server, clock).write(REQUEST) == ("a", "b c")


def test_half_characters_do_not_get_through(server: ChatServer, clock: Clock) -> None:
    server.acts = [sends(completion('{"sentences": ["a \\ud800 b"]}'))]
    assert model(server, clock).write(REQUEST) == ("a ? b",)


# --- faults that pass ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_fault_is_tried_again(server: ChatServer, clock: Clock, status: int) -> None:
    server.acts = [sends("busy", status), sends("busy", status), GOOD]
    assert model(server, clock).write(REQUEST) == SENTENCES
    assert len(server.requests) == 3
    assert len(clock.waits) == 2
    assert clock.waits[0] <= 1
    assert clock.waits[1] <= 2


@pytest.mark.parametrize("act", [resets, breaks_off])
def test_a_broken_connection_is_tried_again(server: ChatServer, clock: Clock, act: Act) -> None:
    server.acts = [act, GOOD]
    assert model(server, clock).write(REQUEST) == SENTENCES
    assert len(server.requests) == 2


def test_a_slow_answer_is_tried_again(server: ChatServer, clock: Clock) -> None:
    server.acts = [hangs, GOOD]
    assert model(server, clock, timeout=0.2).write(REQUEST) == SENTENCES
    assert len(server.requests) == 2


def test_an_answer_that_drips_in_is_given_up(server: ChatServer) -> None:
    server.acts = [drips]
    waits: list[float] = []
    slow = OpenAiCompatible(server.url, "m", KEY, Budget(Limits(timeout=0.3, tries=2), sleep=waits.append))
    with pytest.raises(LanguageModelError, match=r"no complete answer in 0\.3 s, in 2 of 2 tries"):
        slow.write(REQUEST)
    assert len(server.requests) == 2


def test_retry_after_in_seconds_is_waited_for(server: ChatServer, clock: Clock) -> None:
    server.acts = [sends("", 429, {"Retry-After": "17"}), GOOD]
    assert model(server, clock).write(REQUEST) == SENTENCES
    assert clock.waits == [17.0]


def test_retry_after_as_a_date_is_waited_for(server: ChatServer, clock: Clock) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    server.acts = [sends("", 503, {"Retry-After": when}), GOOD]
    assert model(server, clock).write(REQUEST) == SENTENCES
    assert 30 < clock.waits[0] <= 60


@pytest.mark.parametrize("value", ["soon", "-5", "", "Fri, 99 Foo 2026", "²"])
def test_a_retry_after_without_meaning_is_as_none(server: ChatServer, clock: Clock, value: str) -> None:
    server.acts = [sends("", 429, {"Retry-After": value.encode().decode("latin-1")}), GOOD]
    assert model(server, clock).write(REQUEST) == SENTENCES
    assert clock.waits[0] <= 1


def test_a_server_that_asks_for_an_hour_is_left_alone(server: ChatServer, clock: Clock) -> None:
    server.acts = [sends("quota", 429, {"Retry-After": "3600"})]
    with pytest.raises(LanguageModelError, match=r"HTTP 429: quota; it asks to wait 3,600 s"):
        model(server, clock).write(REQUEST)
    assert (len(server.requests), clock.waits) == (1, [])


def test_a_fault_that_stays_is_an_error_after_the_last_try(server: ChatServer, clock: Clock) -> None:
    server.acts = [sends("out of order", 500)]
    with pytest.raises(LanguageModelError, match="HTTP 500: out of order, in 4 of 4 tries; try again later"):
        model(server, clock, tries=4).write(REQUEST)
    assert len(server.requests) == 4
    assert len(clock.waits) == 3


def test_nobody_there_is_an_error_after_the_last_try(clock: Clock) -> None:
    with chat_server(GOOD) as gone:
        pass
    with pytest.raises(LanguageModelError, match=r"connection failed .* in 2 of 2 tries"):
        model(gone, clock, tries=2).write(REQUEST)


# --- faults that stay ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "hint", "tries"),
    [
        (400, "HTTP 400: no", 2),  # first the form is refused, then the request without it
        (401, "check the API key", 1),
        (404, "check the URL", 1),
        (422, "HTTP 422", 2),
    ],
)
def test_a_refusal_is_an_error_at_once(server: ChatServer, clock: Clock, status: int, hint: str, tries: int) -> None:
    server.acts = [sends("no", status)]
    with pytest.raises(LanguageModelError, match=hint):
        model(server, clock).write(REQUEST)
    assert len(server.requests) == tries


def test_a_redirect_is_not_followed(server: ChatServer, clock: Clock) -> None:
    with chat_server(GOOD) as elsewhere:
        server.acts = [sends("", 307, {"Location": f"{elsewhere.url}/chat/completions"})]
        with pytest.raises(LanguageModelError, match="HTTP 307"):
            model(server, clock).write(REQUEST)
        assert elsewhere.requests == []  # the key went nowhere else


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("{not json", "the answer is not JSON"),
        (b"\xff\xfe\x00", "the answer is not JSON"),
        ("[" * 200_000, "the answer is not JSON"),
        ("[1]", "the answer is not a JSON object"),
        ("{}", r"expected choices\[0\]"),
        ('{"choices": []}', r"expected choices\[0\]"),
        ('{"choices": {"0": 1}}', r"expected choices\[0\]"),
        ('{"choices": [{"message": {"content": null}}]}', "holds no text"),
        (completion(" \n"), "holds no text"),
        (completion({"sentences": ["[FILM_1] " + "x" * 1000]}), "longer than 1,000"),
        (completion('{"sentences": ["a', finish_reason="length"), "cut off"),
    ],
)
def test_an_answer_of_another_form_is_refused(server: ChatServer, clock: Clock, data: bytes | str, reason: str) -> None:
    server.acts = [sends(data)]
    with pytest.raises(AnswerError, match=reason):
        model(server, clock).write(REQUEST)
    assert ["response_format" in body for body in server.requests] == [True, False]


# --- one sentence a request ---------------------------------------------------------------------------

ONE = "Say that [FILM_1] is good.\n\nPlain words.\n\nOne."


def test_a_server_that_knows_no_form_of_answers_is_asked_for_one_sentence_at_a_time(
    server: ChatServer, clock: Clock
) -> None:
    def refuses(handler: Handler, body: dict[str, Any]) -> None:
        if "response_format" in body:
            handler.reply(400, "unknown field response_format")
        else:
            handler.reply(200, completion(f"[FILM_1] is good, {body['seed']}."))

    server.acts = [refuses]
    asked = model(server, clock)
    assert asked.write(REQUEST) == ("[FILM_1] is good, 7.", "[FILM_1] is good, 8.")
    assert asked.write(REQUEST) == ("[FILM_1] is good, 7.", "[FILM_1] is good, 8.")
    assert ["response_format" in body for body in server.requests] == [True, False, False, False, False]
    assert {body["messages"][-1]["content"] for body in server.requests[1:]} == {ONE}


@pytest.mark.parametrize(
    "text",
    [
        "Sure! Here you are.",
        json.dumps(["[FILM_1]"]),
        '{"phrases": ["[FILM_1]"]}',
        '{"sentences": "[FILM_1]"}',
        '{"sentences": ["[FILM_1]", 3]}',
        '{"sentences": [{"text": "[FILM_1]"}]}',
    ],
)
def test_after_an_answer_of_another_form_each_sentence_is_asked_for_alone(
    server: ChatServer, clock: Clock, text: str
) -> None:
    server.acts = [
        sends(completion(text)),
        sends(completion("[FILM_1] is good.")),
        sends(completion("Good: [FILM_1].")),
    ]
    assert model(server, clock).write(REQUEST) == SENTENCES
    assert [body["messages"][-1]["content"] == ONE for body in server.requests] == [False, True, True]
    assert [body["seed"] for body in server.requests] == [7, 7, 8]


@pytest.mark.parametrize(
    "text",
    [
        "[FILM_1] is good.",
        '"[FILM_1] is good."',
        "1. [FILM_1] is good.",
        "Sure! Here you are:\n\n“[FILM_1] is good.”\n\nTell me if you need more.",
        json.dumps({"sentences": ["[FILM_1] is good."]}, indent=1),
    ],
)
def test_one_sentence_is_found_in_what_stands_around_it(server: ChatServer, clock: Clock, text: str) -> None:
    server.acts = [sends("no", 422), sends(completion(text))]
    assert model(server, clock).write(REQUEST) == ("[FILM_1] is good.",) * 2


@pytest.mark.parametrize(
    "lines",
    [
        "1. [FILM_1] is good.\n2. Good: [FILM_1].\n3. More.",
        'Here are two:\n\n1) "[FILM_1] is good."\n2) "Good: [FILM_1]."',
        "- [FILM_1] is good.\n* Good: [FILM_1].",
        "1、[FILM_1] is good.\n2、Good: [FILM_1].",
    ],
)
def test_numbered_lines_are_sentences(server: ChatServer, clock: Clock, lines: str) -> None:
    server.acts = [sends(completion(lines))]
    assert model(server, clock).write(REQUEST) == SENTENCES
    assert len(server.requests) == 1


def test_what_goes_wrong_after_a_good_sentence_keeps_it(server: ChatServer, clock: Clock) -> None:
    server.acts = [sends("no", 400), sends(completion("[FILM_1] is good.")), sends("{not json")]
    asked = model(server, clock)
    assert asked.write(REQUEST) == SENTENCES[:1]
    server.acts = [sends(completion("[FILM_1] is good."))]
    capped = model(server, clock, max_requests=2)
    assert capped.write(REQUEST) == SENTENCES[:1]
    with pytest.raises(BudgetSpentError):
        capped.write(REQUEST)


def test_a_body_without_end_is_not_read_to_its_end(server: ChatServer, clock: Clock) -> None:
    server.acts = [floods]
    with pytest.raises(AnswerError, match="larger than 1,000,000 bytes"):
        model(server, clock).write(REQUEST)


def test_a_body_that_unpacks_to_more_is_refused(server: ChatServer, clock: Clock) -> None:
    server.acts = [sends(gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"})]
    with pytest.raises(AnswerError, match="larger than 1,000,000 bytes"):
        model(server, clock).write(REQUEST)
    server.acts = [sends("no gzip", headers={"Content-Encoding": "gzip"})]
    with pytest.raises(AnswerError, match="compressed"):
        model(server, clock).write(REQUEST)


# --- the budget ---------------------------------------------------------------------------------------


def test_tries_are_spaced_evenly(server: ChatServer, clock: Clock) -> None:
    asked = model(server, clock, per_minute=30)
    for _ in range(4):
        asked.write(REQUEST)
    assert clock.waits == [2.0, 2.0, 2.0]
    clock.now += 100  # time that passed counts
    asked.write(REQUEST)
    assert len(clock.waits) == 3


def test_retries_count_for_the_rate(server: ChatServer, clock: Clock) -> None:
    server.acts = [sends("", 500), GOOD]
    model(server, clock, per_minute=6).write(REQUEST)
    assert sum(clock.waits) == pytest.approx(10.0)


def test_the_cap_on_requests_counts_every_try(server: ChatServer, clock: Clock) -> None:
    server.acts = [sends("", 500), sends("", 500), GOOD]
    asked = model(server, clock, max_requests=3)
    assert asked.write(REQUEST) == SENTENCES
    with pytest.raises(BudgetSpentError, match="cap of 3 requests"):
        asked.write(REQUEST)
    assert len(server.requests) == 3


def test_the_cap_on_cost_is_not_exceeded(server: ChatServer, clock: Clock) -> None:
    server.acts = [says(*SENTENCES, usage={"prompt_tokens": 100, "completion_tokens": 40})]
    asked = model(server, clock, price_in=1.0, price_out=10.0, max_cost=0.0113, answer_tokens=1000)
    for _ in range(2):
        asked.write(REQUEST)
    assert asked.budget.cost == pytest.approx(2 * (100 * 1.0 + 40 * 10.0) / 1e6)
    assert asked.budget.tokens == 280
    with pytest.raises(
        BudgetSpentError, match=r"0\.0010 of at most 0\.0113 are spent, the next request could cost 0\.01"
    ):
        asked.write(REQUEST)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        "many",
        {"prompt_tokens": -5, "completion_tokens": 1},
        {"prompt_tokens": "1", "completion_tokens": True},
    ],
)
def test_tokens_that_are_not_counted_are_bounded_from_above(server: ChatServer, clock: Clock, usage: object) -> None:
    server.acts = [says(*SENTENCES, usage=usage)]
    asked = model(server, clock, price_in=1.0, price_out=1.0, answer_tokens=500)
    asked.write(REQUEST)
    sent = len(json.dumps(server.requests[0], ensure_ascii=False).encode())
    assert asked.budget.tokens == sent + 100 + 500


def test_a_refused_try_costs_nothing_a_broken_one_may(server: ChatServer, clock: Clock) -> None:
    server.acts = [sends("", 500), says(*SENTENCES, usage={"prompt_tokens": 10, "completion_tokens": 1})]
    asked = model(server, clock, price_in=1.0)
    asked.write(REQUEST)
    assert asked.budget.tokens == 11
    server.acts = [breaks_off, says(*SENTENCES, usage={"prompt_tokens": 10, "completion_tokens": 1})]
    asked.write(REQUEST)
    assert asked.budget.tokens > 11 + 2000


@pytest.mark.parametrize("name", ["timeout", "tries", "per_minute", "max_requests", "price_in", "answer_tokens"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_limits_without_meaning_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        Limits(**{name: value})  # type: ignore[arg-type]


def test_a_cap_on_cost_needs_prices() -> None:
    with pytest.raises(ConfigError, match="price_in and price_out"):
        Limits(max_cost=1.0)


# --- the key and the address --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 500])
def test_the_key_is_in_no_message_log_or_repr(
    server: ChatServer, clock: Clock, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    echo = f"\x1b[31mIncorrect API key provided: {KEY}, Authorization: Bearer {KEY}\n" + "x" * 10_000
    server.acts = [sends(echo, status)]
    asked = model(server, clock, tries=2)
    with caplog.at_level(logging.DEBUG), pytest.raises(LanguageModelError) as caught:
        asked.write(REQUEST)
    error: BaseException | None = caught.value
    while error is not None:  # nor in what a traceback would show
        assert KEY not in str(error)
        error = None if error.__suppress_context__ else error.__cause__ or error.__context__
    assert "Incorrect API key provided: ***" in str(caught.value)
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()
    assert caplog.records, "the retries or the client's own log"
    assert KEY not in caplog.text
    assert KEY not in repr(asked)
    assert KEY not in asked.name


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com/v1",
        "ftp://api.example.com",
        "https://",
        "https://user:hunter2@api.example.com/v1",
        "https://api.example.com/v1?key=hunter2",
        "https://api.example.com/v1#hunter2",
        "https://[::1/v1",
        "https://api.example.com:hunter2/v1",
        "https://api.example.com/v1\r\nX: hunter2",
    ],
)
def test_a_url_of_another_form_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="expected the endpoint's URL") as caught:
        OpenAiCompatible(url, "m")
    assert "hunter2" not in str(caught.value)


def test_a_key_goes_over_https_or_stays_on_this_machine() -> None:
    with pytest.raises(ConfigError, match="expected https"):
        OpenAiCompatible("http://api.example.com/v1", "m", KEY)
    for url, key in (("http://api.example.com/v1", None), ("http://localhost:8000/v1", KEY), ("https://x.org", KEY)):
        assert OpenAiCompatible(url, "m", key).base_url == url


def test_the_key_comes_from_a_variable_or_a_private_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o600)
    monkeypatch.setenv("MY_KEY", KEY)
    assert read_key() is None
    assert read_key("MY_KEY") == KEY
    assert read_key(file=file) == KEY


def test_what_is_no_key_is_refused_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ConfigError, match=r"MY_KEY: expected an API key.* got nothing"):
        read_key("MY_KEY")
    for text in ("two words", "line\nbreak", "schlüssel"):
        monkeypatch.setenv("MY_KEY", text)
        with pytest.raises(ConfigError, match="MY_KEY: expected an API key") as caught:
            read_key("MY_KEY")
        assert text not in str(caught.value)
    file = tmp_path / "key"
    with pytest.raises(ConfigError, match="cannot read it: No such file"):
        read_key(file=file)
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="expected utf-8 text"):
        read_key(file=file)
    file.write_text(KEY)
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_key(file=file)
    with pytest.raises(ConfigError, match="name one"):
        read_key("MY_KEY", file)


@pytest.mark.parametrize("module", ["httpx2", "tenacity"])
def test_a_missing_library_is_named(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf"{module} is not installed.*pip install 'kg-rec\[llm\]'"):
        OpenAiCompatible("https://api.example.com/v1", "m").write(REQUEST)
