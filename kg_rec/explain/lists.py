"""Explanations of whole lists, streamed in Arrow batches: every user's top k, by the million.

A row holds what is shown of one score, in the shape of ``explanation.schema.json``.  The terms, the Cypher and all the
rest follow from the model and these columns: :func:`rebuilt` makes the whole :class:`Explanation`.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.arrays.segments import bounds_of, grouped
from kg_rec.arrays.types import Ints
from kg_rec.errors import ConfigError, WorkerError
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.path import Path, PathEdge, PathGroup, PathNode
from kg_rec.explain.paths.search import PathTable, find
from kg_rec.explain.single import assembled, notes_of
from kg_rec.explain.words.verbalizer import Verbalizer
from kg_rec.explain.words.wording import Wording
from kg_rec.model.recommender import Recommender, positions
from kg_rec.progress import Progress, no_progress

_NODE = pa.struct([("type", pa.string()), ("key", pa.string()), ("name", pa.string()), ("count", pa.int64())])
_STEP = pa.struct([("type", pa.string()), ("forward", pa.bool_()), ("alike", pa.string())])
_PATH = pa.struct(
    [
        ("channel", pa.string()),
        ("channels", pa.list_(pa.string())),
        ("nodes", pa.list_(_NODE)),
        ("relations", pa.list_(_STEP)),
        ("value", pa.float64()),
        ("share", pa.float64()),
    ]
)
_GROUP = pa.struct([("value", pa.float64()), ("share", pa.float64()), ("paths", pa.list_(_PATH))])

#: Columns of a table of explanations.
EXPLANATION_FIELDS = pa.schema(
    [
        ("user", pa.string()),
        ("rank", pa.int32()),
        ("item", pa.string()),
        ("name", pa.string()),
        ("score", pa.float64()),
        ("base", pa.float64()),
        ("shown_share", pa.float64()),
        ("notes", pa.list_(pa.string())),
        ("text", pa.string()),
        ("groups", pa.list_(_GROUP)),
    ]
)

#: Scores explained at a time; fewer in large catalogues, whose rows of counts are long.
_PAIRS = 640
_CELLS = 20_000_000

#: A block of scores: users, items and ranks by dense index.
_Block = tuple[Ints, Ints, NDArray[np.int32]]


def explain_lists(
    model: Recommender,
    users: Sequence[str] | None = None,
    k: int = 10,
    *,
    lists: pa.Table | None = None,
    config: ExplainConfig | None = None,
    wording: Wording | None = None,
    workers: int | None = None,
    progress: Progress = no_progress,
) -> Iterator[pa.RecordBatch]:
    """Explain every item of top-k lists.

    Args:
        model: a trained model.
        users: user keys; None for all users, in key order.
        k: list length.
        lists: explain these instead: a table with the columns user, item and rank, as ``recommend`` gives.
        config: which of the true paths are shown.
        wording: language, tone and phrasebook; None for friendly English.
        workers: processes; None for one per core.  They are forked, so on a system without fork there is one.
        progress: called with the scores explained, or the users where the lists are made here.

    Yields:
        Batches of :data:`EXPLANATION_FIELDS`, in the order of the users (or the lists) and the same for any number of
        workers.  Memory is bounded by the batch.

    Raises:
        NotFoundError: a user or an item is unknown; raised before the first batch.
        ConfigError: ``k`` or ``workers`` is below 1, or a setting does not fit the model.
        SchemaError: the schema has no words for the language.
        PhraseError: a phrase of the phrasebook is refused.
        WorkerError: a worker process died.
    """
    if k < 1 or (workers is not None and workers < 1):
        raise ConfigError(f"expected k and workers of at least 1, got {k} and {workers}")
    config = config or ExplainConfig()
    verbalizer = Verbalizer(model, wording or Wording())
    size = int(np.clip(_CELLS // max(len(model.items), 1), 16, _PAIRS))
    find(model, np.empty(0, np.int64), np.empty(0, np.int64), config)  # settings that do not fit are refused here
    if lists is None:
        rows = np.arange(len(model.users)) if users is None else positions(model.users, users)
        size, count = max(1, size // k), len(rows)

        def block(start: int) -> _Block:
            part = rows[start : start + size]
            top, _ = model.rank(part, k)
            filled = top >= 0
            ranks = np.broadcast_to(np.arange(1, top.shape[1] + 1, dtype=np.int32), top.shape)[filled]
            return np.repeat(part, filled.sum(axis=1)), top[filled], ranks

    else:
        of, items = (
            positions(ids, lists.column(c).to_pylist()) for ids, c in ((model.users, "user"), (model.items, "item"))
        )
        ranks, count = np.asarray(lists.column("rank"), dtype=np.int32), len(of)

        def block(start: int) -> _Block:
            return of[start : start + size], items[start : start + size], ranks[start : start + size]

    def batch(number: int) -> pa.RecordBatch:
        users, items, ranks = block(number * size)
        return _record_batch(verbalizer, find(model, users, items, config), ranks)

    # as many blocks for each worker, of about the same size, so that none waits for another at the end
    chosen = max(1, min(_cores() if workers is None else workers, -(-count // size)))
    size = max(1, -(-count // (chosen * -(-count // (chosen * size))))) if count else size
    blocks = -(-count // size)

    def told(done: int) -> None:
        progress(min(done * size, count), count, "explain")

    return _in_order(batch, blocks, chosen, told, lambda: _prepare(verbalizer, config))


def _in_order(
    batch: Callable[[int], pa.RecordBatch],
    blocks: int,
    workers: int,
    done: Callable[[int], None],
    ready: Callable[[], None],
) -> Iterator[pa.RecordBatch]:
    done(0)
    if workers < 2 or "fork" not in multiprocessing.get_all_start_methods():
        for number in range(blocks):
            yield batch(number)
            done(number + 1)
        return
    ready()
    context = multiprocessing.get_context("fork")
    pipes, processes = [], []
    try:
        for worker in range(workers):
            receiver, sender = context.Pipe(duplex=False)
            pipes.append(receiver)
            work = (batch, range(worker, blocks, workers), sender, tuple(pipes))
            process = context.Process(target=_work, args=work, daemon=True)
            process.start()
            sender.close()
            processes.append(process)
        for number in range(blocks):
            yield _received(pipes[number % workers], processes[number % workers])
            done(number + 1)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _prepare(verbalizer: Verbalizer, config: ExplainConfig) -> None:
    """Compute what all workers read, so that they share it: by explaining one score, which reads the grammar too."""
    model = verbalizer.model
    first = np.zeros(min(1, len(model.users)), dtype=np.int64)
    top = model.rank(first, 1)[0]
    table = find(model, first[(top >= 0).any(axis=1)], top[top >= 0], config)
    verbalizer.tell(table, notes_of(model, table.addends))
    every = np.arange(len(model.items))
    if not model.mapped and all(channel.kernel.transposed is not None for channel in model.channels):
        model.interacted.co_count(every, every)


def _work(
    batch: Callable[[int], pa.RecordBatch], numbers: range, sender: Connection, inherited: Sequence[Connection]
) -> None:
    gc.freeze()  # what the parent made stays shared
    for receiver in inherited:  # or a worker would wait for ever for one to read, when the parent was killed
        receiver.close()
    try:
        for number in numbers:
            sink = pa.BufferOutputStream()
            made = batch(number)
            with pa.ipc.new_stream(sink, made.schema) as writer:
                writer.write_batch(made)
            sender.send_bytes(sink.getvalue())
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(130)
    except Exception:  # noqa: BLE001 -- raised again by the reader
        sender.send_bytes(traceback.format_exc().encode())


def _received(receiver: Connection, process: Any) -> pa.RecordBatch:
    try:
        data = receiver.recv_bytes()
    except EOFError:
        process.join()
        raise WorkerError(
            f"a worker process ended with status {process.exitcode} before its work was done (-9: killed, perhaps for "
            "want of memory); try again with fewer workers"
        ) from None
    if data[:4] != b"\xff\xff\xff\xff":
        raise WorkerError(f"a worker process failed; with workers=1 the fault is raised here:\n{data.decode()}")
    with pa.ipc.open_stream(data) as reader:
        return reader.read_next_batch()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _record_batch(verbalizer: Verbalizer, table: PathTable, ranks: NDArray[np.int32]) -> pa.RecordBatch:
    model, addends = verbalizer.model, table.addends
    notes = notes_of(model, addends)
    items = pa.array(addends.items)
    groups = pa.StructArray.from_arrays(
        [pa.array(table.total), pa.array(table.total_share), _listed(table.paths, _paths(model, table))],
        fields=list(_GROUP),
    )
    columns = [
        model.users.keys.take(pa.array(addends.users)),
        pa.array(ranks),
        model.items.keys.take(items),
        model.snapshot.names(model.snapshot.schema.item.name).take(items),
        pa.array(table.score),
        pa.array(addends.base),
        pa.array(table.shown_share),
        _listed(
            bounds_of(np.array([len(said) for said in notes], np.int64)),
            pa.array([n for said in notes for n in said], pa.string()),
        ),
        pa.array(verbalizer.tell(table, notes), pa.string()),
        _listed(table.groups, groups),
    ]
    return pa.record_batch(columns, schema=EXPLANATION_FIELDS)


def _listed(bounds: Ints, values: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), values)


def _paths(model: Recommender, table: PathTable) -> pa.StructArray:
    """All paths, in the shape of the JSON."""
    forms, schema = table.forms.every, model.snapshot.schema
    group = np.repeat(np.arange(len(table.form)), np.diff(table.paths))
    pair, form = table.pair[group], table.form[group]
    types = list(schema.node_types)
    crowd, bridged = table.forms.crowded[form], table.forms.bridged[form]
    through = np.array([types.index(f.through) if f.through is not None else -1 for f in forms])[form]
    shared = through >= 0
    lengths = 3 + crowd + bridged + shared
    bounds = bounds_of(lengths)
    kind, index = np.full(bounds[-1], -1), np.full(bounds[-1], -1)
    count = np.ones(bounds[-1], dtype=np.int64)
    start, end, item = bounds[:-1], bounds[1:] - 1, types.index(schema.item.name)
    for places, node_type, nodes in (
        (start, types.index(schema.user.name), table.addends.users[pair]),
        (start + 1, item, table.source),
        ((start + 3)[bridged], item, table.bridge[bridged]),
        ((end - 1)[shared], through[shared], table.entity[group][shared]),
        (end, item, table.addends.items[pair]),
    ):
        kind[places], index[places] = node_type, nodes
    count[(start + 2)[crowd]] = table.others[crowd]
    keys, names = _texts(model, types, kind, index)
    nodes = pa.StructArray.from_arrays(
        [pa.array([*types, schema.user.name]).take(pa.array(kind % (len(types) + 1))), keys, names, pa.array(count)],
        fields=list(_NODE),
    )
    steps = pa.array([[(e.type, e.forward, e.alike) for e in f.edges] for f in forms], pa.list_(_STEP))
    relations = steps.take(pa.array(form))
    channels = pa.array([f.channel for f in forms], pa.string()).take(pa.array(form))
    together = pa.array([f.together or (f.channel,) for f in forms], pa.list_(pa.string())).take(pa.array(form))
    return pa.StructArray.from_arrays(
        [channels, together, _listed(bounds, nodes), relations, pa.array(table.value), pa.array(table.share)],
        fields=list(_PATH),
    )


def _texts(model: Recommender, types: list[str], kind: Ints, index: Ints) -> tuple[pa.Array, pa.Array]:
    """Keys and names of nodes of several types; null for the others."""
    order, bounds = grouped(kind + 1, len(types) + 1)
    keys, names = [pa.nulls(int(bounds[1]), pa.string())], [pa.nulls(int(bounds[1]), pa.string())]
    for number, node_type in enumerate(types, start=1):
        place = pa.array(index[order[bounds[number] : bounds[number + 1]]])
        if not len(place):
            continue
        keys.append(model.snapshot.ids[node_type].keys.take(place))
        named = node_type != model.snapshot.schema.user.name
        names.append(model.snapshot.names(node_type).take(place) if named else keys[-1])
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays(keys).take(pa.array(back)), pa.concat_arrays(names).take(pa.array(back))


def rebuilt(model: Recommender, row: Mapping[str, Any], lang: str = "en") -> Explanation:
    """The whole explanation of a row of :data:`EXPLANATION_FIELDS`.

    Args:
        model: the model that explained it.
        row: a row as a dictionary, as ``to_pylist`` gives or as read from JSON Lines.
        lang: language of its text.

    Raises:
        NotFoundError: the user or the item is not in the model's graph.
    """
    users, items = positions(model.users, [row["user"]]), positions(model.items, [row["item"]])
    groups = tuple(
        PathGroup(tuple(_path(path) for path in group["paths"]), group["value"], group["share"])
        for group in row["groups"]
    )
    addends = model.addends(users, items)
    return assembled(model, addends, groups, row["shown_share"], tuple(row["notes"]), row["text"], lang)


def _path(row: Mapping[str, Any]) -> Path:
    nodes = tuple(PathNode(n["type"], n["key"], n["name"], n["count"]) for n in row["nodes"])
    edges = tuple(PathEdge(e["type"], e["forward"], e.get("alike")) for e in row["relations"])
    channels = tuple(row["channels"])
    return Path(row["channel"], nodes, edges, row["value"], row["share"], channels if len(channels) > 1 else ())
