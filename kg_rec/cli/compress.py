"""``kg-rec compress``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kg_rec.cli.console import Command, figure, print_json, print_table, progress_bar
from kg_rec.cli.options import json_option

if TYPE_CHECKING:
    from kg_rec.trust.compress import Compressed

_PICTURES = (".png", ".svg", ".pdf")


def _picture(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and value.suffix not in _PICTURES:
        raise click.BadParameter(f"expected a file ending in {', '.join(_PICTURES)}, got {value.name}")
    return value


@click.command(cls=Command, short_help="A model in a fraction of the bytes.")
@click.option(
    "--model",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    metavar="MODEL",
    help="Folder that kg-rec train wrote.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="Another folder."
)
@click.option(
    "--max-drop",
    type=click.FloatRange(min=0, max=1, max_open=True),
    default=0.01,
    show_default=True,
    metavar="SHARE",
    help="Most of the validation NDCG@10 that may be given up, as a share of it.",
)
@click.option(
    "--curve",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_picture,
    metavar="FILE",
    help=f"Draw size against quality into a FILE ending in {', '.join(_PICTURES)}.",
)
@json_option
def compress(model: Path, out: Path, max_drop: float, curve: Path | None, as_json: bool) -> None:
    """Write a model in a fraction of the bytes, with scores that add up as before.

    The entries of learned matrices that matter least are left out, texts keep their main directions, and numbers take
    as few bits as cost little, three to sixteen. What facts and texts tell is made again when the model is read.
    How far it goes is chosen on interactions that are held out from the model's own, never on a test set: fewer entries
    and fewer bits are tried against each other, and the smallest model is taken that drops by no more than --max-drop.
    What works on a model works on the compressed one; kg-rec forget compresses it again.

    \b
      kg-rec compress --model model --out small
      kg-rec compress --model model --out small --max-drop 0.005 --curve curve.png
    """
    if out.resolve() == model.resolve():
        raise click.UsageError("--out is the model itself: name another folder, as what is left out cannot come back")
    with progress_bar() as progress:
        progress(0, None, "starting")
        from kg_rec.api import Model
        from kg_rec.model import persist
        from kg_rec.trust.compress import compress as compressed

        result = compressed(Model.load(model), max_drop, progress=progress)
        progress(0, None, "writing")
        result.model.save(out)
        if curve is not None:
            from kg_rec.trust.curve import draw

            draw(result, max_drop, curve)
        before, after = persist.size(model), persist.size(out)
    if as_json:
        summary = {"model": str(model), "out": str(out), "max_drop": max_drop, **result.to_dict()}
        print_json({**summary, "bytes": {"before": before, "after": after}, "smaller": before / after})
        return
    _print_curve(result)
    click.echo(
        f"\nvalidation NDCG@10 {figure(result.taken.ndcg)}, without compression {figure(result.ndcg)}; "
        f"{_megabytes(before)} to {_megabytes(after)}, {before / after:.1f} times smaller; written to {out}"
    )


def _print_curve(result: Compressed) -> None:
    rows = []
    for point in result.curve:
        size, drop = f"{point.bytes / 1e6:.2f}", f"{100 * point.drop:+.2f} %"
        mark = "taken" if point == result.taken else None
        what = f"{100 * point.keep:g} %", point.bits, point.directions
        rows.append((*what, size, f"{point.smaller:.1f}", figure(point.ndcg), drop, f"{100 * point.error:.2f}", mark))
    columns = ["entries kept", "bits", "directions of texts", "MB", "times smaller", "NDCG@10", "drop", "±", ""]
    print_table(columns, rows, columns[:-1])


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.2f} MB"
