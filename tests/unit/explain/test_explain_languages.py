"""A language is one class: one that is registered here, outside of the package, speaks everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner
from toy_graph import everything

from kg_rec.api import Model
from kg_rec.cli import main
from kg_rec.explain.path import PathEdge
from kg_rec.explain.single import explain
from kg_rec.explain.words.languages import registry
from kg_rec.explain.words.languages.base import Language, language, register
from kg_rec.explain.words.languages.registry import languages
from kg_rec.explain.words.wording import Wording
from kg_rec.schema import GraphSchema
from kg_rec.testing.languages import LanguageContract


class Toki(Language):
    """A language of few words, each reason one clause."""

    code = "tok"
    title = "Toki"
    locale = "en"
    quotes = ("<<", ">>")
    inner = ("<", ">")
    grammar = """
    own_shared_short: "sama " LIKED ": " ITEM " li " has_shared
    own_shared_friendly: own_shared_short
    own_shared_formal: own_shared_short
    own_shared_more: ITEM " en " LIKED " li " has_shared
    own_text_short: "sitelen " ITEM " li sama sitelen " LIKED
    own_text_friendly: own_text_short
    own_text_formal: own_text_short
    own_text_more: own_text_short
    own_direct_short: ITEM " li " forth_liked | LIKED " li " back_item
    own_direct_friendly: own_direct_short
    own_direct_formal: own_direct_short
    own_direct_more: own_direct_short
    counted_short{next}: COUNT " li " did_liked " la " next
    counted_friendly{next}: counted_short{next}
    counted_formal{next}: counted_short{next}
    counted_more{next}: counted_short{next}
    counts_short{next}: LIKED " la " next
    counts_friendly{next}: counts_short{next}
    counts_formal{next}: counts_short{next}
    counts_more{next}: counts_short{next}
    bridged_short{next}: counts_short{next}
    bridged_friendly{next}: counts_short{next}
    bridged_formal{next}: counts_short{next}
    bridged_more{next}: counts_short{next}
    crowd_short{next}: "jan li " did_liked " la " next
    crowd_friendly{next}: crowd_short{next}
    crowd_formal{next}: crowd_short{next}
    crowd_more{next}: crowd_short{next}
    onward_shared: "; " ITEM " li " has_shared
    onward_text: "; sitelen " ITEM " li sama"
    onward_direct: "; " ITEM " li " forth_again
    more_short{has}: COUNT " lon " TOTAL " li " has
    more_friendly{has}: more_short{has}
    more_formal{has}: more_short{has}
    every_short{has}: "ale " TOTAL " li " has
    every_friendly{has}: every_short{has}
    every_formal{has}: every_short{has}
    fewer_short{has}: COUNT " taso lon " TOTAL " li " has
    fewer_friendly{has}: fewer_short{has}
    fewer_formal{has}: fewer_short{has}
    single_short{has}: fewer_short{has}
    single_friendly{has}: fewer_short{has}
    single_formal{has}: fewer_short{has}
    never_short{has}: "ala lon " TOTAL " li " has
    never_friendly{has}: never_short{has}
    never_formal{has}: never_short{has}
    usual: " (" RATE ")"
    audit_usual: " (" SHARE "; " RATE ")"
    rate: " (" RATE ")"
    audit: "; " SHARE
    """
    remarks: ClassVar = {
        "in_fashion": "ona li sin: [CROWD] lon suno [DAYS].",
        "again": "sina {did_item} tenpo [TIMES], suno [GAP]; [AGO].",
        "again_daily": "sina {did_item} tenpo [TIMES], suno ale; [AGO].",
        "again_times": "sina {did_item} tenpo [TIMES]; [AGO].",
        "again_once": "sina {did_item} tenpo wan, [AGO].",
        "ago": "suno pini [DAYS]",
        "ago_day": "suno pini wan",
        "ago_today": "suno ni",
        "already_interacted": "sina sona e {item} ni.",
        "no_interactions": "mi sona ala; [ITEM].",
        "base_only": "ala; [ITEM].",
        "no_path": "nasin ala; [ITEM].",
        "low": "[ITEM] ike: [FOR], [AGAINST].",
        "whole": "{items} [NUMBER] li pona tawa [ITEM]; [SHARE].",
        "whole_one": "{item} wan li pona tawa [ITEM]; [SHARE].",
        "against": "ike: [LIKED], [SHARE].",
        "against_several": "ike: [LIKED], [SHARE].",
        "against_most": "ike: {items} [NUMBER], [LIKED]: [SHARE].",
        "against_each": "ike: {items} [NUMBER]: [SHARE].",
        "disliked": "[LIKED] li ike tawa sina.",
    }
    weights = ("suli: ", "kin: ", "lili: ")
    headings: ClassVar = {key: f"toki-{key} {text}" for key, text in language("en").headings.items()}
    what_if: ClassVar = dict(language("en").what_if)
    person: ClassVar = dict(language("en").person)
    prompts: ClassVar = dict(language("en").prompts)
    fallback_did = "pali e {}"
    fallback_linked = "sama {{}} ({label})"

    def listed(self, names: Sequence[str], others: int, node_type: str) -> str:
        return self.join([*names, *([f"{others} ante"] if others else [])])

    def people(self, common: int, total: int) -> str:
        return f"jan {common} lon {total}"

    def people_of(self, name: str, common: int, total: int, first: bool) -> str:
        return f"{self.people(common, total)} tan {name}"

    def this_item(self) -> str:
        return f"{self.noun(self.schema.item.name)} ni"

    def again(self, many: bool) -> str:
        return "ona mute" if many else "ona"

    def yours(self, names: str, several: bool) -> str:
        return f"{names} sina"

    def copula(self, phrase: str) -> bool:
        return False

    def words(self, steps: Sequence[PathEdge], link: str, several: bool, many: bool) -> dict[str, tuple[str, ...]]:
        years = ("tan tenpo [SHARED]",)
        return super().words(steps, link, several, many) | {"has_years": years, "have_years": years}

    def phrase(self, edge: PathEdge) -> str | None:
        return f"{self.schema.relation_types[edge.type or ''].name.lower()} {{}}"


@pytest.fixture
def toki() -> Iterator[None]:
    register(Toki)
    yield
    del registry._registered["tok"]


def test_an_unknown_language_is_refused_by_name_and_a_registered_one_is_not(toki: None) -> None:
    assert languages() == ("en", "zh", "tok")
    assert language("tok-XX") is Toki


class TestToki(LanguageContract):
    @pytest.fixture
    def spoken(self, toki: None) -> type[Language]:
        return Toki


class TestThoseThatShip(LanguageContract):
    """On a small schema; ``test_explain_phrasebook.py`` says every sentence of the large ones."""

    @pytest.fixture
    def schema(self) -> GraphSchema:
        return GraphSchema.bundled("interactions")

    @pytest.fixture(params=["en", "zh"])
    def spoken(self, request: pytest.FixtureRequest) -> type[Language]:
        return language(request.param)


def test_it_speaks_in_explanations_as_text_json_and_html(toki: None, tmp_path: Path) -> None:
    model = everything()
    e = explain(model, "u05", model.items.key(int(model.rank([5], 1)[0][0, 0])), wording=Wording("tok"))  # type: ignore[arg-type]
    assert e.lang == "tok"
    assert "li pona tawa <<" in e.text
    assert json.loads(e.to("json"))["text"] == e.text
    assert "toki-channels" in e.to("text")
    page = e.to("html")
    assert 'lang="tok"' in page
    assert "toki-paths" in page
    Model(model).save(tmp_path / "model")
    done = CliRunner().invoke(main, ["explain", str(tmp_path / "model"), "u05", e.item, "--lang", "tok"])
    assert done.exit_code == 0, done.output
    assert e.text in done.stdout
    assert e.text in Model(model).explain("u05", e.item, lang="tok").text


def test_the_help_lists_it_and_an_unknown_one_is_refused(toki: None) -> None:
    for command in (["explain"], ["what-if"], ["phrase"]):
        done = CliRunner().invoke(main, [*command, "--help"])
        assert "tok (Toki)" in " ".join(done.stdout.split())
    done = CliRunner().invoke(main, ["phrase", "--lang", "fr", "--lm", "x"])
    assert done.exit_code == 2
    assert "no grammar for the language 'fr'; expected one of en, zh, tok" in " ".join(done.stderr.split())
