"""Reading what a chat model answered: JSON, a list, or one sentence.  Whatever it is, it is data of unknown quality."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kg_rec.errors import AnswerError

#: Longest sentence that is kept, in characters.
MAX_SENTENCE = 1000
#: A line of a list, where a model answers with one instead.
_LISTED = re.compile(r"^\s*(?:\d+[.)、．]|[-*•])\s*(.+)$", re.MULTILINE)
#: Marks that models put around a sentence.
_QUOTES = ('""', "“”", "''", "「」")


def json_object(data: bytes | str, what: str) -> dict[str, Any]:
    """A JSON object; AnswerError, which says ``what`` was read, if it is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise AnswerError(f"{what} is not JSON") from None
    if not isinstance(value, dict):
        raise AnswerError(f"{what} is not a JSON object")
    return value


def content_of(answer: Mapping[str, Any]) -> str:
    """The text of a chat completion."""
    try:
        choice = answer["choices"][0]
        content = choice["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise AnswerError("the answer is no chat completion: expected choices[0].message.content") from None
    if not isinstance(content, str) or not content.strip():
        raise AnswerError("the answer holds no text")
    if choice.get("finish_reason") == "length":
        raise AnswerError("the answer was cut off; allow more answer tokens or ask for fewer variants")
    return content.encode("utf-8", "replace").decode()  # JSON can hold half characters


def sentences(content: str, variants: int) -> tuple[str, ...]:
    """The sentences of a text ``{"sentences": [...]}``, or of the lines of a list."""
    texts: Any = _LISTED.findall(content)
    if not texts:
        texts = json_object(content, "the text of the answer").get("sentences")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise AnswerError('the text of the answer is not {"sentences": [text, ...]}')
    return tuple(_whole(text) for text in texts[:variants])


def sentence(content: str, slots: Sequence[str]) -> str:
    """The sentence of an answer that should be nothing else: the line that holds all slots, else all there is."""
    try:
        texts = sentences(content, 1)
    except AnswerError:
        texts = ()
    if slots:
        lines = (*texts, *content.splitlines())
        texts = tuple(line for line in lines if all(f"[{tag}]" in line for tag in slots))
    return _whole(texts[0] if texts else content)


def _whole(text: str) -> str:
    """A sentence on one line, without the quotation marks around it."""
    if len(text) > MAX_SENTENCE:
        raise AnswerError(f"a sentence is longer than {MAX_SENTENCE:,} characters")
    said = " ".join(text.encode("utf-8", "replace").decode().split())
    return said[1:-1].strip() if said[:1] + said[-1:] in _QUOTES else said
