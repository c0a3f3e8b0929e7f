"""``kg-rec explain``: one explanation, or those of all lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kg_rec.cli.console import Command, dumps, note, print_json, progress_bar, put
from kg_rec.cli.feedback import with_feedback
from kg_rec.cli.lists import of_user, open_model, with_statements
from kg_rec.cli.options import TONES, lang_option, learned_option, list_file, live_graph_option
from kg_rec.quantity import quantity
from kg_rec.tables import suffixes

if TYPE_CHECKING:
    from kg_rec.api import Model
    from kg_rec.explain.config import ExplainConfig
    from kg_rec.explain.explanation import Explanation
    from kg_rec.explain.formats import Display
    from kg_rec.explain.verify.alike import AlikeTexts
    from kg_rec.explain.verify.vectors import AlikeVectors
    from kg_rec.explain.words.patterns import Tone
    from kg_rec.explain.words.wording import Wording
    from kg_rec.model.recommender import Recommender
    from kg_rec.progress import Progress
    from kg_rec.store import GraphStore

F = TypeVar("F", bound=Callable[..., Any])


class _Format(click.Option):
    """The option whose help lists the displays that are installed, looked up when it is asked for."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option, and the names with what they are."""
        listed = "; ".join(f"{d.name}: {d.description}" for d in _text_displays())
        self.help = f"What is printed. {listed}.  [default: text]"
        return super().get_help_record(ctx)


class _Channel(click.Option):
    """The same for the channels."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option, and the channels that a model may have."""
        from kg_rec.model.channels.registry import channel_names

        self.help = f"Paths of this channel only, one that the model has: {', '.join(channel_names())}."
        return super().get_help_record(ctx)


def shown_options(command: F) -> F:
    """Which of the true paths are shown: the fields of ExplainConfig, passed on as keyword arguments."""
    whole, number = click.IntRange(min=1), click.FloatRange(-50, 50)
    options = (
        click.option("--top", "groups", type=whole, help="Most groups of paths.  [default: 3]"),
        click.option("--paths", "paths_per_group", type=whole, help="Most paths of a group.  [default: 5]"),
        click.option("--per-pattern", "groups_per_pattern", type=whole, help="Most groups of one pattern."),
        click.option("--max-hops", type=click.IntRange(min=2), help="Longest path, in steps.  [default: 5]"),
        click.option("--recency", type=number, help="Above 0 prefers recent interactions, below 0 old ones."),
        click.option("--popularity", type=number, help="Above 0 prefers common shared entities, below 0 rare ones."),
        click.option("--channel", "channels", cls=_Channel, multiple=True, metavar="NAME"),
        click.option(
            "--least-crowd", type=whole, metavar="N", help="No paths through fewer than N other users.  [default: 1]"
        ),
        click.option(
            "--block", "blocked", multiple=True, metavar="TYPE", help="No paths of this relation type, or text."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _text_displays() -> list[Display]:
    from kg_rec.explain.formats import displays

    return [d for d in displays().values() if d.media_type is not None]


def _known_display(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    known = [d.name for d in _text_displays()] if value is not None else []
    if value is not None and value not in known:
        raise click.BadParameter(f"expected one of {', '.join(known)}, got {value!r}")
    return value


@click.command(cls=Command, short_help="Why this item for this user?")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("user", required=False)
@click.argument("item", required=False)
@live_graph_option
@learned_option
@lang_option
@click.option("--tone", type=click.Choice(TONES), default="friendly", show_default=True, help="How the words sound.")
@click.option(
    "--phrasebook",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Phrases that kg-rec phrase made, in place of those that ship.",
)
@shown_options
@click.option("--format", "form", cls=_Format, metavar="NAME", callback=_known_display)
@click.option("--json", "form", flag_value="json", help="Short for --format json.")
@click.option("--html", "form", flag_value="html", help="Short for --format html.")
@click.option("--markdown", "form", flag_value="markdown", help="Short for --format markdown.")
@click.option("--cypher", "form", flag_value="cypher", help="Short for --format cypher.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to a file.")
@click.option("--all", "every", is_flag=True, help=f"Every user's top k, into --out FILE, ending in {suffixes()}.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes for --all.  [default: one per core]")
@click.option("--counterfactual", is_flag=True, help="Instead: without which interactions would it leave the list?")
@click.option(
    "--margin", type=click.IntRange(min=0), help="For --counterfactual: ranks beyond the list to fall.  [default: 0]"
)
@click.option(
    "--why-not", metavar="ITEM", help="Instead: why is this item not in the list, and what would bring it in?"
)
@click.option("--versus", metavar="OTHER", help="Instead: why ITEM and not this other one?")
@click.option("-k", type=click.IntRange(min=1), help="Length of that list, or of those of --all.  [default: 10]")
@click.option("--verify", is_flag=True, help="Run the Cypher on --graph: are these the paths? Exit status 1 if not.")
@click.pass_context
def explain(
    ctx: click.Context,
    /,
    model: Path,
    user: str | None,
    item: str | None,
    graph: str | None,
    learned: bool,
    lang: str,
    tone: Tone,
    phrasebook: Path | None,
    form: str | None,
    out: Path | None,
    every: bool,
    workers: int | None,
    counterfactual: bool,
    margin: int | None,
    why_not: str | None,
    versus: str | None,
    k: int | None,
    verify: bool,
    **shown: Any,
) -> None:
    """Why a MODEL gives an ITEM its score for a USER: the exact sum, its largest paths, and a sentence.

    Options such as --block and --recency choose which of the true paths are shown; the score stays what it is. With
    --graph, what the user said of themselves (kg-rec prefer) is in score and sentence.
    --cypher prints a statement with its parameters for cypher-shell and the Neo4j Browser.

    \b
      kg-rec explain model 1 50
      kg-rec explain model 1 50 --lang zh --html --out why.html
      kg-rec explain model 1 50 --tone audit --block HAS_GENRE --recency 2
      kg-rec explain model 1 50 --graph kg.graph --verify
      kg-rec explain model 1 50 --graph kg.graph --learned
      kg-rec explain model 1 50 --counterfactual -k 10 --margin 5
      kg-rec explain model 1 --why-not 50
      kg-rec explain model 1 50 --versus 181 --html --out versus.html
      kg-rec explain model --all -k 10 --out explanations.parquet
    """
    if verify and graph is None:
        raise click.UsageError("--verify needs --graph")
    if verify and learned:
        raise click.UsageError("--verify checks the graph's interactions, of which clicks are none: without --learned")
    if counterfactual and (every or verify or form not in (None, "json")):
        raise click.UsageError("--counterfactual is told of one item, in words or with --json")
    if margin is not None and not counterfactual:
        raise click.UsageError("--margin needs --counterfactual")
    compared = why_not is not None or versus is not None
    if compared and (every or verify or counterfactual or (why_not and versus) or form not in (None, *_COMPARED)):
        raise click.UsageError("--why-not and --versus are told each by itself, in words, with --json or with --html")
    if k is not None and not (counterfactual or every or why_not is not None):
        raise click.UsageError("-k needs --counterfactual, --why-not or --all")
    config = _config(shown)
    if every:
        if user is not None or verify or form not in (None, "json"):
            raise click.UsageError("--all takes no USER, no ITEM and no other form than the file's")
        if out is None:
            raise click.UsageError("--all needs --out")
        list_file(ctx, click.Option(["--out"]), out)
        with progress_bar() as progress:
            loaded, store = open_model(model, graph, progress, read_only=True)
            models: Iterable[tuple[Recommender, list[str] | None]] = [(loaded.recommender, None)]
            if learned:
                models = list(with_feedback(model, loaded.recommender, store, None))
            models = list(with_statements(models, store))
            if store is not None:
                store.close()
            rows = _all(models, k or 10, out, config, _wording(lang, tone, phrasebook), workers, progress)
        if form == "json":
            print_json({"users": len(loaded.recommender.users), "rows": rows, "k": k or 10, "out": str(out)})
        else:
            users = quantity(len(loaded.recommender.users), "user")
            click.echo(f"{quantity(rows, 'explanation')} for {users}, written to {out}")
        return
    if why_not is not None:
        if user is None or item is not None:
            raise click.UsageError("--why-not ITEM takes a USER and no other ITEM")
        item = why_not
    if user is None or item is None:
        raise click.UsageError("expected USER and ITEM, or --all")
    if workers is not None:
        raise click.UsageError("--workers needs --all")
    with progress_bar() as progress:
        loaded, store = open_model(model, graph, progress, read_only=True)
        try:
            if learned:
                loaded = replace(loaded, recommender=next(with_feedback(model, loaded.recommender, store, [user]))[0])
            if store is not None:
                loaded = of_user(loaded, store, user)
            if counterfactual:
                _without(loaded, user, item, k or 10, margin or 0, lang, form, out)
                return
            if why_not is not None:
                put(_why_not(loaded, user, item, k or 10, lang, form), out)
                return
            if versus is not None:
                put(_versus(loaded, (user, item, versus), config, _wording(lang, tone, phrasebook), form), out)
                return
            explanation = loaded.explain(user, item, wording=_wording(lang, tone, phrasebook), config=config)
            differences: list[str] = []
            if verify and store is not None:
                progress(0, None, "verify")
                differences = [*_verify(store, explanation)]
                alike = _alike(loaded, model, explanation, store)
                differences += [found.line() for found in alike if found.recomputed is not None and not found.holds]
        finally:
            if store is not None:
                store.close()
    put(explanation.to(form or "text"), out)
    if not verify:
        return
    if not differences:
        for line in _verified(explanation, str(graph), alike):
            note(line)
        return
    note(f"not verified: {graph} does not return exactly the shown paths")
    for line in differences:
        note(f"  {line}")
    ctx.exit(1)


#: Forms of a comparison besides text.
_COMPARED = ("text", "json", "html")


def _verified(explanation: Explanation, graph: str, alike: Sequence[AlikeTexts | AlikeVectors]) -> list[str]:
    """What was confirmed, by kind of path."""
    last = [[edge.alike for edge in path.edges if edge.type is None] for path in explanation.paths]
    by_text = sum(None in steps for steps in last)
    by_vectors = sum(bool(steps) and None not in steps for steps in last)
    lines = [f"verified: {graph} returns exactly these {len(last) - by_text - by_vectors} paths"]
    if by_text:
        lines.append(
            f"{by_text} more by similar text: their items and other edges are in {graph}; texts embedded again:"
        )
    if by_vectors:
        lines.append(
            f"{by_vectors} more by alike vectors: their items and other edges are in {graph}; vectors read again:"
        )
    return [*lines, *(f"  {found.line()}" for found in alike)]


def _alike(loaded: Model, folder: Path, explanation: Explanation, store: GraphStore) -> list[AlikeTexts | AlikeVectors]:
    """The steps of likeness, computed again: from the texts, and from the vectors that the graph holds now."""
    from kg_rec.atomic import part
    from kg_rec.explain.verify.alike import alike, text_pairs
    from kg_rec.explain.verify.vectors import alike_vectors, vector_steps
    from kg_rec.snapshot import Snapshot

    pairs, steps = text_pairs(explanation.paths), vector_steps(explanation.paths)
    likenesses: list[AlikeTexts | AlikeVectors] = []
    if steps:
        item = loaded.recommender.snapshot.schema.item
        keys = sorted({key for _, *ends in steps for key in ends})
        nodes = store.read_nodes(item.name, keys, columns=sorted({name for name, *_ in steps}))
        likenesses += alike_vectors(loaded.recommender, steps, nodes)
    if not pairs:
        return likenesses
    return likenesses + alike(loaded.recommender, pairs, trained_on=Snapshot.load(part(folder, "snapshot")))


def _why_not(model: Model, user: str, item: str, k: int, lang: str, form: str | None) -> str:
    from kg_rec.explain.show import compare

    answer, schema = model.why_not(user, item, k), model.recommender.snapshot.schema
    if form == "json":
        return dumps(compare.why_not_dict(answer, schema, lang))
    shown = compare.of_why_not(answer, schema, lang)
    return compare.to_page(shown) if form == "html" else compare.to_text(shown)


def _versus(
    model: Model, asked: tuple[str, str, str], config: ExplainConfig, wording: Wording, form: str | None
) -> str:
    from kg_rec.explain.show import compare

    answer = model.versus(*asked, config=config, wording=wording)
    if form == "json":
        return dumps(compare.versus_dict(answer, wording.lang))
    shown = compare.of_versus(answer, wording.lang)
    return compare.to_page(shown) if form == "html" else compare.to_text(shown)


def _config(shown: dict[str, Any]) -> ExplainConfig:
    from kg_rec.explain.config import ExplainConfig

    return ExplainConfig(**{name: value for name, value in shown.items() if value is not None})


def _all(
    models: Iterable[tuple[Recommender, list[str] | None]],
    k: int,
    out: Path,
    config: ExplainConfig,
    wording: Wording,
    workers: int | None,
    progress: Progress,
) -> int:
    from kg_rec.explain.lists import EXPLANATION_FIELDS, explain_lists
    from kg_rec.tables import write_table

    batches = (
        batch
        for model, users in models
        for batch in explain_lists(model, users, k, config=config, wording=wording, workers=workers, progress=progress)
    )
    return write_table(batches, out, EXPLANATION_FIELDS)


def _wording(lang: str, tone: Tone, phrasebook: Path | None) -> Wording:
    from kg_rec.explain.words.phrasebook import Phrasebook
    from kg_rec.explain.words.wording import Wording

    return Wording(lang, tone, None if phrasebook is None else Phrasebook.load(phrasebook))


def _without(
    model: Model, user: str, item: str, k: int, margin: int, lang: str, form: str | None, out: Path | None
) -> None:
    from kg_rec.cli.what_if import counterfactual_json, counterfactual_lines

    counterfactual, schema = model.counterfactual(user, item, k, margin=margin), model.recommender.snapshot.schema
    as_json = form == "json"
    put(
        dumps(counterfactual_json(counterfactual, schema, lang))
        if as_json
        else "\n".join(counterfactual_lines(counterfactual, schema, lang)),
        out,
    )


def _verify(store: GraphStore, explanation: Explanation) -> tuple[str, ...]:
    from kg_rec.explain.show.cypher import mismatches

    table = store.query(explanation.cypher, explanation.parameters)
    return mismatches(explanation.paths, table)
