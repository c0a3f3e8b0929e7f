"""The demonstration: real films, simulated viewers.

What is real: the films of ``films.csv`` (title, year, genres, directors, main cast, countries, languages) and
a sentence about each.  What is simulated: every viewer and every rating.  No rating of any person is in here;
viewers are called ``sim-0001``, ``sim-0002``, ... so that it shows wherever one appears.

**The model.**  Each film f has a vector x_f of three blocks, 0/1 flags of its genres, its countries and its decade,
each block scaled to unit length; P_f is the set of its directors and main cast.  Everything random is drawn
from ``numpy.random.default_rng`` with the seed; N is the normal distribution.

Once for all viewers:

- popularity: films are ranked by 0.7 [in English] + 0.3 (year - 1980) / 25 + N(0, 1), and
  log p_f = -zipf · log(rank_f + 10), a long tail;
- quality q_f ~ N(0, 1);
- C communities with shares from Dirichlet(3, ..., 3), each with a taste t_c ~ N(0, I) over x and thirty favourite
  people, drawn in proportion to the number of their films.

For each viewer u, from an own generator (so viewer 7 is the same among 10 viewers or 10,000):

- community c, taste t_u = √ρ t_c + √(1-ρ) N(0, I) with ρ the cohesion; favourite people F_u: four, each from the
  community's favourites with probability ρ, else from everybody;
- affinity s_uf = Σ_blocks ω_b ⟨t_u, x_f⟩_b + ω_people |F_u ∩ P_f|; a_u = (s_u - mean) / standard deviation over films;
- exposure: n_u = clip(round(exp(N(log 30, 0.75))), 8, 250) films without replacement, by the Gumbel trick the n_u
  largest of log p_f + β a_uf + Gumbel(0, 1): what is popular and what suits is seen more often;
- rating: r_uf = clip(round(2.9 + N_u(0, 0.35) + 0.55 a_uf + 0.4 q_f + N(0, 0.7)), 1, 5);
- time: the viewer joins at a uniform moment of the first eighteen of the 24 months from 2024-10-01 UTC; the films
  fall, in random order, into sessions of 1 + Poisson(3) films; sessions begin at uniform moments after joining, in an
  evening hour, and films of one session follow each other by two to twenty minutes (ratings entered in a row).

With noise at every step no recommender can be perfect.  Since affinity runs over genres, countries, decades and people,
the knowledge in the graph helps here **by construction**: this shows how the engine works and is no evidence
that graphs help real people.  See ``README-demo.md`` for measured properties.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kg_rec.errors import ConfigError, LoadError
from kg_rec.loaders.base import EdgeBatch, LoadContext, NodeBatch, attributes, explode
from kg_rec.loaders.text import Chunk, Faults, Layout, read_whole
from kg_rec.schema import GraphSchema

#: The films that ship with kg_rec; the path to load when there is no other.
FILMS = Path(__file__).parent / "films.csv"

COLUMNS = ("item_id", "title", "year", "genres", "directors", "cast", "countries", "languages", "summary")
_RELATIONS = {
    "directors": "DIRECTED_BY",
    "cast": "STARRING",
    "genres": "HAS_GENRE",
    "countries": "FROM_COUNTRY",
    "languages": "IN_LANGUAGE",
}
_BLOCK_VIEWERS = 1000
_START = 1_727_740_800  # 2024-10-01 00:00 UTC
_DAY = 86_400


@dataclass(frozen=True)
class Behaviour:
    """Numbers of the viewers' model; the module says how they enter.

    Attributes:
        communities: C, groups of viewers who share a taste.
        cohesion: ρ, share of a viewer's taste that is the community's, 0 to 1.
        zipf: exponent of popularity over rank.
        selectivity: β, how much affinity decides what is seen.
        genre: ω of the genres.
        country: ω of the countries.
        decade: ω of the decade.
        people: ω of each favourite person.
    """

    communities: int = 10
    cohesion: float = 0.7
    zipf: float = 1.0
    selectivity: float = 1.8
    genre: float = 1.0
    country: float = 0.8
    decade: float = 0.6
    people: float = 1.2


@dataclass(frozen=True)
class Films:
    """What the simulation knows of the films.

    Attributes:
        english: (F,) bool, among the languages is English.
        years: (F,) int64.
        blocks: flags of genres, countries and decade, each (F, values) with rows of unit length.
        people: (F, P) float64, 1 where a person directs or stars.
    """

    english: np.ndarray
    years: np.ndarray
    blocks: tuple[np.ndarray, np.ndarray, np.ndarray]
    people: np.ndarray

    @classmethod
    def of(cls, table: pa.Table) -> Films:
        """From the columns of a films file, as text."""
        years = np.array([int(year) for year in table["year"].to_pylist()], np.int64)
        people = [d + c for d, c in zip(_split(table, "directors"), _split(table, "cast"), strict=True)]
        lists = (_split(table, "genres"), _split(table, "countries"), [[str(year // 10)] for year in years])
        blocks = [_flags(values) for values in lists]
        genres, countries, decades = (b / np.maximum(1.0, np.linalg.norm(b, axis=1))[:, None] for b in blocks)
        english = np.array(["English" in row for row in _split(table, "languages")], bool)
        return cls(english, years, (genres, countries, decades), _flags(people))


@dataclass(frozen=True)
class Viewings:
    """What one viewer did, by time.

    Attributes:
        films: (n,) int64, rows of the films file.
        ratings: (n,) float64 whole numbers, 1 to 5.
        times: (n,) int64, Unix seconds.
    """

    films: np.ndarray
    ratings: np.ndarray
    times: np.ndarray


@dataclass(frozen=True)
class Simulation:
    """Viewers of some films; the same seed gives the same viewers.

    Attributes:
        films: what is watched.
        seed: of everything random.
        behaviour: numbers of the model.
    """

    films: Films
    seed: int
    behaviour: Behaviour = Behaviour()

    @cached_property
    def _world(self) -> _World:
        films, model = self.films, self.behaviour
        rng = np.random.default_rng(self.seed)
        count = len(films.years)
        fame = 0.7 * films.english + 0.3 * (films.years - 1980) / 25 + rng.standard_normal(count)
        rank = np.empty(count)
        rank[np.argsort(-fame, kind="stable")] = np.arange(count)
        quality = rng.standard_normal(count)
        shares = rng.dirichlet(np.full(model.communities, 3.0))
        tastes = rng.standard_normal((model.communities, sum(b.shape[1] for b in films.blocks)))
        known = films.people.sum(axis=0)
        known = known if known.any() else known + 1
        number = min(30, len(known))
        favourites = [rng.choice(len(known), number, False, known / known.sum()) for _ in range(model.communities)]
        return _World(-model.zipf * np.log(rank + 10), quality, shares, tastes, np.array(favourites))

    def viewer(self, number: int) -> Viewings:
        """What a viewer did.

        Args:
            number: of the viewer, from 1.
        """
        world, model = self._world, self.behaviour
        rng = np.random.default_rng([self.seed, number])
        affinity = self._affinity(rng, rng.choice(len(world.shares), p=world.shares))
        count = len(affinity)
        seen = int(np.clip(np.rint(np.exp(np.log(30) + 0.75 * rng.standard_normal())), 8, 250))
        pull = world.log_popularity + model.selectivity * affinity + rng.gumbel(size=count)
        films = rng.permutation(np.argsort(-pull, kind="stable")[:seen])
        mean = 2.9 + 0.35 * rng.standard_normal()
        opinion = mean + 0.55 * affinity[films] + 0.4 * world.quality[films] + 0.7 * rng.standard_normal(len(films))
        return Viewings(films, np.clip(np.rint(opinion), 1, 5), _times(rng, len(films)))

    def _affinity(self, rng: np.random.Generator, community: int) -> np.ndarray:
        """(F,) affinity with mean 0 and standard deviation 1."""
        world, model = self._world, self.behaviour
        common, own = np.sqrt(model.cohesion), np.sqrt(1 - model.cohesion)
        taste = common * world.tastes[community] + own * rng.standard_normal(world.tastes.shape[1])
        total = np.zeros(len(self.films.years))
        start = 0
        for block, weight in zip(self.films.blocks, (model.genre, model.country, model.decade), strict=True):
            total += weight * (block @ taste[start : start + block.shape[1]])
            start += block.shape[1]
        shared = rng.choice(world.favourites[community], 4)
        others = rng.integers(self.films.people.shape[1], size=4)
        favourites = np.unique(np.where(rng.random(4) < model.cohesion, shared, others))
        total += model.people * self.films.people[:, favourites].sum(axis=1)
        spread = total.std()
        centred: np.ndarray = total - total.mean()
        return centred / spread if spread > 0 else centred


@dataclass(frozen=True)
class _World:
    """What is drawn once for all viewers; F films, C communities.

    Attributes:
        log_popularity: of each film, (F,).
        quality: of each film, (F,).
        shares: of the viewers that each community has, (C,).
        tastes: of each community for each feature of films, (C, features).
        favourites: people whom each community likes, (C, 30).
    """

    log_popularity: np.ndarray
    quality: np.ndarray
    shares: np.ndarray
    tastes: np.ndarray
    favourites: np.ndarray


class DemoLoader:
    """Films of a file in the form of ``films.csv``, with viewers simulated for them."""

    name = "demo"
    description = "822 real films with simulated viewers (sim-0001, ...): PATH is films.csv or the folder that holds it"
    options: Mapping[str, str] = {
        "viewers": "number of simulated viewers (default 600)",
        "seed": "seed of the simulation (default 2026)",
    }

    def schema(
        self, path: Path, options: Mapping[str, Any], base: GraphSchema | None, faults: Faults
    ) -> GraphSchema | None:
        """The chosen schema, or ``movies``."""
        return base or GraphSchema.bundled("movies")

    def read(self, path: Path, context: LoadContext) -> Iterator[NodeBatch | EdgeBatch]:
        """Films, what is known of them, then viewers and their ratings.

        Raises:
            ConfigError: ``viewers`` or ``seed`` is not a whole number in range.
            LoadError: the file is missing or malformed.
        """
        viewers = _whole(context.options, "viewers", 600, 1, 1_000_000)
        seed = _whole(context.options, "seed", 2026, 0, 2**63 - 1)
        chunk = read_films(path, context.faults)
        table, origin = chunk.table, chunk.origin
        yield NodeBatch("Film", table.select(["item_id", "title", "year", "summary"]), origin)
        for column, relation in _RELATIONS.items():
            pairs = explode(table["item_id"].to_pylist(), _split(table, column), origin)
            yield from attributes(context.schema, context.schema.relation_types[relation], pairs.table, pairs.origin)
        simulation = Simulation(Films.of(table), seed)
        for first in range(1, viewers + 1, _BLOCK_VIEWERS):
            numbers = range(first, min(first + _BLOCK_VIEWERS, viewers + 1))
            yield from _viewers(simulation, numbers, table["item_id"].to_pylist())
            context.progress(numbers[-1], viewers, "simulating viewers")


def read_films(path: Path, faults: Faults) -> Chunk:
    """The films file, as text.

    Args:
        path: the file, or a folder that holds ``films.csv``.
        faults: takes malformed lines, and films whose year is not a whole number.

    Raises:
        LoadError: the file is missing or malformed, or no film of it is left.
    """
    file = path / FILMS.name if path.is_dir() else path
    chunk = read_whole(file, Layout(",", quoted=True), faults, COLUMNS)
    kept = []
    rows = zip(chunk.table["year"].to_pylist(), chunk.origin.lines.to_pylist(), strict=True)
    for row, (year, line) in enumerate(rows):
        if year.isascii() and year.isdigit():
            kept.append(row)
        else:
            values = list(chunk.table.slice(row, 1).to_pylist()[0].values())
            faults.add(file, line, f"expected a year such as 1954, got {year!r}; correct the line", values)
    if not kept:
        raise LoadError("expected films, got none without a fault; correct the file", file)
    return Chunk(chunk.table.take(pa.array(kept)), chunk.origin.take(pa.array(kept)))


def _viewers(simulation: Simulation, numbers: range, keys: list[str]) -> Iterator[NodeBatch | EdgeBatch]:
    users = [f"sim-{number:04d}" for number in numbers]
    viewings = [simulation.viewer(number) for number in numbers]
    yield NodeBatch("User", pa.table({"user_id": pa.array(users, pa.string())}))
    films = np.concatenate([v.films for v in viewings])
    table = {
        "source": pa.array(np.repeat(np.array(users), [len(v.films) for v in viewings]), pa.string()),
        "target": pa.array([keys[film] for film in films], pa.string()),
        "rating": pa.array(np.concatenate([v.ratings for v in viewings]), pa.float64()),
        "timestamp": pa.array(np.concatenate([v.times for v in viewings]), pa.int64()),
    }
    yield EdgeBatch("RATED", pa.table(table))


def _times(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count,) increasing Unix seconds, in sessions."""
    joined = rng.uniform(0, 547)
    sizes = 1 + rng.poisson(3, count)
    sessions = 1 + int(np.searchsorted(np.cumsum(sizes), count))
    days = np.sort(np.floor(rng.uniform(joined, 728, sessions)))
    starts = _START + days * _DAY + rng.integers(18 * 3600, 21 * 3600, sessions)
    session = np.repeat(np.arange(sessions), sizes[:sessions])[:count]
    gaps = rng.integers(120, 1201, count)
    since = np.cumsum(gaps)
    opening = np.searchsorted(session, np.arange(sessions))
    times: np.ndarray = np.sort(starts[session] + since - since[opening][session]).astype(np.int64)
    return times


def _split(table: pa.Table, column: str) -> list[list[str]]:
    return [[part for part in (text or "").split("|") if part] for text in table[column].to_pylist()]


def _flags(lists: list[list[str]]) -> np.ndarray:
    """(rows, distinct values) float64, 1 where a row names a value; values in sorted order."""
    place = {value: i for i, value in enumerate(sorted({value for row in lists for value in row}))}
    flags = np.zeros((len(lists), max(1, len(place))))
    for i, row in enumerate(lists):
        flags[i, [place[value] for value in row]] = 1.0
    return flags


def _whole(options: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    text = str(options.get(name, default))
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise ConfigError(f"demo: {name}: expected a whole number from {least} to {most}, got {text!r}")
    return int(text)
