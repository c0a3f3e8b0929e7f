"""Sums of sites: they add up to those of all users, masks cancel for all sites together and for no fewer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_graph import everything

from kg_rec.errors import ModelError
from kg_rec.model.channels.sequence import SequenceConfig, pair_counts
from kg_rec.model.channels.taste import TasteConfig, gram
from kg_rec.model.config import TrainConfig
from kg_rec.model.histories import histories
from kg_rec.model.train.fit import fit
from kg_rec.snapshot import Snapshot
from kg_rec.trust.sites import CHANNELS, Masks, SiteSums, added, new_secrets, site_sums, train_sites

CONFIG = TrainConfig()
SITES = ("A", "B", "C")


def part(graph: Snapshot, place: int) -> Snapshot:
    """The interactions of every third user."""
    e = graph.interactions
    return graph.with_edges("RATED", e.take(e.source % 3 == place))


def masks(name: str, secrets: dict[str, dict[str, str]], in_round: str = "1") -> Masks:
    return Masks(name, {other: bytes.fromhex(text) for other, text in secrets[name].items()}, in_round)


def sent(graph: Snapshot, secrets: dict[str, dict[str, str]] | None, names: tuple[str, ...] = SITES) -> list[SiteSums]:
    return [
        site_sums(part(graph, SITES.index(name)), name, CONFIG, None if secrets is None else masks(name, secrets))
        for name in names
    ]


@pytest.mark.parametrize("masked", [False, True])
def test_sums_of_sites_are_those_of_all_users(masked: bool) -> None:
    graph = everything().snapshot
    total = added(sent(graph, new_secrets(SITES) if masked else None))
    e, n = graph.liked(), len(graph.items)
    power = TasteConfig().user_power
    assert np.array_equal(total.degrees, np.bincount(e.target, minlength=n))
    x = histories(e, (len(graph.users), n), 0)
    assert np.abs(total.taste().toarray() - gram(x, power).toarray()).max() < 1e-9
    for direction in (0.0, 0.5):
        near, directed = pair_counts(e, n, power, SequenceConfig(), direction)
        found, along = total.pairs(direction)
        assert np.abs(found.toarray() - near.toarray()).max() < 1e-9
        assert (along is None) == (directed is None)
        if directed is not None and along is not None:
            assert np.abs(along.toarray() - directed.toarray()).max() < 1e-9


def test_the_model_of_the_sites_is_that_of_one_place_also_in_its_texts_and_new_items() -> None:
    whole = everything()
    e = whole.snapshot.interactions
    fewer = e.take(e.target % 7 != 3)  # some items are new: texts are centred on the others
    graph = whole.snapshot.with_edges("RATED", fewer)
    kept = (*CHANNELS, "base")
    of_channels = {name: own for name, own in whole.chosen.channels.items() if name in kept}
    warm, cold = ({n: w for n, w in of.items() if n in kept} for of in (whole.chosen.warm, whole.chosen.cold))
    chosen = replace(whole.chosen, channels=of_channels, warm=warm, cold=cold)
    config = replace(whole.config, channels=CHANNELS)
    secrets = new_secrets(SITES)
    sums = [site_sums(part(graph, p), n, config, masks(n, secrets)) for p, n in enumerate(SITES)]
    found = train_sites(whole.snapshot, sums, chosen, config)
    # a language model's last digits depend on the threads it had: the same embeddings for both
    assert np.allclose(found.text, whole.text, atol=1e-5)
    expected = fit(graph, chosen, config, found.text)
    assert expected.cold.any()
    assert "meaning" in {c.name for c in expected.channels}
    assert np.array_equal(found.cold, expected.cold)
    every = np.arange(len(graph.users))
    scores = expected.scores(every)
    assert np.abs(found.with_snapshot(graph).scores(every) - scores).max() <= 1e-9 * np.abs(scores).max()


def test_a_masked_sum_tells_nothing_and_fewer_sites_tell_nothing() -> None:
    graph, secrets = everything().snapshot, new_secrets(SITES)
    a, b, c = sent(graph, secrets)
    again = site_sums(part(graph, 0), "A", CONFIG, masks("A", secrets, "2"))
    assert not np.array_equal(a.tensors["gram"], again.tensors["gram"])  # another round, another mask
    # the numbers of one site, and the sum of two, fill 64 bits evenly: as many above the middle as below
    for values in (a.tensors["gram"], a.tensors["gram"] + b.tensors["gram"]):
        share = float((values >= np.uint64(2**63)).mean())
        assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(values.size)
    with pytest.raises(ModelError, match="cancel for the sites A, B, C together, got A, B;"):
        added([a, b])
    assert added([a, b, c]).gram.max() < 1e6


def test_where_a_site_drops_out_the_others_sum_again() -> None:
    graph, secrets = everything().snapshot, new_secrets(SITES)
    left = {name: {other: text for other, text in secrets[name].items() if other != "C"} for name in ("A", "B")}
    total = added(sent(graph, left, ("A", "B")))
    e = graph.liked()
    rest = e.take(e.source % 3 != 2)
    assert np.array_equal(total.degrees, np.bincount(rest.target, minlength=len(graph.items)))


def test_what_does_not_fit_together_is_refused() -> None:
    graph = everything().snapshot
    a, b, _ = sent(graph, None)
    with pytest.raises(ModelError, match="differ in items"):
        added([a, replace(b, items="other")])
    with pytest.raises(ModelError, match="differ in settings"):
        added([a, replace(b, settings={"user_power": 0.5})])
    with pytest.raises(ModelError, match="each site once, got A, A"):
        added([a, a])
    with pytest.raises(ModelError, match="nobody likes anything"):
        site_sums(graph.with_edges("RATED", graph.interactions.take(np.zeros(0, np.int64))), "A", CONFIG)


def test_a_file_comes_back_as_it_was_and_holds_no_user(tmp_path: Path) -> None:
    graph = everything().snapshot
    a = sent(graph, None)[0]
    a.save(tmp_path / "a.sums")
    again = SiteSums.load(tmp_path / "a.sums")
    assert (again.site, again.items, again.settings, again.masked) == (a.site, a.items, a.settings, ())
    assert all(np.array_equal(again.tensors[name], values) for name, values in a.tensors.items())
    held = (tmp_path / "a.sums").read_bytes()
    assert [key for key in graph.users.keys.to_pylist() if len(key) > 3 and key.encode() in held] == []
    (tmp_path / "odd").write_text("no", encoding="utf-8")
    with pytest.raises(ModelError, match="not the sums of a site"):
        SiteSums.load(tmp_path / "odd")
