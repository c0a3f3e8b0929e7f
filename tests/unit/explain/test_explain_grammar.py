"""The words of explanations: what each kind of sentence says, in both languages and for any schema."""

from __future__ import annotations

import pytest
from explain_paths import SIMILAR, Make, back, forth, told

from kg_rec.errors import ConfigError, SchemaError
from kg_rec.explain.counterfactuals.counterfactual import Counterfactual
from kg_rec.explain.path import PathGroup, PathNode
from kg_rec.explain.words.grammar import check_phrase, sentences
from kg_rec.explain.words.languages.base import speaker
from kg_rec.explain.words.patterns import TONES, patterns
from kg_rec.explain.words.what_if import tell_counterfactual
from kg_rec.explain.words.wording import Wording
from kg_rec.schema import GraphSchema

RECIPES = """
@prefix : <urn:kg-rec:recipes#> . @prefix kr: <urn:kg-rec:schema#> . @prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<urn:kg-rec:recipes> a kr:Schema .
:Cook a kr:UserType ; sh:property [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .
:Dish a kr:ItemType ; rdfs:label "dish"@en ; kr:plural "dishes"@en ;
    sh:property [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .
:Spice a kr:AttributeType ; sh:property [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .
:COOKED a kr:InteractionType ; rdfs:domain :Cook ; rdfs:range :Dish ; rdfs:label "cooked"@en INTERACTION .
:CONTAINS a kr:RelationType ; rdfs:domain :Dish ; rdfs:range :Spice ; rdfs:label "contains"@en PHRASES .
:GOES_WITH a kr:RelationType ; rdfs:domain :Dish ; rdfs:range :Dish ; rdfs:label "goes with"@en, "搭配"@zh ;
    kr:phrase "goes with {}"@en .
"""
SHORT, KURZ = Wording(tone="short"), Wording("zh", "short")


def recipes(interaction: str = "", phrases: str = "") -> Make:
    turtle = RECIPES.replace("INTERACTION", interaction).replace("PHRASES", phrases)
    return Make(GraphSchema.from_turtle(turtle), item_name="Dal")


def film_groups(films: Make) -> dict[str, PathGroup]:
    de_niro, both = films.node("Person", "Robert De Niro"), [forth("STARRING"), back("STARRING")]
    return {
        "shared": films.shared(*both, "Person", "Robert De Niro", "Heat", "Ronin"),
        "sequel": films.direct(forth("FOLLOWED_BY"), "Heat"),
        "counted": films.taste(("Fargo", 37)),
        "every one": films.taste(("Fargo", 2481), ("Heat", 25), ("Ronin", 12)),
        "bridge": films.cold(["Casino"], [de_niro], both, ("Fargo", 37)),
        "bridges": films.cold(["Casino", "Ronin"], [], [SIMILAR], ("Fargo", 37)),
        "text": films.direct(SIMILAR, "Se7en", "Fish Called Wanda, A (1988)"),
    }


ENGLISH = {
    "shared": "Like “Heat” and “Ronin”, which you liked, “The Score” stars Robert De Niro.",
    "sequel": "“The Score” is a sequel to “Heat”, which you liked.",
    "counted": "37 of the 40 other viewers who, like you, liked “Fargo” also liked “The Score” (9% of all viewers "
    "did).",
    "every one": "2,481 of the 2,484 other viewers who liked “Fargo”, 25 of the 28 who liked “Heat”, and 12 of the 15 "
    "who liked “Ronin” also liked “The Score”; you liked those films too.",
    "bridge": "37 of the 40 other viewers who, like you, liked “Fargo” also liked “Casino”; like that film, “The "
    "Score” stars Robert De Niro.",
    "bridges": "Some viewers who, like you, liked “Fargo” also liked “Casino” or “Ronin”, whose descriptions are close "
    "to that of “The Score”.",
    "text": "The description of “The Score” is close to those of “Se7en” and “A Fish Called Wanda (1988)”, which you "
    "liked.",
}
CHINESE = {
    "shared": "和你喜欢的《Heat》和《Ronin》一样，《The Score》由Robert De Niro主演。",
    "sequel": "《The Score》是你喜欢的《Heat》的续集。",
    "counted": "和你一样喜欢《Fargo》的其他40位观众中有37位也喜欢《The Score》（在所有观众中，这一比例为9%）。",
    "every one": "喜欢《Fargo》的其他2,484位观众中有2,481位、喜欢《Heat》的其他28位观众中有25位和喜欢《Ronin》的"
    "其他15位观众中有12位也喜欢《The Score》；你也喜欢那些电影。",
    "bridge": "和你一样喜欢《Fargo》的其他40位观众中有37位也喜欢《Casino》；和那部电影一样，《The Score》由"
    "Robert De Niro主演。",
    "bridges": "有些观众和你一样喜欢《Fargo》，也喜欢《Casino》或《Ronin》；《The Score》的简介与那些电影的相近。",
    "text": "《The Score》的简介与你喜欢的《Se7en》和《A Fish Called Wanda (1988)》的简介相近。",
}


@pytest.mark.parametrize("case", ENGLISH)
@pytest.mark.parametrize(("wording", "golden"), [(SHORT, ENGLISH), (KURZ, CHINESE)], ids=["en", "zh"])
def test_films(films: Make, case: str, wording: Wording, golden: dict[str, str]) -> None:
    assert told(films.schema, [film_groups(films)[case]], "The Score", wording) == golden[case]


def test_people_and_bands_are_no_things(music: Make) -> None:
    genre = [forth("HAS_GENRE"), back("HAS_GENRE")]
    groups = [
        music.shared(*genre, "Genre", "Slowcore", "Codeine", "Bedhead"),
        music.cold(["Mogwai"], [music.node("Genre", "post-rock")], genre, ("Galaxie 500", 37)),
        music.direct(SIMILAR, "Mogwai"),
    ]
    english, chinese = (told(music.schema, groups, "Low", wording) for wording in (SHORT, KURZ))
    assert english.startswith("Like “Codeine” and “Bedhead”, whom you listened to, “Low” plays the genre Slowcore.")
    assert " it" not in english.replace(" item", "")
    assert "它" not in chinese


def test_a_text_is_a_description_only_where_the_schema_has_one(films: Make) -> None:
    bare = Make(GraphSchema.from_turtle(films.schema.turtle.replace(" ; kr:use kr:text", "")))
    groups = [bare.direct(SIMILAR, "Se7en")]
    assert told(bare.schema, groups, "The Score", SHORT) == (
        "The title and facts of “The Score” are close to those of “Se7en”, which you liked."
    )
    assert "简介" not in told(bare.schema, groups, "The Score", KURZ)


def test_what_has_no_title_has_a_name(music: Make) -> None:
    groups = [music.direct(SIMILAR, "Mogwai")]
    bare = Make(GraphSchema.from_turtle(music.schema.turtle.replace(" ; kr:use kr:text", "")))
    assert "name and facts of “Low”" in told(bare.schema, groups, "Low", SHORT)


def test_all_of_the_others_are_told_as_all(films: Make) -> None:
    english, chinese = (speaker(films.schema, lang) for lang in ("en", "zh"))
    assert [english.people(n, n) for n in (12, 1)] == ["all 12 other viewers", "the only other viewer"]
    assert [chinese.people(n, n) for n in (12, 1)] == ["其他全部12位观众", "仅有的另一位观众"]


@pytest.mark.parametrize(
    ("name", "key", "said"),
    [
        ("finance", "one shared EXPOSED_TO one", "[INSTRUMENT_2]的投资地区也包括[COUNTRY_1]"),
        ("video", "one shared HAS_FORMAT one", "[VIDEO_2] also has the format [FORMAT_1]"),
    ],
)
def test_also_stands_beside_the_verb_in_other_domains(name: str, key: str, said: str) -> None:
    lang = "en" if said.isascii() else "zh"
    found = next(p for p in patterns(GraphSchema.bundled(name), lang) if p.key == key)
    acted = speaker(found.schema, lang).did().replace("{}", f"[{found.slots[0].tag}]")
    derived = f"You {acted}, and {said}." if lang == "en" else f"你{acted}，{said}。"
    assert check_phrase(found, derived, lang) == ()


def test_fallbacks_where_a_schema_says_little() -> None:
    dishes = recipes()
    groups = [dishes.shared(forth("CONTAINS"), back("CONTAINS"), "Spice", "Cumin", "Chana")]
    assert told(dishes.schema, groups, "Dal", SHORT) == (
        "Like “Chana”, which you interacted with, “Dal” is linked to Cumin (contains)."
    )
    assert told(dishes.schema, [dishes.taste(("Chana", 4))], "Dal", KURZ) == (
        "和你一样接触过“Chana”的其他7个Cook中有4个也接触过“Dal”（在所有Cook中，这一比例为9%）。"
    )
    inverse_missing = told(dishes.schema, [dishes.direct(forth("GOES_WITH"), "Naan")], "Dal", SHORT)
    assert inverse_missing == "“Naan”, which you interacted with, goes with “Dal”."
    labelled = told(dishes.schema, [dishes.direct(forth("GOES_WITH"), "Naan")], "Dal", KURZ)
    assert labelled == "“Dal”与你接触过的“Naan”有关（搭配）。"


def test_neither_phrase_nor_label_is_an_error() -> None:
    dishes = recipes()
    groups = [dishes.shared(forth("CONTAINS"), back("CONTAINS"), "Spice", "Cumin", "Chana")]
    with pytest.raises(SchemaError, match=r"CONTAINS cannot be said in 'zh'.*add one"):
        told(dishes.schema, groups, "Dal", KURZ)


def test_a_phrase_that_goes_on_after_its_object() -> None:
    dishes = recipes('; kr:phrase "gave {} five stars"@en, "给{}打了高分"@zh', '; kr:phrase "contains {}"@en')
    groups = [dishes.shared(forth("CONTAINS"), back("CONTAINS"), "Spice", "Cumin", "Chana", "Sambar")]
    assert told(dishes.schema, groups, "Dal", SHORT) == (
        "Like “Chana” and “Sambar” (you gave those dishes five stars), “Dal” contains Cumin."
    )
    assert "“Chana”（你给那个Dish打了高分）" in told(dishes.schema, [dishes.direct(SIMILAR, "Chana")], "Dal", KURZ)


@pytest.mark.parametrize(
    ("phrase", "one", "two"),
    [
        ("听过了{}", "你听过的“Chana”", "你听过的“Chana”和“Sambar”"),
        ("给{}打了高分", "“Chana”（你给那个Dish打了高分）", "“Chana”和“Sambar”（你给那些Dish打了高分）"),
    ],
)
def test_a_what_if_says_what_was_liked_as_the_explanation_does(phrase: str, one: str, two: str) -> None:
    dishes = recipes(f'; kr:phrase "{phrase}"@zh')
    for names, said in ((["Chana"], one), (["Chana", "Sambar"], two)):
        removed = tuple((name, name) for name in names)
        gone = Counterfactual("u", "d", "Dal", 3, "leaves", removed, len(names), True, 2, 9, (), ())
        assert f"如果没有{said}，“Dal”" in tell_counterfactual(gone, dishes.schema, "zh")
        assert said in told(dishes.schema, [dishes.direct(SIMILAR, *names)], "Dal", KURZ)


@pytest.mark.parametrize("lang", ["fr", "", "english"])
def test_unknown_language(lang: str) -> None:
    with pytest.raises(SchemaError, match="expected one of en, zh"):
        Wording(lang)


def test_a_wording_is_checked_and_its_region_ignored() -> None:
    assert Wording("zh-CN").lang == "zh"
    with pytest.raises(ConfigError, match="expected one of the tones short, friendly, formal, audit, got 'rude'"):
        Wording(tone="rude")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="sentences of at least 1"):
        Wording(sentences=0)


@pytest.mark.parametrize(
    ("name", "english", "chinese"),
    [
        ("Robert De Niro", "Robert De Niro", "Robert De Niro"),
        ("张艺谋", "“张艺谋”", "“张艺谋”"),
        ("film noir", "“film noir”", "“film noir”"),
        (
            "Al Pacino, who directed all films",
            "“Al Pacino, who directed all films”",
            "“Al Pacino, who directed all films”",
        ),
        ("And So Did Everybody", "“And So Did Everybody”", "“And So Did Everybody”"),
        ("Nobody.", "“Nobody.”", "“Nobody.”"),
        ("J. K. Rowling", "J. K. Rowling", "J. K. Rowling"),
        ("X” and “Y", "“X’ and ‘Y”", "“X’ and ‘Y”"),
        ("Heat 2", "“Heat 2”", "“Heat 2”"),
    ],
)
def test_names_that_are_not_plainly_names_are_marked_off(films: Make, name: str, english: str, chinese: str) -> None:
    for lang, expected in (("en", english), ("zh", chinese)):
        assert speaker(films.schema, lang).name(PathNode("Person", "p", name)) == expected


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("United States", "the United States"),
        ("Netherlands", "the Netherlands"),
        ("Czech Republic", "the Czech Republic"),
        ("France", "France"),
        ("United Artists", "United Artists"),
    ],
)
def test_countries_whose_names_have_an_article_get_it(films: Make, name: str, said: str) -> None:
    groups = [films.shared(forth("FROM_COUNTRY"), back("FROM_COUNTRY"), "Country", name, "Heat")]
    assert speaker(films.schema, "en").fact(films.node("Country", name)) == said
    assert speaker(films.schema, "zh").fact(films.node("Country", name)) == name
    assert told(films.schema, groups, "The Score", KURZ).startswith("和你喜欢的《Heat》一样，《The Score》来自")


@pytest.mark.parametrize(
    ("name", "key", "also"),
    [
        ("movies", "one shared STARRING one", "也由[PERSON_1]主演"),
        ("movies", "one shared IN_LANGUAGE one", "使用的语言也是[LANGUAGE_1]"),
        ("movies", "one shared HAS_CERTIFICATE one", "的分级也是[CERTIFICATE_1]"),
        ("music", "one shared HAS_GENRE one", "的曲风也是[GENRE_1]"),
    ],
)
def test_also_stands_before_what_it_is_said_of(name: str, key: str, also: str) -> None:
    pattern = next(p for p in patterns(GraphSchema.bundled(name), "zh") if p.key == key)
    assert any(also in text for text in sentences(pattern, "friendly"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Fish Called Wanda, A", "A Fish Called Wanda"),
        ("Postino, Il (1994)", "Il Postino (1994)"),
        ("Avventura, L'", "L'Avventura"),
        ("Visitors, The (Visiteurs, Les) (1993)", "The Visitors (Les Visiteurs) (1993)"),
        ("Heat, Ronin and 3 other films", "Heat, Ronin and 3 other films"),
    ],
)
def test_articles_stand_in_front(films: Make, name: str, shown: str) -> None:
    node = PathNode("Film", "f", name)
    assert speaker(films.schema, "en").name(node) == f"“{shown}”"
    assert speaker(films.schema, "zh").name(node) == f"《{shown}》"


def test_numbers_lists_and_percentages_follow_the_language(films: Make) -> None:
    english, chinese = (speaker(films.schema, lang) for lang in ("en", "zh"))
    assert [english.percent(x) for x in (1, 0.314, 0.024, 0.0042, 0.0004, 1e-6, 0)] == [
        *("100%", "31%", "2.4%", "0.4%", "0.04%", "<0.01%", "0%")
    ]
    assert chinese.percent(0.63) == "63%"
    assert (english.number(2481), chinese.number(2481)) == ("2,481", "2,481")
    assert english.join(["A", "B", "C"]) == "A, B, and C"
    assert english.join(["A", "B"], either=True) == "A or B"
    assert english.join(["{1}", "{0}"]) == "{1} and {0}"
    assert english.join(["{1}", "{0}", "{2}", "X"]) == "{1}, {0}, {2}, and X"
    assert chinese.join(["A", "B", "C"]) == "A、B和C"
    assert english.listed(["A", "B"], 67, "Film") == "A, B, and 67 other films"
    assert chinese.listed(["A", "B"], 67, "Film") == "A、B等69部电影"


def test_tones_differ(films: Make) -> None:
    for case, group in film_groups(films).items():
        by_tone = [
            {told(films.schema, [group], "The Score", Wording(tone=tone), s) for s in range(6)} for tone in TONES
        ]
        assert len(set.union(*by_tone)) >= 4, case
        for text in by_tone[3]:
            assert " of what speaks for this recommendation." in text
