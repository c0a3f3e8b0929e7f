"""``kg-rec profile``."""

from __future__ import annotations

from pathlib import Path

import click

from kg_rec.cli.console import Command, print_json, progress_bar, put
from kg_rec.cli.lists import open_model
from kg_rec.cli.options import TONES, html_options, json_option, lang_option, live_graph_option, one_form


@click.command(cls=Command, short_help="What a user likes and avoids.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("user")
@live_graph_option
@click.option("-n", "clauses", type=click.IntRange(min=1), default=5, show_default=True, help="Most of either kind.")
@click.option("--tone", type=click.Choice(TONES), default="friendly", show_default=True, help="How it sounds.")
@click.option("--cypher", is_flag=True, help="Print the statement that returns each clause's counts, too.")
@click.option("--verify", is_flag=True, help="Run these statements on the graph; exit 1 if a count differs.")
@html_options
@lang_option
@json_option
def profile(
    model: Path,
    user: str,
    graph: str | None,
    clauses: int,
    tone: str,
    cypher: bool,
    verify: bool,
    html: bool,
    out: Path | None,
    lang: str,
    as_json: bool,
) -> None:
    """What a USER likes and avoids in the graph's terms, by the MODEL: counts, and what they are worth in its scores.

    A line is led by how much higher items of that kind score for the user than others do, beyond what that is for
    everybody; it is a sum over what the user did (--json has its addends). With --graph, clauses that the user struck
    (kg-rec prefer) are left out, and what else the user said is told. Nothing is written.

    \b
      kg-rec profile model 1
      kg-rec profile model 1 --tone audit --lang zh
      kg-rec profile model 1 --graph kg.graph --verify
      kg-rec profile model 1 --html --out profile.html
    """
    one_form(html=html, as_json=as_json, out=out)
    if verify and graph is None:
        raise click.UsageError("--verify needs --graph")
    from typing import cast

    from kg_rec.explain.words.patterns import Tone
    from kg_rec.explain.words.wording import Wording
    from kg_rec.people.card import profile_card
    from kg_rec.people.kept import Kept
    from kg_rec.people.preference_words import tell_preference
    from kg_rec.people.profile import ProfileConfig
    from kg_rec.people.profile_words import profile_json, tell_clause, tell_profile

    wording = Wording(lang, cast(Tone, tone))
    with progress_bar() as progress:
        loaded, store = open_model(model, graph, progress, read_only=True)
        try:
            of_user = loaded.profile(user, config=ProfileConfig(clauses=clauses))
            said = () if store is None else Kept.of(store).read(user)
            of_user = of_user.without([p.feature for p in said if p.kind == "struck"])
            wrong = None
            if verify and store is not None:
                progress(0, None, "count in the graph")
                wrong = of_user.differences(store)
        finally:
            if store is not None:
                store.close()
    if as_json:
        print_json({**profile_json(of_user, wording), **({} if wrong is None else {"differences": wrong})})
    elif html:
        put(profile_card(of_user, wording, page=True), out)
    else:
        for clause in of_user.clauses:
            click.echo(f"{clause.value:+9.4f}  {tell_clause(of_user, clause, wording)}")
            if cypher:
                statement, parameters = of_user.cypher(clause)
                click.echo(f"\n{statement}\nparameters: {parameters}\n")
        for preference in said:
            click.echo(tell_preference(loaded.recommender.snapshot.schema, preference, lang))
        if not of_user.clauses:
            click.echo(tell_profile(of_user, wording))
        if wrong is not None:
            click.echo("\n".join(wrong) or f"verified: {graph} returns these counts")
    if wrong:
        raise SystemExit(1)
