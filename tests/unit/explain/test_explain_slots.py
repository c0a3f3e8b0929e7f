from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg_rec.explain.words.grammar import check_slots
from kg_rec.explain.words.slots import MAX_NAME, Template, clean_name


def test_fill_is_one_pass() -> None:
    slots = {"FILM_1": "[FILM_2]", "FILM_2": "{} [FILM_1]"}
    assert Template.parse("[FILM_1] and [FILM_2].").fill(slots) == "[FILM_2] and {} [FILM_1]."


def test_a_text_at_the_start_gets_a_capital_letter() -> None:
    assert Template.parse("[COUNT_1] did.").fill({"COUNT_1": "all 5 other viewers"}) == "All 5 other viewers did."
    assert Template.parse("You liked [FILM_1].").fill({"FILM_1": "“e.t.”"}) == "You liked “e.t.”."


@pytest.mark.parametrize(
    ("sentence", "problem"),
    [
        ("[FILM_1] is good", "[PERSON_1] occurs 0 times"),
        ("[FILM_1] and [FILM_1] by [PERSON_1]", "[FILM_1] occurs 2 times"),
        ("[FILM_1] by [PERSON_1] and [PERSON_2]", "[PERSON_2] is not a slot"),
        ("[FILM_1] by [PERSON_1] and [someone]", "'[someone]' looks like a slot"),
        ("[FILM_1] by [PERSON_1] {name}", "'{' looks like a slot"),
        ("[FILM_1] by [PERSON_1] [", "'[' looks like a slot"),
        ("[FILM_1] by [PERSON_1], [RATE_1], [RATE_1]", "[RATE_1] occurs 2 times, expected at most once"),
    ],
)
def test_check_rejects(sentence: str, problem: str) -> None:
    tags = ("FILM_1", "PERSON_1")
    assert any(found.startswith(problem) for found in check_slots(sentence, tags, ("RATE_1",)))


def test_check_accepts_each_slot_once() -> None:
    assert check_slots("[PERSON_1] made [FILM_1]", ("FILM_1", "PERSON_1")) == ()


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("Heat", "Heat"),
        ("  two\n\tlines\r\n", "two lines"),
        ("a\x1b[31mred\x9b", "a [31mred"),
        ("\u202eevil\u2066\u2069\u200e\u200f", "evil"),
        ("zero\u200b\u200dwidth\ufeff", "zerowidth"),
        ("line\u2028sep\u2029par", "line sep par"),
        ("bad\ud800surrogate", "bad\ufffdsurrogate"),
        ("", "key"),
        ("\u200b \n", "key"),
        (None, "key"),
        ("a" * 500, "a" * (MAX_NAME - 1) + "…"),
        ("《活着》", "《活着》"),
    ],
)
def test_clean_name(name: str | None, clean: str) -> None:
    assert clean_name(name, "key") == clean


def test_clean_name_without_anything() -> None:
    assert clean_name(None, "\u200b") == "?"


@given(st.text(max_size=400))
def test_clean_name_is_one_short_visible_line(name: str) -> None:
    clean = clean_name(name)
    assert 0 < len(clean) <= MAX_NAME
    assert clean.isprintable()
    assert clean == clean_name(clean)


def test_many_sentences_are_filled_as_one_is() -> None:
    order = ("FILM_1", "FILM_2", "COUNT_1")
    texts = dict(zip(order, ("“{0}”", "[FILM_1] {}", "all 5"), strict=True))
    for sentence in ("You liked [FILM_2] {so}, %s.", "[COUNT_1] liked [FILM_1].", "[COUNT_1]", "{}"):
        template = Template.parse(sentence)
        assert template.filler(order)(*texts.values()) == template.fill(texts)
