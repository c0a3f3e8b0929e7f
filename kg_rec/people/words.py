"""What is said about people, in the words of a language and of the schema.

Names and texts of people are data: they are cleaned and put into sentences of a fixed form.
"""

from __future__ import annotations

from kg_rec.explain.path import PathNode
from kg_rec.explain.words.languages.base import Language, speaker
from kg_rec.explain.words.slots import clean_name
from kg_rec.people.newcomer import Addend, Served


def tell_addend(served: Served, item: str, addend: Addend, lang: str = "en") -> str:
    """One addend of a newcomer's score, as a sentence.

    Args:
        served: the newcomer.
        item: key of the item that the addend belongs to.
        addend: one of :meth:`Served.addends`.
        lang: language.

    Raises:
        SchemaError: no words for the language.
    """
    language = speaker(served.model.snapshot.schema, lang)
    words = language.person
    if addend.kind in ("model", "sentence"):
        name = f"{addend.kind}_against" if addend.value < 0 else addend.kind
        return words[name].format(item=_item(language, served, addend.name) if addend.name else "")
    if addend.kind == "said":
        return words[addend.name].format(shared=clean_name(addend.shared, "?"))
    chose, users = addend.chose or 0, addend.users or 0
    everybody = float(served.everybody[served.model.items.index(item)])
    kind = served.model.snapshot.schema.user.name
    return words[addend.kind].format(
        chose=language.number(chose),
        users=language.counted(users, kind),
        share=language.percent(chose / users if users else 0.0),
        all=language.percent(everybody),
        did=language.did().replace("{}", _item(language, served, item)),
        liked=language.did().replace("{}", _item(language, served, addend.name)) if addend.kind == "like" else "",
        attribute=language.attribute(kind, addend.name) if addend.kind == "attribute" else "",
        shared=language.quoted(clean_name(addend.shared, "?")),
    )


def tell_served(served: Served, item: str, lang: str = "en", most: int = 3) -> str:
    """The largest addends of an item's score, best first.

    Args:
        served: the newcomer.
        item: item key.
        lang: language.
        most: addends told; those of size 0 are left out.
    """
    language = speaker(served.model.snapshot.schema, lang)
    addends = sorted(served.addends(item), key=lambda a: -abs(a.value))[:most]
    return language.gap.join(tell_addend(served, item, addend, lang) for addend in addends if addend.value)


def remarks(served: Served, lang: str = "en") -> tuple[str, ...]:
    """What has to be said about a newcomer's list: sensitive attributes in use, and what could not be used."""
    language = speaker(served.model.snapshot.schema, lang)
    kind = served.model.snapshot.schema.user.name
    silent = [_item(language, served, n) if k == "like" else language.attribute(kind, n) for k, n in served.silent]
    lists = [("sensitive", [language.attribute(kind, n) for n in served.sensitive]), ("silent", silent)]
    return tuple(language.person[what].format(names=language.join(names)) for what, names in lists if names)


def _item(language: Language, served: Served, key: str) -> str:
    snapshot = served.model.snapshot
    kind = snapshot.schema.item.name
    return language.name(PathNode(kind, key, snapshot.name(kind, served.model.items.index(key))))
