"""English words of a guessed schema, made of the graph's names: a verb where one is known, else a form that needs none.

A relationship type may be in any language and any form: ``BOUGHT``, ``LIKES``, ``GEKAUFT``, ``购买``, ``AUTHOR``.  What
users did is told in the past tense of a verb that is known, else as *chose*.  What is known of items is told by the
type's own words where they are an English verb, else by a noun: *has the genre {}*, *is the genre of {}*.
"""

from __future__ import annotations

import re

#: The past tense of verbs, and how types name them: stems, of other languages too; the first that fits is taken.
_PAST = (
    ("bought", "buy bought purchas gekauft kauf kaufte achet acheté compr comprado compró 购买 买"),
    ("ordered", "order bestell command commandé pedi pidió encarg 下单 订购"),
    ("borrowed", "borrow ausgeliehen ausgeborgt geliehen leiht lieh emprunt presta tomó 借阅 借"),
    ("rented", "rent gemietet miet lou alquil 租"),
    ("booked", "book gebucht bucht reserv réserv reservier 预订 预约"),
    ("viewed", "view angesehen besehen gesehen sah angeschaut schaut consult vu voir vist vio visto 浏览 查看 看过"),
    ("watched", "watch regard schaute mirado miró 观看 看"),
    ("read", "read reads reading gelesen liest las lu lit lire leído leyó lee 阅读 读"),
    ("played", "play spielt gespielt jou jug 播放 玩"),
    ("streamed", "stream gestreamt"),
    ("listened to", "listen écout escuch gehört_von hörte 收听 听"),
    ("reviewed", "review rezensiert rezension"),
    ("rated", "rate rated rates rating bewert benot not noté évalu calific puntu valor 评价 评分 打分"),
    ("liked", "like gemocht gefällt mag aim adoré gust gustó 喜欢 点赞"),
    ("loved", "love lov geliebt liebt"),
    ("disliked", "dislik"),
    ("saved", "save saved saves bookmark favorit favourit gemerkt merkt guard 收藏 保存"),
    ("visited", "visit besucht besuch 访问 参观"),
    ("clicked", "click klick geklickt cliqu 点击"),
    ("followed", "follow folgt gefolgt suivi suit sigue siguió seguid 关注"),
    ("applied to", "appl bewirbt beworben postul candidat solicit 申请"),
    ("enrolled in", "enrol eingeschrieben inscrit inscri matricul 选修"),
    ("attended", "attend teilgenommen assist 参加"),
    ("downloaded", "download heruntergeladen télécharg descarg 下载"),
    ("used", "use used uses using benutzt nutzt utilis usó 使用"),
    ("took", "take took taken takes taking 服用"),
    ("ate", "eat ate eaten isst gegessen mang comió 吃"),
    ("cooked", "cook gekocht cuisin cocin"),
    ("owned", "own besitzt possèd posee 拥有"),
    ("chose", "chose choos chosen gewählt wählt choisi elig 选择"),
    ("joined", "join beigetreten rejoin 加入"),
    ("shared", "share shared shares geteilt partag compart 分享"),
    ("interacted with", "interact"),
)
#: Verbs of the past that do not end in -ed.
_IRREGULAR = frozenset(
    word
    for words in (
        "bought saw read took ate had got went wore chose gave made wrote sold sang won led built drew taught held",
        "shot sent ran met left kept heard found drank drove flew rode spent did sought put let cut hit set",
    )
    for word in words.split()
)
#: Verbs of which a part is had with the whole: what is in a purchase was bought.
GETTING = frozenset(["bought", "purchased", "ordered", "borrowed", "rented", "booked", "reserved"])
#: Participles that differ from the past tense.
PARTICIPLES = {"took": "taken", "ate": "eaten", "chose": "chosen", "saw": "seen", "wore": "worn", "gave": "given"}
PARTICIPLES |= {"sang": "sung", "drew": "drawn", "ran": "run", "drank": "drunk", "drove": "driven", "flew": "flown"}
PARTICIPLES |= {"rode": "ridden", "did": "done", "went": "gone", "wrote": "written"}
#: Words in front of a verb that say nothing of what it was.
_HELPING = re.compile(r"^(?:has|have|had|is|was|did|hat|haben|ist|wurde|a|ont|est|ha|han|fue)(?: been)? (?=\w)")
_PREPOSITIONS = frozenset(["in", "on", "at", "about", "part", "from", "by", "of", "for", "to", "with"])
#: Words by which a type in German, French or Spanish is known not to be English.
_FOREIGN = re.compile(
    r"(?<!\w)(?:hat|ist|gehört|gehoert|zu|zur|zum|von|vom|mit|im|für|fuer|bei|liegt|enthält|est|à|dans|de|du|des|par|avec"
    r"|pour|sur|appartient|contient|écrit|ecrit|es|tiene|en|del|por|para|con|pertenece|contiene|escrito|está|esta)(?!\w)"
)

_LOOSE = re.compile(r"(?<!\w)(?:bei|für|fuer|gegen|mit|pour|contre|avec|para|contra|con)(?!\w)")


def past_of(words: str) -> str | None:
    """What users did, in the past tense: *bought* of ``buys`` and ``hat gekauft``; None if no verb is known.

    Args:
        words: of a relationship type.
    """
    plain = _HELPING.sub("", words)
    first, _, rest = plain.partition(" ")
    if (_is_past(first) or _is_past(plain.split(" ")[-1])) and not _FOREIGN.search(plain):
        return plain
    for past, stems in _PAST:
        if any(_begins(word, stem) for stem in stems.split() for word in (first, *rest.split())):
            return past
    return None


def _begins(word: str, stem: str) -> bool:
    if not stem.isascii() and not re.search(r"[a-zß-ÿ]", stem):  # a script without blanks between words
        return word.startswith(stem)
    endings = r"(?:s|es|ies|y|e|ed|ing|ings|t|te|en|é|ée|ó|ado|ido|a|o)?"
    return re.fullmatch(rf"{re.escape(stem)}{endings}", word) is not None


def _is_past(word: str) -> bool:
    return word in _IRREGULAR or bool(re.fullmatch(r"[a-z]{2,}[a-df-z]ed", word))


def told_of_items(words: str, source: str, target: str, item: str) -> tuple[str, str]:
    """What is said of the source and of the target of a fact, around ``{}`` for the other one.

    Args:
        words: of its relationship type.
        source: label of its source, as words.
        target: label of its target, as words.
        item: label of the items, as words.
    """
    other = "is tied to {}" if source == target else f"is the {target} of {{}}"
    noun = words.removeprefix("has ")
    named = _is_past(words) and source == item and words.startswith(target)  # as of a post that is tagged
    if noun.removesuffix("s") == target or named:
        return f"has the {target} {{}}", other
    verb = _verb(words, passive=source == item)
    if verb is not None:
        return f"{verb.removesuffix(f' {target}')} {{}}", other
    if source == target:
        return other, other
    if source != item:  # whatever the type's word is, this needs no verb
        return f"is the {source} of {{}}", f"has the {source} {{}}"
    if _LOOSE.search(words):  # what it is for or goes with is nothing that it has
        return f"is tied to the {target} {{}}", f"is tied to the {item} {{}}"
    if not words.isascii() or _FOREIGN.search(words):
        return f"has the {target} {{}}", other
    return f"has the {noun} {{}}", f"is the {noun} of {{}}"


def is_noun(words: str) -> bool:
    """Whether a type's words seem to be an English noun, as *parent* and *has parent*."""
    return words.isascii() and not _FOREIGN.search(words) and _verb(words, passive=True) is None


def _verb(words: str, *, passive: bool) -> str | None:
    """A type's words where they are an English verb or a place: *is in*, *contains*, *interacts with*; None if not.

    Args:
        words: of the type.
        passive: with a preposition, a past tense is what was done to the subject: *is published in*, not *acted in*.
    """
    if not words.isascii() or _FOREIGN.search(words) or words.startswith("has "):
        return None
    if words.startswith(("is ", "are ", "was ")):
        return words
    first, last = words.split()[0], words.split()[-1]
    if re.fullmatch(r"\w{3,}[a-rt-z]s", first):  # as in "interacts with", "contains"
        return words
    if _is_past(first) and (first == last or not (passive or last == "by")):
        return words
    placed = first in _PREPOSITIONS or last in _PREPOSITIONS
    return f"is {words}" if placed or _is_past(first) else None
