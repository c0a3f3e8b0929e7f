"""MovieLens as GroupLens distributes it: 100K, 1M, 10M, and the CSV releases (20M, 25M, 32M, latest).

Layouts: the README of each release at https://files.grouplens.org/datasets/movielens/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from kg_rec.errors import LoadError
from kg_rec.loaders.base import LoadContext
from kg_rec.loaders.batches import EdgeBatch, NodeBatch, attributes, explode, relation_type
from kg_rec.loaders.text import Chunk, Faults, Layout, find, read_whole
from kg_rec.schema import GraphSchema

#: Genre values that mean "none known".
NO_GENRE = frozenset({"unknown", "(no genres listed)"})

_TITLE = re.compile(r"(?P<title>.*\S)\s*\((?P<year>\d{4})(?:[-–]\d{0,4})?\)\s*(?:\([A-Z]+\))?\s*")

_GENRES_100K = (
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy Film-Noir Horror Musical "
    "Mystery Romance Sci-Fi Thriller War Western"
)
_OCCUPATIONS_1M = (
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)


def split_title(title: str) -> tuple[str, int | None]:
    """ "Toy Story (1995)" as ("Toy Story", 1995); without a year in brackets at the end, the title as it is."""
    match = _TITLE.fullmatch(title)
    return (match["title"], int(match["year"])) if match else (title, None)


class MovieLensLoader:
    """A folder of MovieLens."""

    name = "movielens"
    description = "MovieLens as distributed by GroupLens: 100K (u.data), 1M and 10M (ratings.dat), CSV (ratings.csv)"
    options: Mapping[str, str] = {}

    def schema(
        self, path: Path, options: Mapping[str, Any], base: GraphSchema | None, faults: Faults
    ) -> GraphSchema | None:
        """The chosen schema, or ``movies``."""
        return base or GraphSchema.bundled("movies")

    def read(self, path: Path, context: LoadContext) -> Iterator[NodeBatch | EdgeBatch]:
        """Users, films, genres, then ratings.

        Raises:
            LoadError: the folder holds no known release, or a file is malformed.
        """
        if find(path, "u.data"):
            yield from _read_100k(path, context)
        elif find(path, "ratings.dat"):
            yield from _read_dat(path, context)
        elif find(path, "ratings.csv"):
            yield from _read_csv(path, context)
        else:
            hint = "it holds .inter files: use the format recbole" if _has_recbole(path) else "give the unpacked folder"
            raise LoadError(f"expected a folder with u.data, ratings.dat or ratings.csv; {hint}", path)


def _has_recbole(path: Path) -> bool:
    return path.name.endswith((".inter", ".inter.gz")) or (path.is_dir() and any(path.glob("*.inter*")))


def _need(folder: Path, name: str) -> Path:
    path = find(folder, name)
    if path is None:
        raise LoadError(f"expected {name} or {name}.gz beside the ratings; unpack the whole release", folder)
    return path


def _read_100k(folder: Path, context: LoadContext) -> Iterator[NodeBatch | EdgeBatch]:
    ratings = _read(_need(folder, "u.data"), context, "\t", "user item rating timestamp")
    genre_names = _GENRES_100K.split()
    columns = ("item", "title", "released", "video", "url", *genre_names)
    films = read_whole(_need(folder, "u.item"), Layout("|", columns, encoding="latin-1"), context.faults)
    if users := find(folder, "u.user"):
        chunk = _read(users, context, "|", "user_id age gender occupation zip_code")
        yield NodeBatch("User", chunk.table, chunk.origin)
    flags = [films.table[genre].to_pylist() for genre in genre_names]
    lists = [[g for g, flag in zip(genre_names, row, strict=True) if flag == "1"] for row in zip(*flags, strict=True)]
    for row, line in zip(zip(*flags, strict=True), films.origin.lines.to_pylist(), strict=True):
        if not set(row) <= {"0", "1"}:
            raise LoadError(
                f"expected 19 genre flags 0 or 1, got {' '.join(row)}; correct the line", films.origin.path, line
            )
    released = [
        int(text[-4:]) if text and text[-4:].isdigit() else None for text in films.table["released"].to_pylist()
    ]
    yield from _films(context, films, released, lists)
    yield from _ratings(ratings)


def _read_dat(folder: Path, context: LoadContext) -> Iterator[NodeBatch | EdgeBatch]:
    ratings = _read(_need(folder, "ratings.dat"), context, "::", "user item rating timestamp")
    films = _read(_need(folder, "movies.dat"), context, "::", "item title genres")
    if users := find(folder, "users.dat"):
        yield _users_1m(_read(users, context, "::", "user_id gender age occupation zip_code"), context)
    yield from _films(context, films, None, _genres(films))
    yield from _ratings(ratings)


def _read_csv(folder: Path, context: LoadContext) -> Iterator[NodeBatch | EdgeBatch]:
    layout = Layout(",", quoted=True)
    path = _need(folder, "ratings.csv")
    ratings = read_whole(path, layout, context.faults, ("userId", "movieId", "rating", "timestamp"))
    columns = ["userId", "movieId", "rating", "timestamp"]
    table = ratings.table.select(columns).rename_columns(["user", "item", "rating", "timestamp"])
    films = read_whole(_need(folder, "movies.csv"), layout, context.faults, ("movieId", "title", "genres"))
    films_table = films.table.select(["movieId", "title", "genres"]).rename_columns(["item", "title", "genres"])
    films = Chunk(films_table, films.origin)
    yield from _films(context, films, None, _genres(films))
    yield from _ratings(Chunk(table, ratings.origin))


def _read(path: Path, context: LoadContext, delimiter: str, columns: str) -> Chunk:
    """A file without a header; the releases mix UTF-8 and Latin-1."""
    layout = Layout(delimiter, tuple(columns.split()), fallback="latin-1")
    return read_whole(path, layout, context.faults)


def _genres(films: Chunk) -> list[list[str]]:
    return [text.split("|") if text else [] for text in films.table["genres"].to_pylist()]


def _films(
    context: LoadContext, films: Chunk, years: list[int | None] | None, genres: list[list[str]]
) -> Iterator[NodeBatch | EdgeBatch]:
    split = [split_title(title) for title in films.table["title"].to_pylist()]
    years_of_films = [year for _, year in split]
    if years is not None:
        years_of_films = [year or other for year, other in zip(years_of_films, years, strict=True)]
    table = pa.table(
        {
            "item_id": films.table["item"],
            "title": [title for title, _ in split],
            "year": pa.array(years_of_films, pa.int64()),
        }
    )
    yield NodeBatch("Film", table, films.origin)
    known = [[genre for genre in row if genre not in NO_GENRE] for row in genres]
    if nameless := sum(map(len, genres)) - sum(map(len, known)):
        context.unmapped["genre unknown"] += nameless
    pairs = explode(films.table["item"].to_pylist(), known, films.origin)
    yield from attributes(context.schema, relation_type(context.schema, "HAS_GENRE"), pairs.table, pairs.origin)


def _ratings(ratings: Chunk) -> Iterator[NodeBatch | EdgeBatch]:
    yield NodeBatch("User", pa.table({"user_id": ratings.table["user"]}), ratings.origin, mention=True)
    yield EdgeBatch("RATED", ratings.table.rename_columns(["source", "target", "rating", "timestamp"]), ratings.origin)


def _users_1m(users: Chunk, context: LoadContext) -> NodeBatch:
    """Codes as words; the age is the least of its bracket ("under 18" has none)."""
    occupations = []
    for code, line in zip(users.table["occupation"].to_pylist(), users.origin.lines.to_pylist(), strict=True):
        if not code.isdigit() or int(code) >= len(_OCCUPATIONS_1M):
            raise LoadError(
                f"expected an occupation code 0-20, got {code!r}; correct the line", users.origin.path, line
            )
        occupations.append(_OCCUPATIONS_1M[int(code)])
    ages = [None if age == "1" else age for age in users.table["age"].to_pylist()]
    table = users.table.drop_columns(["age", "occupation"])
    table = table.append_column("age", pa.array(ages, pa.string()))
    return NodeBatch("User", table.append_column("occupation", pa.array(occupations, pa.string())), users.origin)
