"""``kg-rec phrase``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from kg_rec.cli.console import Command, note, print_json, print_table, progress_bar
from kg_rec.cli.options import TONES, json_option, json_value, key_values, langs_option

if TYPE_CHECKING:
    from kg_rec.explain.generate.budget import Budget
    from kg_rec.explain.generate.language_model import LanguageModel
    from kg_rec.explain.generate.phrases import PhraseReport
    from kg_rec.explain.words.patterns import Tone
    from kg_rec.schema import GraphSchema

#: Options that only make sense with one of the two kinds of model.
_ONLY_LOCAL = ("device",)
_ONLY_ENDPOINT = (
    "model",
    "key_env",
    "key_file",
    "timeout",
    "tries",
    "per_minute",
    "max_requests",
    "max_cost",
    "price_in",
    "price_out",
    "answer_tokens",
    "options",
)


@click.command(cls=Command, short_help="Fill a phrasebook by a language model, or check sentences.")
@click.option(
    "--schema",
    "schema_name",
    default="movies",
    show_default=True,
    metavar="NAME|FILE.ttl",
    help="Whose patterns to phrase.",
)
@click.option("--lm", metavar="FOLDER|ID|FILE.gguf", help="A causal model of transformers.")
@click.option("--endpoint", metavar="URL", help="An OpenAI-compatible server instead: https://HOST/v1.")
@click.option("--model", metavar="NAME", help="The model's name at --endpoint.")
@click.option(
    "--check",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.tsv",
    help="Instead: does each sentence say what its pattern says? Columns language, pattern, phrase.",
)
@langs_option
@click.option("--tone", type=click.Choice(TONES), multiple=True, default=TONES, show_default=True)
@click.option(
    "--variants", type=click.IntRange(1, 100), default=8, show_default=True, help="For each pattern, language and tone."
)
@click.option("--rounds", type=click.IntRange(min=1), default=2, show_default=True, help="Most requests for each.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("phrases.jsonl"),
    show_default=True,
    metavar="FILE",
    help="The phrasebook; what it holds is kept and not asked for again.",
)
@click.option("--seed", type=click.IntRange(min=0), default=2026, show_default=True, help="Of the model's choices.")
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="Of --lm: cpu, cuda, or auto.")
@click.option("--key-env", metavar="NAME", help="Environment variable that holds the API key of --endpoint.")
@click.option("--key-file", type=click.Path(path_type=Path), metavar="FILE", help="A file of yours that holds it.")
@click.option("--timeout", type=float, default=60.0, show_default=True, metavar="S", help="Seconds for one answer.")
@click.option("--tries", type=click.IntRange(min=1), default=5, show_default=True, help="Of one request.")
@click.option("--per-minute", type=float, metavar="N", help="Most requests in a minute.")
@click.option("--max-requests", type=click.IntRange(min=0), help="Stop before there are more.")
@click.option("--max-cost", type=float, metavar="MONEY", help="Stop before it costs more; needs the prices.")
@click.option("--price-in", type=float, default=0.0, metavar="MONEY", help="Of a million tokens of the prompts.")
@click.option("--price-out", type=float, default=0.0, metavar="MONEY", help="Of a million tokens of the answers.")
@click.option(
    "--answer-tokens", type=click.IntRange(min=1), default=2000, show_default=True, help="Most in one answer."
)
@click.option(
    "-o",
    "options",
    metavar="KEY=VALUE",
    callback=key_values,
    multiple=True,
    help="Change the body of the requests, as JSON; null leaves a field out. Repeatable.",
)
@json_option
@click.pass_context
def phrase(
    ctx: click.Context,
    /,
    schema_name: str,
    lm: str | None,
    endpoint: str | None,
    model: str | None,
    check: Path | None,
    lang: tuple[str, ...],
    tone: tuple[str, ...],
    variants: int,
    rounds: int,
    out: Path,
    seed: int,
    device: str,
    key_env: str | None,
    key_file: Path | None,
    options: list[tuple[str, str]],
    as_json: bool,
    **limits: Any,
) -> None:
    """Fill a phrasebook by a language model, or check sentences with --check.

    Asks for sentences for every pattern that the schema's paths can have, checks each, and appends those that say
    what the pattern says, and nothing else, to --out. Where none is accepted, the grammar speaks. The model sees words
    of the schema and slots like [FILM_1], never a name from the graph.

    A run that was stopped goes on when it is started again. A local model is held to the grammar while it writes; an
    endpoint is tried again after faults that pass, and its caps are not exceeded.

    \b
      kg-rec phrase --check sentences.tsv
      kg-rec phrase --schema movies --lm SmolLM2-135M-Instruct.Q4_1.gguf --lang en
      kg-rec phrase --schema movies --lm Qwen/Qwen3-4B-Instruct-2507
      kg-rec phrase --schema movies --lm models/qwen --lang zh --tone friendly --variants 12
      kg-rec phrase --schema my.ttl --endpoint http://localhost:8000/v1 --model qwen3
      kg-rec phrase --schema movies --endpoint https://api.openai.com/v1 --model gpt-5-mini \\
        --key-env OPENAI_API_KEY --max-cost 2 --price-in 0.25 --price-out 2 --per-minute 60 \\
        --answer-tokens 4000 -o max_tokens=null -o max_completion_tokens=4000 -o temperature=null
    """
    if check is not None:
        if lm is not None or endpoint is not None:
            raise click.UsageError("--check takes no model")
        from kg_rec.schema import GraphSchema

        if not _checked(GraphSchema.find(schema_name), check, as_json):
            ctx.exit(1)
        return
    if (lm is None) == (endpoint is None):
        raise click.UsageError("give --lm or --endpoint, one of them")
    if endpoint is not None and not model:
        raise click.UsageError("--endpoint needs the name of its --model")
    strange = _ONLY_ENDPOINT if endpoint is None else _ONLY_LOCAL
    for name in strange:
        if ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            option = "-o" if name == "options" else f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} goes with {'--lm' if endpoint else '--endpoint'}")
    with progress_bar() as progress:
        progress(0, None, "starting")
        from kg_rec.explain.generate.phrases import phrase as fill
        from kg_rec.schema import GraphSchema

        schema = GraphSchema.find(schema_name)
        writer: LanguageModel
        budget: Budget | None = None
        if endpoint is not None:
            from kg_rec.explain.generate.budget import Budget, Limits
            from kg_rec.explain.generate.endpoint import OpenAiCompatible, read_key

            budget = Budget(Limits(**limits))
            body = {key: json_value(text) for key, text in options}
            writer = OpenAiCompatible(endpoint, str(model), read_key(key_env, key_file), budget, body)
        else:
            from kg_rec.explain.generate.local_model import TransformersModel

            writer = TransformersModel(str(lm), device)
        report = fill(
            schema,
            writer,
            out,
            languages=tuple(dict.fromkeys(lang)) or None,
            tones=cast("tuple[Tone, ...]", tuple(dict.fromkeys(tone))),
            variants=variants,
            rounds=rounds,
            seed=seed,
            progress=progress,
        )
    spent = None if budget is None else {"requests": budget.requests, "tokens": budget.tokens, "cost": budget.cost}
    if as_json:
        print_json({**report.to_dict(), "spent": spent})
        return
    _print_report(report)
    if budget is not None:
        click.echo(f"\n{budget.requests:,} requests with retries, {budget.tokens:,} tokens, cost {budget.cost:.4f}")
    if report.stopped is not None:
        note(f"stopped early: {report.stopped}; the same command with other caps goes on")


def _checked(schema: GraphSchema, file: Path, as_json: bool) -> bool:
    """Print the verdict on each line; whether all are accepted."""
    from kg_rec.explain.words.checks import verdicts

    judged = verdicts(schema, file)
    refused = sum(not v.accepted for v in judged)
    if as_json:
        print_json({"schema": schema.name, "lines": [v.to_dict() for v in judged], "refused": refused})
    else:
        for v in judged:
            click.echo(f"{v.line}\t{'accepted' if v.accepted else 'refused'}\t{v.phrase}\t{'; '.join(v.reasons)}")
        click.echo(f"{len(judged) - refused:,} accepted, {refused:,} refused")
    return not refused


def _print_report(report: PhraseReport) -> None:
    """Totals by language and tone, then the reasons, then what has no phrase."""
    groups = dict.fromkeys((p.lang, p.tone) for p in report.patterns)
    rows = []
    for lang, tone in groups:
        some = [p for p in report.patterns if (p.lang, p.tone) == (lang, tone)]
        sums = (sum(p.before for p in some), sum(p.accepted for p in some), sum(p.rejected for p in some))
        rows.append((lang, tone, len(some), *sums, sum(p.fallback for p in some)))
    print_table(["language", "tone", "patterns", "kept", "accepted", "rejected", "left to the grammar"], rows)
    if report.reasons:
        click.echo()
        from kg_rec.explain.generate.phrases import general
        from kg_rec.explain.words.slots import clean_name

        shown = {
            general(reason): clean_name(e.text, longest=60)
            for p in report.patterns
            for e in p.examples
            for reason in e.reasons
        }
        most = [(n, reason, shown.get(reason)) for reason, n in report.reasons.items()]
        print_table(["sentences", "rejected because", "such as"], most[:15])
        worst = sorted((p for p in report.patterns if p.rejected), key=lambda p: -p.rejected)[:10]
        click.echo()
        table = [(p.rejected, p.lang, p.tone, p.pattern, p.accepted) for p in worst]
        print_table(["rejected", "language", "tone", "pattern", "accepted"], table)
    click.echo(
        f"\n{report.accepted:,} phrases added to {report.file} in {report.requests:,} requests; "
        f"{report.rejected:,} rejected; {report.fallback:,} of {len(report.patterns):,} patterns left to the grammar"
    )
