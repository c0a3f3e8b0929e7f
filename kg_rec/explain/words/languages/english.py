"""English: everything that is said in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import ClassVar

from babel import Locale

from kg_rec.explain.path import PathEdge, PathNode
from kg_rec.explain.words.languages.base import TITLED, Language, article_first
from kg_rec.explain.words.slots import clean_name

#: Countries whose names say what kind of state they are, or are plural.
_THE = re.compile(
    r"(United|Soviet) .+|.+ (States|Republic|Islands|Territories)|Netherlands|Philippines|Bahamas|USA|USSR"
)
#: Names of countries that CLDR does not have, or no more.
_OTHERS = ("United States of America", "USA", "Soviet Union", "USSR", "Czech Republic")


#: Measure words of people in Chinese: the only mark in a schema of what is a person.
_PEOPLE = ("位", "名")
#: What repeats a verb: "as was", of one and of several.
_AUXILIARIES = {"is": "are", "was": "were"}
#: Verbs of schemas that are past without "-ed".
_PAST = ("had", "won", "made", "came", "took", "went", "ran", "wrote", "sold", "bought")


class English(Language):
    """See :class:`kg_rec.explain.words.languages.base.Language`."""

    code = "en"
    title = "English"
    locale = "en"

    grammar = """
    own_shared_short: "Like " yours ", " fact
        | fact ", like " yours
        | "You " did_liked "; " fact " too"
        | ITEM " shares the " noun " " SHARED " with " yours
    own_shared_friendly: "You " did_liked ", and " fact " as well"
        | "Just like " yours ", " fact
        | yours shut " and " ITEM " have the " noun " " SHARED " in common"
        | SHARED " " of_liked which shut " and also " of_item
    own_shared_formal: "In common with " yours ", " fact
        | fact "; the same is true of " yours
        | ITEM " has the " noun " " SHARED " in common with " yours
    own_shared_more: "As with " yours ", " fact
        | "One reason is that, like " yours ", " fact
        | "You " did_liked "; like " again ", " fact
        | "You " did_liked ", and like " again ", " fact
        | "You " did_liked ", and " ITEM " also " has_shared
        | "You " did_liked (", and " | "; ") ITEM " " also_shared
        | "You " did_liked (", and " | "; ") fact (" too" | " as well")
        | ITEM ", like " yours shut " " has_shared
        | ITEM " " shared_as " " yours
        | both? (yours shut " and " ITEM | ITEM " and " yours shut) " " have_shared
        | (yours shut " and " ITEM | ITEM " and " yours shut) " " both_shared
        | ITEM " and " yours shut " share the " noun " " SHARED
        | yours shut " and " ITEM " have " these_noun " in common: " SHARED
        | yours shut " " yours_first ", and so " so " " ITEM
        | ITEM " " so ", like " yours ", " so_shared
        | fact ", just like " yours
        | ITEM " " shared_first ", just as " yours shut " " so_yours
        | SHARED " " of_both which shut " and " ITEM
        | SHARED " " of_end " and also " yours
        | SHARED " " of_end " as well as " yours
        | fact ", " who " also " of_liked which
        | SHARED ", " who " " of_liked which shut " also " of_item
        | SHARED " " of_item " as well as " of_liked which
        | yours shut " and " ITEM " share the " noun " " SHARED
        | "Similarly to " yours ", " fact

    own_text_short: "The " text_one " of " ITEM " " is " close to " that " of " yours
        | "The " text_many " of " ITEM " and of " yours shut " are alike"
    own_text_friendly: "The " text_one " of " ITEM " " is " much like " that " of " yours
        | "You " did_liked ", whose " text_yours " " are_yours " much like " that_item " of " ITEM
    own_text_formal: "The " text_one " of " ITEM " closely " resembles " " that " of " yours
        | "The " text_one " of " ITEM " " is " close to " that " of " yours
    own_text_more: "One reason is that the " text_one " of " ITEM " " is " close to " that " of " yours
        | "You " did_liked ", whose " text_yours " " are_yours " close to " that_item " of " ITEM
        | "You " did_liked ", whose " text_yours " " are_yours " similar to " that_item " of " ITEM
        | "The " text_one " of " ITEM " " is " similar to " that " of " yours
        | "The " text_one " of " ITEM " " resembles " " that " of " yours
        | (ITEM " and " yours shut | yours shut " and " ITEM) " have similar " text_many
        | "The " text_many " of " (ITEM " and of " yours shut | yours shut " and " ITEM) " are " ("alike" | "similar")
        | ITEM " has " a_text " " near " " that " of " yours
        | yours shut " has " a_text_yours " " near " " that_item " of " ITEM
        | "Judging by their " text_many ", " ITEM " is " near " " yours

    own_direct_short: ITEM " " forth_liked which
        | yours shut " " back_item
    own_direct_friendly: "You " did_liked ", and " ITEM " " forth_again
        | yours shut " " back_item
    own_direct_formal: "According to the graph, " ITEM " " forth_liked which
        | "According to the graph, " yours shut " " back_item
    own_direct_more: "You " did_liked "; " ITEM " " forth_again
        | "One reason is that " ITEM " " forth_liked which

    counted_short{next}: COUNT " who, like you, " did_liked " also " next
    counted_friendly{next}: COUNT " who " did_liked ", just as you did, also " next
        | "You " did_liked ", and " COUNT " who did the same also " next
    counted_formal{next}: COUNT " who " did_liked ", as you did, also " next
        | "According to the graph, " COUNT " who, like you, " did_liked " also " next
    counted_more{next}: COUNT " who " did_liked ", as you did too, also " next
        | COUNT " who, just like you, " did_liked " also " next
        | COUNT " who, as you did, " did_liked " also " next
        | "You " did_liked ("; " | ", and ") COUNT " who did the same also " next
    counts_short{next}: LIKED " also " next "; you " did_those " too"
    counts_friendly{next}: LIKED " also " next ", and you " did_those " as well"
    counts_formal{next}: "According to the graph, " LIKED " also " next "; you " did_those " too"
    counts_more{next}: LIKED " also " next "; like them, you " did_those
        | LIKED " also " next "; you also " did_those
        | LIKED " " next " too; you also " did_those
        | LIKED " also " next "; as they did, you " did_those
        | LIKED " also " next ", and you " did_those " too"
        | "According to the graph, " LIKED " also " next ", and you " did_those " as well"
    bridged_short{next}: LIKED " (you " did_those " too) also " next
    bridged_friendly{next}: LIKED " (you " did_those " as well) also " next
    bridged_formal{next}: "According to the graph, " LIKED " (you " did_those " too) also " next
    bridged_more{next}: "According to the graph, " LIKED " (you " did_those " as well) also " next
    crowd_short{next}: "Some " users " who, like you, " did_liked " also " next
    crowd_friendly{next}: "Some " users " who " did_liked ", just as you did, also " next
    crowd_formal{next}: "According to the graph, some " users " who, like you, " did_liked " also " next
    crowd_more{next}: "Some " users " who, just like you, " did_liked " also " next
        | "Some " users " who " did_liked ", as you did, also " next
        | "There are " users " who, like you, " did_liked " and also " next

    onward_shared: "; like " again ", " fact
        | "; " fact ", like " again
    onward_shared_more: "; " ITEM " " also_shared ", like " again
        | ", " item_who " " yours_first ", as " so " " ITEM
    onward_text: ", whose " text_yours " " are_yours " close to " that_item " of " ITEM
    onward_text_more: ", whose " text_yours " " (are_yours " similar to" | resemble_yours) " " that_item " of " ITEM
    onward_direct: "; " ITEM " " forth_again
    rate: " (" RATE " of all " users " did)"
    audit: "; this accounts for " SHARE " of what speaks for this recommendation"

    more_short{has}: COUNT " of your " TOTAL " " items " " has
    more_friendly{has}: more_short{has}
    more_formal{has}: "Of the " TOTAL " " items " " that_did ", " COUNT " " has
    every_short{has}: "All " TOTAL " of your " items " " has
    every_friendly{has}: every_short{has}
    every_formal{has}: "All of the " TOTAL " " items " " that_did " " has
    fewer_short{has}: "Only " COUNT " of your " TOTAL " " items " " has
    fewer_friendly{has}: fewer_short{has}
    fewer_formal{has}: "Of the " TOTAL " " items " " that_did ", only " COUNT " " has
    single_short{has}: fewer_short{has}
    single_friendly{has}: fewer_friendly{has}
    single_formal{has}: fewer_formal{has}
    never_short{has}: "None of your " TOTAL " " items " " has
    never_friendly{has}: never_short{has}
    never_formal{has}: "Of the " TOTAL " " items " " that_did ", none " has
    usual: " (usual: " RATE " " everybody ")"
    audit_usual: " (" SHARE "; usual: " RATE " " everybody ")"

    fact: ITEM " " has_shared
    yours: LIKED which
    near: "close to" | "similar to" | "much like"
    """

    remarks: ClassVar = {
        "in_fashion": "It is in fashion: [CROWD] chose it in the last [DAYS] days.",
        "again": "You {did_item} [TIMES] times, about every [GAP] days; the last time [AGO].",
        "again_daily": "You {did_item} [TIMES] times, about every day; the last time [AGO].",
        "again_times": "You {did_item} [TIMES] times; the last time [AGO].",
        "again_once": "You {did_item} once, [AGO].",
        "ago": "[DAYS] days ago",
        "ago_day": "one day ago",
        "ago_today": "less than a day ago",
        "already_interacted": "You know this {item} already: it is in your history.",
        "no_interactions": "Nothing is known about your taste yet; [ITEM] is scored by its general popularity.",
        "base_only": "Nothing in your history leads to [ITEM]; it is scored by its general popularity.",
        "no_path": "No single path speaks for [ITEM]; its score comes from its popularity and your history as a whole.",
        "low": "[ITEM] is no recommendation: what speaks for it, [FOR], does not outweigh what speaks against it, "
        "[AGAINST].",
        "whole": "[NUMBER] of your {items} speak for [ITEM]; what is told here makes up [SHARE] of that.",
        "whole_one": "One of your {items} speaks for [ITEM]; what is told here makes up [SHARE] of that.",
        "against": "Against it: [LIKED] in your history, which takes away [SHARE] of what speaks for it.",
        "against_several": "Against it: [LIKED] in your history, which together take away [SHARE] of what speaks for "
        "it.",
        "against_most": "Against it: [NUMBER] of your {items}, above all [LIKED]; together they take away [SHARE] of "
        "what speaks for it.",
        "against_each": "Against it: [NUMBER] of your {items}, each of them a little; together they take away [SHARE] "
        "of what speaks for it.",
        "disliked": "You did not like [LIKED].",
    }
    weights = ("Mainly: ", "Also: ", "A little: ")
    weights_again = ("Another main reason: ", "And: ", "A little, too: ")

    headings: ClassVar = {
        "score": "score",
        "for_user": "for {}",
        "you": "you",
        "others": "{} others",
        "similar": "similar text",
        "alike": "similar {}",
        "channels": "What the score is made of",
        "interactions": "What your interactions contribute",
        "interaction": "interaction",
        "more": "{} more",
        "value": "value",
        "share": "share",
        "paths": "Paths",
        "shown": "The paths shown account for {} of what speaks for it; {} is not shown.",
        "none_shown": "No path is shown.",
        "counts": "The numbers of others are counted in the graph. The values are not made from them: a value is the "
        "weight that the model learned for two items from everyone's interactions, so more people need not mean more.",
        "details": "Numbers and the query that checks them",
        "query": "Cypher",
        "parameters": "Parameters",
        "drawn": "{} of {} paths are drawn: the largest of each kind of reason in turn.",
        "sides": "for {}, against {} = {}",
        "by_facts": "By shared facts alone: {}.",
        "by_facts_of": "By shared facts alone: {}, {} of the score.",
        "all": "all paths",
        "pick": "Point at a path, or choose it, to see it in the picture.",
        "part": "{} of what speaks for it",
        "other_paths": "Paths not drawn",
    }
    what_if: ClassVar = {
        "leaves": "As the model stands now: without {reasons}, {item} would leave your top {k}; {new} would come in.",
        "leaves_alone": "As the model stands now: without {reasons}, {item} would leave your top {k}.",
        "smaller": "A smaller set is not ruled out: at least {n} would have to go.",
        "stays": "As the model stands now, {item} stays in your top {k}, whatever is taken out of your history.",
        "open": "{item} is in your top {k}; no set of interactions to take out was found in the time given. "
        "At least {n} would have to go.",
        "not_listed": "{item} is not in your top {k}: it has rank {n}.",
        "had": "{item} is not in your top {k}: you had it.",
        "moved": "moved from rank {before} to {now}: {why}",
        "moved_below": "moved from below rank {before} to {now}: {why}",
        "moved_down": "others were moved up",
        "moved_floor": "at least {share} % of the list's exposure is for {group}",
        "moved_mix": "{kind} is {own} % of what you liked and {shown} % of the top {k} by score",
        "moved_nearer": "the list's mix of {relation} comes nearer to that of what you liked",
        "moved_new": "a place is kept for new items",
        "moved_diverse": "it is less like the items above it",
        "moved_room": "items above it gave way",
        "tail": "less popular items",
        "new": "new items",
        "shut_out": "{item} is not in your top {k}: it is not among what may be listed for you.",
        "entered": "As the model stands now, {new} would come into your top {k}.",
        "left": "{old} would go out.",
        "same": "As the model stands now, your top {k} would hold the same.",
        "listed": "{item} is in your top {k}: it has rank {n}.",
        "behind": "{item} is not in your top {k}: it has rank {n}. Its score of {score} is {gap} below that of {last}, "
        "the last of the list.",
        "ahead": "Most of what {last} is ahead by comes from {names} in your history.",
        "brings": "As the model stands now: with {names} as what you liked last, {item} would be in the list.",
        "each_brings": "As the model stands now: with {names} as what you liked last, {item} would be in the list.",
        "nothing_brings": "No addition that was tried brings {item} into the list.",
        "first_ahead": "{first} is ahead of {second} by {gap}.",
        "level": "{first} and {second} have the same score.",
        "speaks_first": "What speaks most for {first} in the difference: {names} in your history.",
        "speaks_second": "What speaks most for {second}: {names}.",
        "what_row": "interaction",
        "difference": "difference",
        "base_row": "whoever asks",
        "more_rows": "{n} more",
        "sum_row": "sum",
    }
    person: ClassVar = {
        "popularity": "{chose} of all {users} ({share}) {did}.",
        "attribute": "{chose} of the {users} with {attribute} {shared} ({share}; of all, {all}) {did}.",
        "like": "{chose} of the {users} who {liked} ({share}; of all, {all}) {did}.",
        "model": "The trained model ties it to {item}.",
        "model_against": "In the trained model, {item} speaks against it.",
        "sentence": "Its text is close to what you said.",
        "sentence_against": "Its text is far from what you said.",
        "sensitive": "This list uses sensitive attributes: {names}. The setting blocked leaves them out.",
        "struck": "You struck {shared} from your profile.",
        "more": "You asked for more of {shared}.",
        "less": "You asked for less of {shared}.",
        "never": "You asked for none of {shared}.",
        "only": "You asked for {shared} only.",
        "yours": "What you did, and what all like.",
        "everybody": "everybody",
        "changed": "What you like changed most around {date} (p = {p}).",
        "changed_all": "What all {users} like changed most around {date} (p = {p}).",
        "unchanged": "No change between two times stands out from chance (p = {p}); the largest is at {date}.",
        "untested": "There are too few times to look for a change.",
        "strand": "{shared}: {before} of {before_total} before, {after} of {after_total} since.",
        "shift_new": "{item}, which is new since then",
        "shift_old": "{item}, which counts differently since then",
        "profile_empty": "Nothing that you did counts as liked yet, so there is no profile.",
        "profile_usual": "What you like does not differ from what all {users} like by more than chance.",
        "silent": "Not used, as too few share it: {names}.",
    }
    prompts: ClassVar = {
        "system": "You reword a sentence that tells a person why something is recommended. Keep every placeholder in "
        "square brackets exactly once, say the same and nothing more. Answer with one sentence.",
        "sentence": "Sentence: {}",
        "answer": "In other words: {}",
        "rules": "Only what derives from the rule start of this grammar is accepted:\n{}",
        "one": "Give one such sentence, and nothing else.",
        "many": 'Give {n} such sentences, each built differently, as JSON: {{"sentences": ["...", "..."]}}',
        "short": "Tone: as short as can be.",
        "friendly": "Tone: warm and light.",
        "formal": "Tone: polite and factual.",
        "audit": "Tone: dry and exact, with the share.",
    }
    fallback_did = "interacted with {}"
    fallback_linked = "is linked to {{}} ({label})"

    def name(self, node: PathNode) -> str:
        """The name in quotation marks, its article in front: “A Fish Called Wanda”."""
        if self.type(node.type).role != "item":
            return super().name(node)
        return self.quoted(article_first(clean_name(node.name, node.key)))

    def fact(self, node: PathNode) -> str:
        """The name, with "the" where a country's has one."""
        name = self.name(node)
        return f"the {name}" if _THE.fullmatch(name) and name in _countries() else name

    def listed(self, names: Sequence[str], others: int, node_type: str) -> str:
        """ "“Heat”, “Ronin”, and 67 other films"."""
        more = [f"{self.number(others)} other {self.noun(node_type, others)}"] if others else []
        return self.join([*names, *more])

    def people(self, common: int, total: int) -> str:
        """ "112 of the 147 other viewers"; "the only other viewer" where there is but one."""
        users = self.noun(self.schema.user.name, total)
        if common == total:
            return f"all {self.number(total)} other {users}" if total > 1 else f"the only other {users}"
        return f"{self.number(common)} of the {self.number(total)} other {users}"

    def people_of(self, name: str, common: int, total: int, first: bool) -> str:
        """ "112 of the 147 other viewers who liked A", "80 of the 120 who liked B"."""
        if first or common == total:
            people = self.people(common, total)
        else:
            people = f"{self.number(common)} of the {self.number(total)}"
        return f"{people} who {self.did().replace('{}', name)}"

    def this_item(self) -> str:
        """ "this film"."""
        return f"this {self.noun(self.schema.item.name)}"

    def again(self, many: bool) -> str:
        """ "that film", "those films"."""
        noun = self.noun(self.schema.item.name, 2 if many else 1)
        return f"{'those' if many else 'that'} {noun}"

    def plural_verb(self, phrase: str) -> str:
        """ "are of the genre {}", "were directed by {}", "star {}"."""
        verb, gap, rest = phrase.partition(" ")
        known = {"is": "are", "was": "were", "has": "have", "does": "do"}
        if verb in known:
            verb = known[verb]
        elif verb.endswith("ies") and len(verb) > 4:
            verb = verb[:-3] + "y"
        elif verb.endswith(("sses", "shes", "ches", "xes", "zzes", "oes")):
            verb = verb[:-2]
        elif verb.endswith("s") and not verb.endswith(("ss", "us", "is")):
            verb = verb[:-1]
        return f"{verb}{gap}{rest}"

    def opened(self, text: str) -> str:
        """A small letter at the start, unless a slot stands there."""
        return text[:1].lower() + text[1:]

    def copula(self, phrase: str) -> bool:
        """Whether it says "is ... of"."""
        return phrase.startswith(("is ", "was ", "had "))

    def verbs(self, edge: PathEdge, several: bool) -> tuple[str, ...]:
        """Verb phrases; the object's noun takes the plural where it is several: "is of the genres {}"."""
        if not several:
            return super().verbs(edge, several)
        one, many = (f"{self.noun(self.end(edge), n)} {{}}" for n in (1, 2))
        return tuple(re.sub(rf"\b{re.escape(one)}", many, phrase) for phrase in super().verbs(edge, several))

    def yours(self, names: str, several: bool) -> str:
        """ "A, which you liked" — or "A (you gave it five stars)" where the phrase has no open end."""
        return names + self._which(several)

    def _which(self, several: bool) -> str:
        did, item = self.did(), self.schema.item
        if not did.endswith(" {}"):
            return f" (you {did.replace('{}', self.again(several))})"
        which = "whom" if self._who(item.name) == "who" else "which"
        return f", {which} you {did.removesuffix(' {}')}"

    def _who(self, node_type: str) -> str:
        return "who" if self.type(node_type).measure_words.get("zh") in _PEOPLE else "which"

    def words(self, steps: Sequence[PathEdge], link: str, several: bool, many: bool) -> dict[str, tuple[str, ...]]:
        """English adds the relative clause, and the forms that agree with its subject."""
        which = self._which(many)
        facts, measure = link == "facts", self.schema.item.measure_words.get("zh")
        title = "title" if measure is None or measure in TITLED else "name"
        what = self.attribute(self.schema.item.name, steps[0].alike or "") if link == "vectors" else "description"
        did, users = self.did(), self.noun(self.schema.user.name, 2)
        act = did.removesuffix(" {}")
        open_end = did != act and "{}" not in act
        found = super().words(steps, link, several, many)
        if "has_shared" in found:
            found["also_shared"] = tuple(map(_also, found["has_shared"]))
            verbs, said_of_yours = found["has_shared"], found["have_shared" if many else "has_shared"]
            found["shared_as"] = tuple(f"{verb}, as {word}" for verb in verbs if (word := _as(verb, many)))
            found["both_shared"] = () if many else tuple(map(_both, found["have_shared"]))
            # what repeats a verb fits the first phrase alone
            so, (verb, _, rest) = _as(verbs[0], False), verbs[0].partition(" ")
            found["so"], found["so_yours"] = ((so,), (_as(verbs[0], many) or so,)) if so else ((), ())
            found["shared_first"], found["yours_first"] = verbs[:1], said_of_yours[:1]
            found["so_shared"] = (rest,) if verb in _AUXILIARIES else ()
            found["of_both"] = () if many else tuple(_both(verb, "[LIKED]") for verb in found.get("of_liked", ()))
            found["of_end"] = tuple(verb for verb in found.get("of_item", ()) if verb.endswith(" [ITEM]"))
            found["who"] = (self._who(self.end(steps[0])),)
            nouns = self.more(steps[0].type or "", "noun")
            if nouns:
                found["these_noun"] = (f"these {nouns[-1]}" if several else f"this {nouns[0]}",)
        return found | {
            "which": (which,),
            "both": () if many else ("Both ",),
            "item_who": (self._who(self.schema.item.name),),
            "shut": ("," if which.startswith(",") else "",),
            "has_years": ("dates from [SHARED]",),
            "have_years": ("date from [SHARED]",),
            "that_did": (f"that you {act}" if open_end else "in your history",),
            "everybody": (f"of what all {users} {act}" if open_end else f"in the histories of all {users}",),
            "did_those": (self.did().replace("{}", self.again(True)),),
            "text_one": (f"{title} and facts" if facts else what,),
            "text_many": (f"{title}s and facts" if facts else _plural(what),),
            "a_text": () if facts else (_a(what),),
            "a_text_yours": () if facts or many else (_a(what),),
            "is": ("are" if facts else "is",),
            "resembles": ("resemble" if facts else "resembles",),
            "that": ("those" if facts or many else "that",),
            "that_item": ("those" if facts else "that",),
            "text_yours": (f"{title}{'s' * many} and facts" if facts else _plural(what) if many else what,),
            "are_yours": ("are" if facts or many else "is",),
            "resemble_yours": ("resemble" if facts or many else "resembles",),
        }


def _also(verb: str) -> str:
    """ "was also directed by [SHARED]", "also stars [SHARED]"."""
    first, _, rest = verb.partition(" ")
    return f"{first} also {rest}" if first in _AUXILIARIES else f"also {verb}"


def _as(verb: str, many: bool) -> str | None:
    """ "was" for "was directed by", "does" for "stars", "did" for "won"; None where the verb does not tell its time."""
    first = verb.partition(" ")[0]
    if first in _AUXILIARIES:
        return _AUXILIARIES[first] if many else first
    if first in _PAST or first.endswith("ed"):
        return "did"
    return ("do" if many else "does") if first.endswith("s") and not first.endswith("ss") else None


def _both(verb: str, what: str = "") -> str:
    """ "were both directed by [SHARED]", "both star [SHARED]"; before ``what``: "directed both [LIKED]"."""
    if what:
        return verb.replace(what, f"both {what}")
    first, _, rest = verb.partition(" ")
    return f"{first} both {rest}" if first in _AUXILIARIES.values() else f"both {verb}"


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


@cache
def _countries() -> frozenset[str]:
    return frozenset((*Locale("en").territories.values(), *_OTHERS))


def _plural(noun: str) -> str:
    """The plural of a noun that a schema gives in the singular only: the name of a property."""
    if re.search(r"(s|x|z|ch|sh)$", noun):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if re.search(r"[^aeiou]y$", noun) else f"{noun}s"
