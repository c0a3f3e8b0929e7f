"""What a language model is told: a few examples and one sentence, in the language's own words.

The words come from a schema, which anybody may have written.  They are data: cleaned, cut, and quoted as JSON.  No
name from the graph is ever part of a prompt.
"""

from __future__ import annotations

import json

from kg_rec.explain.generate.language_model import Request
from kg_rec.explain.words.grammar import ebnf, sentences
from kg_rec.explain.words.languages.base import language
from kg_rec.explain.words.patterns import Pattern, Tone, kinds
from kg_rec.explain.words.patterns import pattern as pattern_of
from kg_rec.explain.words.slots import clean_name
from kg_rec.schema import GraphSchema

#: Longest sentence, and longest grammar, that is put into a prompt, in characters.
MAX_SENTENCE, MAX_GRAMMAR = 600, 4000
#: Kinds of which a sentence and the same in other words are shown as examples.
_EXAMPLES = ("one shared", "one text", "counted none")


def request(schema: GraphSchema, pattern: Pattern, tone: Tone, variants: int, seed: int) -> Request:
    """What to ask for one pattern in one tone.

    Args:
        schema: gives the words.
        pattern: what is to be said, and the language.
        tone: the tone.
        variants: how many sentences.
        seed: of the model's random choices.

    Raises:
        SchemaError: the schema cannot say a relation in the language.
    """
    words = language(pattern.lang).prompts
    known, grammar = sentences(pattern, tone), ebnf(pattern, tone == "audit", by_tags=True)
    return Request(
        system=f"{words['system']} {words[tone]}",
        examples=tuple((words["sentence"].format(_quoted(a)), b) for a, b in _examples(schema, pattern, tone)),
        task=words["sentence"].format(_quoted(known[0] if known else "")),
        rules=words["rules"].format(_grammar(grammar)),
        one=words["one"],
        many=words["many"].format(n=variants),
        answer=words["answer"],
        slots=tuple(slot.tag for slot in pattern.slots_of(tone)),
        grammar=grammar,
        variants=variants,
        seed=seed,
    )


def _examples(schema: GraphSchema, pattern: Pattern, tone: Tone) -> list[tuple[str, str]]:
    """A sentence of another kind, and the same in other words."""
    examples = []
    for start in _EXAMPLES:
        kind = next((k for k in kinds(schema) if k.key.startswith(start) and k != pattern.kind), None)
        other = pattern_of(schema, pattern.lang, kind) if kind else None
        first, said = (sentences(other, "short"), sentences(other, tone)) if other else ((), ())
        if first and said:
            examples.append((_clean(first[0]), _clean(said[-1])))
    return examples[:2]


def _quoted(text: str) -> str:
    return json.dumps(_clean(text), ensure_ascii=False)


def _grammar(text: str) -> str:
    return "\n".join(_clean(line.replace(" | ", " / ")) for line in text.splitlines())[:MAX_GRAMMAR]


def _clean(text: str) -> str:
    """Without what chat templates use as control tokens (<|im_end|>, </s>)."""
    return clean_name("".join(c for c in text if c not in "<>|"), longest=MAX_SENTENCE)
