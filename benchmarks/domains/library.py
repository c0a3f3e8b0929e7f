"""A made-up library: books and films with subjects, people and places, and members who like some of them.

What a member likes is drawn from what the works are about, who made them and what they are based on, as named below;
nothing of it is taken from data, and the figures say how well such ties are found, not how people are.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

BOOKS = FILMS = 90
GENRES, SUBJECTS, AUTHORS, DIRECTORS, PLACES = 6, 24, 30, 30, 12
#: Films that are based on a book.
ADAPTED = 40
#: How much a member's liking depends on the genre, a subject, who made it, the same story, and on none of these.
WEIGHTS = {"genre": 1.0, "subject": 1.2, "person": 1.0, "story": 2.0, "chance": 1.0}


@dataclass(frozen=True)
class Library:
    """Works and likes.

    Attributes:
        facts: of each work (``book-7``, ``film-3``) its relations and their targets.
        likes: (member, work) in the order of time, without those held out.
        new_to_books: the members who have films alone.
        held_out: the books that each of these liked.
    """

    facts: dict[str, list[tuple[str, str]]]
    likes: tuple[tuple[str, str], ...]
    new_to_books: tuple[str, ...]
    held_out: tuple[tuple[str, ...], ...]

    @classmethod
    def made(cls, members: int, bridged: bool, seed: int) -> Library:
        """A library of so many members; ``bridged``: those who are not new to books have books and films."""
        rng = np.random.default_rng(seed)
        facts: dict[str, list[tuple[str, str]]] = {}
        traits: list[dict[str, set[str]]] = []
        subject_of = [rng.choice(SUBJECTS, 5, replace=False) for _ in range(GENRES)]
        names = [f"book-{n}" for n in range(BOOKS)] + [f"film-{n}" for n in range(FILMS)]
        adapted = dict(zip(rng.choice(FILMS, ADAPTED, replace=False), rng.permutation(BOOKS)[:ADAPTED], strict=True))
        for n, name in enumerate(names):
            book = adapted.get(n - BOOKS) if n >= BOOKS else None
            if book is not None:
                genre, subjects = traits[book]["genre"], traits[book]["subject"]
            else:
                g = int(rng.integers(GENRES))
                genre, subjects = {f"genre-{g}"}, {f"subject-{s}" for s in rng.choice(subject_of[g], 2, replace=False)}
            maker = f"author-{rng.integers(AUTHORS)}" if n < BOOKS else f"director-{rng.integers(DIRECTORS)}"
            story = {f"story-{book if book is not None else n}"}
            traits.append({"genre": set(genre), "subject": set(subjects), "person": {maker}, "story": story})
            facts[name] = [
                *(("genre", g) for g in sorted(genre)),
                *(("about", s) for s in sorted(subjects)),
                ("author" if n < BOOKS else "director", maker),
                ("contentLocation", f"place-{rng.integers(PLACES)}"),
                *([] if book is None else [("isBasedOn", f"book-{book}")]),
            ]
        likes: list[tuple[str, str]] = []
        new, held = [], []
        for m in range(members):
            member = f"m{m:04d}"
            value = _liking(traits, rng)
            books, films = (np.argsort(-part)[:10] for part in (value[:BOOKS], value[BOOKS:]))
            if m % 4 == 0:
                new.append(member)
                held.append(tuple(f"book-{n}" for n in books))
            liked = [f"film-{n}" for n in films] if m % 4 == 0 or bridged or m % 2 else []
            liked += [f"book-{n}" for n in books] if m % 4 and (bridged or m % 2 == 0) else []
            likes += [(member, liked[n]) for n in rng.permutation(len(liked))]
        return cls(facts, tuple(likes), tuple(new), tuple(held))

    def wrongly_joined(self, seed: int) -> Library:
        """The same with ``owl:sameAs`` to wrong books."""
        rng = np.random.default_rng(seed)
        tied = [(work, target) for work, facts in self.facts.items() for name, target in facts if name == "isBasedOn"]
        other = dict(zip([w for w, _ in tied], rng.permutation([t for _, t in tied]).tolist(), strict=True))
        facts = {
            work: [(name, other[work] if name == "isBasedOn" else target) for name, target in found]
            for work, found in self.facts.items()
        }
        return replace(self, facts=facts)

    def write(self, folder: Path) -> tuple[Path, Path, Path, Path]:
        """The files: books, films, likes and their mapping."""
        books, films, likes, mapping = (folder / n for n in ("books.nt", "films.nt", "likes.csv", "likes.toml"))
        for path, kind, schema in ((books, "book", "Book"), (films, "film", "Movie")):
            works = {work: facts for work, facts in self.facts.items() if work.startswith(kind)}
            path.write_text("\n".join(_triples(works, kind, schema)) + "\n", encoding="utf-8")
        with likes.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("who", "what", "stars", "when"))
            writer.writerows((*like, 5, 1_700_000_000 + n) for n, like in enumerate(self.likes))
        mapping.write_text(
            '[[edges]]\nrelation = "RATED"\nsource = "who"\ntarget = "what"\n'
            'columns = { rating = "stars", timestamp = "when" }\ncreate = ["source"]\n',
            encoding="utf-8",
        )
        return books, films, likes, mapping


def _liking(traits: list[dict[str, set[str]]], rng: np.random.Generator) -> np.ndarray:
    """(works,) how much a member would like each."""
    names = {name for of in traits for values in of.values() for name in values}
    weight = {name: rng.normal() for name in sorted(names)}
    value = rng.normal(size=len(traits)) * WEIGHTS["chance"]
    for n, of in enumerate(traits):
        value[n] += sum(WEIGHTS[kind] * sum(weight[v] for v in values) for kind, values in of.items())
    return value


def _triples(works: dict[str, list[tuple[str, str]]], kind: str, schema: str) -> list[str]:
    """Each catalogue names things in its own way; a film's source is its own node, tied to the book by owl:sameAs."""
    at, schema_org = f"http://{kind}s.example.org/", "http://schema.org/"
    lines = []
    for work, facts in works.items():
        lines.append(f"<{at}{work}> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <{schema_org}{schema}> .")
        lines.append(f'<{at}{work}> <{schema_org}name> "{work}" .')
        for name, target in facts:
            if name == "isBasedOn":
                source = f"{at}source-of-{work}"
                lines.append(f"<{source}> <http://www.w3.org/2002/07/owl#sameAs> <http://books.example.org/{target}> .")
                target = f"source-of-{work}"
            lines.append(f"<{at}{work}> <{schema_org}{name}> <{at}{target}> .")
    return lines
