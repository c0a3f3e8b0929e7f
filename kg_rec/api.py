"""The library as its users call it: ``import kg_rec as kg``.

::

    store = kg.connect("films.graph")
    kg.load(store, "movielens", "ml-100k")
    model = kg.train(kg.export(store))
    model.recommend(["196"], k=10).to_pandas()
    model.explain("196", "242")
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kg_rec.ask.answer import Answer, AskConfig
from kg_rec.ask.linker import Linker
from kg_rec.ask.session import Asker, Session
from kg_rec.audit.config import AuditConfig
from kg_rec.errors import ConfigError
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.counterfactuals import counterfactual as counterfactuals
from kg_rec.explain.counterfactuals import what_if as what_ifs
from kg_rec.explain.counterfactuals import why_not as why_nots
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.generate.language_model import LanguageModel
from kg_rec.explain.lists import explain_lists as explain_scores
from kg_rec.explain.single import explain as explain_score
from kg_rec.explain.versus import Versus
from kg_rec.explain.words.wording import Wording
from kg_rec.model import persist
from kg_rec.model.chosen import Chosen
from kg_rec.model.config import TrainConfig
from kg_rec.model.recommender import Recommender
from kg_rec.model.shards import HERE, Shards
from kg_rec.model.shown import ShownConfig, shown_of
from kg_rec.people.evolution import Evolution, EvolutionConfig, Evolver, ScoreChange
from kg_rec.people.newcomer import Newcomer, NewcomerConfig, Served, Welcome
from kg_rec.people.preference_words import stated
from kg_rec.people.preferences import Editor, Preference
from kg_rec.people.profile import Profile, ProfileConfig, Profiler
from kg_rec.progress import Progress, no_progress
from kg_rec.recommend import FIELDS
from kg_rec.recommend import recommend as recommend_batches
from kg_rec.recommend import similar as similar_items
from kg_rec.snapshot import Snapshot
from kg_rec.split import Protocol, Split
from kg_rec.vectors import item_vectors, text_vectors, user_vectors

if TYPE_CHECKING:
    from kg_rec.audit.report import AuditReport
    from kg_rec.jobs.rules import CandidatesConfig


@dataclass(frozen=True)
class Model:
    """A trained model: lists and explanations by key.

    Threads may share one: it never changes, and what is computed on first use is the same whoever computes it.  With
    threads about, give :meth:`explain_lists` ``workers=1``: its workers are forked.

    Attributes:
        recommender: the additive model behind it, with dense indices.
    """

    recommender: Recommender

    @classmethod
    def load(cls, folder: str | Path, *, mmap: bool = False) -> Model:
        """Read a model that :meth:`save` or ``kg-rec train`` wrote.

        Args:
            folder: its folder.
            mmap: leave what was learned in the file, for models larger than memory; see
                :func:`kg_rec.model.persist.load`.

        Raises:
            ModelError: the folder holds no usable model, or with ``mmap`` a compressed one.
        """
        return cls(persist.load(folder, mmap=mmap))

    def save(self, folder: str | Path) -> None:
        """Write the model and its snapshot into a folder."""
        persist.save(self.recommender, folder)

    def with_snapshot(self, snapshot: Snapshot) -> Model:
        """The same parameters over a newer export: new users and interactions count at once, without training.

        Raises:
            ModelError: a relation type of the model is not in the schema, train again; or the model has something that
                a user said in it.
        """
        return Model(self.recommender.with_snapshot(snapshot))

    def with_rules(self, rules: ShownConfig) -> Model:
        """The same model with other rules, which every list that it makes keeps to; scores stay as they are.

        Raises:
            ConfigError: a rule does not fit the graph.
        """
        old = self.recommender
        shown_of(rules, old.snapshot, old.config.blocked)
        return Model(replace(old, config=replace(old.config, shown=rules)))

    def recommend(
        self,
        users: Sequence[str] | None = None,
        k: int = 10,
        *,
        candidates: Sequence[str] | None = None,
        progress: Progress = no_progress,
    ) -> pa.Table:
        """Top-k lists as an Arrow table with the columns user, rank, item, name, score.

        Args:
            users: user keys; None for all.
            k: list length.
            candidates: keys of the items allowed; None allows all.
            progress: called per batch of users.

        Raises:
            NotFoundError: a user or candidate is unknown.
            ConfigError: k is below 1.
        """
        batches = recommend_batches(self.recommender, users, k, candidates=candidates, progress=progress)
        return pa.Table.from_batches(batches, schema=FIELDS)

    def similar(self, item: str, k: int = 10) -> pa.Table:
        """Items that are like an item, with what each channel adds; see :func:`kg_rec.recommend.similar`."""
        return similar_items(self.recommender, item, k)

    def item_vectors(self) -> pa.Table:
        """The items' relational embeddings, with keys; see :func:`kg_rec.vectors.item_vectors`."""
        return item_vectors(self.recommender)

    def user_vectors(self, users: Sequence[str] | None = None) -> pa.Table:
        """What users did, in the space of the items; see :func:`kg_rec.vectors.user_vectors`."""
        return user_vectors(self.recommender, users)

    def text_vectors(self) -> pa.Table:
        """The embeddings of the items' texts, with keys; see :func:`kg_rec.vectors.text_vectors`."""
        return text_vectors(self.recommender)

    def newcomer(
        self,
        *,
        likes: Sequence[str] = (),
        attributes: Mapping[str, Any] | None = None,
        sentence: str = "",
        config: NewcomerConfig | None = None,
    ) -> Served:
        """Serve a person of whom no interactions are known; see :mod:`kg_rec.people.newcomer`.

        ::

            served = model.newcomer(likes=["50"], attributes={"occupation": "student"}, sentence="I like westerns")
            served.recommend(10).to_pandas()
            served.addends("181")

        Args:
            likes: keys of items.
            attributes: values by name of a property that the schema gives to users.
            sentence: what the person says, English or Chinese: nodes and years that it names weigh, or say what may be
                listed ("westerns, no horror"); the whole is compared with the items' texts.
            config: weights, blocked and sensitive attributes.

        Raises:
            NotFoundError: an item is unknown.
            ArgumentError: an attribute is unknown or not a number where one is expected, or an item is liked twice.
            ModelError: there is a sentence, and the model has no texts.
        """
        welcome = self._welcome if config is None else Welcome(self.recommender, config)
        said = self._listener.read(sentence, near=False)[0] if sentence else ()
        return welcome.serve(Newcomer(tuple(likes), dict(attributes or {}), sentence), said)

    @cached_property
    def _welcome(self) -> Welcome:
        return Welcome(self.recommender)

    def profile(self, user: str, *, config: ProfileConfig | None = None) -> Profile:
        """What a user likes and avoids in the graph's terms; see :mod:`kg_rec.people.profile`.

        ::

            profile = model.profile("196")
            for clause in profile.likes:
                print(clause.feature.name, clause.count, clause.total, clause.lift, clause.value)

        Args:
            user: user key.
            config: how much is told.

        Raises:
            NotFoundError: the user is unknown.
        """
        profiler = self._profiler if config is None else replace(self._profiler, config=config)
        return profiler.profile(user)

    def evolution(self, user: str | None = None, *, config: EvolutionConfig | None = None) -> Evolution:
        """How what a user, or everybody (None), likes changed; see :mod:`kg_rec.people.evolution`.

        Args:
            user: user key; None for everybody.
            config: windows, and the test.

        Raises:
            NotFoundError: the user is unknown.
            ArgumentError: interactions have no time.
        """
        evolver = Evolver(self._profiler, config or EvolutionConfig())
        return evolver.population() if user is None else evolver.evolution(user)

    def score_change(self, user: str, item: str, since: int, until: int) -> ScoreChange:
        """What changed the score of an item between two times; see :meth:`kg_rec.people.evolution.Evolver.change`."""
        return Evolver(self._profiler).change(user, item, since, until)

    @cached_property
    def editor(self) -> Editor:
        """Reads what people say of themselves, and applies it; see :mod:`kg_rec.people.preferences`.

        ::

            said, remarks = model.editor.read("no horror, more from the seventies")
            edited = model.editor.apply("196", said)
            edited.recommend(10).to_pandas()
        """
        return Editor(self._profiler, self.asker)

    def with_preferences(
        self, user: str, preferences: Sequence[Preference], *, model: Recommender | None = None
    ) -> Model:
        """The same model for one user, with what the user said in every list, score and explanation.

        ::

            said, _ = model.editor.read("no horror, more from the seventies")
            model.with_preferences("196", said).explain("196", "50")

        Args:
            user: user key; what the model says of others is not meant to be used.
            preferences: what the user said, as :attr:`editor` reads it or the graph keeps it.
            model: the same model with a newer history of the user; None for this one.

        Raises:
            NotFoundError: the user is unknown.
            ModelError: the model has something that a user said in it.
        """
        recommender = model or self.recommender
        if not preferences:
            return self if model is None else Model(model)
        return Model(recommender.stating(stated(self.editor.apply(user, preferences, recommender))))

    @cached_property
    def _listener(self) -> Editor:
        """Reads the sentences of newcomers; words near in meaning are left to the comparison of texts."""
        return Editor(self._profiler, Asker(self.recommender, near=False))

    @cached_property
    def _profiler(self) -> Profiler:
        return Profiler(self.recommender)

    def explain(
        self,
        user: str,
        item: str,
        *,
        lang: str = "en",
        wording: Wording | None = None,
        config: ExplainConfig | None = None,
    ) -> Explanation:
        """Why the item has its score for the user; see :func:`kg_rec.explain.single.explain`.

        Args:
            user: user key.
            item: item key.
            lang: code of a language that ships (``en``, ``zh``) or is registered.
            wording: language, tone and phrasebook, in place of ``lang``.
            config: which of the true paths are shown.
        """
        return explain_score(self.recommender, user, item, wording=wording or Wording(lang), config=config)

    def explain_lists(
        self,
        users: Sequence[str] | None = None,
        k: int = 10,
        *,
        lists: pa.Table | None = None,
        lang: str = "en",
        wording: Wording | None = None,
        config: ExplainConfig | None = None,
        workers: int | None = None,
        progress: Progress = no_progress,
    ) -> Iterator[pa.RecordBatch]:
        """Why every item of top-k lists is there, in Arrow batches; see :func:`kg_rec.explain.lists.explain_lists`.

        The words are those of :meth:`explain`, as are ``lang``, ``wording`` and ``config``.
        """
        return explain_scores(
            self.recommender,
            users,
            k,
            lists=lists,
            config=config,
            wording=wording or Wording(lang),
            workers=workers,
            progress=progress,
        )

    def counterfactual(
        self,
        user: str,
        item: str,
        k: int = 10,
        *,
        margin: int = 0,
        candidates: Sequence[str] | None = None,
        seconds: float = 10.0,
    ) -> counterfactuals.Counterfactual:
        """Without which interactions would the item leave the user's top k, and what would replace it?

        See :func:`kg_rec.explain.counterfactuals.counterfactual.counterfactual`.
        """
        return counterfactuals.counterfactual(
            self.recommender, user, item, k, margin=margin, candidates=candidates, seconds=seconds
        )

    def why_not(self, user: str, item: str, k: int = 10, *, candidates: Sequence[str] | None = None) -> why_nots.WhyNot:
        """Why is the item not in the user's top k, and which interactions would bring it in?

        See :func:`kg_rec.explain.counterfactuals.why_not.why_not`.
        """
        return why_nots.why_not(self.recommender, user, item, k, candidates=candidates)

    def versus(self, user: str, item: str, other: str, **options: Any) -> Versus:
        """Why the one item and not the other: the difference of their scores as a sum of paths.

        Args:
            user: user key.
            item: key of the one item.
            other: key of the other.
            options: as :meth:`explain` takes them.
        """
        return Versus(self.explain(user, item, **options), self.explain(user, other, **options))

    def what_if(
        self,
        user: str,
        *,
        added: Sequence[str] = (),
        removed: Sequence[str] = (),
        weights: Mapping[str, float] | None = None,
        k: int = 10,
        candidates: Sequence[str] | None = None,
    ) -> what_ifs.WhatIf:
        """How would the user's list change with other interactions, or with other weights of the channels?

        See :func:`kg_rec.explain.counterfactuals.what_if.what_if` and
        :func:`kg_rec.explain.counterfactuals.what_if.what_if_weights`.

        Raises:
            ConfigError: interactions and ``weights`` are given together, or what these functions raise.
        """
        if weights is None:
            return what_ifs.what_if(self.recommender, user, added=added, removed=removed, k=k, candidates=candidates)
        if added or removed:
            raise ConfigError("expected interactions or weights, got both; ask for one after the other")
        return what_ifs.what_if_weights(self.recommender, user, weights, k, candidates=candidates)

    def audit(
        self,
        config: AuditConfig | None = None,
        *,
        split: Split | None = None,
        protocol: Protocol = "random",
        rules: CandidatesConfig | None = None,
        choose: bool = False,
        progress: Progress = no_progress,
    ) -> AuditReport:
        """Who is served how well, what is shown how often, and what gaps are made of; see :mod:`kg_rec.audit`.

        The model is fitted again to a part of the interactions, with the numbers that training chose; the others are
        to be found.

        ::

            found = model.audit(kg.AuditConfig(by=("gender", "age=18,35,50")))
            [gap for gap in found.gaps if gap.telling]
            found.people.to_pandas()

        Args:
            config: what is compared.
            split: what is to be found; None splits the model's interactions.
            protocol: how, where no split is given: ``random``, ``temporal`` or ``calendar``.
            rules: that the lists are made by, as the ``[candidates]`` of a job; the report then has what they cost.
            choose: whether validation chooses the strength of the rules' calibration.
            progress: called as the work advances.

        Raises:
            ArgumentError: there is no such property or relation type.
            SplitError: the interactions carry no times where the protocol needs them.
            ModelError: the model holds no interactions.
        """
        from kg_rec.audit.report import audit, drawn, on_split  # torch takes seconds to import; lists do without

        chosen = config or AuditConfig()
        split = drawn(self.recommender, protocol, chosen.seed) if split is None else split
        model = on_split(self.recommender, split, progress)
        return audit(model, split, chosen, progress, rules=rules, choose=choose)

    def session(
        self,
        user: str | None = None,
        *,
        lang: str | None = None,
        config: AskConfig | None = None,
        language_model: LanguageModel | None = None,
    ) -> Session:
        """A conversation in words: each :meth:`~kg_rec.ask.session.Session.ask` may go on with those before.

        Args:
            user: user key; None for somebody of whom nothing is known.
            lang: language of the requests, ``en`` or ``zh``; None for that of each.
            config: how much words count beside what the user did.
            language_model: asked of words that are not understood; what it says is checked against the graph.

        Raises:
            NotFoundError: the user is unknown.
            ConfigError: requests in the language are not understood.
        """
        linker = None if language_model is None else Linker(language_model)
        return self.asker.over(self.recommender, config, linker).session(user, lang)

    def ask(self, user: str | None, text: str, k: int = 10, *, lang: str | None = None) -> Answer:
        """A list for a request in words, such as "like Heat but funnier, not from the eighties".

        Each score is the sum of what the user did and of what was asked for; the answer says what was not understood.

        Args:
            user: user key; None for somebody of whom nothing is known.
            text: the request.
            k: list length where the request does not say one.
            lang: see :meth:`session`.

        Raises:
            NotFoundError: the user is unknown.
            ConfigError: requests in the language are not understood, or k is out of range.
        """
        return self.session(user, lang=lang).ask(text, k)

    @cached_property
    def asker(self) -> Asker:
        """What answers requests of any user; it is made once a model and kept."""
        return Asker(self.recommender)

    def _repr_html_(self) -> str:
        """A table for notebooks: sizes, the weight of each channel, how well it ranked."""
        users, items = self.recommender.shape
        chosen = self.recommender.chosen
        rows = {"users": f"{users:,}", "items": f"{items:,}"}
        rows |= {f"weight of {c.name}": f"{chosen.warm.get(c.name, 0.0):.3g}" for c in self.recommender.channels}
        rows |= dict([_judged(chosen)])
        cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows.items())
        return f"<table>{cells}</table>"

    def __repr__(self) -> str:
        users, items = self.recommender.shape
        channels = ", ".join(c.name for c in self.recommender.channels)
        return f"Model({users} users, {items} items; {channels}; {' '.join(_judged(self.recommender.chosen))})"


def _judged(chosen: Chosen) -> tuple[str, str]:
    """How well the model ranked on validation; of a private model, which looked at none, its guarantee."""
    if chosen.privacy is not None:
        return "private", f"epsilon {chosen.privacy['epsilon']:g}, delta {chosen.privacy['delta']:g}"
    return "validation NDCG@10", f"{chosen.valid:.3f}"


def train(
    snapshot: Snapshot,
    config: TrainConfig | None = None,
    *,
    split: Split | None = None,
    progress: Progress = no_progress,
    log_file: str | Path | None = None,
    shards: Shards = HERE,
) -> Model:
    """Train a model; see :func:`kg_rec.model.train.train`.

    On a Ray cluster::

        with kg_rec.jobs.cluster.ray_shards() as shards:
            model = kg.train(snapshot, shards=shards)
    """
    from kg_rec.model.train.train import train as train_recommender  # torch takes seconds to import; lists do without

    return Model(train_recommender(snapshot, config, split=split, progress=progress, log_file=log_file, shards=shards))
