"""Words of a guessed schema: a verb where one is known, else a form that needs none."""

from __future__ import annotations

import pytest

from kg_rec.checks.infer.lexicon import is_copy, is_passive, is_rating, keying, opinion, warns
from kg_rec.checks.infer.words import past_of, told_of_items


@pytest.mark.parametrize(
    ("words", "past"),
    [
        ("bought", "bought"),
        ("likes", "liked"),
        ("has purchased", "purchased"),
        ("hat gekauft", "bought"),
        ("ausgeliehen", "borrowed"),
        ("acheté", "bought"),
        ("a réservé", "booked"),
        ("ha comprado", "bought"),
        ("visto", "viewed"),
        ("购买", "bought"),
        ("浏览", "viewed"),
        ("listens to", "listened to"),
        ("rating", "rated"),
        ("checked in", "checked in"),
        ("zugewiesen", None),
        ("user", None),
    ],
)
def test_what_users_did_is_told_in_the_past_tense(words: str, past: str | None) -> None:
    assert past_of(words) == past


@pytest.mark.parametrize(
    ("words", "source", "target", "item", "told"),
    [
        ("in category", "product", "category", "product", ("is in {}", "is the category of {}")),
        ("hat kategorie", "artikel", "kategorie", "artikel", ("has the kategorie {}", "is the kategorie of {}")),
        ("gehört zu", "artikel", "gruppe", "artikel", ("has the gruppe {}", "is the gruppe of {}")),
        ("schrieb", "autor", "buch", "buch", ("is the autor of {}", "has the autor {}")),
        ("situé à", "hôtel", "ville", "hôtel", ("has the ville {}", "is the ville of {}")),
        ("escrito por", "libro", "autor", "libro", ("has the autor {}", "is the autor of {}")),
        ("属于", "歌曲", "流派", "歌曲", ("has the 流派 {}", "is the 流派 of {}")),
        ("author", "book", "person", "book", ("has the author {}", "is the author of {}")),
        ("tags", "post", "tag", "post", ("has the tag {}", "is the tag of {}")),
        ("contains", "drug", "substance", "drug", ("contains {}", "is the substance of {}")),
        ("wrote", "author", "book", "book", ("wrote {}", "is the book of {}")),
        ("acted in", "person", "film", "film", ("acted in {}", "is the film of {}")),
        ("published in", "paper", "journal", "paper", ("is published in {}", "is the journal of {}")),
        ("interacts with", "drug", "drug", "drug", ("interacts with {}", "is tied to {}")),
        ("indiziert bei", "arznei", "diagnose", "arznei", ("is tied to the diagnose {}", "is tied to the arznei {}")),
        ("tagged", "post", "tag", "post", ("has the tag {}", "is the tag of {}")),
        ("posted", "company", "job", "job", ("posted {}", "is the job of {}")),
        ("passt zu", "artikel", "artikel", "artikel", ("is tied to {}", "is tied to {}")),
    ],
)
def test_a_fact_is_told_by_its_verb_or_by_a_noun(
    words: str, source: str, target: str, item: str, told: tuple[str, str]
) -> None:
    assert told_of_items(words, source, target, item) == told


@pytest.mark.parametrize(
    ("name", "others", "weight"),
    [
        ("GEKAUFT", "", 1.0),
        ("ZURÜCKGEGEBEN", "GEKAUFT", -1.0),
        ("ZURÜCKGEGEBEN", "AUSGELIEHEN", 0.0),
        ("devuelto por", "compró", -1.0),
        ("退货", "购买", -1.0),
        ("浏览", "购买", 0.2),
        ("RETURNED", "BORROWED", 0.0),
        ("DISMISSED", "", -1.0),
        ("DROPPED_OUT_OF", "", -1.0),
        ("NOT_INTERESTED_IN", "", -1.0),
        ("DROPPED_OFF_AT", "", 1.0),
        ("屏蔽", "", -1.0),
    ],
)
def test_what_speaks_against_is_known_in_other_languages(name: str, others: str, weight: float) -> None:
    assert opinion(name, others) == weight


def test_warnings_are_known_in_other_languages() -> None:
    names = ("CONTRAINDICATED_IN", "KONTRAINDIZIERT_BEI", "CONTRE_INDIQUÉ", "CONTRAINDICADO_EN", "禁忌症")
    assert all(map(warns, names))
    assert not any(map(warns, ("INDIZIERT_BEI", "INDICATED_FOR", "适应症")))


def test_a_score_is_an_opinion_where_something_is_judged() -> None:
    assert is_rating("score")
    assert is_rating("score", "WROTE_ABOUT Review")
    assert is_rating("score", "écrit par_sur Avis")
    assert not is_rating("score", "PROVIDED_ANSWERED Answer")
    assert is_rating("stars", "PROVIDED_ANSWERED Answer")


def test_codes_of_what_many_share_are_no_keys() -> None:
    assert [keying(name, "Borrower") for name in ("viaf", "code", "postcode", "countryCode", "born")] == [0, 0, 5, 5, 5]
    assert all(map(is_copy, ("Copy", "HAS_COPY", "Exemplar", "BookInstance", "副本")))
    assert not any(map(is_copy, ("Copyright", "Book", "Photocopier")))
    assert all(map(is_passive, ("BOUGHT_BY", "gekauft von", "被购买")))
    assert not any(map(is_passive, ("HIRED", "REJECTED", "LOBBY")))
