"""An OpenAI-compatible chat-completions endpoint: patient with passing faults, and within a budget.

Needs the extra ``llm`` (httpx2, tenacity).  All sentences are asked for at once, as JSON of a schema that the server is
sent.  Where it refuses the schema, or answers in another form, each sentence is asked for alone, as plain text.  What a
server sends is data of unknown quality: it is read up to a bound and its form is checked; the sentences are checked by
whoever asked for them.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kg_rec.errors import (
    AnswerError,
    BudgetSpentError,
    ConfigError,
    LanguageModelError,
    MissingDependencyError,
    TemporaryFaultError,
)
from kg_rec.explain.generate.answers import content_of, json_object, sentence, sentences
from kg_rec.explain.generate.budget import Budget, tokens_used
from kg_rec.explain.generate.language_model import Request
from kg_rec.textfile import read_text

if TYPE_CHECKING:
    import httpx2
    from tenacity import RetryCallState

_log = logging.getLogger(__name__)

#: Largest answer that is read, in bytes.
MAX_BODY = 1_000_000
#: Longest wait before another try, in seconds; a server that asks for more is left alone.
MAX_WAIT = 120.0

#: The form of an answer, as a JSON schema.
_ANSWER = {
    "name": "sentences",
    "strict": True,
    "schema": {
        "type": "object",
        "properties": {"sentences": {"type": "array", "items": {"type": "string"}}},
        "required": ["sentences"],
        "additionalProperties": False,
    },
}
#: How servers refuse a field of a request that they do not know.
_UNKNOWN_FIELD = frozenset({400, 415, 422, 501})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_HINTS = {
    401: "; check the API key",
    403: "; check what the API key may do",
    404: "; check the URL and the model's name",
}


def read_key(variable: str | None = None, file: Path | None = None) -> str | None:
    """The API key, from an environment variable or the first line of a file that only its owner can access.

    Returns:
        None where neither is named: many servers of one's own need no key.

    Raises:
        ConfigError: both are named, the variable is not set, the file is not as described, or what is there is no key.
    """
    if variable is not None and file is not None:
        raise ConfigError("expected the API key in a variable or in a file, got both; name one")
    if variable is not None:
        place, key = f"environment variable {variable}", os.environ.get(variable, "")
    elif file is not None:
        place = f"key file {file}"
        try:
            mode = file.stat().st_mode
        except OSError as error:
            raise ConfigError(f"{place}: cannot read it: {error.strerror}") from None
        key = read_text(file, ConfigError).split("\n")[0].strip()
        if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(f"{place}: other users can access it; run chmod 600 on it")
    else:
        return None
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        got = "one with other characters" if key else "nothing"
        raise ConfigError(f"{place}: expected an API key, one word of printable ASCII; got {got}")
    return key


@dataclass(frozen=True)
class OpenAiCompatible:
    """See :class:`kg_rec.explain.generate.language_model.LanguageModel`.

    Once a server has refused the form of an answer (``response_format``) it is not asked for it again.  A try is
    repeated after 408, 425, 429, 5xx, timeouts and broken connections, with exponential back-off and jitter,
    never sooner than the server's ``Retry-After`` says.  The key goes into one header, and into no log or message.

    Attributes:
        base_url: ``https://HOST/v1``; ``/chat/completions`` is added.  With a key, plain http is only for this machine.
        model: the model's name there.
        key: the API key (:func:`read_key`), or None.
        budget: how often, and for how much.
        options: changes to the body of the request, ``{"temperature": 0.5}``; None leaves a field out.

    Raises:
        ConfigError: the URL is not as described.
    """

    base_url: str
    model: str
    key: str | None = field(default=None, repr=False)
    budget: Budget = field(default_factory=Budget)
    options: Mapping[str, Any] = field(default_factory=dict)
    _refused: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the URL, without repeating it: it may hold a password."""
        wanted = "expected the endpoint's URL like https://HOST/v1"
        try:
            parts = urlsplit(self.base_url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise ConfigError(f"{wanted}, got one that cannot be read") from None
        if parts.scheme not in ("http", "https") or not host or not self.base_url.isprintable() or " " in self.base_url:
            raise ConfigError(f"{wanted}, got none with http, https and a host")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ConfigError(f"{wanted}, got one with a user, a query or a fragment; the API key has its own place")
        if parts.scheme == "http" and self.key is not None and not self._local:
            raise ConfigError(f"{host}: expected https, as there is an API key; over http others could read it")

    @property
    def name(self) -> str:
        """Model and address."""
        return f"{self.model} at {self.base_url}"

    def write(self, request: Request) -> tuple[str, ...]:
        """Sentences, unchecked.

        Raises:
            AnswerError: an answer is too large, no JSON, or of another form, that to a request for one sentence too.
            BudgetSpentError: the next try could exceed a cap.
            LanguageModelError: the server refused, or did not answer in all tries.
            MissingDependencyError: httpx2 or tenacity is not installed.
        """
        if not self._refused:
            try:
                return sentences(content_of(self._answer(self._body(request, many=True), form=True)), request.variants)
            except AnswerError as error:
                _log.info("asking for one sentence at a time: %s", error)
        return self._one_by_one(request)

    def _one_by_one(self, request: Request) -> tuple[str, ...]:
        """A request for each sentence; what went wrong after the first good one ends it with what there is."""
        texts: list[str] = []
        for n in range(request.variants):
            body = self._body(replace(request, seed=request.seed + n), many=False)
            try:
                texts.append(sentence(content_of(self._answer(body)), request.slots))
            except (AnswerError, BudgetSpentError):
                if not texts:
                    raise
                break
        return tuple(texts)

    def _answer(self, body: bytes, *, form: bool = False) -> dict[str, Any]:
        """The answer of the first try that has one."""
        _, tenacity = _libraries()
        backoff = tenacity.wait_random_exponential(multiplier=1, max=30)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return max(float(backoff(state)), error.wait if isinstance(error, TemporaryFaultError) else 0.0)

        def tell(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            _log.info("try %d: %s", state.attempt_number, error)

        tries = self.budget.limits.tries
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(tries),
            wait=wait,
            retry=tenacity.retry_if_exception_type(TemporaryFaultError),
            sleep=self.budget.sleep,
            before_sleep=tell,
            reraise=True,
        )
        try:
            answer: dict[str, Any] = retrying(self._ask, body, form)
        except TemporaryFaultError as error:
            raise LanguageModelError(
                f"{self.base_url}: {error}, in {tries} of {tries} tries; try again later"
            ) from None
        return answer

    def _body(self, request: Request, *, many: bool) -> bytes:
        last = request.many if many else request.one
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": request.system},
                *(
                    {"role": role, "content": text}
                    for example in request.examples
                    for role, text in zip(("user", "assistant"), example, strict=True)
                ),
                {"role": "user", "content": f"{request.task}\n\n{request.rules}\n\n{last}".strip()},
            ],
            "response_format": {"type": "json_schema", "json_schema": _ANSWER} if many else None,
            "temperature": 0.9,
            "max_tokens": self.budget.limits.answer_tokens,
            "seed": request.seed,
            **self.options,
        }
        return json.dumps({k: v for k, v in body.items() if v is not None}, ensure_ascii=False).encode(
            "utf-8", "replace"
        )

    def _ask(self, body: bytes, form: bool) -> dict[str, Any]:
        """One try, which asks for a ``form`` of the answer; errors that carry the request, and so the key, are not
        passed on."""
        web, _ = _libraries()
        booked = self.budget.take(len(body))
        deadline = self.budget.clock() + self.budget.limits.timeout
        try:
            with self._client.stream("POST", f"{self.base_url.rstrip('/')}/chat/completions", content=body) as response:
                data = bytearray()
                for chunk in response.iter_bytes():
                    data += chunk
                    if len(data) > MAX_BODY:
                        raise AnswerError(f"the answer is larger than {MAX_BODY:,} bytes")
                    if self.budget.clock() > deadline:
                        raise TemporaryFaultError(f"no complete answer in {self.budget.limits.timeout:g} s")
        except web.TimeoutException:
            raise TemporaryFaultError(f"no answer in {self.budget.limits.timeout:g} s") from None
        except (web.NetworkError, web.RemoteProtocolError, web.ProxyError) as error:
            raise TemporaryFaultError(
                f"the connection failed ({self._shown(str(error)) or type(error).__name__})"
            ) from None
        except web.DecodingError:
            raise AnswerError("the answer is compressed in a way that cannot be read") from None
        except web.HTTPError as error:
            raise LanguageModelError(f"{self.base_url}: {type(error).__name__}: {self._shown(str(error))}") from None
        if response.status_code != 200:
            self.budget.settle(booked, (0, 0))
            refusal = self._refusal(response, bytes(data))
            if form and response.status_code in _UNKNOWN_FIELD:
                self._refused.append(str(refusal))
                raise AnswerError(str(refusal))
            raise refusal
        answer = json_object(bytes(data), "the answer")
        self.budget.settle(booked, tokens_used(answer.get("usage")))
        return answer

    def _refusal(self, response: httpx2.Response, data: bytes) -> LanguageModelError:
        status = response.status_code
        message = f"HTTP {status}: {self._shown(data.decode('utf-8', 'replace'))}".rstrip(": ")
        if status not in _PASSING:
            return LanguageModelError(f"{self.base_url}: {message}{_HINTS.get(status, '')}")
        wait = _retry_after(response.headers.get("retry-after"))
        if wait > MAX_WAIT:
            return LanguageModelError(f"{self.base_url}: {message}; it asks to wait {wait:,.0f} s: try again then")
        return TemporaryFaultError(message, wait)

    def _shown(self, text: str) -> str:
        """Text from outside, fit for a message: without the key, one line, short."""
        if self.key is not None:
            text = text.replace(self.key, "***")
        line = " ".join("".join(c if c.isprintable() else " " for c in text[:10_000]).split())
        return line if len(line) <= 200 else line[:199] + "…"

    @property
    def _local(self) -> bool:
        return urlsplit(self.base_url).hostname in ("localhost", "127.0.0.1", "::1")

    @cached_property
    def _client(self) -> httpx2.Client:
        web, _ = _libraries()
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        client: httpx2.Client = web.Client(
            headers=headers, timeout=self.budget.limits.timeout, follow_redirects=False, trust_env=not self._local
        )
        return client


def _libraries() -> tuple[Any, Any]:
    """httpx2 and tenacity."""
    try:
        import httpx2
        import tenacity
    except ImportError as error:
        raise MissingDependencyError(
            f"{error.name} is not installed, which endpoints need; type `pip install 'kg-rec[llm]'`"
        ) from error
    return httpx2, tenacity


def _retry_after(value: str | None) -> float:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3): a number or a date; 0 where there is none."""
    if value is None:
        return 0.0
    if value.strip().isascii() and value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
