"""``kg-rec train``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kg_rec.cli.console import Command, figure, note, print_json, print_table, progress_bar
from kg_rec.cli.options import (
    PROTOCOLS,
    budget_options,
    json_option,
    read_settings,
    read_source,
    read_split,
    settings_options,
    source_options,
)

if TYPE_CHECKING:
    from kg_rec.model.chosen import Chosen
    from kg_rec.model.config import TrainConfig
    from kg_rec.model.shards import Shards
    from kg_rec.progress import Progress
    from kg_rec.snapshot import Snapshot


@click.command(cls=Command, short_help="Train a model.")
@source_options
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="MODEL", help="Folder.")
@settings_options
@click.option(
    "--split",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Train on its train.tsv and choose on its valid.tsv; default: all interactions, some held out to choose on.",
)
@click.option("--protocol", type=click.Choice(PROTOCOLS), default="random", show_default=True, help="What --split is.")
@click.option("--log", type=click.Path(path_type=Path), metavar="FILE", help="Training log, JSON Lines.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where the heavy sums are computed: here, or on the Ray cluster of RAY_ADDRESS. The model is the same.",
)
@budget_options("Differential privacy per user: learn two noised sums alone, and keep no user in the model's folder.")
@click.option(
    "--robust",
    is_flag=True,
    help="Learn from nobody who is probably a fake user: robust.fakes = 0.05, unless it is set. See kg-rec suspects.",
)
@click.option(
    "--sites",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    metavar="SUMS…",
    help="Learn from the sums of several sites (kg-rec site sum) instead of the graph's users. Needs --choices, unless "
    "they are sums with noise.",
)
@click.argument("more", type=click.Path(exists=True, dir_okay=False, path_type=Path), nargs=-1, metavar="")
@click.option(
    "--choices",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --sites: hyperparameters, as `kg-rec train --json` printed them at one of the sites.",
)
@json_option
@click.pass_context
def train(
    ctx: click.Context,
    /,
    graph: str,
    snapshot: Path | None,
    out: Path,
    split: Path | None,
    protocol: str,
    log: Path | None,
    engine: str,
    epsilon: float | None,
    delta: float | None,
    robust: bool,
    sites: tuple[Path, ...],
    more: tuple[Path, ...],
    choices: Path | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train a model on a graph.

    Hyperparameters and the weights of the channels are chosen on held-out interactions and shown. A warning tells
    where the graph's facts do not fit its interactions.

    \b
      kg-rec train --out model
      kg-rec train --out model --set gnn.epochs=40 --no-text
      kg-rec train --snapshot snapshot --out model --config my.toml --log train.jsonl
      RAY_ADDRESS=10.0.0.1:6379 kg-rec train --out model --engine ray
      kg-rec train --out model --epsilon 3
      kg-rec train --out model --robust
      kg-rec train --out model --sites A.sums B.sums C.sums --choices choices.json
    """
    config = read_settings(**settings)
    if robust and not config.robust.fakes:
        config = _robust(config)
    if not sites and (choices is not None or more):
        raise click.UsageError("--choices needs --sites" if choices is not None else f"unexpected {more[0]}")
    if sites:
        others = {"--split": split, "--log": log, "--epsilon": epsilon, "--delta": delta, "--robust": robust or None}
        for name, given in {**others, "--engine": None if engine == "local" else engine}.items():
            if given is not None:
                raise click.UsageError(f"{name} does not go with --sites, which learns from their sums alone")
        _train_sites(ctx, graph, snapshot, out, config, (*sites, *more), choices, as_json)
        return
    if epsilon is not None:
        others = {"--split": split, "--log": log, "--robust": robust or None}
        for name, given in {**others, "--engine": None if engine == "local" else engine}.items():
            if given is not None:
                raise click.UsageError(f"{name} does not go with --epsilon, which looks at two noised sums alone")
        _train_private(ctx, graph, snapshot, out, config, epsilon, delta, as_json)
        return
    if delta is not None:
        raise click.UsageError("--delta goes with --epsilon")
    with progress_bar() as progress:
        progress(0, None, "starting")
        from kg_rec.api import train as train_model

        data = read_source(ctx, graph, snapshot, progress)
        chosen = None if split is None else read_split(split, data, protocol)
        warning = _disagreement(data, progress)
        if warning:
            note(warning)
        with _shards(engine) as shards:
            model = train_model(data, config, split=chosen, progress=progress, log_file=log, shards=shards)
        progress(0, None, "writing")
        model.save(out)
    of_model = model.recommender.chosen
    users, items = model.recommender.shape
    if as_json:
        summary = {"model": str(out), "users": users, "items": items, "valid": {"ndcg@10": of_model.valid}}
        print_json({**summary, "warning": warning, "choices": of_model.to_dict()})
        return
    _print_choices(of_model)
    click.echo(f"\nvalidation NDCG@10 {figure(of_model.valid)}; {users:,} users, {items:,} items; written to {out}")


def _robust(config: TrainConfig) -> TrainConfig:
    from dataclasses import replace

    from kg_rec.model.trusted import EXPECTED

    return replace(config, robust=replace(config.robust, fakes=EXPECTED))


def _train_private(
    ctx: click.Context,
    graph: str,
    snapshot: Path | None,
    out: Path,
    config: TrainConfig,
    epsilon: float,
    delta: float | None,
    as_json: bool,
) -> None:
    from kg_rec.trust.gaussian import Budget

    budget = Budget(epsilon) if delta is None else Budget(epsilon, delta)
    with progress_bar() as progress:
        progress(0, None, "starting")
        from kg_rec.model.persist import save
        from kg_rec.trust.private import train_private

        model = train_private(read_source(ctx, graph, snapshot, progress), budget, config, progress=progress)
        save(model, out)
    guarantee = model.chosen.privacy or {}
    if as_json:
        print_json({"model": str(out), "items": model.shape[1], "privacy": guarantee})
        return
    looks = [(look["what"], f"{look['numbers']:,}", f"{look['sigma']:.3f}") for look in guarantee["looks"]]
    print_table(["look at private data", "numbers", "noise"], looks, ["numbers", "noise"])
    click.echo(
        f"\nepsilon {guarantee['spent']:.3f}, delta {budget.delta:g} for each user with all interactions; "
        f"written to {out}, without users: lists need --graph\n"
        "covered: the model's folder. not covered: lists and explanations, which read the graph as it is; "
        "a second training of the same users adds to epsilon"
    )


def _train_sites(
    ctx: click.Context,
    graph: str,
    snapshot: Path | None,
    out: Path,
    config: TrainConfig,
    sites: tuple[Path, ...],
    choices: Path | None,
    as_json: bool,
) -> None:
    with progress_bar() as progress:
        progress(0, None, "starting")
        from kg_rec.model.persist import save
        from kg_rec.trust.private import PublicPart
        from kg_rec.trust.private_sites import Noised, train_noised_sites
        from kg_rec.trust.sites import SiteSums, train_sites

        data = read_source(ctx, graph, snapshot, progress)
        about: dict[str, Any]
        if choices is None:
            noised = [Noised.load(path, "moments") for path in sites]
            model = train_noised_sites(PublicPart.of(data, config, progress), noised)
            names = [part.sites[0] for part in noised]
            about = {"privacy": model.chosen.privacy}
        else:
            sums = [SiteSums.load(path) for path in sites]
            model, names = train_sites(data, sums, _read_choices(choices), config, progress), [s.site for s in sums]
            about = {"masked": bool(sums[0].masked)}
        save(model, out)
    items = model.shape[1]
    if as_json:
        print_json({"model": str(out), "items": items, "sites": names, **about})
        return
    click.echo(f"trained on the sums of {', '.join(names)}; {items:,} items; written to {out}, without users:")
    click.echo("lists need --graph, with the users of a site")


def _read_choices(file: Path) -> Chosen:
    from kg_rec.errors import ConfigError
    from kg_rec.model.chosen import Chosen

    try:
        return Chosen.from_dict(json.loads(file.read_text(encoding="utf-8"))["choices"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file}: expected what `kg-rec train --json` printed ({error})") from error


@contextmanager
def _shards(engine: str) -> Iterator[Shards]:
    from kg_rec.jobs.cluster import ray_shards
    from kg_rec.model.shards import HERE

    if engine == "local":
        yield HERE
        return
    with ray_shards() as shards:
        yield shards


def _print_choices(choices: Chosen) -> None:
    """The fusion weights lambda; those of items without interactions where they were chosen."""
    names = [*choices.warm, *(c for c in choices.cold if c not in choices.warm)]
    rows = []
    for name in names:
        numbers = (choices.warm.get(name), choices.cold.get(name), choices.alone.get(name))
        rows.append((name, *(None if v is None else f"{v:.3f}" for v in numbers)))
    figures = ["λ", "λ of new items", "NDCG@10 alone"]
    print_table(["channel", *figures], rows, figures)


def _disagreement(snapshot: Snapshot, progress: Progress) -> str | None:
    from kg_rec.checks.agreement import agreement, conclusion, graph_fits

    agreements = agreement(snapshot, progress=progress)
    return f"warning: {conclusion(agreements)}" if graph_fits(agreements) is False else None
