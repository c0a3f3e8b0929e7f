"""Whether a sentence says what its pattern says, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from kg_rec.explain.words.patterns import Pattern, Tone
from kg_rec.explain.words.sentence_kinds import Role
from kg_rec.explain.words.slots import check

_SLOT = re.compile(r"\[[A-Z][A-Z0-9_]*_[0-9]+\]")
_MARK = {"en": re.compile(r"[^A-Za-z ,.;:'’—–-]"), "zh": re.compile(r"[^\u3400-\u9fff，。；：、—]")}
_CJK = re.compile(r"[\u3400-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]")
_LONGEST = {"en": 260, "zh": 130}
_SHORTEST = {"en": 8, "zh": 4}
_HERE = "\ue000"
#: "you liked A and B" says it of both.
_COORDINATED = {"en": r"{0}(?: and| or| as well as| and also) {1}", "zh": r"{0}(?:、|和|与|及|以及|或){1}"}
#: "B, and so did you".
_TOO = {
    "en": re.compile(
        rf"{_HERE}[^\[\];]{{0,24}}\b(?:did you|do you|you did|like you|as you|you too|you also|you all)\b", re.I
    ),
    "zh": re.compile(rf"{_HERE}[^\[\]；]{{0,8}}(?:你也|你亦|你同样|你都|(?:和|与|跟|像|同)你一样|你是)"),
}
_STOP = {"en": ".", "zh": "。"}


def check_phrase(pattern: Pattern, text: str, lang: str, tone: Tone = "friendly") -> tuple[str, ...]:
    """Reasons to reject a sentence for a pattern; empty if it may be used.

    It must be one sentence of the language that uses each slot once and no other; its words come from the pattern's
    vocabulary (:mod:`kg_rec.explain.words.vocabulary`), so it holds no name, number, negation, promise or other
    relation; it says what the user did with [the items the user had], and of no other item; it says the link to the
    recommended item, in its direction.

    Args:
        pattern: what it must say.
        text: the proposed sentence, with slots.
        lang: its language.
        tone: its tone; ``audit`` sentences have the slot ``[SHARE_1]`` besides the pattern's.
    """
    if lang != pattern.lang:
        return (f"expected a phrase in {pattern.lang}, got one in {lang}",)
    problems = check(text, tuple(slot.tag for slot in pattern.slots_of(tone)))
    if problems:
        return problems
    return (*_form(text, lang), *_words(pattern, text), *_claims(pattern, text))


def _form(text: str, lang: str) -> Iterator[str]:
    bare = _SLOT.sub("", text)
    if lang == "en" and (found := _CJK.search(bare)):
        yield f"{found.group()!r} is not English"
    if lang == "zh" and (found := _LATIN.search(bare)):
        yield f"{found.group()!r} is not Chinese"
    if mark := _MARK[lang].search(bare):
        yield f"{mark.group()!r} is not allowed: a phrase holds words, commas, colons, semicolons and dashes"
    if not _SHORTEST[lang] <= len(bare) <= _LONGEST[lang]:
        yield f"expected {_SHORTEST[lang]} to {_LONGEST[lang]} characters besides the slots, got {len(bare)}"
    if not text.endswith(_STOP[lang]) or bare.count(_STOP[lang]) != 1:
        yield f"expected one sentence that ends in {_STOP[lang]!r}"
    if re.search(r"\]\s*\[", text):
        yield "two slots stand side by side: the names would run together"
    if lang == "zh":
        return
    if re.search(r"\s{2}|\s[,.;:]|[,;:](?=\S)|^\s|\w\[|\](?!'s\b|’s\b)[\w'’]", text):
        yield "a space is missing or too many"
    if re.search(r"\ban? \[", text, re.IGNORECASE):
        yield "'a' before a slot: it may have to be 'an', and several names may stand there"
    if not re.match(r"[A-Z\[]", text):
        yield "expected a capital letter or a slot at the start"
    if capital := re.search(r"(?<!^)\b[A-Z]\w*", bare.lstrip() if bare[:1].isupper() else f"  {bare}"):
        yield f"{capital.group()!r} looks like a name"


def _words(pattern: Pattern, text: str) -> Iterator[str]:
    allowed = pattern.words.allowed
    bare = _SLOT.sub(" ", text)
    if pattern.lang == "zh":
        for run in re.findall(r"[\u3400-\u9fff]+", bare):
            end = _segmented(run, allowed)
            if end < len(run):
                yield f"{run[end:]!r} is not made of words of this pattern"
        return
    known = re.sub(r"['’]s\b", "", bare.lower())
    for word in re.findall(r"[a-z]+(?:[-'’][a-z]+)*", known):
        if word not in allowed and not all(part in allowed for part in word.split("-")):
            yield f"the word {word!r} is not one of this pattern's"


def _segmented(run: str, allowed: frozenset[str]) -> int:
    """How far a run of Chinese characters can be cut into allowed pieces."""
    reached = {0}
    longest = 12
    for end in range(1, len(run) + 1):
        if any(start in reached and run[start:end] in allowed for start in range(max(0, end - longest), end)):
            reached.add(end)
    return max(reached)


def _claims(pattern: Pattern, text: str) -> Iterator[str]:
    tags = {role: f"[{tag}]" for role, tag in pattern.tags.items()}
    if "liked" in tags:
        if not _you_did(pattern, text, tags["liked"]):
            yield f"expected that you {pattern.words.acts[0].format(tags['liked'])}, in these words"
        others = [slot.tag for slot in pattern.slots if slot.role in ("item", "bridge", "shared", "through")]
        for tag in others:
            alike = _COORDINATED[pattern.lang].format(re.escape(tags["liked"]), re.escape(f"[{tag}]"))
            if _you_did(pattern, re.sub(alike, f"[{tag}]", text), f"[{tag}]") or _you_too(pattern, text, f"[{tag}]"):
                yield f"it says that you {pattern.words.acts[0].format(f'[{tag}]')}, which is not on the path"
    if pattern.kind.lead in ("counted", "counts", "crowd"):
        verbs = [_verb(act, pattern.lang) for act in pattern.words.acts]
        said = sum(len(re.findall(verb, text)) for verb in dict.fromkeys(verbs))
        if said < 2:
            yield "expected that the others did what you did, and did it with the next item too"
    words = pattern.words.link
    if words and not (_said_en(text, words) if pattern.lang == "en" else any(word in text for word in words)):
        yield f"expected one of the words {', '.join(sorted(words))}"
    if pattern.kind.link == "shared":
        turned = [(phrase, role) for phrase in pattern.words.forth for role in ("item", "liked", "bridge")]
        turned += [(phrase, "shared") for phrase in pattern.words.back if phrase not in pattern.words.forth]
        if any(role in tags and phrase.replace("{}", tags[role]) in text for phrase, role in turned):
            yield "the relation is said in the wrong direction"
    if pattern.kind.link == "direct" and not _directed(pattern, text, tags):
        yield "the relation between the items is not said, or in the wrong direction"


def _said_en(text: str, words: frozenset[str]) -> bool:
    return not words.isdisjoint(re.findall(r"[a-z]+(?:-[a-z]+)*", _SLOT.sub(" ", text).lower()))


@cache
def _verb(act: str, lang: str) -> str:
    """Regular expression of a verb phrase without its object; Chinese aspect is free: 选择了, 选择过, 选择."""
    before, _, after = act.partition("{}")
    if lang == "en":
        return rf"\b{re.escape(before.strip())}\b"
    return rf"{re.escape(before.removesuffix('了').removesuffix('过'))}(?:了|过)?" if before else re.escape(after)


def _you_did(pattern: Pattern, text: str, tag: str) -> bool:
    """Whether it says that the user did it with this slot."""
    marked = text.replace(tag, _HERE)
    return any(form.search(marked) for act in pattern.words.acts for form in _forms(act, pattern.lang))


def _you_too(pattern: Pattern, text: str, tag: str) -> bool:
    """Whether it says afterwards that the user did the same: "B, and so did you"."""
    return _TOO[pattern.lang].search(text.replace(tag, _HERE)) is not None


@cache
def _forms(act: str, lang: str) -> tuple[re.Pattern[str], ...]:
    """How a sentence says that the user did it; the slot in question stands as a mark."""
    before, _, after = (re.escape(part) for part in act.partition("{}"))
    verb = _verb(act, lang)
    if lang == "en":
        forms = [
            rf"\byou,? (?:too,? |also |both |all |have |once )?{before}{_HERE}{after}",
            rf"\b(?:like|as) you,? (?:also |too,? )?{before}{_HERE}{after}",
            rf"{before}{_HERE}{after},? (?:just )?(?:like|as) you\b",
            rf"\byou and (?:\[COUNT_1\]|others|other \w+) (?:both |all |have )?{before}{_HERE}{after}",
        ]
        if not after:
            forms.append(rf"{_HERE}(?:,| \w+){{0,2}} (?:both of which|all of which|which|that|both|all)? ?you {verb}")
    else:
        forms = [
            rf"你(?:也|都|同样|已|曾)?{verb}的?(?:电影|作品|\w{{1,4}})?{_HERE}{after}",
            rf"你(?:和|与)(?:\[COUNT_1\]|其他\w{{1,4}}|一些\w{{1,4}})(?:都|也都|一样)?{verb}{_HERE}{after}",
            rf"你一样，?(?:也|都|同样)?{verb}{_HERE}{after}",
            rf"{_HERE}，?(?:也|都|正|同样)?(?:是|为)你{verb}的(?!\[)",
        ]
    return tuple(re.compile(form, re.IGNORECASE) for form in forms)


def _directed(pattern: Pattern, text: str, tags: Mapping[Role, str]) -> bool:
    known = tags.get("bridge") or tags["liked"]
    pronoun = {"en": "it|them|that one|those", "zh": "它们|它|前者"}[pattern.lang]
    one = f"(?:{re.escape(known)}" + (f"|{pronoun})" if "bridge" in tags else ")")
    item = re.escape(tags["item"])
    gap = r"(?:,[^,\[\]]{1,40},)?(?: \w+){0,2} " if pattern.lang == "en" else r"[^\[\]，。；]{0,4}"
    yours = r"(?:the \w+ )?" if pattern.lang == "en" else r"(?:你[^\[\]，。；]{1,6}的)?"
    for phrases, subject, goal in ((pattern.words.forth, item, one), (pattern.words.back, one, item)):
        for phrase in phrases:
            before, _, after = (re.escape(part) for part in phrase.partition("{}"))
            if re.search(rf"{subject}{gap}{before}{yours}{goal}{after}", text):
                return True
    return False
