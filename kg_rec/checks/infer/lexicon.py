"""What names of labels, relationship types and properties tell, in a few languages; each is a guess, told as one.

Names are compared as words (:func:`kg_rec.checks.infer.names.words_of`): ``DISLIKED_BY`` is *disliked by*.
"""

from __future__ import annotations

import re

from kg_rec.checks.infer.names import words_of


def _starts(words: str) -> re.Pattern[str]:
    """Matches where one of the words begins a word."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(words.split())})")


#: Labels of those who get recommendations.
_PEOPLE = re.compile(
    "user|customer|client|member|person|people|patient|reader|listener|viewer|account|subscriber|buyer|shopper|visitor"
    "|student|player|profile|guest|candidate|applicant|seeker|borrower|learner|employee|travell?er|passenger|consumer"
    "|kunde|nutzer|leser|gast|mitglied|bewerber|utilisateur|voyageur|lecteur|usuario|cliente|lector|utente|usuário"
    "|пользовател|клиент|покупател|用户|顾客|客户|会员|患者|読者|ユーザ|顧客"
)
#: Relationship types that speak against, that say little, and that end what another began.
_AGAINST = _starts(
    "return dislik refund cancel hid block skip complain reject unfollow report allerg ignor annul annulé hate "
    "dismiss declin drop(?!ped.off|.?off) withdr abandon "
    "unlik uninstall unsubscrib unsav unstar unpin unmatch downvot downrat mute "
    "muting bann flagged remov disapprov avoid quit regret veto boycott thumbs.?down swiped.?left not.?interested "
    "gave.?up opted.?out "
    "zurück retour storn abgelehnt abgebrochen übersprungen verworfen ausgeblendet blockiert gekündigt entfernt "
    "ignoriert missf hasst gehasst "
    "refus rejet rendu ignoré bloqué masqué supprim abandonn détest "
    "devuel devol rechaz ocult bloque descart odia "
    "退货 退款 取消 拒绝 不喜欢 拉黑 跳过 屏蔽 忽略 删除 讨厌 踩 差评 投诉 放弃 不感兴趣"
)
_FAINT = _starts(
    "view click impress open seen visit brows search angesehen gesehen angeklickt besucht consult vu vist cliqu "
    "浏览 查看 点击"
)
_BORROWED = _starts("borrow loan lent rent took check ausgeliehen entliehen geliehen emprunt prest 借")
_GIVEN_BACK = _starts("return zurück rendu devuel devol 归还 还书 已还")
#: Relationship types that warn: no reason to recommend anything.
_WARNS = re.compile(
    "contraindicat|interacts? with|incompatib|conflict|unsafe|forbid|forbidden|banned|adverse|excludes|not for|allerg"
    "|kontraindi|contre.?indi|contraindi|wechselwirk|unverträglich|interacción|禁忌|相互作用|不宜"
)
_PASSIVE = re.compile(r"(?<!\w)(?:by|von|durch|par|por|da)(?!\w)|^被")
_NAMES = (
    "title",
    "name",
    "label",
    "headline",
    "subject",
    "displayname",
    "username",
    "caption",
    "handle",
    "heading",
    "fullname",
    "nom",
    "titre",
    "libelle",
    "titel",
    "bezeichnung",
    "nombre",
    "titulo",
    "titolo",
    "nome",
    "nimi",
    "名称",
    "名字",
    "标题",
    "名前",
    "タイトル",
    "название",
    "имя",
)
_KEYS = frozenset(
    (
        "id",
        "key",
        "uuid",
        "guid",
        "code",
        "slug",
        "sku",
        "isbn",
        "doi",
        "ean",
        "gtin",
        "upc",
        "asin",
        "number",
        "nr",
        "no",
        "num",
        "nummer",
        "numero",
        "ref",
        "reference",
        "login",
        "email",
        "username",
        "handle",
        "barcode",
        "mrn",
        "viaf",
        "gnd",
        "orcid",
        "qid",
        "issn",
        "ndc",
        "pzn",
        "atc",
        "icd",
        "iata",
        "vin",
        "isin",
        "编号",
        "номер",
    )
)
_TEXTS = re.compile("desc|summary|abstract|text|body|content|bio|lead|note|plot|synops|steps|beschreibung|resum")
_RATINGS = frozenset(
    (
        "rating",
        "stars",
        "score",
        "weight",
        "grade",
        "value",
        "strength",
        "rate",
        "points",
        "vote",
        "bewertung",
        "note",
        "étoiles",
    )
)
#: Numbers that are an opinion only where something is judged: an answer's score is what others made of it.
_UNSURE_RATINGS = _RATINGS - {"rating", "stars", "rate", "bewertung", "étoiles"}
_JUDGES = re.compile(
    "rate|rating|review|feedback|opinion|apprais|evaluat|judg|vote|grade|score|like|avis|critique|notation|note"
    "|bewert|rezens|urteil|reseñ|valor|calific|opini|crític|评论|评价|评分|打分|点评"
)
_COUNTS = frozenset(
    ("count", "times", "plays", "playcount", "views", "listens", "clicks", "hits", "visits", "n", "anzahl", "nombre")
)
_MEASURES = _starts(
    "price cost amount age year size length pages duration weight height width count quantity stock rank score rating "
    "stars salary minutes seconds born birth gebur geboren postcode postal zip plz phone lat lon votes budget revenue "
    "population"
)
#: Codes of what many share.
_SHARED_CODES = re.compile(r"(post|postal|zip|country|lang|language|currency|state|region|colou?r|area)\s?code")
#: Single things that stand for a work: what is borrowed is the book.
_COPIES = re.compile(r"(?<!\w)(?:copy(?!r)|copies|exemplar|exemplaires?|ejemplar|instance|edition|variant)|副本|复本")
_TIMES = _starts("at time timestamp ts date when on created epoch since day moment datum zeit le fecha дата 时间 日期")
_ENDS = _starts("due end until to return expir updat modif checkout check out depart départ")


def is_person(label: str) -> bool:
    """Whether a label names people."""
    return bool(_PEOPLE.search(words_of(label)))


def warns(name: str) -> bool:
    """Whether a relationship type is a warning."""
    return bool(_WARNS.search(words_of(name)))


def opinion(name: str, others: str = "") -> float:
    """The weight of one relationship of a type, beside others: below 0 against, 1 for, little for a look."""
    words = words_of(name)
    if _GIVEN_BACK.search(words) and _BORROWED.search(words_of(others)):  # what is lent comes back
        return 0.0
    return -1.0 if _AGAINST.search(words) else 0.2 if _FAINT.search(words) else 1.0


def is_copy(name: str) -> bool:
    """Whether a label or a relationship type names single copies of a thing."""
    return bool(_COPIES.search(words_of(name)))


def is_rating(name: str, holder: str | None = None) -> bool:
    """Whether a property's number is an opinion; ``holder`` names what has it, where that decides of unsure names."""
    squeezed = _squeezed(name)
    judged = holder is None or squeezed not in _UNSURE_RATINGS or _JUDGES.search(words_of(holder))
    return squeezed in _RATINGS and bool(judged)


def is_passive(name: str) -> bool:
    """Whether a relationship type tells what was done by its target: BOUGHT_BY."""
    return bool(_PASSIVE.search(words_of(name)))


def is_count(name: str) -> bool:
    """Whether a property counts how often something happened."""
    return _squeezed(name) in _COUNTS


def is_text(name: str) -> bool:
    """Whether a property describes its node."""
    return bool(_TEXTS.search(words_of(name)))


def naming(name: str) -> int:
    """How surely a property is a name, 0 surest; ``len(_NAMES)`` and more: not by its name."""
    squeezed = _squeezed(name)
    if squeezed in _NAMES:
        return _NAMES.index(squeezed)
    return len(_NAMES) + (0 if any(squeezed.endswith(one) for one in _NAMES if len(one) > 2) else 1)


def names_by_word(name: str) -> bool:
    """Whether a property is called a name."""
    return naming(name) <= len(_NAMES)


def keying(name: str, label: str) -> int:
    """How surely a property is a key: 0 surest, 3 hardly, 4 a name, 5 a time or a measure."""
    squeezed, own = _squeezed(name), _squeezed(label)
    words = words_of(name)
    if _SHARED_CODES.search(words):
        return 5
    if squeezed in _KEYS or (squeezed.startswith(own) and squeezed[len(own) :] in _KEYS):
        return 0
    if re.search(r"(id|no|nr|code|key|uuid|number|num|ref)\d*$", squeezed):
        return 1
    if names_by_word(name) or is_text(name):
        return 4
    return 5 if when(name) != 1 or _MEASURES.search(words) else 2


def when(name: str) -> int:
    """How surely a property is the time of what happened: 0 surest, 1 not by its name, 2 the time when it ended."""
    words = words_of(name)
    if _ENDS.search(words):
        return 2
    return 0 if _TIMES.search(words) or re.search(r"(At|On|Time|Date|_at|_on|_ts)$", name) else 1


def _squeezed(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())
