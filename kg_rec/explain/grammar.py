"""Explanations in words, from the schema's labels and phrases alone, or from a phrasebook.

Deterministic, offline, and every name, number and relation in the text is on a path: a sentence is first a pattern
with typed slots (:mod:`kg_rec.explain.patterns`), then filled.  English and Chinese; any schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from kg_rec.explain.chinese import REMARKS as CHINESE_REMARKS
from kg_rec.explain.english import REMARKS as ENGLISH_REMARKS
from kg_rec.explain.explanation import Path, PathGroup, PathNode
from kg_rec.explain.patterns import LANGUAGES, language_of
from kg_rec.explain.patterns import pattern as pattern_for
from kg_rec.explain.phrasebook import SchemaPhrases, Tone
from kg_rec.explain.slots import Slot, SlotPattern
from kg_rec.explain.story import Language, kind_of, merge, texts_of
from kg_rec.schema import GraphSchema

__all__ = ["LANGUAGES", "pattern_of", "seed_of", "verbalize"]


def verbalize(
    schema: GraphSchema,
    groups: Sequence[PathGroup],
    item_name: str,
    notes: Sequence[str] = (),
    lang: str = "en",
    *,
    base_only: bool = False,
    sentences: int = 3,
    tone: Tone = "friendly",
    phrases: SchemaPhrases | None = None,
    seed: int = 0,
) -> str:
    """An explanation in words.

    Only paths that speak for the item are told, the most important first; groups that differ in the channel only,
    and attributes of one relation shared with the same items, share a sentence.

    Args:
        schema: gives the words.
        groups: the paths shown, largest first.
        item_name: name of the recommended item; data, it is cleaned.
        notes: ``already_interacted``, ``no_interactions``.
        lang: ``en`` or ``zh``; a region is ignored (``zh-CN``).
        base_only: the score has no term besides the base; said where there is no path to tell.
        sentences: most sentences about paths.
        tone: which phrases.
        phrases: of this schema and language; where they have none, the grammar speaks.
        seed: chooses among variants; see :func:`seed_of`.

    Raises:
        SchemaError: no grammar for the language, or the schema has neither a phrase nor a label for a relation in it,
            or a path does not fit the schema.
        ValueError: a note that is not known.
    """
    lang, language = language_of(schema, lang)
    unknown = sorted(set(notes) - {"already_interacted", "no_interactions"})
    if unknown:
        raise ValueError(f"expected the notes already_interacted, no_interactions; got {', '.join(unknown)}")
    item = PathNode(schema.item.name, "", item_name)
    told = merge(groups, schema)[:sentences]
    said = []
    for n, paths in enumerate(told):
        sentence = _pattern(paths, schema, lang, language, item if n == 0 else None)
        phrase = phrases.choose(kind_of(paths, schema).key, tone, seed + n) if phrases else None
        said.append((SlotPattern(phrase.text, sentence.slots) if phrase else sentence).sentence)
    if not told:
        why = "no_interactions" if "no_interactions" in notes else "base_only" if base_only else "no_path"
        said.append(_remark(why, lang, language, item))
    if "already_interacted" in notes:
        said.append(_remark("already_interacted", lang, language, item))
    return language.gap.join(said)


def seed_of(user: str, item: str) -> int:
    """A whole number for a user and an item, the same on every machine (CRC-32)."""
    return crc32(f"{user}\0{item}".encode("utf-8", "surrogatepass"))


def pattern_of(group: PathGroup, schema: GraphSchema, lang: str = "en", *, named: bool = True) -> SlotPattern:
    """The sentence about one group, with slots instead of names.

    Args:
        group: paths of one pattern.
        schema: gives the words.
        lang: ``en`` or ``zh``.
        named: name the recommended item (its slot is the last); otherwise say "this film".

    Raises:
        SchemaError: see :func:`verbalize`.
        ValueError: no path of the group speaks for the item, so there is nothing to say.
    """
    told = merge([group], schema)
    if not told:
        raise ValueError("expected a group with at least one path of positive value through existing nodes, got none")
    lang, language = language_of(schema, lang)
    return _pattern(told[0], schema, lang, language, told[0][0].nodes[-1] if named else None)


def _pattern(
    paths: Sequence[Path], schema: GraphSchema, lang: str, language: Language, item: PathNode | None
) -> SlotPattern:
    kind = kind_of(paths, schema)
    texts = texts_of(paths, kind, language, item)
    found = pattern_for(schema, lang, kind)
    if item is None and found.reference.startswith(f"[{found.tags['item']}]"):
        texts["item"] = texts["item"][:1].upper() + texts["item"][1:]
    return SlotPattern(found.reference, tuple(Slot(slot.tag, texts[slot.role]) for slot in found.slots))


def _remark(note: str, lang: str, language: Language, item: PathNode) -> str:
    template = (ENGLISH_REMARKS if lang == "en" else CHINESE_REMARKS)[note]
    name = language.name(item)
    closed = template.replace("{item}.", "{item}") if name.endswith(".") else template
    return closed.replace("{item}", name)
