"""The demonstration: the film facts are clean, the simulated viewers plausible and reproducible."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import cdist

from kg_rec.errors import ConfigError, LoadError
from kg_rec.loaders.base import EdgeBatch, LoadContext, NodeBatch
from kg_rec.loaders.check import Checker
from kg_rec.loaders.demo import COLUMNS, FILMS, DemoLoader, Films, Simulation, read_films
from kg_rec.loaders.text import Faults, Origin
from kg_rec.schema import GraphSchema

GENRES = {
    *("Action", "Adventure", "Animation", "Biography", "Comedy", "Crime", "Documentary", "Drama", "Family", "Fantasy"),
    *("History", "Horror", "Music", "Mystery", "Romance", "Science Fiction", "Thriller", "War", "Western"),
}

#: Names that look alike and mean different people, countries or languages.
ALIKE = {
    ("Dean Martin", "Jean Martin"),
    ("Eddie Albert", "Eddie Axberg"),
    ("Ge You", "You"),
    ("Geng Le", "Gong Li"),
    ("James Caan", "James Dean"),
    ("Jean Marais", "Jean Martin"),
    ("Jean Reno", "Jean Renoir"),
    ("Jiang Wen", "Jiang Wu"),
    ("Laura Harrier", "Laura Harring"),
    ("Li Wei", "Lo Wei"),
    ("Li Wei", "Wei Wei"),
    ("Machiko Kyo", "Machiko Ono"),
    ("Sabu", "Tabu"),
    ("Australia", "Austria"),
    ("Chile", "China"),
    ("Iceland", "Ireland"),
    ("Iran", "Iraq"),
    ("Danish", "Spanish"),
    ("Kurdish", "Turkish"),
    ("Romani", "Romanian"),
}

#: Films with several directors, as they are credited.
TOGETHER = {
    "Andrew Lau|Alan Mak",
    "Buster Keaton|Clyde Bruckman",
    "Fernando Meirelles|Kátia Lund",
    "Gary Trousdale|Kirk Wise",
    "Jean-Pierre Dardenne|Luc Dardenne",
    "Jean-Pierre Jeunet|Marc Caro",
    "Joel Coen|Ethan Coen",
    "Juan Pablo Rebella|Pablo Stoll",
    "Ján Kadár|Elmar Klos",
    "Kleber Mendonça Filho|Juliano Dornelles",
    "Lana Wachowski|Lilly Wachowski",
    "Marjane Satrapi|Vincent Paronnaud",
    "Merian C. Cooper|Ernest B. Schoedsack",
    "Michael Curtiz|William Keighley",
    "Michael Powell|Emeric Pressburger",
    "Olivier Nakache|Éric Toledano",
    "Roger Allers|Rob Minkoff",
    "Stanley Donen|Gene Kelly",
    "Tamara Kotevska|Ljubomir Stefanov",
    "Terry Gilliam|Terry Jones",
    "Tomás Gutiérrez Alea|Juan Carlos Tabío",
    "Volker Schlöndorff|Margarethe von Trotta",
    "Wan Guchan|Wan Laiming",
    "Zhang Yimou|Yang Fengliang",
}
#: First and last year of states that are not there all the time.
STATES = {
    "Bosnia and Herzegovina": (1992, 2025),
    "Czech Republic": (1993, 2025),
    "Czechoslovakia": (1918, 1992),
    "North Macedonia": (1991, 2025),
    "Russia": (1991, 2025),
    "Soviet Union": (1922, 1991),
    "West Germany": (1949, 1990),
    "Yugoslavia": (1918, 2003),
}

MULTIPLE = ("genres", "directors", "cast", "countries", "languages")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with FILMS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def films() -> Films:
    return Films.of(read_films(FILMS, Faults()).table)


def values(row: dict[str, str], column: str) -> list[str]:
    return [part for part in row[column].split("|") if part]


def ascii_letters(text: str) -> str:
    for letter, plain in (("½", " 1 2"), ("ł", "l"), ("ø", "o"), ("đ", "d"), ("Đ", "D"), ("ß", "ss"), ("ı", "i")):
        text = text.replace(letter, plain)
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def edit_distance(a: str, b: str, most: int) -> int:
    """Levenshtein distance, or most + 1 where it is larger."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (x != y)))
        if min(current) > most:
            return most + 1
        previous = current
    return previous[-1]


# --- the facts ----------------------------------------------------------------------------------------


def test_films_are_many_and_their_ids_follow_title_and_year(rows: list[dict[str, str]]) -> None:
    assert len(rows) >= 300
    assert tuple(rows[0]) == COLUMNS
    assert len({row["item_id"] for row in rows}) == len(rows)
    for row in rows:
        words = re.sub(r"[^a-z0-9]+", "-", ascii_letters(row["title"]).replace("'", "")).strip("-")
        assert row["item_id"] == f"{words}-{row['year']}"


def test_titles_that_come_twice_are_of_different_years(rows: list[dict[str, str]]) -> None:
    twice = {title: n for title, n in Counter(row["title"] for row in rows).items() if n > 1}
    assert twice == {"Beauty and the Beast": 2}  # Cocteau 1946, the animated one 1991


def test_each_film_is_complete(rows: list[dict[str, str]]) -> None:
    for row in rows:
        title = row["title"]
        assert 1895 <= int(row["year"]) <= 2025, title
        for column in ("genres", "directors", "countries", "languages"):
            assert values(row, column), f"{title}: no {column}"
        if not {"Documentary", "Animation"} & set(values(row, "genres")):
            assert len(values(row, "cast")) >= 2, title
        assert len(values(row, "cast")) <= 4, title
        assert 8 <= len(row["summary"].split()) <= 30, title
        for column in MULTIPLE:
            parts = row[column].split("|")
            assert len(set(parts)) == len(parts), f"{title}: {column} names a value twice"
            assert all(part == " ".join(part.split()) for part in parts), f"{title}: stray space in {column}"


def test_summaries_are_sentences_and_differ(rows: list[dict[str, str]]) -> None:
    assert len({row["summary"] for row in rows}) == len(rows)
    assert all(row["summary"].endswith(".") and row["summary"][0].isupper() for row in rows)


def test_genres_are_of_the_fixed_list(rows: list[dict[str, str]]) -> None:
    assert {genre for row in rows for genre in values(row, "genres")} == GENRES


def test_nobody_and_nothing_is_spelled_in_two_ways(rows: list[dict[str, str]]) -> None:
    near = set()
    for columns in (("directors", "cast"), ("countries",), ("languages",)):
        names = sorted({name for row in rows for column in columns for name in values(row, column)})
        plain = [re.sub("[^a-z]", "", ascii_letters(name)) for name in names]
        letters = np.array([[name.count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for name in plain])
        candidates = cdist(letters, letters, "cityblock") <= 4  # an edit changes at most two counts by one
        for i, j in zip(*np.nonzero(np.triu(candidates, 1)), strict=True):
            if edit_distance(plain[i], plain[j], 2) <= 2:
                near.add((names[i], names[j]))
    assert near - ALIKE == set(), "make them one, or add the pair to the list"
    assert ALIKE - near == set(), "a pair of the list is no longer needed"


def test_a_film_has_one_director_unless_it_is_known_for_more(rows: list[dict[str, str]]) -> None:
    together = {row["directors"] for row in rows if "|" in row["directors"]}
    assert together == TOGETHER


def test_a_state_is_named_only_while_it_is_there(rows: list[dict[str, str]]) -> None:
    for row in rows:
        for country in values(row, "countries"):
            first, last = STATES.get(country, (1895, 2025))
            assert first <= int(row["year"]) <= last, f"{row['title']}: {country} in {row['year']}"


def test_nobody_works_longer_than_a_life_and_no_director_at_three_films_a_year(rows: list[dict[str, str]]) -> None:
    years: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        for role in ("directors", "cast"):
            for name in values(row, role):
                years.setdefault((role, name), []).append(int(row["year"]))
    for (role, name), found in years.items():
        assert max(found) - min(found) <= 55, f"{name}: {min(found)} to {max(found)}; are these two people?"
        if role == "directors":
            assert max(Counter(found).values()) <= 2, f"{name}: more than two films in a year"


def test_the_films_make_a_graph_with_structure(rows: list[dict[str, str]]) -> None:
    directed = Counter(name for row in rows for name in values(row, "directors"))
    starred = Counter(name for row in rows for name in values(row, "cast"))
    assert sum(n >= 3 for n in directed.values()) >= 50
    assert sum(n >= 3 for n in starred.values()) >= 100
    countries = Counter(name for row in rows for name in values(row, "countries"))
    assert len(countries) >= 40
    for country in ("China", "Japan", "South Korea", "India", "Iran", "France", "Italy", "Mexico", "Senegal", "Sweden"):
        assert countries[country] >= 5, country
    assert {int(row["year"]) // 10 for row in rows} >= set(range(192, 203))


# --- the viewers --------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_viewers_whatever_their_number(films: Films) -> None:
    one, same, other = Simulation(films, 2026), Simulation(films, 2026), Simulation(films, 2027)
    late = same.viewer(40)  # asked for in another order
    for a, b in [(one.viewer(40), late), (one.viewer(1), same.viewer(1))]:
        np.testing.assert_array_equal(a.films, b.films)
        np.testing.assert_array_equal(a.ratings, b.ratings)
        np.testing.assert_array_equal(a.times, b.times)
    assert not np.array_equal(one.viewer(1).films, other.viewer(1).films)
    assert not np.array_equal(one.viewer(1).films, one.viewer(2).films)


def test_behaviour_is_plausible(films: Films) -> None:
    viewings = [Simulation(films, 2026).viewer(n) for n in range(1, 601)]
    sizes = np.array([len(v.films) for v in viewings])
    assert sizes.min() >= 8
    assert 35 <= sizes.mean() <= 45
    assert np.median(sizes) < 0.85 * sizes.mean(), "activity has a long tail"
    ratings = np.concatenate([v.ratings for v in viewings])
    shares = np.bincount(ratings.astype(int), minlength=6)[1:] / len(ratings)
    assert set(ratings) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert shares.max() < 0.5
    assert 3.2 <= ratings.mean() <= 4
    seen = np.sort(np.bincount(np.concatenate([v.films for v in viewings]), minlength=len(films.years)))[::-1]
    assert 0.25 <= seen[: len(seen) // 10].sum() / seen.sum() <= 0.6, "popularity has a long tail"
    for v in viewings:
        assert len(set(v.films)) == len(v.films)
        assert (np.diff(v.times) >= 0).all()
    times = np.concatenate([v.times for v in viewings])
    first, last = (datetime.fromtimestamp(int(t), UTC) for t in (times.min(), times.max()))
    assert first >= datetime(2024, 10, 1, tzinfo=UTC)
    assert last < datetime(2026, 10, 1, tzinfo=UTC)
    gaps = np.concatenate([np.diff(v.times) for v in viewings])
    assert 0.5 <= (gaps <= 1200).mean() <= 0.9, "most ratings come in sessions"


def test_neighbours_help_but_noise_remains(films: Films) -> None:
    """Item-kNN beats popularity clearly and stays far from perfect (NDCG@10, random 80/20, all unseen films)."""
    viewings = [Simulation(films, 2026).viewer(n) for n in range(1, 601)]
    rng = np.random.default_rng(0)
    train, test = np.zeros((2, len(viewings), len(films.years)))
    for u, v in enumerate(viewings):
        liked = rng.permutation(v.films[v.ratings >= 3])
        held_out = max(1, len(liked) // 5)
        test[u, liked[:held_out]] = 1
        train[u, liked[held_out:]] = 1
    discount = 1 / np.log2(np.arange(10) + 2)
    ideal = np.array([discount[: min(10, int(n))].sum() for n in test.sum(axis=1)])

    def ndcg(scores: np.ndarray) -> float:
        top = np.argsort(-np.where(train > 0, -np.inf, scores), axis=1, kind="stable")[:, :10]
        gains = np.take_along_axis(test, top, axis=1) @ discount
        return float((gains[ideal > 0] / ideal[ideal > 0]).mean())

    together = train.T @ train
    norms = np.sqrt(np.diag(together))
    similarity = together / (np.outer(norms, norms) + 5)
    np.fill_diagonal(similarity, 0)
    popularity = ndcg(np.tile(train.sum(axis=0), (len(viewings), 1)))
    neighbours = ndcg(train @ similarity)
    assert 0.15 <= neighbours <= 0.35
    assert neighbours > 1.5 * popularity


def test_viewers_follow_their_favourite_people(films: Films) -> None:
    """Films of one viewer share people more often than films drawn by popularity alone do."""
    viewings = [Simulation(films, 2026).viewer(n) for n in range(1, 301)]
    shared = films.people @ films.people.T > 0
    np.fill_diagonal(shared, False)
    pool = np.concatenate([v.films for v in viewings])
    rng = np.random.default_rng(1)
    own = np.mean([shared[np.ix_(v.films, v.films)].mean() for v in viewings])
    drawn = [rng.choice(pool, len(v.films)) for v in viewings]
    assert own > 1.5 * np.mean([shared[np.ix_(f, f)].mean() for f in drawn])


# --- the loader ---------------------------------------------------------------------------------------


def batches(path: Path = FILMS, faults: Faults | None = None, **options: Any) -> list[NodeBatch | EdgeBatch]:
    context = LoadContext(GraphSchema.bundled("movies"), options, faults or Faults())
    return list(DemoLoader().read(path, context))


def test_the_same_bytes_come_twice() -> None:
    for first, second in zip(batches(viewers=20), batches(viewers=20), strict=True):
        assert first.table.equals(second.table)
    assert [b.table for b in batches(viewers=20)] != [b.table for b in batches(viewers=20, seed=1)]


def test_every_batch_fits_the_schema() -> None:
    schema = GraphSchema.bundled("movies")
    checker = Checker(schema, Faults(), lambda node_type: ())  # raises at the first row that does not fit
    kinds = []
    for batch in batches(viewers=20):
        origin = batch.origin or Origin(FILMS, pa.nulls(batch.table.num_rows, pa.int64()))
        if isinstance(batch, NodeBatch):
            kinds.append(batch.node_type)
            assert set(batch.table.column_names) <= {p.name for p in schema.node_types[batch.node_type].properties}
            checker.nodes(batch.node_type, batch.table, origin, batch.mention)
        else:
            kinds.append(batch.relation)
            properties = {p.name for p in schema.relation_types[batch.relation].properties}
            assert set(batch.table.column_names) == {"source", "target"} | properties
            assert checker.edges(batch.relation, batch.table, origin, batch.repeats).num_rows == batch.table.num_rows
    assert kinds[0] == "Film"
    assert kinds[-2:] == ["User", "RATED"]
    assert set(kinds) == {
        *("Film", "Person", "Genre", "Country", "Language", "User"),
        *("DIRECTED_BY", "STARRING", "HAS_GENRE", "FROM_COUNTRY", "IN_LANGUAGE", "RATED"),
    }


def test_loading_gives_the_graph_of_the_file(graph: Any, rows: list[dict[str, str]]) -> None:
    report = graph.load("demo", FILMS, viewers=30)
    people = {name for row in rows for column in ("directors", "cast") for name in values(row, column)}
    assert report.nodes["Film"] == len(rows)
    assert report.nodes["Person"] == len(people)
    assert report.nodes["Genre"] == len(GENRES)
    assert report.nodes["User"] == 30
    assert report.edges["DIRECTED_BY"] == sum(len(values(row, "directors")) for row in rows)
    assert report.edges["STARRING"] == sum(len(values(row, "cast")) for row in rows)
    assert report.rejected == 0
    film = graph.nodes("Film")["seven-samurai-1954"]
    assert (film["title"], film["year"]) == ("Seven Samurai", 1954)
    assert ("seven-samurai-1954", "Akira Kurosawa") in graph.edges("DIRECTED_BY")
    rated = graph.edges("RATED")
    assert len(rated) == report.edges["RATED"]
    assert all(user.startswith("sim-") for user, _ in rated), "simulated viewers are called so"


def test_more_viewers_than_a_block_are_numbered_through() -> None:
    users = [b.table for b in batches(viewers=1003) if isinstance(b, NodeBatch) and b.node_type == "User"]
    assert [t.num_rows for t in users] == [1000, 3]
    assert users[1]["user_id"].to_pylist() == ["sim-1001", "sim-1002", "sim-1003"]


@pytest.mark.parametrize(("name", "value"), [("viewers", 0), ("viewers", "many"), ("seed", -1), ("seed", "1.5")])
def test_bad_options_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"demo: {name}: expected a whole number from"):
        batches(**{name: value})


def test_another_films_file_in_a_folder(folder: Path) -> None:
    lines = [",".join(COLUMNS), "a-2001,A,2001,Drama,P,,X,Y,about a", "b-2002,B,2002,,,,,,"]
    (folder / "films.csv").write_text("\n".join(lines), encoding="utf-8")
    found = batches(folder, viewers=3)
    ratings = [b.table for b in found if isinstance(b, EdgeBatch) and b.relation == "RATED"]
    assert ratings[0].num_rows == 6  # no viewer can see more than the two films there are


def test_a_year_that_is_no_number_is_reported_with_its_line(folder: Path) -> None:
    path = folder / "films.csv"
    path.write_text(f"{','.join(COLUMNS)}\na-1,A,long ago,,,,,,\nb-2002,B,2002,,,,,,\n", encoding="utf-8")
    with pytest.raises(LoadError, match=r"films\.csv:2: expected a year such as 1954, got 'long ago'"):
        batches(folder)
    faults = Faults(stop=False)
    assert batches(path, faults, viewers=1)[0].table.num_rows == 1
    assert faults.count == 1


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(LoadError, match=r"films\.csv: cannot read it"):
        batches(folder)
