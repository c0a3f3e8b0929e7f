"""Explanations in words, from the schema's labels and phrases alone.

Deterministic, offline, and every name, number and relation in the text is on a path: a sentence is first built as a
pattern with typed slots (:mod:`kg_rec.explain.slots`), then filled.  English and Chinese; any schema.
"""

from __future__ import annotations

from collections.abc import Sequence

from kg_rec.errors import SchemaError
from kg_rec.explain.chinese import REMARKS as CHINESE_REMARKS
from kg_rec.explain.chinese import Chinese
from kg_rec.explain.english import REMARKS as ENGLISH_REMARKS
from kg_rec.explain.english import English
from kg_rec.explain.explanation import Path, PathGroup, PathNode
from kg_rec.explain.lexicon import Lexicon
from kg_rec.explain.slots import SlotPattern, Slots
from kg_rec.explain.story import Language, build, merge
from kg_rec.schema import GraphSchema

#: Languages with a grammar.
LANGUAGES = ("en", "zh")


def verbalize(
    schema: GraphSchema,
    groups: Sequence[PathGroup],
    item_name: str,
    notes: Sequence[str] = (),
    lang: str = "en",
    *,
    base_only: bool = False,
    sentences: int = 3,
) -> str:
    """An explanation in words.

    Only paths that speak for the item are told, the most important first; groups that differ in the channel only,
    and attributes shared with the same items, share a sentence.

    Args:
        schema: gives the words.
        groups: the paths shown, largest first.
        item_name: name of the recommended item; data, it is cleaned.
        notes: ``already_interacted``, ``no_interactions``.
        lang: ``en`` or ``zh``; a region is ignored (``zh-CN``).
        base_only: the score has no term besides the base; said where there is no path to tell.
        sentences: most sentences about paths.

    Raises:
        SchemaError: no grammar for the language, or the schema has neither a phrase nor a label for a relation in it,
            or a path does not fit the schema.
        ValueError: a note that is not known.
    """
    lang, language = _language(schema, lang)
    unknown = sorted(set(notes) - {"already_interacted", "no_interactions"})
    if unknown:
        raise ValueError(f"expected the notes already_interacted, no_interactions; got {', '.join(unknown)}")
    item = PathNode(schema.item.name, "", item_name)
    told = merge(groups, schema)[:sentences]
    patterns = [_pattern(paths, schema, language, item if n == 0 else None) for n, paths in enumerate(told)]
    if not told:
        why = "no_interactions" if "no_interactions" in notes else "base_only" if base_only else "no_path"
        patterns.append(_remark(why, lang, language, item))
    if "already_interacted" in notes:
        patterns.append(_remark("already_interacted", lang, language, item))
    return (" " if lang == "en" else "").join(pattern.sentence for pattern in patterns)


def pattern_of(group: PathGroup, schema: GraphSchema, lang: str = "en", *, named: bool = True) -> SlotPattern:
    """The sentence about one group, with slots instead of names.

    Args:
        group: paths of one pattern.
        schema: gives the words.
        lang: ``en`` or ``zh``.
        named: name the recommended item (its slot is the last of its type); otherwise say "it".

    Raises:
        SchemaError: see :func:`verbalize`.
        ValueError: no path of the group speaks for the item, so there is nothing to say.
    """
    told = merge([group], schema)
    if not told:
        raise ValueError("expected a group with at least one path of positive value through existing nodes, got none")
    _, language = _language(schema, lang)
    return _pattern(told[0], schema, language, told[0][0].nodes[-1] if named else None)


def _pattern(paths: Sequence[Path], schema: GraphSchema, language: Language, item: PathNode | None) -> SlotPattern:
    slots = Slots()
    return slots.pattern(language.sentence(build(paths, schema, language, slots, item)))


def _remark(note: str, lang: str, language: Language, item: PathNode) -> SlotPattern:
    template = (ENGLISH_REMARKS if lang == "en" else CHINESE_REMARKS)[note]
    slots = Slots()
    if "{item}" in template:
        template = template.replace("{item}", slots.add(item.type, language.names([item])))
    return slots.pattern(template)


def _language(schema: GraphSchema, lang: str) -> tuple[str, Language]:
    short = lang.replace("_", "-").split("-")[0].lower()
    if short not in LANGUAGES:
        raise SchemaError(f"no grammar for the language {lang!r}; expected one of {', '.join(LANGUAGES)}")
    words = Lexicon(schema, short)
    return short, English(words) if short == "en" else Chinese(words)
