"""What every language of explanations has to hold."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from kg_rec.explain.path import PathNode
from kg_rec.explain.words.grammar import check_phrase, sentences
from kg_rec.explain.words.languages.base import Language, language
from kg_rec.explain.words.languages.registry import languages
from kg_rec.explain.words.patterns import TONES, Tone, pattern, patterns, profile_kinds
from kg_rec.schema import GraphSchema

_SLOT = re.compile(r"\[[A-Z]+\]")
#: The texts of a language besides its grammar.
_TEXTS = ("remarks", "headings", "what_if", "person", "prompts")


class LanguageContract:
    """Tests of one language; a subclass gives it by a fixture ``spoken``, and the schema by a fixture ``schema``.

    ::

        class TestFrench(LanguageContract):
            @pytest.fixture
            def spoken(self):
                return French
    """

    @pytest.fixture
    def schema(self) -> GraphSchema:
        """A schema whose relations have phrases or labels in the language."""
        return GraphSchema.bundled("movies")

    def test_it_is_found_by_its_code(self, spoken: type[Language]) -> None:
        assert spoken.code in languages()
        assert language(spoken.code) is spoken
        assert language(f"{spoken.code}-XX") is spoken
        assert spoken.title

    @pytest.mark.parametrize("tone", TONES)
    def test_every_kind_of_sentence_can_be_said_and_is_true(
        self, spoken: type[Language], schema: GraphSchema, tone: Tone
    ) -> None:
        """Each sentence that ships derives from the grammar that phrases are checked against."""
        for one in patterns(schema, spoken.code):
            shipped = sentences(one, tone)
            assert shipped, one.key
            for text in shipped:
                assert check_phrase(one, text, spoken.code, tone) == (), text
                assert len(text) <= spoken.longest
                assert text.endswith(spoken.stop)

    @pytest.mark.parametrize("tone", TONES)
    def test_every_sentence_of_a_profile_can_be_said(
        self, spoken: type[Language], schema: GraphSchema, tone: Tone
    ) -> None:
        """Each derives from the grammar, and says how many of how many."""
        for kind in profile_kinds(schema):
            said = pattern(schema, spoken.code, kind)
            shipped = sentences(said, tone)
            assert shipped, said.key
            for text in shipped:
                assert check_phrase(said, text, spoken.code, tone) == (), text
                assert text.endswith(spoken.stop)

    @pytest.mark.parametrize("texts", _TEXTS)
    def test_every_other_text_is_there(self, spoken: type[Language], texts: str) -> None:
        """The same ones as in English, without a slot that nobody fills."""
        expected: Mapping[str, str] = getattr(language("en"), texts)
        given: Mapping[str, str] = getattr(spoken, texts)
        assert set(given) == set(expected)
        slots = {slot for text in expected.values() for slot in _SLOT.findall(text)}
        for name, text in given.items():
            assert text, name
            assert set(_SLOT.findall(text)) <= slots, name

    def test_a_name_is_read_as_a_name_whatever_it_says(self, spoken: type[Language], schema: GraphSchema) -> None:
        speaker = spoken(schema)
        start, name, stop = speaker.name(PathNode(schema.item.name, "i1", "Heat")).partition("Heat")
        assert name
        assert start
        assert stop
        shown = speaker.name(PathNode(schema.item.name, "i1", f"Heat{stop} and {start}Ronin"))
        assert shown.startswith(start)
        assert shown.endswith(stop)
        assert start not in shown[len(start) : -len(stop)]
        assert stop not in shown[len(start) : -len(stop)]

    def test_lists_hold_every_name_and_count(self, spoken: type[Language], schema: GraphSchema) -> None:
        speaker = spoken(schema)
        for names in (["A"], ["A", "B"], ["A", "B", "C"], ["A", "B", "C", "D"]):
            for either in (False, True):
                joined = speaker.join(names, either=either)
                assert [c for c in joined if c in "ABCD"] == names
        listed = speaker.listed(["A", "B"], 67, schema.item.name)
        assert "67" in listed or "69" in listed  # the others, or all of them
        people = speaker.people(112, 147)
        assert "112" in people
        assert "147" in people
        for first in (True, False):
            assert "NAME" in speaker.people_of("NAME", 112, 147, first)
        assert all("NAME" in speaker.yours("NAME", several) for several in (True, False))
