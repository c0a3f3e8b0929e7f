"""English."""

from __future__ import annotations

from kg_rec.ask.words.base import Words, split, spread

_FILLER = """
ive, i have, top, few, a few, several, a, an, the, some, any, one, i, me, my, mine, we, us, our, you, your, please, pls, thanks, thank you, hi, hello, hey, and so, so,
something, anything, stuff, one that, ones that, show, show me, give, give me, get, get me, find, find me, recommend, suggest,
recommend me, suggest me, list, tell me, want, wanted, i want, i want to, id like, i would like, would like, would love,
id love, like to, looking for, im looking for, i am looking for, look for, need, i need, i need to, searching for, search for, can you, could you,
would you, will you, do you have, have you got, is there, are there, there is, have, has, having, had, that has, that have,
with, in, at, for, to watch, to see, watch, see, watching, seeing, buy, to buy, buying, get for, tonight, today, now, again, then, also, too, even,
very, really, quite, rather, pretty, bit, a bit, a little, a little bit, little, lot, a lot, lots, lots of, much, kind, kind of, sort,
sort of, type of, type, that, which, who, whose, this, these, those, it, its, is, are, was, were, be, been, am, im, being,
thats, make, make it, made, do, does, did, so far, maybe, perhaps, preferably, ideally, possibly, if possible, good, great, nice, best, favourite, favorite,
from the, set in, as, not only, let me, lets, let us, mood for, in the mood for, in mood for, feel like, feeling like, im in the mood for,
id rather, anything else, thing, all, every, each, new one, when, whats, what, what else, where, there, here, here is, out, came out, coming out, time, times, someone, somebody, no matter, of course,
long, old, well, made by, kids of, going, go, they, them, he, she, his, her, their, by the way, okay, ok, yes, yeah, right, actually, anyway, up for, of them, of those, of these, of
the list, on the list, on that list, in the list, on my list, you recommended, recommended, recommendations, recommendation, did you recommend, is it, come, comes, coming, colour, color, in colour, in color, other, others than, own, should, must, must be, must have, should be, can, could, would, will, lovers, fan, fans, era, period, genre, style of film, plays, playing, acts, acting, appears, appearing, performs, performing
"""

ENGLISH = Words(
    code="en",
    plain={
        "not": split(
            """
            not, no, without, without any, except, except for, excluding, exclude, excludes, other than, never, nothing, nothing with, none, none of, neither, nor,
            anything but, everything but, anything except, everything except, all but, avoid, avoiding, skip, leave out, minus, sans,
            dont want, do not want, dont show me, dont show, do not show, dont give me, dont like, do not like, didnt like, did not like, dont recommend,
            didnt, did not, werent, were not, doesnt, does not, dont, do not, isnt, is not, arent, are not, wasnt, was not, but not, and not, hate, hated, i hate, dislike, disliked, cant stand, can not stand, free of,
            no more, apart from, aside from, besides, rather than, instead of, not any, not a, not with, not from, not by, not in, not the, get rid of, remove, drop, ban, tired of,
            sick of, had enough of, fed up with, bored of, bored with, never want, never again, never show me, no interest in, uninterested in, not interested in, not really into, not crazy about, not fond of, not a big fan of, not up for, not feeling, had it with, ive had it with, had my fill of, done with, not into, not keen on, not in the mood for, allergic to, could do without, can do without, rather not, steer clear of, stay away from, no fan of, not a fan of, spare me, forget about, ditch, lose the, cut out, cut the, refrain from, non, ruling out, rule out, omit, omitting, lacking, lacks, bar, barring, save for, no longer, hold the, seen everything by, seen everything from, seen everything with, seen all of, seen all the, seen enough of, already seen, already have, already own, already got
            """
        ),
        "like": split(
            """
            like, similar to, similar, similar in style to, alike, in the spirit of, in the style of, in the vein of, along the lines of, reminiscent of, resembling, resembles, such as,
            loved, love, liked, enjoyed, enjoy, adored, adore, fan of, a fan of, close to, akin to, just like, much like, in the same vein as, as good as, comparable to,
            reminds me of, remind me of, the likes of, something like, more like, feels like, matches, matching, related to, based on my love of, because i liked
            """
        ),
        "but": split("but, however, although, though, yet, except that, only that, while, whereas"),
        "or": split("otherwise, failing that, or otherwise, or, and or, nor, or even, or else"),
        "and": split("what about, how about, and what about, and how about, and, plus, as well as, along with, together with, both, also with"),
        "only": split("only, just, nothing but, exclusively, solely, strictly, purely, limit to, limit it to, restrict to"),
        "more": split("more, more of, much more, a bit more, some more, a little more, even more, way more, slightly more, extra"),
        "less": split("less, fewer, not so, not too, not as, not that, a bit less, a little less, much less, not so much, not too much, less of, tone down, not overly"),
        "why": split("why, what made you choose, what made you pick, what made you recommend, what made you suggest, what makes you recommend, on what grounds, on what basis, whats the reason for, whats the reason, tell me why, justify, reason behind, whats the story behind, why is, why did, how come, explain, what is the reason for, reason for, why do you recommend, why are you recommending, why did you recommend, why did you pick, why did you choose, why was, why do i get, why am i getting, why this, why that"),
        "why not": split("why not, why isnt, why is there no, why arent, why did you not recommend, why didnt you recommend, why no, whats wrong with, where is, wheres, what happened to, why dont i see, why didnt i get, why dont i get"),
        "another": split("another, next, show more, show me more, give me more, more like this, more like these, more of the same, more of these, keep going, continue, others, other ones, further, additional, go on, more please"),
        "reset": split("start over, start again, reset, forget it, forget that, forget all that, forget everything, from scratch, new search, clear, clear all, begin again, start afresh, start from scratch, lets start, start anew, start new, never mind, nevermind, scrap that, scratch that, scrap all that, clean slate, wipe, all over again, begin anew, restart"),
        "around": split("around, about, approximately, approx, circa, roughly, ca, near, close to about, more or less, or so, somewhere around"),
        "between": split("between, in between, anywhere between, from between"),
        "to": split("to, through, till, thru"),
        "same": split("the same, same, from the same, by the same, with the same, of the same, identical"),
        "than": split("than, compared to, compared with"),
        "of": split("of, as"),
        "item": split("film, films, movie, movies, picture, pictures, flick, flicks, title, titles, product, products, item, items, thing, things, gift, gifts, present, presents, article, articles, cinema, recommendations, story, stories, tale, tales"),
        "measure": (),
        "from": split("from, by, made in, made by, produced in, shot in, with, starring, featuring, in"),
        "half": split("half, and a half, and half"),
        "decade": split("decade, decades"),
        "recent": split("recent, most recent, the most recent, latest, the latest, in recent"),
        "past": split("past, the past"),
        "ask": split("recommend, recommend me, suggest, suggest me, i want, i want to, i want to see, i want to watch, i need, looking for, im looking for, i am looking for, find, find me, search for, searching for, id like, i would like, need"),
        "absent": split("missing, absent, left out, omitted, not there, not listed, gone"),
        "excluded": split("excluded, aside, not included, is out, are out, need not apply, out of the question"),
        "people": split("people, persons, person, players, adults, guests, friends, campers, hikers, of us"),
        "them": split("it, them, those, these, ones, of them, of those, of these, make it, this one, that one"),
        "filler": split(_FILLER),
    },
    bound=spread(
        {
            "under, below, less than, lower than, fewer than, beneath, smaller than, not as much as": "<",
            "at most, no more than, not more than, up to, max, maximum, maximum of, a maximum of, within, not over, no longer than, not longer than, not exceeding, not above, no higher than, nothing above, nothing over, at the most, cap of, no greater than, not to exceed": "<=",
            "over, above, more than, greater than, higher than, exceeding, exceeds, beyond, better than, upwards of, north of": ">",
            "at least, no less than, not less than, minimum, minimum of, a minimum of, not below, not under, no lower than, nothing below, nothing under, no fewer than, not lower than, at minimum": ">=",
            "before, prior to, earlier than, pre, predating, up until before": "<",
            "after, later than, post, past": ">",
            "since, from after, starting in, starting from, onwards from, not before, no earlier than, not earlier than": ">=",
            "until, up till, up until, not after, no later than, not later than, by the end of": "<=",
        }
    ),
    after=spread(
        {
            "or less, or under, or below, or cheaper, max, maximum, tops, or fewer, at most, or shorter, at the most, or lower, or older, or earlier, or before, and below, limit": "<=",
            "or more, and up, or above, or over, or higher, plus, and above, and over, minimum, or better, at least, upwards, or longer, and higher, or newer, or later, or after, onwards, onward, on, and onwards": ">=",
            "or so, ish, give or take, more or less, or thereabouts": "~",
        }
    ),
    than=spread(
        {
            "too old, too dated, too old fashioned": ("year", ">"),
            "too new, too recent, too modern": ("year", "<"),
            "too expensive, too pricey, too dear, too costly, too much money": ("price", "<"),
            "too cheap": ("price", ">"),
            "too long": ("duration", "<"),
            "too short": ("duration", ">"),
            "newer, more recent, later, younger, more modern, newer ones, newest, the newest": ("year", ">"),
            "older, earlier, more classic, less recent, oldest, the oldest": ("year", "<"),
            "cheaper, less expensive, more affordable, less costly, lower priced, lower in price, less pricey, cheap, cheapest, the cheapest, inexpensive, affordable, low cost": ("price", "<"),
            "more expensive, pricier, dearer, costlier, more costly, more upmarket, expensive, most expensive, the most expensive, priciest": ("price", ">"),
            "shorter, not as long, less long, not so long, not that long, short, shortest, the shortest": ("duration", "<"),
            "longer, longest, the longest, last longer, lasts longer, run longer, runs longer, take longer, takes longer": ("duration", ">"),
            "better rated, higher rated, better reviewed, better ratings, better reviews, higher ratings, a better rating, better rating, best rated, the best rated, highest rated, the highest rated, top rated, best reviewed": ("rating", ">"),
            "worse rated, lower rated": ("rating", "<"),
        }
    ),
    field=spread(
        {
            "released, released in, year of release, came out in, dated, dating from, made in, from the year, shot in the year": ("year", None),
            "price, cost, costs, costing, priced, priced at, that costs, to cost, worth, spend, pay": ("price", None),
            "budget, my budget, price limit, budget of, spend up to, can spend, spending limit": ("price", "<="),
            "rating, ratings, rated, score, scored, reviews, with a rating of, star rating, review score, a rating": ("rating", None),
            "running time, runtime, length, duration, long, in length, running, run, runs, run for, runs for, lasts, lasting, last for, lasts for": ("duration", None),
        }
    ),
    unit=spread(
        {
            "euro, euros, eur, €, $, dollar, dollars, usd, buck, bucks, £, pound, pounds, gbp, quid, ¥, yuan, rmb, cny, yen, chf, francs": (
                "price",
                1.0,
            ),
            "hour, hours, h, hr, hrs": ("duration", 60.0),
            "minute, minutes, min, mins": ("duration", 1.0),
            "year, years": ("year", 1.0),
            "star, stars, ★, points, out of five, out of 5": ("rating", 1.0),
        }
    ),
    number={
        **{w: float(n) for n, w in enumerate(split("zero, one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen, sixteen, seventeen, eighteen, nineteen, twenty"))},
        **{w: 10.0 * n for n, w in enumerate(split("thirty, forty, fifty, sixty, seventy, eighty, ninety, hundred"), 3)},
        **{"a hundred": 100.0, "a dozen": 12.0, "dozen": 12.0, "a couple": 2.0, "a couple of": 2.0, "couple of": 2.0, "half a dozen": 6.0, "a single": 1.0, "a pair of": 2.0},
    },
    ordinal={
        **{w: n for n, w in enumerate(split("first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth"), 1)},
        **{f"number {n}": n for n in range(1, 101)},
        **{f"no {n}": n for n in range(1, 101)},
        **{f"# {n}": n for n in range(1, 101)},
        **{f"{n} th": n for n in range(4, 101)},
        **{"1 st": 1, "2 nd": 2, "3 rd": 3, "last": -1, "last one": -1, "final one": -1, "top one": 1, "number one": 1, "number two": 2, "number three": 3, "number four": 4, "number five": 5},
    },
    decade=spread(
        {
            "twenties, nineteen twenties": 1920,
            "thirties, nineteen thirties": 1930,
            "forties, nineteen forties": 1940,
            "fifties, nineteen fifties": 1950,
            "sixties, nineteen sixties": 1960,
            "seventies, nineteen seventies": 1970,
            "eighties, nineteen eighties": 1980,
            "nineties, nineteen nineties": 1990,
            "noughties, aughts, two thousands, naughties": 2000,
            "twenty tens": 2010,
        }
    ),
    century=spread(
        {
            "nineteenth century, 19 th century": 1801,
            "twentieth century, 20 th century, last century": 1901,
            "twenty first century, 21 st century, this century": 2001,
        }
    ),
    part=spread({"early, the early, beginning of the": (0, 3), "mid, middle of the, the mid": (4, 6), "late, the late, end of the": (6, 9)}),
    relation=spread(
        {
            "director, filmmaker, directors": ("directed by",),
            "actor, actors, actress, cast, stars of, lead": ("starring",),
            "writer, screenwriter, author": ("written by",),
            "producer": ("produced by",),
            "directed, helmed by, direct, directs": ("directed by",),
            "starring, featuring, acted by, played by, with actor, with actress, star in, stars in, appear in, appears in, act in": ("starring",),
            "brand, maker, manufacturer, make": ("brand",),
            "category, section, department": ("category",),
            "country": ("country",),
            "language": ("language",),
            "goes with, go with, going with, to go with, goes well with, that fits, fits, fitting, for use with, matches with, accessories for, accessory for": ("goes with",),
            "replaces, to replace, replacement for, instead of my, alternative to, substitute for": ("can replace",),
        }
    ),
    names={
        "sci fi": ("Science Fiction",), "scifi": ("Science Fiction",), "sf": ("Science Fiction",), "science fiction": ("Sci-Fi",),
        "musical": ("Music", "Musical"), "war": ("War",), "cartoon": ("Animation",), "animated": ("Animation",), "anime": ("Animation",),
        "animation": ("Animation",), "romcom": ("Romantic Comedy", "Comedy"), "biopic": ("Biography",), "biographical": ("Biography",),
        "historical": ("History",), "family friendly": ("Family",), "kids": ("Family", "Children's"), "children": ("Family", "Children's"), "for the family": ("Family",),
        "documentaries": ("Documentary",), "love story": ("Romance",), "love stories": ("Romance",), "whodunit": ("Mystery",), "gangster": ("Crime",), "spaghetti western": ("Western",),
        "noir": ("Film-Noir",), "comic": ("Comedy",), "romances": ("Romance",), "rom com": ("Romantic Comedy", "Comedy"), "docs": ("Documentary",), "chinese": ("China", "Mandarin", "Chinese"), "superhero": ("Action",),
        **{
            adjective: (country,)
            for country, some in {
                "United States": "american, us, usa, hollywood, the us, the usa, america, the states", "United Kingdom": "british, uk, the uk, english cinema, britain, england", "Sweden": "swedish", "Denmark": "danish", "Norway": "norwegian",
                "Finland": "finnish", "Iceland": "icelandic", "Germany": "german", "Austria": "austrian", "Switzerland": "swiss", "Netherlands": "dutch, holland", "Belgium": "belgian",
                "France": "french", "Spain": "spanish", "Portugal": "portuguese", "Italy": "italian", "Greece": "greek", "Turkey": "turkish", "Russia": "russian", "Poland": "polish", "Hungary": "hungarian",
                "Romania": "romanian", "Ireland": "irish", "Canada": "canadian", "Mexico": "mexican", "Brazil": "brazilian", "Argentina": "argentine, argentinian", "Chile": "chilean", "Colombia": "colombian", "Peru": "peruvian",
                "Cuba": "cuban", "Japan": "japanese", "South Korea": "korean, korea, south korean", "India": "indian, bollywood", "Iran": "iranian, persian cinema", "Israel": "israeli", "Egypt": "egyptian", "Australia": "australian",
                "New Zealand": "new zealand, kiwi", "Taiwan": "taiwanese", "Soviet Union": "soviet, ussr", "Thailand": "thai", "Vietnam": "vietnamese", "Philippines": "filipino, philippine", "Senegal": "senegalese", "Algeria": "algerian", "South Africa": "south african",
                "Lebanon": "lebanese", "Czechoslovakia": "czechoslovak", "Czech Republic": "czech", "Yugoslavia": "yugoslav", "West Germany": "west german", "Indonesia": "indonesian", "Hong Kong": "hongkong, cantonese cinema",
            }.items()
            for adjective in split(some)
        },
    },
    nearly=spread(
        {
            "funny, funnier, hilarious, comical, humorous, amusing, lighthearted, light hearted, light, lighter, humor, humour, laughs, silly, sillier, feel good, feelgood, uplifting, cheerful": ("Comedy",),
            "scary, scarier, frightening, creepy, creepier, terrifying, spooky, spookier, horrific": ("Horror",),
            "romantic, love": ("Romance",),
            "violent, violence, brutal, bloody, bloodier, gory": ("Action", "War", "Horror", "Crime"),
            "dark, darker, bleak, grim, grimmer, gloomy, depressing": ("Crime", "Thriller", "Horror"),
            "tense, tenser, suspenseful, gripping, exciting, thrilling, suspense": ("Thriller",),
            "mysterious, puzzling": ("Mystery",),
            "adventurous": ("Adventure",),
            "magical, fantastic, fantastical": ("Fantasy",),
            "musical in style, with songs, songs, singing": ("Music", "Musical"),
            "futuristic, space, spaceships": ("Science Fiction", "Sci-Fi"),
            "dramatic, serious, sad, sadder, moving, emotional, tearjerker": ("Drama",),
            "action packed, fast paced, explosive": ("Action",),
        }
    ),
    relation_first=True,
    article="a {} {}",
    say={
        "yours": "your own taste",
        "everybody": "liked by many",
        "like": "like {}",
        "wanted": "{}, which you asked for",
        "unwanted": "{}, which you did not want",
        "less": "{}, of which you want less",
        "near": "“{}” is taken as {}",
        "refused": "The language model read “{}” as “{}”, which is not in the graph; left out.",
        "no model": "The language model gave no usable answer; the request was read without it.",
        "not understood": "Not understood: {}.",
        "no field": "The graph knows no {} of its {}, so “{}” was left out.",
        "nothing": "Nothing in the graph is all of that and new to you.",
        "without": "Without “{}” there would be {}.",
        "fewer": "Only {} are all of that.",
        "no list": "There is no list yet that this could be about; ask for one first.",
        "no place": "The list before has {} places; there is no number {}.",
        "reset": "Forgotten. What would you like?",
        "obeys not": "“{}” leaves it out",
        "seen": "you had it already",
        "shut out": "it is not among what may be listed for you",
        "in list": "{} is in the list, at number {}.",
        "why not": "{} is not in the list: {}.",
        "lower": "its score {:.2f} is below that of the last one, {:.2f}",
        "and": "; ",
        "quote": "“{}”",
        "year": "year", "price": "price", "duration": "running time", "rating": "rating",
        "cut": "The request was cut to {} characters.",
        "or": " or ",
        "chosen": "Asked: {}.",
    },
)  # fmt: skip
