"""What every display of explanations has to hold."""

from __future__ import annotations

from kg_rec.explain.explanation import Explanation
from kg_rec.explain.formats import Display, displays


class DisplayContract:
    """Tests of one display; a subclass gives it and an explanation by the fixtures ``display`` and ``explanation``."""

    def test_it_is_found_by_its_name(self, display: Display) -> None:
        """The registry knows it, and help can say what it is."""
        assert displays()[display.name] == display
        assert display.description
        assert "\n" not in display.description

    def test_the_same_explanation_is_shown_the_same(self, display: Display, explanation: Explanation) -> None:
        """A text with a media type and an ending, twice the same; or an object."""
        shown = display.load()(explanation)
        assert shown is not None
        if display.media_type is None:
            assert display.ending is None
            return
        assert isinstance(shown, str)
        assert shown == display.load()(explanation)
        assert display.ending is not None
        assert display.ending.startswith(".")

    def test_it_can_be_written_as_utf_8(self, display: Display, explanation: Explanation) -> None:
        """No half character and no NUL."""
        shown = display.load()(explanation)
        if isinstance(shown, str):
            assert "\x00" not in shown
            assert shown.encode("utf-8")
