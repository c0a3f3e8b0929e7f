"""``kg-rec site``: what a site sends, so that a model is trained where the interactions are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kg_rec.cli.console import Command, print_json, progress_bar
from kg_rec.cli.options import (
    budget_options,
    json_option,
    read_settings,
    read_source,
    settings_options,
    source_options,
)

if TYPE_CHECKING:
    from kg_rec.snapshot import Snapshot
    from kg_rec.trust.sites import Masks


@click.group(short_help="Sums of one of several sites: train without moving interactions.")
def site() -> None:
    """Several sites train one model, and no interaction leaves its site.

    All have the same items. One chooses hyperparameters on its own interactions; each sums over its users; anybody who
    has the items adds the sums up. With masks, a site's sums alone are noise, and only the sum of all can be read.

    \b
      kg-rec train --out own --set 'channels=["taste","sequence","knowledge","meaning"]' --json > choices.json
      kg-rec site secrets A B C --out secrets         one file for each site
      kg-rec site sum --graph kg.graph --name A --out A.sums --secrets secrets/A.json --round 1
      kg-rec train --sites A.sums B.sums C.sums --choices choices.json --out model

    With noise what each site sends is differentially private by itself, and no choices are needed:

    \b
      kg-rec site sum --graph kg.graph --name A --epsilon 3 --out A.1
      kg-rec site basis A.1 B.1 C.1 --out basis
      kg-rec site sum --graph kg.graph --name A --basis basis --out A.2
      kg-rec train --sites A.2 B.2 C.2 --out model
    """


@site.command("sum", cls=Command, short_help="Write the sums over a site's users.")
@source_options
@click.option("--name", required=True, metavar="SITE", help="The site's name.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE", help="The sums.")
@click.option(
    "--secrets",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Mask the sums: this site's file of `kg-rec site secrets`. Needs --round.",
)
@click.option("--round", "in_round", metavar="NAME", help="With --secrets: a name that no earlier training had.")
@budget_options("Instead of the sums, popularities with noise: the first step; epsilon is that of both steps.")
@click.option(
    "--basis",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The second step: how tastes go together, with noise, in these directions (kg-rec site basis).",
)
@settings_options
@json_option
@click.pass_context
def site_sum(
    ctx: click.Context,
    /,
    graph: str,
    snapshot: Path | None,
    name: str,
    out: Path,
    secrets: Path | None,
    in_round: str | None,
    epsilon: float | None,
    delta: float | None,
    basis: Path | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Write the sums over the users of this site: how often items are liked, and together, weighed and near in time.

    The file holds no user. Without masks it says of a site with few users what they liked together.

    \b
      kg-rec site sum --graph kg.graph --name A --out A.sums
      kg-rec site sum --graph kg.graph --name A --out A.sums --secrets secrets/A.json --round 2026-11
      kg-rec site sum --graph kg.graph --name A --out A.1 --epsilon 3
      kg-rec site sum --graph kg.graph --name A --out A.2 --basis basis
    """
    if sum(given is not None for given in (secrets, epsilon, basis)) > 1:
        raise click.UsageError("give one of --secrets, --epsilon and --basis")
    if delta is not None and epsilon is None:
        raise click.UsageError("--delta needs --epsilon")
    if (secrets is None) != (in_round is None):
        raise click.UsageError("--secrets and --round go together: a mask holds for one round")
    config = read_settings(**settings)
    with progress_bar() as progress:
        progress(0, None, "starting")
        from kg_rec.trust.sites import site_sums

        data = read_source(ctx, graph, snapshot, progress)
        progress(0, None, "sum")
        if epsilon is not None or basis is not None:
            _noised(data, name, epsilon, delta, basis, out, as_json)
            return
        masks = None if secrets is None or in_round is None else _masks(secrets, name, in_round)
        sums = site_sums(data, name, config, masks)
        sums.save(out)
    if as_json:
        print_json({"site": name, "out": str(out), "items": len(data.items), "masked": list(sums.masked)})
        return
    how = f"masked, for the sum with {', '.join(s for s in sums.masked[1:] if s != name)}" if masks else "not masked"
    click.echo(f"sums of {name} over {len(data.items):,} items, {how}; written to {out}")


def _noised(
    data: Snapshot,
    name: str,
    epsilon: float | None,
    delta: float | None,
    basis: Path | None,
    out: Path,
    as_json: bool,
) -> None:
    from kg_rec.trust.gaussian import Budget
    from kg_rec.trust.private_sites import Noised, noised_moments, noised_popularity

    if basis is not None:
        noised = noised_moments(data, name, Noised.load(basis, "basis"))
    else:
        budget = Budget(epsilon or 0.0) if delta is None else Budget(epsilon or 0.0, delta)
        noised = noised_popularity(data, name, budget)
    noised.save(out)
    cost = f"epsilon {noised.budget.epsilon:g}, delta {noised.budget.delta:g} for both steps together"
    if as_json:
        print_json({"site": name, "out": str(out), "step": noised.step, "epsilon": noised.budget.epsilon})
    else:
        click.echo(f"{noised.step} of {name} with noise, {cost}; written to {out}")


@site.command("basis", cls=Command, short_help="Make the directions in which sites sum with noise.")
@source_options
@click.argument("files", type=click.Path(exists=True, dir_okay=False, path_type=Path), nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE", help="The basis."
)
@settings_options
@json_option
@click.pass_context
def site_basis(
    ctx: click.Context,
    /,
    graph: str,
    snapshot: Path | None,
    files: tuple[Path, ...],
    out: Path,
    as_json: bool,
    **settings: Any,
) -> None:
    """Make it of FILES, the noised popularities of all sites, and of the facts in the graph, whose users play no part.

    It costs no epsilon, as it looks at nothing private. All sites have to be given the same one.

    \b
      kg-rec site basis A.1 B.1 C.1 --graph kg.graph --out basis
    """
    config = read_settings(**settings)
    with progress_bar() as progress:
        progress(0, None, "starting")
        from kg_rec.trust.private import PublicPart
        from kg_rec.trust.private_sites import Noised, basis_of

        parts = [Noised.load(file, "popularity") for file in files]
        basis = basis_of(PublicPart.of(read_source(ctx, graph, snapshot, progress), config, progress), parts)
        basis.save(out)
    directions = basis.basis.vectors.shape[1]
    if as_json:
        print_json({"out": str(out), "sites": list(basis.sites), "directions": directions})
    else:
        click.echo(f"{directions} directions for {', '.join(basis.sites)}; written to {out}")


@site.command("secrets", cls=Command, short_help="Make the secrets that sites mask their sums with.")
@click.argument("sites", nargs=-1, required=True, metavar="SITE SITE…")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="Folder.")
@json_option
def site_secrets(sites: tuple[str, ...], out: Path, as_json: bool) -> None:
    """Make a file for each SITE, with a secret for each other site; give each site its own and keep none.

    Who adds the sums up must not have them.

    \b
      kg-rec site secrets A B C --out secrets
    """
    from kg_rec.trust.sites import new_secrets

    if len(set(sites)) < max(2, len(sites)):
        raise click.UsageError("expected two sites or more, each with a name of its own")
    for name in sites:
        if Path(name).name != name or name.startswith("."):
            raise click.UsageError(f"expected the name of a site that can name a file, got {name!r}")
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for name, secrets in new_secrets(sites).items():
        file = out / f"{name}.json"
        file.touch(mode=0o600)
        file.chmod(0o600)
        print_json({"site": name, "secrets": secrets}, file)
        files.append(str(file))
    if as_json:
        print_json({"files": files})
    else:
        click.echo("\n".join(files))


def _masks(file: Path, name: str, in_round: str) -> Masks:
    from kg_rec.errors import ArgumentError, ConfigError
    from kg_rec.trust.sites import Masks

    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        secrets = {other: bytes.fromhex(text) for other, text in content["secrets"].items()}
        if min(map(len, secrets.values())) < 16:
            raise ArgumentError("a secret of less than 16 bytes")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{file}: not a file of `kg-rec site secrets` ({error})") from error
    if content.get("site") != name:
        raise ConfigError(f"{file}: the secrets of site {content.get('site')}, expected those of {name}")
    return Masks(name, secrets, in_round)
