"""What a language gives to explanations: one class in one file, with everything that is said in it.

A language of another package is registered by the entry point ``kg_rec.languages`` or by :func:`register`; it is a
subclass of :class:`Language`.  What is the same in all languages (the schema's words, names made fit for a line of
text, lists and numbers by the rules of CLDR through babel) is here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import ClassVar

from babel import Locale
from babel.numbers import format_decimal, format_percent

from kg_rec.errors import SchemaError
from kg_rec.explain.path import PathEdge, PathNode
from kg_rec.explain.words.languages.registry import class_of, register_class
from kg_rec.explain.words.slots import clean_name
from kg_rec.schema import GraphSchema, NodeType, RelationType


class Language:
    """Everything that is said in one language about one schema.

    Attributes:
        code: its name in options and files: ``en``.
        title: what it is called, in English.
        locale: whose rules of CLDR lists, numbers and percentages follow.
        gap: between two sentences.
        stop: the mark that ends a sentence.
        longest: most characters of a sentence besides its slots.
        quotes: marks around a name.
        inner: what stands for these marks inside a name.
        grammar: the clauses, in the EBNF of lark; :mod:`kg_rec.explain.words.grammar` says which rules it must have.
        remarks: sentences about a score as a whole, by name; ``[ITEM]`` and other slots are filled in.
        weights: what stands before a reason, by its share: large, middle, small.
        weights_again: the same before a reason that follows one of the same size; empty for the same words.
        headings: words of tables and pictures.
        what_if: sentences of counterfactuals, of what-ifs, and of why a rule moved an item of a list.
        person: sentences about people: newcomers, profiles, changes.
        prompts: what a language model is told.
        fallback_did, fallback_linked: phrases of an interaction and of a relation without one.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    locale: ClassVar[str]
    gap: ClassVar[str] = " "
    stop: ClassVar[str] = "."
    longest: ClassVar[int] = 260
    quotes: ClassVar[tuple[str, str]] = ("“", "”")
    inner: ClassVar[tuple[str, str]] = ("‘", "’")
    grammar: ClassVar[str]
    remarks: ClassVar[Mapping[str, str]]
    weights: ClassVar[tuple[str, str, str]]
    weights_again: ClassVar[tuple[str, str, str] | tuple[()]] = ()
    headings: ClassVar[Mapping[str, str]]
    what_if: ClassVar[Mapping[str, str]]
    person: ClassVar[Mapping[str, str]]
    prompts: ClassVar[Mapping[str, str]]
    fallback_did: ClassVar[str]
    fallback_linked: ClassVar[str]

    def __init__(self, schema: GraphSchema) -> None:
        self.schema = schema
        self._nouns: dict[tuple[str, bool], str] = {}
        self._did = _word(schema.interaction.phrases.get(self.code, self.fallback_did))

    # --- the schema's words ---------------------------------------------------------------------------

    def type(self, name: str) -> NodeType:
        """A node type by name; SchemaError if the schema has none of that name."""
        try:
            return self.schema.node_types[name]
        except KeyError:
            known = ", ".join(self.schema.node_types)
            raise SchemaError(f"schema {self.schema.name} has no node type {name!r}; expected one of {known}") from None

    def noun(self, node_type: str, count: int = 1) -> str:
        """What a node of this type is called, in the form for so many; the type's name where it has no label."""
        key = node_type, _one(self.locale, count)
        noun = self._nouns.get(key)
        if noun is None:
            kind = self.type(node_type)
            label = kind.labels.get(self.code, kind.name)
            noun = self._nouns[key] = _word(label if key[1] else kind.plurals.get(self.code, label))
        return noun

    def did(self) -> str:
        """Verb phrase of the interaction with ``{}`` for the item: "liked {}"."""
        return self._did

    def phrase(self, edge: PathEdge) -> str | None:
        """The schema's verb phrase for a step, its start as subject and ``{}`` for its end; None if it has none."""
        relation = self._relation(edge)
        phrase = (relation.phrases if edge.forward else relation.inverse_phrases).get(self.code)
        return None if phrase is None else _word(phrase)

    def verb(self, edge: PathEdge) -> str:
        """Like :meth:`phrase`, or what can be said with the relation's label.

        Raises:
            SchemaError: the relation has neither a phrase nor a label in this language.
        """
        phrase = self.phrase(edge)
        if phrase is not None:
            return phrase
        relation = self._relation(edge)
        label = relation.labels.get(self.code)
        if label is None:
            raise SchemaError(
                f"schema {self.schema.name}: {relation.name} cannot be said in {self.code!r}: expected "
                f"kr:phrase, kr:inversePhrase or rdfs:label with @{self.code}, got none; add one to the schema"
            )
        return self.fallback_linked.format(label=_word(label).replace("{", "(").replace("}", ")"))

    def end(self, edge: PathEdge) -> str:
        """Node type where a step ends."""
        relation = self._relation(edge)
        return relation.target if edge.forward else relation.source

    def more(self, relation: str, what: str) -> tuple[str, ...]:
        """Further words for a relation of a bundled schema: ``noun``, ``phrases``, ``inverse``."""
        return tuple(_further(self.schema.name, self.code).get(relation, {}).get(what, ()))

    def _relation(self, edge: PathEdge) -> RelationType:
        relation = self.schema.relation_types.get(edge.type or "")
        if relation is None:
            known = ", ".join(self.schema.relation_types)
            raise SchemaError(f"schema {self.schema.name} has no relation type {edge.type!r}; expected one of {known}")
        return relation

    # --- names and numbers ----------------------------------------------------------------------------

    def quoted(self, name: str) -> str:
        """A cleaned name between the language's marks; such marks inside it become the inner ones."""
        for mark, inside in zip(self.quotes, self.inner, strict=True):
            name = name.replace(mark, inside)
        return f"{self.quotes[0]}{name}{self.quotes[1]}"

    def name(self, node: PathNode) -> str:
        """A node's name, cleaned and marked off, so that whatever it says it is read as a name.

        Names of items always stand in quotation marks; a name of another node that is made of capitalised words only
        ("Robert De Niro") needs none.
        """
        name = clean_name(node.name, node.key)
        if self.type(node.type).role != "item" and proper(name):
            return name
        return self.quoted(name)

    def fact(self, node: PathNode) -> str:
        """A node's name where a sentence says that an item has it: "comes from the United States"."""
        return self.name(node)

    def number(self, count: int) -> str:
        """A whole number: "2,481"."""
        return _number(self.locale, count)

    def percent(self, share: float) -> str:
        """A share as a percentage, two significant digits where it is small: "31%", "0.4%", "0.02%"."""
        if 0 < share < 0.00005:
            return "<0.01%"
        digits = 0 if share >= 0.095 or not share else 1 if share >= 0.00095 else 2
        power = _POWERS[digits]
        whole = int(share * power + 0.5)
        if abs(share * power - whole) > 0.499:  # near the middle of two, where round() decides
            whole = round(round(share, digits + 2) * power)
        return _percent(self.locale, whole, digits)

    def join(self, names: Sequence[str], *, either: bool = False) -> str:
        """Names as a list: "A, B, and C"; joined with "or" where ``either``."""
        return names[0] if len(names) == 1 else _list(self.locale, either, len(names)) % tuple(names)

    def listed(self, names: Sequence[str], others: int, node_type: str) -> str:
        """Names of which ``others`` more are counted: "A, B, and 67 other films"."""
        raise NotImplementedError

    def people(self, common: int, total: int) -> str:
        """How many of those who had an item had another too: "112 of the 147 other viewers"."""
        raise NotImplementedError

    def people_of(self, name: str, common: int, total: int, first: bool) -> str:
        """The same with the item: "112 of the 147 other viewers who liked A", "80 of the 120 who liked B"."""
        raise NotImplementedError

    def counted(self, count: int, node_type: str) -> str:
        """A number of nodes of a type: "37 viewers"."""
        return f"{self.number(count)} {self.noun(node_type, count)}"

    def crowd(self, count: int) -> str:
        """A number of other users: "37 viewers"."""
        return self.counted(count, self.schema.user.name)

    def attribute(self, node_type: str, name: str) -> str:
        """What a property of a node type is called: its label, or its name with blanks."""
        labels = next((p.labels for p in self.type(node_type).properties if p.name == name), {})
        return _word(labels.get(self.code) or name.replace("_", " "))

    def this_item(self) -> str:
        """What stands for the recommended item where it was named before: "this film"."""
        raise NotImplementedError

    def yours(self, names: str, several: bool) -> str:
        """Items with the remark that the user had them: "A, which you liked", 你喜欢的A."""
        raise NotImplementedError

    def opened(self, text: str) -> str:
        """A sentence as it goes on after a weight ("Mainly: you liked ..."): a small letter where there was none."""
        return text

    # --- the grammar's words --------------------------------------------------------------------------

    def words(self, steps: Sequence[PathEdge], link: str, several: bool, many: bool) -> dict[str, tuple[str, ...]]:
        """The words of one kind of sentence by the name of the grammar's rule; what is missing is left out.

        Those that every language has, and :attr:`grammar` may use, are::

            did_liked did_bridge did_item    what the user (or others) did with the item in that slot
            has_shared                       what the recommended item has or is, the attribute in its slot
            of_liked of_item                 what the attribute did or is (one attribute, no "is ... of")
            forth_liked forth_again          the relation of the recommended item to the known one
            back_item                        the relation of the known one to the recommended one
            have_shared                      the same of several items
            has_years have_years             come from the years in the slot of the attribute
            that_did                         "that you liked", said of items; "in your history"
            everybody                        "of what all viewers liked"
            noun user users item items       nouns; ``noun``: what the attribute is for the item
            again                            what stands for the known items where they were named before

        The first text of each is used by the sentences that ship; phrases may use the others too.

        Args:
            steps: of the kind; see :class:`kg_rec.explain.words.patterns.SentenceKind`.
            link: of the kind.
            several: several attributes are shared.
            many: several known items.
        """
        schema = self.schema
        acts = (self.did(), *self.more(schema.interaction.name, "phrases"))
        texts = {f"did_{slot}": _put(acts, f"[{slot.upper()}]") for slot in ("liked", "bridge", "item")}
        texts |= {
            "user": (self.noun(schema.user.name),),
            "users": (self.noun(schema.user.name, 2),),
            "item": (self.noun(schema.item.name),),
            "items": (self.noun(schema.item.name, 2),),
            "again": (self.again(many),),
        }
        if link == "shared":
            step = steps[0]
            texts["has_shared"] = _put(self.verbs(step, several), "[SHARED]")
            texts["have_shared"] = tuple(self.plural_verb(verb) for verb in texts["has_shared"])
            back = self._phrases(PathEdge(step.type, not step.forward))
            if not several and back and not self.copula(back[0]):
                texts["of_liked"], texts["of_item"] = _put(back, "[LIKED]"), _put(back, "[ITEM]")
            nouns = self.more(step.type or "", "noun")
            if nouns:
                texts["noun"] = (nouns[-1] if several else nouns[0],)
        elif link == "direct":
            step = steps[0]
            turned = self._phrases(PathEdge(step.type, not step.forward))
            forth = self._phrases(step) or (() if turned and not many else (self.verb(step),))
            texts["forth_liked"], texts["forth_again"] = _put(forth, "[LIKED]"), _put(forth, self.again(many))
            texts["back_item"] = () if many else _put(turned, "[ITEM]")
        return texts

    def verbs(self, edge: PathEdge, several: bool) -> tuple[str, ...]:
        """Verb phrases of a step, the first one from the schema."""
        return self._phrases(edge) or (self.verb(edge),)

    def again(self, many: bool) -> str:
        """What stands for known items: "that film", "those films"."""
        raise NotImplementedError

    def plural_verb(self, phrase: str) -> str:
        """A verb phrase as it is said of several: "are of the genre {}"; the phrase itself where nothing changes."""
        return phrase

    def copula(self, phrase: str) -> bool:
        """Whether a verb phrase says that the attribute *is* something of the item ("is the genre of {}")."""
        raise NotImplementedError

    def _phrases(self, edge: PathEdge) -> tuple[str, ...]:
        own = self.phrase(edge)
        more = self.more(edge.type or "", "phrases" if edge.forward else "inverse")
        return more if own is None else (own, *more)


def register(language: type[Language]) -> None:
    """Make a language known to this process; one of the same code is replaced.

    Packages do it for every process by the entry point ``kg_rec.languages``: ``fr = "their_package.french:French"``.
    """
    register_class(language.code, language)


def language(lang: str) -> type[Language]:
    """A language by its code; a region is ignored (``zh-CN``).

    Raises:
        SchemaError: there is none of that code.
    """
    kind: type[Language] = class_of(lang)
    return kind


def speaker(schema: GraphSchema, lang: str) -> Language:
    """A language that speaks about a schema.

    Raises:
        SchemaError: no grammar for the language.
    """
    return language(lang)(schema)


@cache
def _word(text: str) -> str:
    """A word of a schema, made fit for a line of text: anybody may have written it."""
    return clean_name(text, longest=None)


#: Words that make a sentence and no name, even with a capital letter: a node called "And So Did Everybody" is quoted.
_SENTENCE = re.compile(
    r"(all|also|and|any|are|as|because|best|both|but|each|either|every|everybody|everyone|everything|first|he|i|if|is|it"
    r"|last|liked?|likes|more|most|neither|never|no|nobody|none|nor|not|nothing|only|or|same|she|since|so|some|than|that"
    r"|then|they|this|those|though|too|unlike|was|we|were|which|who|whom|whose|will|with|worst|you|your)\.?",
    re.IGNORECASE,
)


def proper(name: str) -> bool:
    """Whether a name is made of a few capitalised words only, and of none that makes a sentence: "Robert De Niro"."""
    words = name.split(" ")
    return len(words) <= 6 and all(
        word[:1].isupper()
        and all(c.isupper() or c.islower() or c in ".'’-" for c in word)
        and not _SENTENCE.fullmatch(word)
        for word in words
    )


#: Articles that catalogues put behind a title, or behind both of "Visitors, The (Visiteurs, Les)".
_ARTICLE = re.compile(r"(^|\()([^()]+), (The|An?|La|Les?|L'|El|L[oa]s|Il|Der|Die|Das|Une?|Una)(?=$|\)| \()")
#: The one after which no blank stands.
_ELIDED = "L'"
#: Measure words in Chinese of works with a title: the only mark in a schema of what has one and not a name.
TITLED = frozenset("部首本篇册卷出集期张")


def article_first(title: str) -> str:
    """A title with the article in front that a catalogue put behind: "A Fish Called Wanda (1988)"."""
    if ", " not in title:
        return title
    return _ARTICLE.sub(lambda m: f"{m[1]}{m[3]}{'' if m[3] == _ELIDED else ' '}{m[2]}", title)


@cache
def _cldr(locale: str) -> Locale:
    return Locale.parse(locale)


@cache
def _one(locale: str, count: int) -> bool:
    """Whether a noun beside a number stands in the singular."""
    return bool(_cldr(locale).plural_form(count) == "one")


@cache
def _number(locale: str, count: int) -> str:
    return str(format_decimal(count, locale=_cldr(locale)))


#: By figures after the point of a percentage, what its share is multiplied with.
_POWERS = (100, 1_000, 10_000)


@cache
def _percent(locale: str, whole: int, digits: int) -> str:
    figures = f"#,##0{'.' * bool(digits)}{'#' * digits}%"
    return str(format_percent(whole / _POWERS[digits], format=figures, locale=_cldr(locale)))


@cache
def _list(locale: str, either: bool, count: int) -> str:
    """CLDR's pattern of a list of so many, at least two; ``%s`` stands for each."""
    patterns = _cldr(locale).list_patterns["or" if either else "standard"]

    def put(place: str, first: str, second: str) -> str:
        before, between, after = (part.replace("%", "%%") for part in re.split(r"\{[01]\}", str(patterns[place])))
        return f"{before}{first}{between}{second}{after}"

    if count == 2:
        return put("2", "%s", "%s")
    text = put("start", "%s", "%s")
    for _ in range(count - 3):
        text = put("middle", text, "%s")
    return put("end", text, "%s")


@cache
def _further(schema: str, lang: str) -> Mapping[str, Mapping[str, Sequence[str]]]:
    text = files("kg_rec.explain.words").joinpath("relations.json").read_text(encoding="utf-8")
    words: Mapping[str, Mapping[str, Sequence[str]]] = json.loads(text).get(schema, {}).get(lang, {})
    return words


def _put(phrases: Sequence[str], what: str) -> tuple[str, ...]:
    return tuple(phrase.replace("{}", what) for phrase in phrases)
