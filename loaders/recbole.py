"""RecBole's atomic files (https://recbole.io/docs/user_guide/data/atomic_files.html).

``.inter`` holds the interactions, ``.item`` and ``.user`` what is known of the ends, ``.kg`` and ``.link`` a
knowledge graph about the items.  Tab-separated; the first line is ``name:type``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from kg_rec.errors import ConfigError, LoadError
from kg_rec.loaders.base import LoadContext
from kg_rec.loaders.batches import EdgeBatch, NodeBatch, attributes, explode
from kg_rec.loaders.movielens import NO_GENRE, split_title
from kg_rec.loaders.text import Chunk, Faults, Layout, bare_name, find, header, read_whole
from kg_rec.loaders.triples import derive_schema, read_triples, triple_batches
from kg_rec.schema import GraphSchema, NodeType, RelationType

_TYPES = frozenset({"token", "token_seq", "float", "float_seq"})
_GENERIC = "interactions"

# What the columns of published datasets are called, in the order in which they are looked for.
_NAME = ("movie_title", "title", "name", "item_name", "artist_name", "book_title", "product_title")
_TEXT = ("description", "text", "summary", "plot", "overview", "abstract")
_YEAR = ("release_year", "year", "publication_year")
_WEIGHT = ("rating", "weight", "count", "play_count", "plays", "listen_count")
_TIME = ("timestamp", "time")
_CATEGORY = {"class": "genre", "genres": "genre", "categories": "category", "tags": "tag"}


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of one dataset."""

    inter: Path
    item: Path | None
    user: Path | None
    kg: Path | None
    link: Path | None


class RecBoleLoader:
    """RecBole atomic files."""

    name = "recbole"
    description = "RecBole atomic files: a folder, or an .inter file with .item, .user, .kg, .link beside it"
    options: Mapping[str, str] = {
        "items": "the .item file; default: the one beside the .inter file",
        "users": "the .user file; default: the one beside the .inter file",
        "kg": "the .kg file; default: the one beside the .inter file; 'none' leaves it out",
        "link": "the .link file; default: the one beside the .inter file",
        "weight": "column of .inter with the rating or count; default: rating, weight, count or the only number",
        "repeats": "rows with the same user and item: 'last' keeps the latest, 'sum' adds the weights; default: last",
    }

    def schema(
        self, path: Path, options: Mapping[str, Any], base: GraphSchema | None, faults: Faults
    ) -> GraphSchema | None:
        """The chosen schema, else ``movies`` for films, else ``interactions``; the last is extended by the ``.kg``."""
        files = _find_files(path, options)
        if base is None:
            films = files.item is not None and "movie_title" in _fields(files.item)
            base = GraphSchema.bundled("movies" if films else _GENERIC)
        if base.name != _GENERIC or files.kg is None or files.link is None:
            return base
        return derive_schema(base, read_triples(files.kg, files.link, faults))

    def read(self, path: Path, context: LoadContext) -> Iterator[NodeBatch | EdgeBatch]:
        """Users, items, categories, triples, then interactions.

        Raises:
            ConfigError: an option names no column.
            LoadError: a file is malformed.
        """
        files = _find_files(path, context.options)
        schema = context.schema
        inter, fields = _read(files.inter, context.faults)
        user, item = _ends(files.inter, fields)
        edges = _interactions(context, inter, fields, user, item)
        if files.user is not None:
            users, user_fields = _read(files.user, context.faults)
            key = user if user in user_fields else next(iter(user_fields))
            yield _nodes(context, schema.user, users, {schema.user.key: key}, ".user")
        mentioned = pa.table({schema.user.key: inter.table[user]})
        yield NodeBatch(schema.user.name, mentioned, inter.origin, mention=True)
        known = set(inter.table[item].to_pylist())
        if files.item is not None:
            items, item_fields = _read(files.item, context.faults)
            key = item if item in item_fields else next(iter(item_fields))
            known.update(items.table[key].to_pylist())
            yield from _items(context, items, item_fields, key)
        mentioned = pa.table({schema.item.key: inter.table[item]})
        yield NodeBatch(schema.item.name, mentioned, inter.origin, mention=True)
        if files.kg is not None and files.link is not None:
            yield from triple_batches(context, read_triples(files.kg, files.link, context.faults), known)
        yield edges


def _find_files(path: Path, options: Mapping[str, Any]) -> _Files:
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if bare_name(p).endswith(".inter"))
        if len(files) != 1:
            names = ", ".join(p.name for p in files) or "none"
            raise LoadError(f"expected one .inter file in the folder, got {names}; give the file itself", path)
        path = files[0]
    elif not bare_name(path).endswith(".inter"):
        raise LoadError("expected a folder or a file named *.inter or *.inter.gz", path)
    stem = bare_name(path).removesuffix(".inter")

    def beside(option: str, suffix: str) -> Path | None:
        given = options.get(option)
        if given is None:
            return find(path.parent, stem + suffix)
        if str(given) == "none":
            return None
        if not Path(given).is_file():
            raise LoadError(f"no such file (option {option}); check the path", Path(given))
        return Path(given)

    kg = beside("kg", ".kg")
    link = beside("link", ".link") if kg is not None else None
    if kg is not None and link is None:
        raise LoadError("a .kg needs a .link, which says which entity is which item; give link=FILE or kg=none", kg)
    return _Files(path, beside("items", ".item"), beside("users", ".user"), kg, link)


def _fields(path: Path) -> dict[str, str]:
    """Column names with their RecBole types."""
    fields = {}
    for text in header(path, Layout()):
        name, _, kind = text.rpartition(":")
        if not name or kind not in _TYPES:
            raise LoadError(
                f"expected tab-separated columns headed name:type with a type among {', '.join(sorted(_TYPES))}, "
                f"got {text!r}; is this an atomic file?",
                path,
                1,
            )
        fields[name] = kind
    return fields


def _read(path: Path, faults: Faults) -> tuple[Chunk, dict[str, str]]:
    fields = _fields(path)
    chunk = read_whole(path, Layout(), faults, [f"{name}:{kind}" for name, kind in fields.items()])
    return Chunk(chunk.table.rename_columns(list(fields)), chunk.origin), fields


def _ends(path: Path, fields: Mapping[str, str]) -> tuple[str, str]:
    """Columns of the user and the item: by name, else the first two tokens."""
    tokens = [name for name, kind in fields.items() if kind == "token"]
    user = "user_id" if "user_id" in tokens else next(iter(tokens), None)
    rest = [name for name in tokens if name != user]
    item = "item_id" if "item_id" in rest else next(iter(rest), None)
    if user is None or item is None:
        raise LoadError(f"expected two token columns, the user and the item; got {', '.join(fields)}", path, 1)
    return user, item


def _interactions(context: LoadContext, inter: Chunk, fields: Mapping[str, str], user: str, item: str) -> EdgeBatch:
    relation = context.schema.interaction
    chosen = {"source": user, "target": item}
    for prop in relation.properties:
        if prop.use not in ("weight", "time") and prop.name in fields:
            chosen[prop.name] = prop.name
    if relation.time is not None:
        time = next((c for c in (relation.time, *_TIME) if c in fields), None)
        if time is not None:
            chosen[relation.time] = time
    if relation.weight is not None:
        taken = set(chosen.values())
        numbers = [name for name, kind in fields.items() if kind == "float" and name not in taken]
        weight = next(
            (c for c in (relation.weight, *_WEIGHT) if c in fields), numbers[0] if len(numbers) == 1 else None
        )
        weight = context.options.get("weight", weight)
        if weight is not None and weight not in fields:
            raise ConfigError(
                f"option weight: {inter.origin.path.name} has no column {weight!r}; it has {', '.join(fields)}"
            )
        if weight is not None:
            chosen[relation.weight] = weight
    _leave_out(context, ".inter", fields, chosen.values(), len(inter.origin.lines))
    repeats = context.options.get("repeats", "last")
    if repeats not in ("last", "sum"):
        raise ConfigError(f"option repeats: expected 'last' or 'sum', got {repeats!r}")
    table = pa.table({name: inter.table[column] for name, column in chosen.items()})
    return EdgeBatch(relation.name, table, inter.origin, repeats)


def _items(context: LoadContext, items: Chunk, fields: Mapping[str, str], key: str) -> Iterator[NodeBatch | EdgeBatch]:
    kind = context.schema.item
    chosen = {kind.key: key}
    names = {p.name for p in kind.properties}
    wishes = [(kind.name_property, _NAME), (next(iter(kind.text_properties), None), _TEXT)]
    wishes.append(("year" if "year" in names else None, _YEAR))
    for name, columns in wishes:
        column = next((c for c in columns if c in fields and c not in chosen.values()), None)
        if name is not None and name not in fields and column is not None:
            chosen[name] = column
    relations = {column: _category(context.schema, column) for column in fields if column not in chosen.values()}
    known = {column: relation for column, relation in relations.items() if relation is not None and column not in names}
    if chosen.get("year") in _YEAR and kind.name_property in chosen:
        items = _clean_years(context, items, chosen["year"], chosen[kind.name_property])
    yield _nodes(context, kind, items, chosen, ".item", known)
    for column, relation in known.items():
        lists = [text.split(" ") if text else [] for text in items.table[column].to_pylist()]
        if fields[column] == "token":
            lists = [[text] if text else [] for text in items.table[column].to_pylist()]
        kept = [[value for value in values if value and value not in NO_GENRE] for values in lists]
        if nameless := sum(map(len, lists)) - sum(map(len, kept)):
            context.unmapped[f".item column {column}: unknown"] += nameless
        pairs = explode(items.table[key].to_pylist(), kept, items.origin)
        yield from attributes(context.schema, relation, pairs.table, pairs.origin)


def _category(schema: GraphSchema, column: str) -> RelationType | None:
    """The relation from an item to an attribute that a column of ``.item`` stands for."""
    for name in (column, _CATEGORY.get(column, column)):
        for relation, inverted in schema.relations_called(name):
            if relation.source == schema.item.name and relation.target != schema.item.name and not inverted:
                return relation
    return None


def _clean_years(context: LoadContext, items: Chunk, year: str, title: str) -> Chunk:
    """Years that are no number: taken from the title ("... (1995)" beside "V"), else left out and counted."""
    years, titles = items.table[year].to_pylist(), items.table[title].to_pylist()
    for row, text in enumerate(years):
        if text and not text.isdigit():
            titles[row], in_title = split_title(titles[row])
            years[row] = "" if in_title is None else str(in_title)
            context.unmapped[f".item column {year}: no year"] += in_title is None
    table = items.table.set_column(items.table.column_names.index(year), year, pa.array(years, pa.string()))
    return Chunk(table.set_column(table.column_names.index(title), title, pa.array(titles, pa.string())), items.origin)


def _nodes(
    context: LoadContext,
    kind: NodeType,
    chunk: Chunk,
    chosen: Mapping[str, str],
    suffix: str,
    elsewhere: Mapping[str, object] | None = None,
) -> NodeBatch:
    """Nodes with the chosen columns and every column that is called like a property."""
    columns = dict(chosen)
    for prop in kind.properties:
        if prop.name in chunk.table.column_names and prop.name not in columns:
            columns[prop.name] = prop.name
    used = {*columns.values(), *(elsewhere or {})}
    _leave_out(context, suffix, chunk.table.column_names, used, chunk.table.num_rows)
    return NodeBatch(kind.name, pa.table({n: chunk.table[c] for n, c in columns.items()}), chunk.origin)


def _leave_out(context: LoadContext, suffix: str, columns: Any, used: Any, rows: int) -> None:
    for column in columns:
        if column not in set(used):
            context.unmapped[f"{suffix} column {column}: no such property"] += rows
