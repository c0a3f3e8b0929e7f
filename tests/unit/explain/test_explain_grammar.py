from __future__ import annotations

from dataclasses import replace

import pytest
from explain_paths import SIMILAR, Make, back, forth, group

from kg_rec.errors import SchemaError
from kg_rec.explain.path import PathGroup
from kg_rec.explain.words.grammar import pattern_of, verbalize
from kg_rec.explain.words.slots import check
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


def recipes(interaction: str = "", phrases: str = "") -> Make:
    turtle = RECIPES.replace("INTERACTION", interaction).replace("PHRASES", phrases)
    return Make(GraphSchema.from_turtle(turtle), item_name="Dal")


def starring(films: Make, name: str, *liked: str) -> PathGroup:
    return films.shared(forth("STARRING"), back("STARRING"), "Person", name, *liked)


def film_groups(films: Make) -> dict[str, list[PathGroup]]:
    de_niro, both = films.node("Person", "Robert De Niro"), [forth("STARRING"), back("STARRING")]
    certificate = films.shared(forth("HAS_CERTIFICATE"), back("HAS_CERTIFICATE"), "Certificate", "R", "Heat")
    chain = [forth("STARRING"), back("STARRING"), forth("HAS_GENRE"), back("HAS_GENRE")]
    between = [films.liked("Heat"), de_niro, films.liked("Casino"), films.node("Genre", "Crime")]
    return {
        "three": [
            starring(films, "Robert De Niro", "Heat", "Ronin"),
            films.taste(("Fargo", 37)),
            films.direct(SIMILAR, "Se7en"),
        ],
        "cut": [starring(films, "Robert De Niro", "Heat", "Ronin", "A", "B", "C")],
        "merged": [starring(films, "Robert De Niro", "Heat"), certificate, starring(films, "Val Kilmer", "Heat")],
        "mixed": [films.shared(forth("DIRECTED_BY"), back("STARRING"), "Person", "Robert De Niro", "Heat", "Ronin")],
        "sequel": [films.direct(forth("FOLLOWED_BY"), "Heat"), films.direct(back("FOLLOWED_BY"), "Ronin")],
        "one": [films.taste(("Fargo", 1))],
        "crowds": [films.taste(("Fargo", 2481), ("Heat", 25)), films.taste(("Ronin", 12), channel="relational")],
        "many": [films.taste(("A", 9), ("B", 8), ("C", 7), ("D", 6))],
        "cold": [films.cold(["Casino"], [de_niro], both, ("Fargo", 37), ("Heat", 2))],
        "cold mixed": [films.cold(["Casino"], [de_niro], [forth("DIRECTED_BY"), back("STARRING")], ("Fargo", 37))],
        "cold text": [films.cold(["Casino"], [], [SIMILAR], ("Fargo", 37))],
        "cold texts": [films.cold(["Casino", "Ronin"], [], [SIMILAR], ("Fargo", 37))],
        "cold sequel": [films.cold(["Casino"], [], [forth("FOLLOWED_BY")], ("Fargo", 37))],
        "texts": [films.direct(SIMILAR, "Se7en", "Heat")],
        "chain": [group(films.path("knowledge", between, chain))],
        "against": [films.taste(("Fargo", 37), value=-1.0)],
        "nobody": [films.taste(("Fargo", 0))],
    }


ENGLISH = {
    "three": "Like Heat and Ronin, which you liked, The Score stars Robert De Niro. 37 viewers who, like you, liked "
    "Fargo also liked this film. The description of this film is close to that of Se7en, which you liked.",
    "cut": "Like Heat, Ronin and 3 other films, which you liked, The Score stars Robert De Niro.",
    "merged": "Like Heat, which you liked, The Score stars Robert De Niro and Val Kilmer. "
    "Like Heat, which you liked, this film has the certificate R.",
    "mixed": "Robert De Niro directed Heat and Ronin, which you liked, and starred in The Score.",
    "sequel": "The Score is a sequel to Heat, which you liked. This film was followed by Ronin, which you liked.",
    "one": "1 viewer who, like you, liked Fargo also liked The Score.",
    "crowds": "Viewers who, like you, liked Fargo (2,481 viewers), Heat (25) or Ronin (12) also liked The Score.",
    "many": "Viewers who, like you, liked A (9 viewers), B (8) or one of 2 other films also liked The Score.",
    "cold": "Viewers who, like you, liked Fargo (37 viewers) or Heat (2) also liked Casino; like it, The Score stars "
    "Robert De Niro.",
    "cold mixed": "37 viewers who, like you, liked Fargo also liked Casino; Robert De Niro directed it and starred in "
    "The Score.",
    "cold text": "37 viewers who, like you, liked Fargo also liked Casino, whose description is close to that of "
    "The Score.",
    "cold texts": "Viewers who, like you, liked Fargo also liked Casino and Ronin, whose descriptions are close to "
    "that of The Score.",
    "cold sequel": "37 viewers who, like you, liked Fargo also liked Casino; The Score is a sequel to it.",
    "texts": "The description of The Score is close to those of Se7en and Heat, which you liked.",
    "chain": "The Score is linked with Heat, which you liked, through Robert De Niro, Casino and Crime.",
    "against": "No single path speaks for The Score; its score comes from its popularity and your history as a whole.",
    "nobody": "No single path speaks for The Score; its score comes from its popularity and your history as a whole.",
}
CHINESE = {
    "three": "和你喜欢的《Heat》、《Ronin》一样，《The Score》由Robert De Niro主演。有37位观众和你一样喜欢《Fargo》，"
    "也喜欢这部电影。这部电影的简介与你喜欢的《Se7en》的简介相近。",
    "cut": "和你喜欢的《Heat》、《Ronin》等5部电影一样，《The Score》由Robert De Niro主演。",
    "merged": "和你喜欢的《Heat》一样，《The Score》由Robert De Niro、Val Kilmer主演。和你喜欢的《Heat》一样，"
    "这部电影的分级是R。",
    "mixed": "Robert De Niro执导了你喜欢的《Heat》、《Ronin》，也出演了《The Score》。",
    "sequel": "《The Score》是你喜欢的《Heat》的续集。这部电影的续集是你喜欢的《Ronin》。",
    "one": "有1位观众和你一样喜欢《Fargo》，也喜欢《The Score》。",
    "crowds": "有一些观众和你一样喜欢《Fargo》（2481位观众）、《Heat》（25位）或《Ronin》（12位），"
    "也喜欢《The Score》。",
    "many": "有一些观众和你一样喜欢《A》（9位观众）、《B》（8位）或另外2部电影之一，也喜欢《The Score》。",
    "cold": "有一些观众和你一样喜欢《Fargo》（37位观众）或《Heat》（2位），也喜欢《Casino》；和它一样，《The Score》由"
    "Robert De Niro主演。",
    "cold mixed": "有37位观众和你一样喜欢《Fargo》，也喜欢《Casino》；Robert De Niro执导了它，也出演了《The Score》。",
    "cold text": "有37位观众和你一样喜欢《Fargo》，也喜欢《Casino》，而《The Score》的简介与它的简介相近。",
    "cold texts": "有一些观众和你一样喜欢《Fargo》，也喜欢《Casino》、《Ronin》，"
    "而《The Score》的简介与它们的简介相近。",
    "cold sequel": "有37位观众和你一样喜欢《Fargo》，也喜欢《Casino》；《The Score》是它的续集。",
    "texts": "《The Score》的简介与你喜欢的《Se7en》、《Heat》的简介相近。",
    "chain": "《The Score》通过Robert De Niro、《Casino》、Crime与你喜欢的《Heat》相关联。",
    "against": "没有哪一条路径单独支持《The Score》，它的得分来自整体受欢迎程度和你的全部历史记录。",
    "nobody": "没有哪一条路径单独支持《The Score》，它的得分来自整体受欢迎程度和你的全部历史记录。",
}


@pytest.mark.parametrize("case", ENGLISH)
@pytest.mark.parametrize(("lang", "golden"), [("en", ENGLISH), ("zh", CHINESE)])
def test_films(films: Make, case: str, lang: str, golden: dict[str, str]) -> None:
    assert verbalize(films.schema, film_groups(films)[case], "The Score", lang=lang) == golden[case]


def test_music(music: Make) -> None:
    genre = [forth("HAS_GENRE"), back("HAS_GENRE")]
    groups = [
        music.shared(*genre, "Genre", "Slowcore", "Codeine", "Bedhead"),
        music.taste(("Galaxie 500", 37)),
        music.direct(SIMILAR, "Mogwai"),
    ]
    assert verbalize(music.schema, groups, "Low") == (
        "Like Codeine and Bedhead, which you listened to, Low plays the genre Slowcore. 37 listeners who, like you, "
        "listened to Galaxie 500 also listened to this artist. The description of this artist is close to that of "
        "Mogwai, which you listened to."
    )
    assert verbalize(music.schema, groups, "Low", lang="zh") == (
        "和你听过的「Codeine」、「Bedhead」一样，「Low」的曲风是Slowcore。有37位听众和你一样听过「Galaxie 500」，"
        "也听过这位音乐人。这位音乐人的简介与你听过的「Mogwai」的简介相近。"
    )


def test_fallbacks_where_a_schema_says_little() -> None:
    dishes = recipes()
    groups = [dishes.shared(forth("CONTAINS"), back("CONTAINS"), "Spice", "Cumin", "Chana")]
    assert verbalize(dishes.schema, groups, "Dal") == (
        "Like Chana, which you interacted with, Dal is linked to Cumin (contains)."
    )
    assert verbalize(dishes.schema, [dishes.taste(("Chana", 4))], "Dal", lang="zh") == (
        "有4个Cook和你一样接触过「Chana」，也接触过「Dal」。"
    )
    inverse_missing = verbalize(dishes.schema, [dishes.direct(forth("GOES_WITH"), "Naan")], "Dal")
    assert inverse_missing == "Naan, which you interacted with, goes with Dal."
    labelled = verbalize(dishes.schema, [dishes.direct(forth("GOES_WITH"), "Naan")], "Dal", lang="zh")
    assert labelled == "「Dal」与你接触过的「Naan」有关（搭配）。"


def test_neither_phrase_nor_label_is_an_error() -> None:
    dishes = recipes()
    groups = [dishes.shared(forth("CONTAINS"), back("CONTAINS"), "Spice", "Cumin", "Chana")]
    with pytest.raises(SchemaError, match=r"CONTAINS cannot be said in 'zh'.*add one"):
        verbalize(dishes.schema, groups, "Dal", lang="zh")


def test_a_phrase_that_goes_on_after_its_object() -> None:
    dishes = recipes('; kr:phrase "gave {} five stars"@en, "给{}打了高分"@zh', '; kr:phrase "contains {}"@en')
    groups = [dishes.shared(forth("CONTAINS"), back("CONTAINS"), "Spice", "Cumin", "Chana", "Sambar")]
    assert verbalize(dishes.schema, groups, "Dal") == (
        "Like Chana and Sambar (you gave them five stars), Dal contains Cumin."
    )
    assert verbalize(dishes.schema, [dishes.direct(SIMILAR, "Chana")], "Dal", lang="zh") == (
        "「Dal」的简介与「Chana」（你给它打了高分）的简介相近。"
    )


@pytest.mark.parametrize("lang", ["fr", "", "english"])
def test_unknown_language(films: Make, lang: str) -> None:
    with pytest.raises(SchemaError, match="expected one of en, zh"):
        verbalize(films.schema, [], "The Score", lang=lang)


def test_paths_of_another_schema(films: Make, music: Make) -> None:
    with pytest.raises(SchemaError, match="has no type Film, Person, RATED, STARRING, User"):
        verbalize(music.schema, [starring(films, "Robert De Niro", "Heat")], "The Score")


def test_notes(films: Make) -> None:
    say = films.schema
    assert verbalize(say, [], "Heat", ["no_interactions"]) == (
        "Nothing is known about your taste yet; Heat is scored by its general popularity."
    )
    assert verbalize(say, [], "Heat", ["no_interactions"], "zh-CN") == (
        "目前还不了解你的喜好，《Heat》的得分来自它的整体受欢迎程度。"
    )
    assert verbalize(say, [], "Heat", base_only=True) == (
        "Nothing in your history leads to Heat; it is scored by its general popularity."
    )
    assert verbalize(say, [], "Heat", lang="zh", base_only=True) == (
        "你的历史记录与《Heat》没有关联，它的得分来自整体受欢迎程度。"
    )
    known = verbalize(say, [films.taste(("Fargo", 3))], "The Score", ["already_interacted"])
    assert known.endswith("also liked The Score. It is already in your history.")
    assert verbalize(say, [films.taste(("Fargo", 3))], "X", ["already_interacted"], "zh").endswith(
        "它已在你的历史记录中。"
    )
    with pytest.raises(ValueError, match="got sponsored"):
        verbalize(say, [], "Heat", ["sponsored"])


def test_at_most_so_many_sentences(films: Make) -> None:
    groups = film_groups(films)["three"]
    assert verbalize(films.schema, groups, "The Score", sentences=1).count(".") == 1


def test_a_pattern_holds_no_name(films: Make) -> None:
    for case, groups in film_groups(films).items():
        if case in ("against", "nobody"):
            with pytest.raises(ValueError, match="positive value"):
                pattern_of(groups[0], films.schema)
            continue
        for lang in ("en", "zh"):
            pattern = pattern_of(groups[0], films.schema, lang)
            assert check(pattern.template, tuple(s.tag for s in pattern.slots)) == ()
            for name in ("Heat", "Fargo", "Score", "Niro", "Casino", "37"):
                assert name not in pattern.template
    three = film_groups(films)["three"][0]
    assert pattern_of(three, films.schema).template == "Like [FILMS_1], which you liked, [FILM_1] stars [PERSON_1]."


def test_the_same_pattern_for_other_names(films: Make) -> None:
    one = pattern_of(starring(films, "Robert De Niro", "Heat"), films.schema)
    other = pattern_of(starring(films.named("Gilda"), "Rita Hayworth", "Cover Girl"), films.schema)
    assert one.template == other.template
    assert one.slots != other.slots


def test_others_are_counted_once_per_item(films: Make) -> None:
    taste = films.taste(("Fargo", 37))
    again = [taste, films.taste(("Fargo", 37), channel="relational"), films.taste(("Fargo", 37), channel="sequence")]
    assert verbalize(films.schema, again, "The Score") == verbalize(films.schema, [taste], "The Score")


def test_only_positive_paths_are_reasons(films: Make) -> None:
    paths = films.taste(("Fargo", 37), ("Heat", 5)).paths
    mixed = group(paths[0], replace(paths[1], value=-0.5))
    assert "Heat" not in verbalize(films.schema, [mixed], "The Score")
