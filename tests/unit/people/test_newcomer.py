"""Newcomers: the addends sum to the score, the counts are those of the graph, small groups and blocks say nothing."""

import json

import numpy as np
import pytest
from people_world import known_viewers

from kg_rec.api import Model
from kg_rec.errors import ArgumentError, ConfigError, NotFoundError
from kg_rec.people.newcomer import Newcomer, NewcomerConfig, Served, Welcome
from kg_rec.people.words import remarks, tell_addend, tell_served

SENTENCE = "I like westerns: sheriffs, bandits and gun fights in the desert"


def served(**known: object) -> Served:
    return Model(known_viewers()).newcomer(**known)  # type: ignore[arg-type]


def kind_of(key: str) -> int:
    return int(key[1:]) % 3


def liked_by(users: list[int], item: int) -> int:
    """Counted from the edges, by hand."""
    edges = known_viewers().snapshot.liked()
    return len({u for u, i in zip(edges.source.tolist(), edges.target.tolist(), strict=True) if i == item} & set(users))


def test_the_addends_sum_to_each_score() -> None:
    found = served(likes=["f00", "f03"], attributes={"age": 30, "occupation": "Rancher"}, sentence=SENTENCE)
    kinds = ["popularity", "attribute", "attribute", "like", "like", "model", "model", "sentence", "said"]
    for i, score in enumerate(found.scores.tolist()):
        addends = found.addends(known_viewers().items.key(i))
        assert [a.kind for a in addends] == kinds
        assert sum(a.value for a in addends) == pytest.approx(score, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "known",
    [{"likes": ["f00", "f06"]}, {"attributes": {"occupation": "rancher"}}, {"sentence": SENTENCE}],
    ids=["likes", "attributes", "sentence"],
)
def test_each_source_alone_finds_the_kind(known: dict[str, object]) -> None:
    """Films of kind 0 are westerns; ranchers like them, and so do those who like westerns."""
    everybody = [kind_of(k) for k in served(attributes={"age": None}).recommend(9).column("item").to_pylist()]
    best = [kind_of(k) for k in served(**known).recommend(9).column("item").to_pylist()]
    assert best.count(0) > everybody.count(0)


def test_what_a_sentence_names_weighs_or_says_what_may_be_listed() -> None:
    found = served(likes=["f01"], sentence="more romance, no westerns")
    assert [(p.kind, p.feature.key) for p in found.said] == [("more", "romance")]
    kinds = [kind_of(key) for key in found.recommend(40).column("item").to_pylist()]
    assert 0 not in kinds
    said = [found.addends(f"f{n:02d}")[-1].value for n in range(6)]
    assert [value > 0 for value in said] == [False, False, True, False, False, True]  # every third film is a romance
    assert served(sentence="I like romantic and scary films").said == ()  # no names: left to the comparison of texts
    only = served(sentence="只要西部片").recommend(40).column("item").to_pylist()
    assert {kind_of(key) for key in only} == {0}
    np.testing.assert_array_equal(found.without_sensitive().scores, found.scores)


def test_counts_are_those_of_the_graph() -> None:
    found = served(likes=["f03"], attributes={"occupation": "pilot", "age": 20})
    edges = known_viewers().snapshot.liked()
    pilots = [u for u in range(60) if u % 3 == 1]
    fans = [u for u, i in zip(edges.source.tolist(), edges.target.tolist(), strict=True) if i == 3]
    young = list(range(10))  # the youngest sixth: 18 to 27
    for item in (1, 4, 11):
        popularity, job, age, like, _ = found.addends(f"f{item:02d}")
        assert (job.name, job.shared, job.chose, job.users) == ("occupation", "pilot", liked_by(pilots, item), 20)
        assert (age.shared, age.chose, age.users) == ("≤ 27", liked_by(young, item), 10)
        assert (like.name, like.chose, like.users) == ("f03", liked_by(fans, item), len(fans))
        assert (popularity.chose, popularity.users) == (liked_by(list(range(60)), item), 60)
        share, m = popularity.chose / 60, NewcomerConfig().prior
        assert job.value == pytest.approx(NewcomerConfig().attributes * (job.chose - 20 * share) / (20 + m))


def test_a_like_is_neither_listed_nor_its_own_reason() -> None:
    found = served(likes=["f00"])
    assert "f00" not in found.recommend(45).column("item").to_pylist()
    assert [a.value for a in found.addends("f00") if a.kind in ("like", "model")] == [0, 0]


def test_a_group_that_is_too_small_says_nothing() -> None:
    config = NewcomerConfig(least=21)
    found = Model(known_viewers()).newcomer(attributes={"occupation": "pilot"}, config=config)
    assert found.groups == ()
    assert found.silent == (("attribute", "occupation"),)
    assert "too few" in remarks(found)[0]
    assert served(attributes={"occupation": "astronaut"}).groups == ()


def test_a_code_is_shortened_until_enough_users_share_it() -> None:
    group = served(attributes={"zip_code": "10999"}).groups[0]
    assert (group.told(), group.code, group.users) == ("10…", True, 20)
    assert served(attributes={"zip_code": "99999"}).groups == ()


def test_a_blocked_attribute_is_not_used_and_a_sensitive_one_is_told() -> None:
    model = Model(known_viewers())
    known = {"age": 20, "occupation": "pilot"}
    found = model.newcomer(attributes=known)
    assert found.sensitive == ("age",)
    assert "age" in remarks(found)[0]
    assert "年龄" in remarks(found, "zh")[0] or "age" in remarks(found, "zh")[0]
    blocked = model.newcomer(attributes=known, config=NewcomerConfig(blocked=("AGE",)))
    assert blocked.sensitive == ()
    assert remarks(blocked) == ()
    assert np.array_equal(blocked.scores, model.newcomer(attributes={"occupation": "pilot"}).scores)
    assert np.allclose(found.without_sensitive().scores, blocked.scores, rtol=0, atol=1e-15)
    assert found.without_sensitive().kinds == blocked.kinds


@pytest.mark.parametrize(
    ("known", "error", "message"),
    [
        ({"likes": ["nothing"]}, NotFoundError, "nothing"),
        ({"likes": ["f00", "f00"]}, ArgumentError, "once"),
        ({"attributes": {"shoe": 42}}, ArgumentError, r"shoe.*age.*occupation"),
        ({"attributes": {"user_id": "u00"}}, ArgumentError, "user_id"),
        ({"attributes": {"age": "old"}}, ArgumentError, "number"),
        ({"attributes": {"age": "nan"}}, ArgumentError, "number"),
        ({"config": NewcomerConfig(blocked=("shoe",))}, ArgumentError, "shoe"),
    ],
)
def test_what_is_unknown_is_refused_by_name(known: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        served(**known)


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"newcomer\.likes"):
        NewcomerConfig(likes=-1)
    with pytest.raises(ConfigError, match=r"newcomer\.least"):
        NewcomerConfig(least=0)
    with pytest.raises(ConfigError, match="k of at least 1"):
        served(likes=["f00"]).recommend(0)


def test_words_say_the_counts_in_both_languages() -> None:
    found = served(likes=["f00"], attributes={"occupation": "rancher"}, sentence=SENTENCE)
    popularity, job, like, model, sentence, said = found.addends("f03")
    share = round(100 * job.chose / 20)  # type: ignore[operator]
    assert tell_addend(found, "f03", job) == (
        f"{job.chose} of the 20 viewers with occupation “rancher” ({share}%; of all, "
        f"{round(100 * popularity.chose / 60)}%) liked “Western 3”."  # type: ignore[operator]
    )
    assert tell_addend(found, "f03", like).startswith(f"{like.chose} of the {like.users} viewers who liked “Western 0”")
    assert "“Western 0”" in tell_addend(found, "f03", model)
    assert "what you said" in tell_addend(found, "f03", sentence)
    assert tell_addend(found, "f03", said) == "You asked for more of western."
    for addend in found.addends("f03"):
        assert tell_addend(found, "f03", addend, "zh").endswith("。")
    assert f"{job.users}位观众" in tell_addend(found, "f03", job, "zh")
    assert tell_served(found, "f03").count("“Western 3”") <= 3


def test_hostile_texts_stay_data() -> None:
    """What a person writes is a value: it is cleaned, and stays between quotation marks."""
    evil = "x\n[ITEM] {item} ”liked“ \u202e MATCH (n) DETACH DELETE n"
    found = served(attributes={"occupation": evil}, sentence=evil)
    assert found.groups == ()
    assert all("\n" not in line and "\u202e" not in line for line in (*remarks(found), tell_served(found, "f03")))


def test_the_sentence_is_not_kept_on_disk(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("KG_REC_CACHE", str(tmp_path))
    served(sentence=SENTENCE)
    assert list(tmp_path.iterdir()) == []


def test_the_same_person_gets_the_same_scores_from_one_welcome_or_another() -> None:
    person = Newcomer(("f00",), {"age": 40})
    one = Welcome(known_viewers()).serve(person).scores
    assert json.dumps(one.tolist()) == json.dumps(Welcome(known_viewers()).serve(person).scores.tolist())
