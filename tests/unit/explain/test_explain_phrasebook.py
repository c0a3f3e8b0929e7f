from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from explain_paths import SIMILAR, Make, back, forth

from kg_rec.cli import options
from kg_rec.errors import ConfigError, PhraseError
from kg_rec.explain.words.grammar import compiled, seed_of, verbalize
from kg_rec.explain.words.phrasebook import LANGUAGES, TONES, Phrase, Phrasebook, check_phrase, patterns
from kg_rec.explain.words.slots import check
from kg_rec.schema import GraphSchema

BUNDLED = ("interactions", "movies", "music")
MOVIES = GraphSchema.bundled("movies")
PATTERNS = {(p.lang, p.key): p for lang in LANGUAGES for p in patterns(MOVIES, lang)}

STARS = "one shared STARRING one"
DIRECTED = "one shared DIRECTED_BY one"
SEQUEL = "one direct ^FOLLOWED_BY"
OTHERS = "counted none"


@pytest.mark.parametrize("name", BUNDLED)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_patterns_are_few_and_distinct_and_their_references_pass_the_checker(name: str, lang: str) -> None:
    found = patterns(GraphSchema.bundled(name), lang)
    assert len({p.key for p in found}) == len(found) < 150
    assert [p.key for p in found] == [p.key for p in patterns(GraphSchema.bundled(name), "en")]
    for pattern in found:
        assert check_phrase(pattern, pattern.reference, lang) == ()
        assert check_phrase(pattern, pattern.sentence("audit"), lang, "audit") != ()  # brackets: the grammar's only
        assert check(pattern.sentence("audit"), tuple(s.tag for s in pattern.slots_of("audit"))) == ()


@pytest.mark.parametrize("name", BUNDLED)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_shipped_phrases_pass_the_checker_and_cover_every_pattern(name: str, lang: str) -> None:
    schema = GraphSchema.bundled(name)
    known = {p.key: p for p in patterns(schema, lang)}
    phrases = Phrasebook.shipped().for_schema(schema, lang)
    assert phrases.refused == ()
    count: Counter[str] = Counter()
    for (key, tone), some in phrases.variants.items():
        count[key] += len(some)
        assert len({p.text for p in some}) == len(some)
        for phrase in some:
            assert check_phrase(known[key], phrase.text, lang, tone) == ()
    assert set(phrases.variants) == {(key, tone) for key in known for tone in TONES}
    assert min(count.values()) >= 8


def test_every_shipped_line_makes_a_phrase() -> None:
    book = Phrasebook.shipped()
    schemas = [GraphSchema.bundled(name) for name in BUNDLED]
    used = {
        phrase.origin
        for schema in schemas
        for lang in LANGUAGES
        for some in book.for_schema(schema, lang).variants.values()
        for phrase in some
    }
    assert {phrase.origin for phrase in book.phrases} == used


@pytest.mark.parametrize(
    ("lang", "key", "text"),
    [
        ("en", STARS, "[FILM_1], which you liked, and [FILM_2] both have [PERSON_1] in the cast."),
        ("en", STARS, "Since you enjoyed [FILM_1], here is [FILM_2], which also stars [PERSON_1]."),
        ("en", STARS, "[PERSON_1]’s role in [FILM_1], which you liked: [FILM_2] stars the same person."),
        ("en", SEQUEL, "[FILM_2] is the sequel to [FILM_1], which you enjoyed."),
        ("en", SEQUEL, "[FILM_1], which you liked, was followed by [FILM_2]."),
        ("zh", STARS, "你喜欢[FILM_1]，而[FILM_2]的主演也是[PERSON_1]。"),
        ("zh", SEQUEL, "[FILM_2]是你喜爱的[FILM_1]的续集。"),
        ("zh", OTHERS, "和你一样喜欢[FILM_1]的[COUNT_1]，同样也喜欢[FILM_2]。"),
    ],
)
def test_the_checker_accepts(lang: str, key: str, text: str) -> None:
    assert check_phrase(PATTERNS[lang, key], text, lang) == ()


@pytest.mark.parametrize(
    ("lang", "key", "text", "reason"),
    [
        # slots
        ("en", STARS, "Like [FILM_1], which you liked, this film stars [PERSON_1].", "[FILM_2] occurs 0 times"),
        ("en", STARS, "[FILM_1], which you liked, and [FILM_2] and [FILM_2] star [PERSON_1].", "occurs 2 times"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] stars [PERSON_1] and [PERSON_2].", "is not a slot"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] stars [PERSON_1] {name}.", "looks like a slot"),
        ("en", STARS, "You liked [FILM_1], and [FILM_2][PERSON_1] stars too.", "run together"),
        # another relation, names, numbers, promises, negation
        ("en", DIRECTED, "Like [FILM_1], which you liked, [FILM_2] was produced by [PERSON_1].", "'produced'"),
        ("en", STARS, "[PERSON_1] directed [FILM_1], which you liked, and stars in [FILM_2].", "'directed'"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] has [PERSON_1] too.", "expected one of the words"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] does not star [PERSON_1].", "'not'"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] stars [PERSON_1] and Al Pacino.", "'Al' looks like a"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] stars [PERSON_1] and pacino.", "'pacino'"),
        ("en", STARS, "You will love [FILM_2]: like [FILM_1], which you liked, it stars [PERSON_1].", "'will'"),
        ("en", OTHERS, "[COUNT_1] who, like you, liked [FILM_1] also liked [FILM_2] 5 times.", "'5' is not allowed"),
        ("en", OTHERS, "[COUNT_1] who, like you, disliked [FILM_1] also disliked [FILM_2].", "'disliked'"),
        # who did what
        ("en", STARS, "Like [FILM_1], [FILM_2] stars [PERSON_1].", "expected that you liked [FILM_1]"),
        ("en", STARS, "Like [FILM_2], which you liked, [FILM_1] stars [PERSON_1].", "you liked [FILM_2], which is not"),
        (
            "en",
            OTHERS,
            "[COUNT_1] who liked [FILM_1], like you, liked [FILM_2] too.",
            "you liked [FILM_2], which is not",
        ),
        (
            "en",
            OTHERS,
            "You liked [FILM_1] and [FILM_2]; [COUNT_1] liked the same.",
            "you liked [FILM_2], which is not",
        ),
        (
            "en",
            OTHERS,
            "[COUNT_1] who, like you, liked [FILM_1] also liked [FILM_2], and so did you.",
            "you liked [FILM_2]",
        ),
        ("en", STARS, "[FILM_1], which you liked, and [FILM_2] starred in [PERSON_1].", "in the wrong direction"),
        (
            "en",
            DIRECTED,
            "Like [PERSON_1], [FILM_1], which you liked, was directed by [FILM_2].",
            "in the wrong direction",
        ),
        ("en", OTHERS, "You liked [FILM_1], like [COUNT_1] of [FILM_2].", "the others did what you did"),
        ("en", SEQUEL, "[FILM_1], which you liked, is a sequel to [FILM_2].", "in the wrong direction"),
        ("en", SEQUEL, "[FILM_2] was followed by [FILM_1], which you liked.", "in the wrong direction"),
        # form
        ("en", STARS, 'Like [FILM_1], which you liked, "[FILM_2]" stars [PERSON_1].', "is not allowed"),
        ("en", STARS, "Like [FILM_1], which you liked, <b>[FILM_2]</b> stars [PERSON_1].", "'<' is not allowed"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] stars [PERSON_1]; see https://x.y.", "is not allowed"),
        ("en", STARS, "Like [FILM_1], which you liked,\n[FILM_2] stars [PERSON_1].", "is not allowed"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] stars a [PERSON_1].", "'a' before a slot"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] stars [PERSON_1]", "ends in '.'"),
        ("en", STARS, "You liked [FILM_1]. [FILM_2] stars [PERSON_1] too.", "one sentence"),
        ("en", STARS, "like [FILM_1], which you liked, [FILM_2] stars [PERSON_1].", "capital letter"),
        ("en", STARS, "和[FILM_1]一样, which you liked, [FILM_2] stars [PERSON_1].", "is not English"),
        ("en", STARS, "Like [FILM_1], which you liked, " + "and so " * 50 + "[FILM_2] stars [PERSON_1].", "characters"),
        ("zh", STARS, "和你喜欢的[FILM_1]一样，[FILM_2] stars [PERSON_1]。", "is not Chinese"),
        ("zh", STARS, "和你喜欢的[FILM_1]一样，[FILM_2]由[PERSON_1]执导。", "'执导' is not made of"),
        ("zh", STARS, "和你喜欢的[FILM_1]一样，[FILM_2]不由[PERSON_1]主演。", "is not made of"),
        ("zh", STARS, "和你喜欢的[FILM_2]一样，[FILM_1]由[PERSON_1]主演。", "which is not on the path"),
        ("zh", STARS, "和[FILM_1]一样，[FILM_2]由[PERSON_1]主演。", "expected that you"),
        ("zh", STARS, "和你喜欢的[FILM_1]一样，[FILM_2]由[PERSON_1]、张艺谋主演。", "is not made of"),
        ("zh", STARS, "你喜欢的[FILM_1]和[FILM_2]都由[PERSON_1]主演。", "which is not on the path"),
        ("zh", STARS, "和你喜欢的[FILM_1]一样，[PERSON_1]由[FILM_2]主演。", "in the wrong direction"),
        ("zh", OTHERS, "有[COUNT_1]和你一样喜欢[FILM_1]，也喜欢[FILM_2]，你也喜欢。", "which is not on the path"),
        ("zh", SEQUEL, "你喜欢的[FILM_1]是[FILM_2]的续集。", "in the wrong direction"),
        ("zh", OTHERS, "有[COUNT_1]和你一样喜欢[FILM_1]、[FILM_2]。", "the others did what you did"),
    ],
)
def test_the_checker_rejects(lang: str, key: str, text: str, reason: str) -> None:
    found = check_phrase(PATTERNS[lang, key], text, lang)
    assert any(reason in why for why in found), found


def test_the_checker_wants_the_pattern_s_language_and_the_share_in_audits() -> None:
    pattern = PATTERNS["en", STARS]
    assert check_phrase(pattern, pattern.reference, "zh") == ("expected a phrase in en, got one in zh",)
    assert check_phrase(pattern, pattern.reference, "en", "audit") == ("[SHARE_1] occurs 0 times, expected once",)
    told = pattern.reference[:-1] + "; share: [SHARE_1]."
    assert check_phrase(pattern, told, "en", "audit") == ()
    assert check_phrase(pattern, told, "en") == ("[SHARE_1] is not a slot of this pattern",)


def phrase(text: str, key: str = STARS, **other: str) -> Phrase:
    made = {"schema": "movies", "lang": "en", "tone": "friendly", **other}
    return Phrase(made["schema"], made["lang"], key, made["tone"], text)  # type: ignore[arg-type]


def test_save_and_load_and_choose(tmp_path: Path) -> None:
    texts = [f"Like [FILM_1], which you liked, {word}[FILM_2] stars [PERSON_1]." for word in ("", "here ", "again ")]
    book = Phrasebook().add([phrase(t) for t in texts]).add([phrase(texts[1])])
    assert len(book.phrases) == 3
    file = tmp_path / "mine.jsonl"
    book.save(file)
    again = Phrasebook.load(file)
    assert [p.text for p in again.phrases] == texts
    assert again.phrases[1].origin == f"{file}:2"
    phrases = again.for_schema(MOVIES, "en")
    chosen = [phrases.choose(STARS, "friendly", seed) for seed in range(6)]
    assert [p.text for p in chosen if p] == [*texts, *texts]
    assert phrases.choose(STARS, "formal", 1) is None
    assert phrases.choose(DIRECTED, "friendly", 1) is None
    assert again.for_schema(MOVIES, "zh").variants == {}
    assert again.for_schema(GraphSchema.bundled("music"), "en").variants == {}
    again.save(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_text() == file.read_text()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"mine.jsonl:2: expected one JSON object a line"),
        ('{"schema": "movies"}', r"mine.jsonl:2: expected an object with the texts schema, lang, pattern, tone, text"),
        ({"tone": "rude"}, r"mine.jsonl:2: expected one of the tones short, friendly, formal, audit, got 'rude'"),
        ({"lang": "fr"}, r"mine.jsonl:2: expected one of the languages en, zh, got 'fr'"),
        ({"pattern": "one shared EATEN_BY one"}, r"mine.jsonl:2: schema movies has no pattern 'one shared EATEN_BY"),
        (
            {"text": "Like [FILM_1], [FILM_2] stars [PERSON_1]."},
            r"mine.jsonl:2: .* is refused: expected that you liked",
        ),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, line: str | dict[str, str], message: str) -> None:
    good = {"schema": "movies", "lang": "en", "pattern": STARS, "tone": "short"}
    good["text"] = "Like [FILM_1], which you liked, [FILM_2] stars [PERSON_1]."
    second = line if isinstance(line, str) else json.dumps({**good, **line})
    file = tmp_path / "mine.jsonl"
    file.write_text(f"{json.dumps(good)}\n{second}\n", encoding="utf-8")
    with pytest.raises(PhraseError, match=message):
        Phrasebook.load(file).for_schema(MOVIES, "en")
    with pytest.raises(PhraseError, match=r"absent\.jsonl: cannot read"):
        Phrasebook.load(tmp_path / "absent.jsonl")


def test_frames_of_a_new_schema() -> None:
    turtle = MOVIES.turtle.replace("urn:kg-rec:movies", "urn:me:plays").replace('"film"@en', '"play"@en')
    schema = GraphSchema.from_turtle(turtle.replace('"films"@en', '"plays"@en'))
    phrases = Phrasebook.shipped().for_schema(schema, "en")
    some = phrases.variants[STARS, "friendly"]
    assert len(some) >= 4
    assert all(p.schema == schema.name and p.origin.startswith("any.en.jsonl") for p in some)


def groups(films: Make) -> list:  # type: ignore[type-arg]
    both = [forth("STARRING"), back("STARRING")]
    return [
        films.shared(*both, "Person", "Robert De Niro", "Heat", "Ronin"),
        films.taste(("Fargo", 37)),
        films.direct(SIMILAR, "Se7en"),
    ]


def test_tones_and_variants(films: Make) -> None:
    book, told = Phrasebook.shipped(), {}
    for tone in TONES:
        texts = [
            verbalize(films.schema, groups(films), "The Score", tone=tone, phrasebook=book, seed=s) for s in range(12)
        ]
        assert len(set(texts)) > 2
        told[tone] = set(texts)
        for text in texts:
            for name in ("Heat and Ronin", "Robert De Niro", "The Score", "37 viewers", "Fargo", "Se7en"):
                assert text.count(name) == 1
            assert text.count("this film") + text.count("This film") == 2
            for share in ("20.0 %", "10.0 %"):
                assert (share in text) == (tone == "audit")
    assert all(not told[a] & told[b] for a in TONES for b in TONES if a != b)
    same = [verbalize(films.schema, groups(films), "The Score", phrasebook=book, seed=seed_of("u", "i"))] * 2
    assert same[0] == verbalize(films.schema, groups(films), "The Score", phrasebook=book, seed=seed_of("u", "i"))


def test_the_grammar_speaks_where_there_is_no_phrase(films: Make) -> None:
    plain = verbalize(films.schema, groups(films), "The Score")
    assert verbalize(films.schema, groups(films), "The Score", phrasebook=Phrasebook()) == plain
    audit = verbalize(films.schema, groups(films), "The Score", tone="audit")
    assert audit.startswith(
        "Like Heat and Ronin, which you liked, The Score stars Robert De Niro (20.0 % of what speaks for it). "
    )
    zh = verbalize(films.schema, groups(films), "The Score", lang="zh", tone="audit")
    assert zh.startswith("和你喜欢的《Heat》、《Ronin》一样，《The Score》由Robert De Niro主演（占推荐理由的20.0 %）。")


def test_an_unknown_tone(films: Make) -> None:
    with pytest.raises(ConfigError, match="expected one of the tones short, friendly, formal, audit, got 'rude'"):
        verbalize(films.schema, [], "The Score", tone="rude")  # type: ignore[arg-type]


def test_the_command_line_knows_the_tones() -> None:
    assert options.TONES == TONES


def test_a_teller_is_made_once() -> None:
    book = Phrasebook.shipped()
    again = GraphSchema.bundled("movies")
    assert compiled(MOVIES, "en", "short", book) is compiled(again, "en", "short", book)
    assert compiled(MOVIES, "en", "short", book) is not compiled(MOVIES, "en", "short")
