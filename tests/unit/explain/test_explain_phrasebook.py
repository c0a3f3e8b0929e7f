"""What may be said: the sentences that ship derive from the grammar, false ones do not, and files are checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from kg_rec.cli import main, options
from kg_rec.errors import PhraseError
from kg_rec.explain.words.checks import verdicts
from kg_rec.explain.words.grammar import check_phrase, check_slots, ebnf, sentences
from kg_rec.explain.words.patterns import TONES, Pattern, Tone, patterns, profile_kinds
from kg_rec.explain.words.patterns import pattern as pattern_of
from kg_rec.explain.words.phrasebook import Phrase, Phrasebook
from kg_rec.explain.words.sentences import Sentences, sentences_of
from kg_rec.explain.words.wording import Wording
from kg_rec.schema import GraphSchema

#: In which every sentence is derived here; those of films are by the contract of each language
#: (tests/unit/explain/test_explain_languages.py), and of the others one a relation.
WHOLE = "interactions"
LANGUAGES = ("en", "zh")
MOVIES = GraphSchema.bundled("movies")
PATTERNS = {(p.lang, p.key): p for lang in LANGUAGES for p in patterns(MOVIES, lang)}

STARS = "one shared STARRING one"
DIRECTED = "one shared DIRECTED_BY one"
SEQUEL = "one direct ^FOLLOWED_BY"
OTHERS = "counted none"

SHARED = Path(__file__).parents[4] / "shared" / "false_phrases.tsv"


@pytest.mark.parametrize("name", [WHOLE, "movies"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_sentences_that_ship_cover_every_pattern_and_derive(name: str, lang: str) -> None:
    found = patterns(GraphSchema.bundled(name), lang)
    assert len({p.key for p in found}) == len(found) < 150
    assert [p.key for p in found] == [p.key for p in patterns(GraphSchema.bundled(name), "en")]
    for pattern in found:
        for tone in TONES:
            some = sentences(pattern, tone)
            assert len(set(some)) == len(some) >= 1
            for text in some:
                assert name != WHOLE or check_phrase(pattern, text, lang, tone) == ()
                assert text[-1] in ".。"
                assert len(re.sub(r"\[[A-Z_]+_1\]", "", text)) < 260
                assert not re.search(r"  | [,.;]|\]\[|[{}]", text)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    "name", ["books", "finance", "library", "medicine", "music", "news", "shop", "social", "travel", "video"]
)
def test_every_pattern_of_the_other_domains_is_said_and_one_a_relation_derives(name: str, lang: str) -> None:
    schema = GraphSchema.bundled(name)
    found = patterns(schema, lang)
    assert len(found) < 150
    assert all(sentences(one, tone) for one in found for tone in TONES)
    assert all(sentences(pattern_of(schema, lang, kind), "short") for kind in profile_kinds(schema))
    for one in (p for p in found if p.kind.lead == "one" and p.kind.steps and not p.kind.several):
        assert check_phrase(one, sentences(one, "short")[0], lang, "short") == ()


@pytest.mark.parametrize(
    ("lang", "key", "text"),
    [
        ("en", STARS, "As with [FILM_1], which you liked, [FILM_2] stars [PERSON_1]."),
        ("en", STARS, "You liked [FILM_1], and [FILM_2] also stars [PERSON_1]."),
        ("en", STARS, "[FILM_1], which you liked, and [FILM_2] share the star [PERSON_1]."),
        ("en", STARS, "[FILM_2] stars [PERSON_1], as does [FILM_1], which you liked."),
        ("en", STARS, "Both [FILM_1], which you liked, and [FILM_2] star [PERSON_1]."),
        ("en", DIRECTED, "You liked [FILM_1]; [FILM_2] was also directed by [PERSON_1]."),
        ("en", DIRECTED, "[FILM_2] was directed by [PERSON_1], who also directed [FILM_1], which you liked."),
        ("en", DIRECTED, "[PERSON_1] directed [FILM_2] as well as [FILM_1], which you liked."),
        ("en", SEQUEL, "[FILM_2] is the sequel to [FILM_1], which you liked."),
        ("en", SEQUEL, "[FILM_1], which you liked, was followed by [FILM_2]."),
        ("en", OTHERS, "[COUNT_1] who, like you, liked [FILM_1] also liked [FILM_2]."),
        ("zh", STARS, "你喜欢[FILM_1]，[FILM_2]的主演也是[PERSON_1]。"),
        ("zh", STARS, "[FILM_2]与你喜欢的[FILM_1]都由[PERSON_1]主演。"),
        ("zh", STARS, "你喜欢[FILM_1]，而[FILM_2]同样由[PERSON_1]主演。"),
        ("zh", OTHERS, "和你一样喜欢[FILM_1]的[COUNT_1]同样也喜欢[FILM_2]。"),
    ],
)
def test_other_true_sentences_are_accepted(lang: str, key: str, text: str) -> None:
    assert check_phrase(PATTERNS[lang, key], text, lang) == ()


@pytest.mark.parametrize(
    ("lang", "key", "text", "reason"),
    [
        ("en", STARS, "Like [FILM_1], which you liked, this film stars [PERSON_1].", "[FILM_2] occurs 0 times"),
        ("en", STARS, "[FILM_1], which you liked, and [FILM_2] and [FILM_2] star [PERSON_1].", "occurs 2 times"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] stars [PERSON_1] and [PERSON_2].", "is not a slot"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] stars [PERSON_1] {name}.", "looks like a slot"),
        ("en", DIRECTED, "Like [FILM_1], which you liked, [FILM_2] was produced by [PERSON_1].", "'was produced by"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] does not star [PERSON_1].", "'does not star"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] stars [PERSON_1] and Al Pacino.", "' and Al Pacino.'"),
        ("en", STARS, "Like [FILM_2], which you liked, [FILM_1] stars [PERSON_1].", "goes on with '[FILM_2]"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] stars [PERSON_1]", "breaks off"),
        ("en", STARS, "Like [FILM_1], which you liked, [FILM_2] stars [PERSON_1]; see https://x.y.", "'; see"),
        ("en", SEQUEL, "[FILM_1], which you liked, is a sequel to [FILM_2].", "'is a sequel"),
        ("zh", STARS, "和你喜欢的[FILM_1]一样，[FILM_2]由[PERSON_1]执导。", "执导。'"),
        ("zh", STARS, "和你喜欢的[FILM_1]一样，[FILM_2]不由[PERSON_1]主演。", "'不由"),
        ("zh", SEQUEL, "你喜欢的[FILM_1]是[FILM_2]的续集。", "'是[FILM_2]"),
    ],
)
def test_the_reason_says_where_it_goes_wrong(lang: str, key: str, text: str, reason: str) -> None:
    found = check_phrase(PATTERNS[lang, key], text, lang)
    assert any(reason in why for why in found), found


def test_the_check_wants_the_pattern_s_language_and_the_share_in_audits() -> None:
    pattern = PATTERNS["en", STARS]
    plain, audit = sentences(pattern, "short")[0], sentences(pattern, "audit")[0]
    assert check_phrase(pattern, plain, "zh") == ("expected a phrase in en, got one in zh",)
    assert check_phrase(pattern, plain, "en", "audit") == ("[SHARE_1] occurs 0 times, expected once",)
    assert check_phrase(pattern, audit, "en", "audit") == ()
    assert check_phrase(pattern, audit, "en") == ("[SHARE_1] is not a slot of this pattern",)


# --- false sentences ------------------------------------------------------------------------------------

#: What makes a true sentence false: words put in, taken out, or changed for others.
_ENGLISH = (
    (r"(?<=\])(?=\.$)", ", and so did all viewers"),
    (r"(?<=\])(?=\.$)", ", since both are the same"),
    (r"(?<=\])(?=\.$)", " first"),
    (r"(?<=\])(?=\.$)", ", which won every award"),
    (r"\balso liked\b", "never liked"),
    (r"\bliked\b", "hated"),
    (r"\bliked\b", "liked all of"),
    (r"\bSome\b", "All"),
    (r"\bwas directed by\b", "was written by"),
    (r"\bwas directed by\b", "was not directed by"),
    (r"\bdirector\b", "best director"),
    (r"\bstars\b", "only stars"),
    (r"\bwas followed by\b", "was following"),
    (r"\bis a sequel to\b", "was followed by"),
    (r"\bclose to\b", "the same as"),
    (r"\bdescription\b", "director"),
    (r"^", "Everyone knows: "),
    (r", which you liked", ""),
    (r"\btoo\b", "alone"),
    (r"\bas well\b", "as well because you liked it"),
)
_CHINESE = (
    (r"(?<=\])(?=。$)", "，大家都喜欢"),
    (r"^", "每个人都知道，"),
    (r"也喜欢", "从不喜欢"),
    (r"喜欢", "讨厌"),
    (r"有些", "所有"),
    (r"由(?=\[)", "不由"),
    (r"执导", "编剧"),
    (r"主演", "制片"),
    (r"续集", "翻拍"),
    (r"相近|相似", "相同"),
    (r"简介", "导演"),
    (r"你喜欢的", ""),
    (r"一样", "不一样"),
    (r"也", "第一个"),
    (r"。$", "，因为它们是同一部电影。"),
)


def mutations(pattern: Pattern, text: str) -> Iterator[str]:
    """False sentences made of a true one."""
    for found, other in _ENGLISH if pattern.lang == "en" else _CHINESE:
        changed = re.sub(found, other, text, count=1)
        if changed != text:
            yield changed
    tags = [slot.tag for slot in pattern.slots]
    for n, one in enumerate(tags):  # swapped roles
        for two in tags[n + 1 :]:
            yield text.replace(f"[{one}]", "\0").replace(f"[{two}]", f"[{one}]").replace("\0", f"[{two}]")


def test_false_sentences_made_of_true_ones_are_refused() -> None:
    keys = (
        *("one shared DIRECTED_BY one", "several shared STARRING one", "one direct ^FOLLOWED_BY"),
        *("one text", "counted none", "counted shared STARRING one", "crowd text"),
    )
    tried: set[tuple[str, str]] = set()
    for lang in LANGUAGES:
        for key in keys:
            pattern = PATTERNS[lang, key]
            true = {text for tone in TONES for text in sentences(pattern, tone)}
            for tone in TONES:
                for text in sentences(pattern, tone):
                    for false in mutations(pattern, text):
                        assert false not in true
                        tried.add((key, false))
                        assert check_phrase(pattern, false, lang, tone), (key, false)
    assert len(tried) >= 400, len(tried)


#: Words that change what a sentence says, wherever they stand in it.
_PUT_IN = {
    "en": ("all", "never", "not", "only", "every", "first", "no", "most", "always", "everybody", "best", "because"),
    "zh": ("从不", "所有", "只", "最", "第一", "不", "没", "因为", "每个人", "总是"),
}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_word_put_in_anywhere_is_refused(lang: str) -> None:
    words, tried = _PUT_IN[lang], 0
    for key in ("one shared DIRECTED_BY one", "several shared HAS_GENRE several", SEQUEL, "one text", OTHERS):
        pattern = PATTERNS[lang, key]
        for tone in TONES:
            for text in sentences(pattern, tone):
                parts = re.split(r"(?<= )" if lang == "en" else r"(?=[\[\u4e00-\u9fff，])", text)
                for at in range(0, len(parts), 1 if lang == "en" else 3):
                    word = words[tried % len(words)] + (" " if lang == "en" else "")
                    false = "".join([*parts[:at], word, *parts[at:]])
                    assert check_phrase(pattern, false, lang, tone), false
                    tried += 1
    assert tried >= 150, tried


@pytest.mark.parametrize(("file", "accepted"), [("true_phrases.tsv", True), ("false_phrases.tsv", False)])
def test_sentences_written_without_the_grammar_are_told_apart(file: str, accepted: bool) -> None:
    found = verdicts(MOVIES, Path(__file__).with_name(file))
    assert len(found) >= 60
    assert [v.phrase for v in found if v.accepted is not accepted] == []


@pytest.mark.shared
def test_the_false_phrases_of_others_are_refused() -> None:
    if not SHARED.exists():
        pytest.skip(f"{SHARED} is not there")
    found = verdicts(MOVIES, SHARED)
    assert len(found) >= 18
    assert [v for v in found if v.accepted] == []


OTHER_KINDS = (DIRECTED, STARS, SEQUEL, "one direct FOLLOWED_BY", "one text", OTHERS, "one shared WRITTEN_BY one")


def test_only_the_right_pattern_accepts_a_sentence() -> None:
    """A sentence of one relation, direction or number of items is none of another."""
    for lang in LANGUAGES:
        for key in OTHER_KINDS:
            for text in sentences(PATTERNS[lang, key], "short"):
                right = [other for other in OTHER_KINDS if not check_phrase(PATTERNS[lang, other], text, lang)]
                assert right == [key]


def test_a_hostile_schema_gives_no_sentence_with_a_slot_or_a_line_of_its_own() -> None:
    turtle = MOVIES.turtle.replace('"stars {}"@en', '"stars {} [FILM_1]\\n<x> \\"ignore\\" "@en')
    schema = GraphSchema.from_turtle(turtle)
    pattern = next(p for p in patterns(schema, "en") if p.key == STARS)
    for tone in TONES:
        for text in sentences(pattern, tone):
            assert check_slots(text, tuple(s.tag for s in pattern.slots_of(tone))) == ()
    assert "\n\n" not in ebnf(pattern)


# --- files ----------------------------------------------------------------------------------------------


def phrase(text: str, key: str = STARS, tone: Tone = "friendly") -> Phrase:
    return Phrase("movies", "en", key, tone, text)


def test_save_and_load_and_speak(tmp_path: Path) -> None:
    texts = list(sentences(PATTERNS["en", STARS], "formal"))[:3]
    book = Phrasebook().add([phrase(t) for t in texts]).add([phrase(texts[1])])
    assert len(book.phrases) == 3
    file = tmp_path / "mine.jsonl"
    book.save(file)
    again = Phrasebook.load(file, schema=MOVIES)
    assert [p.text for p in again.phrases] == texts
    assert again.phrases[1].origin == f"{file}:2"
    assert again.for_schema(MOVIES, "en") == {(STARS, "friendly"): tuple(texts)}
    assert again.for_schema(MOVIES, "zh") == {}
    assert again.for_schema(GraphSchema.bundled("music"), "en") == {}
    again.save(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_text() == file.read_text()
    spoken: Sentences = sentences_of(MOVIES, Wording(phrasebook=again))
    kind = PATTERNS["en", STARS].kind
    assert [t.fill({"liked": "A", "item": "B", "shared": "C"}) for t in spoken.templates(kind)] == [
        text.replace("[FILM_1]", "A").replace("[FILM_2]", "B").replace("[PERSON_1]", "C") for text in texts
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"mine.jsonl:2: expected one JSON object a line"),
        ('{"schema": "movies"}', r"mine.jsonl:2: expected an object with the texts schema, lang, pattern, tone, text"),
        ({"tone": "rude"}, r"mine.jsonl:2: expected one of the tones short, friendly, formal, audit, got 'rude'"),
        ({"lang": "fr"}, r"mine.jsonl:2: expected one of the languages en, zh.*, got 'fr'"),
        ({"pattern": "one shared EATEN_BY one"}, r"mine.jsonl:2: schema movies has no pattern 'one shared EATEN_BY"),
        (
            {"text": "Like [FILM_1], [FILM_2] stars [PERSON_1]."},
            r"mine.jsonl:2: .* is refused: after 'Like",
        ),
    ],
)
def test_a_file_with_a_false_sentence_is_refused_when_loaded(
    tmp_path: Path, line: str | dict[str, str], message: str
) -> None:
    good = {"schema": "movies", "lang": "en", "pattern": STARS, "tone": "short"}
    good["text"] = "Like [FILM_1], which you liked, [FILM_2] stars [PERSON_1]."
    second = line if isinstance(line, str) else json.dumps({**good, **line})
    file = tmp_path / "mine.jsonl"
    file.write_text(f"{json.dumps(good)}\n{second}\n", encoding="utf-8")
    with pytest.raises(PhraseError, match=message):
        Phrasebook.load(file, schema=MOVIES)
    with pytest.raises(PhraseError, match=message):
        sentences_of(MOVIES, Wording(phrasebook=Phrasebook.load(file)))
    with pytest.raises(PhraseError, match=r"absent\.jsonl"):
        Phrasebook.load(tmp_path / "absent.jsonl")


def test_phrase_check_prints_a_verdict_a_line(tmp_path: Path) -> None:
    true = f"en\t{STARS}\tLike [FILM_1], which you liked, [FILM_2] stars [PERSON_1]."
    audit = f"en\t{STARS}\t{sentences(PATTERNS['en', STARS], 'audit')[0]}"
    false = f"zh\t{STARS}\t每个人都喜欢[FILM_1]，[FILM_2]由[PERSON_1]主演。"
    file = tmp_path / "some.tsv"
    file.write_text("\n".join(["language\tpattern\tphrase", true, audit]), encoding="utf-8")
    done = CliRunner().invoke(main, ["phrase", "--check", str(file)])
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "2 accepted, 0 refused")
    file.write_text("\n".join(["language\tpattern\tphrase", true, false, f"fr\t{STARS}\tx", "en\tone x\ty"]))
    done = CliRunner().invoke(main, ["phrase", "--check", str(file), "--json"])
    assert done.exit_code == 1
    lines = json.loads(done.stdout)["lines"]
    assert [v["accepted"] for v in lines] == [True, False, False, False]
    assert "no true sentence" in lines[1]["reasons"][0]
    assert "no grammar for the language 'fr'" in lines[2]["reasons"][0]
    assert "no pattern 'one x'" in lines[3]["reasons"][0]
    for text, message in (("en\tx", ":1: expected the columns language, pattern, phrase"), ("", ":1: expected the")):
        file.write_text(text)
        done = CliRunner().invoke(main, ["phrase", "--check", str(file)])
        assert done.exit_code == 1
        assert message in done.stderr


def test_the_command_line_knows_the_tones() -> None:
    assert options.TONES == TONES


def test_sentences_are_taken_apart_once() -> None:
    again = GraphSchema.bundled("movies")
    assert sentences_of(MOVIES, Wording("en", "short")) is sentences_of(again, Wording("en", "short"))
    assert sentences_of(MOVIES, Wording("en", "short")) is not sentences_of(MOVIES, Wording("en"))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_sentences_that_ship_are_of_their_tone(lang: str) -> None:
    """How many of all had the item is told by each of them; a phrase of one's own may leave it out."""
    pattern = PATTERNS[lang, OTHERS]
    tones = [set(sentences(pattern, tone)) for tone in TONES]
    assert len(set.union(*tones)) == sum(map(len, tones))
    assert all("[RATE_1]" in text for tone in tones for text in tone)
