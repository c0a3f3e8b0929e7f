"""Training over sites that keep their interactions: each gives sums over its users, and the model is made of their sum.

    S = sum over sites of S_site;   what a site sends, masked:  S_a + sum_{b > a} m_ab - sum_{b < a} m_ab   (mod 2^64)

The masks m_ab are a stream that two sites make of a secret of theirs, so they cancel in the sum over all sites, and no
sum of fewer tells anything but noise (pairwise masks: Bonawitz et al., "Practical secure aggregation for
privacy-preserving machine learning", CCS 2017).  The numbers are then fixed-point ones, 2^-44 apart.  A mask holds for
one round and one set of sites: where a site drops out, the others send their sums again, for the sites that are left.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.errors import ModelError
from kg_rec.model.channels.sequence import SequenceConfig, pair_counts
from kg_rec.model.channels.sums import Sums
from kg_rec.model.channels.taste import TasteConfig, gram
from kg_rec.model.chosen import Chosen
from kg_rec.model.config import TrainConfig
from kg_rec.model.histories import histories, learnable
from kg_rec.model.recommender import Recommender
from kg_rec.model.trusted import learned_from
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import IdMap, Snapshot
from kg_rec.trust import site_file
from kg_rec.trust.private import without_users

#: The channels that can be made of sums.
CHANNELS = ("taste", "sequence", "knowledge", "meaning")
#: Largest catalogue: the sums are dense.
MAX_ITEMS = 6_000
_KIND = "format"
_POINT = 44
_FIELDS = ("degrees", "gram", "near", "later")


@dataclass(frozen=True)
class Masks:
    """What a site masks its sums with.

    Attributes:
        site: its name.
        secrets: by the name of each other site, a secret that the two share.
        round: a name that is used for one training only.
    """

    site: str
    secrets: Mapping[str, bytes]
    round: str

    def of(self, field: str, shape: tuple[int, ...]) -> NDArray[np.uint64]:
        """The sum of this site's masks of a field; over all sites the masks are 0 modulo 2^64."""
        total = np.zeros(shape, np.uint64)
        sites = ",".join(sorted([self.site, *self.secrets]))
        for other, secret in self.secrets.items():
            label = json.dumps([self.round, sites, *sorted([self.site, other]), field]).encode()
            stream = hashlib.shake_256(len(secret).to_bytes(4, "big") + secret + label)
            mask = np.frombuffer(stream.digest(8 * total.size), "<u8").reshape(shape)
            total = total + mask if self.site < other else total - mask
        return total


@dataclass(frozen=True)
class SiteSums:
    """What a site sends.

    Attributes:
        site: its name.
        items: SHA-256 of the keys of the items, in order.
        settings: what the sums depend on.
        tensors: by field, as they are or masked.
        masked: the sites whose sums take the masks off, and the round; empty without masks.
    """

    site: str
    items: str
    settings: Mapping[str, Any]
    tensors: Mapping[str, NDArray[Any]]
    masked: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write a file; it appears whole or not at all."""
        site_file.write(path, _KIND, {k: v for k, v in asdict(self).items() if k != "tensors"}, self.tensors)

    @classmethod
    def load(cls, path: Path) -> SiteSums:
        """Read a file.

        Raises:
            ModelError: it is not one that ``kg-rec site sum`` wrote.
        """
        try:
            about, tensors = site_file.read(path, _KIND)
            fields = {name: tensors[name] for name in _FIELDS}
            return cls(**{**about, "masked": tuple(about["masked"])}, tensors=fields)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{path}: not the sums of a site ({error}); write them with `kg-rec site sum`") from error


def site_sums(snapshot: Snapshot, site: str, config: TrainConfig, masks: Masks | None = None) -> SiteSums:
    """The sums of a site's users.

    Args:
        snapshot: the site's graph; its items are those of all sites.
        site: its name.
        config: settings that all sites share.
        masks: None sends the sums as they are.

    Raises:
        ModelError: there are too many items or no interactions, or a sum is too large to be masked.
    """
    n, taste, order = len(snapshot.items), config.of(TasteConfig), config.of(SequenceConfig)
    if n > MAX_ITEMS:
        raise ModelError(f"sums of sites are kept for up to {MAX_ITEMS:,} items, got {n:,}")
    shape = (len(snapshot.users), n)
    edges = learned_from(learnable(snapshot.liked(), config.seed), shape, config.robust, config.seed)
    if not len(edges):
        raise ModelError(f"site {site}: nobody likes anything; a site without interactions takes no part")
    plain = gram(histories(edges, shape, 0), taste.user_power)
    near, directed = pair_counts(edges, n, taste.user_power, order, 1.0)
    weights = np.bincount(edges.source)[edges.source] ** -taste.user_power
    scale = weights.sum() / len(edges)
    sums = {
        "degrees": np.bincount(edges.target, minlength=n),
        "gram": plain.toarray() * scale,
        "near": near.toarray() * scale,
        "later": (directed - plain).toarray() * scale,
    }
    settings = {"user_power": taste.user_power, "sequence": _plain(order)}
    if masks is not None:
        sums = {
            name: _fixed(values, len(masks.secrets) + 1) + masks.of(name, values.shape) for name, values in sums.items()
        }
    together = () if masks is None else (masks.round, *sorted([masks.site, *masks.secrets]))
    return SiteSums(site, items_digest(snapshot.items), settings, sums, together)


def check_once(names: Sequence[str]) -> None:
    """Refuse sites of which one is there twice.

    Raises:
        ModelError: one is.
    """
    if len(set(names)) < len(names):
        raise ModelError(f"expected each site once, got {', '.join(names)}")


def added(sites: Sequence[SiteSums]) -> Sums:
    """The sums over all sites; masks cancel.

    Raises:
        ModelError: the sites differ in items or settings, or those of one round of masks are not all here, each once.
    """
    first = sites[0]
    for other in sites[1:]:
        for what in ("items", "settings", "masked"):
            if getattr(other, what) != getattr(first, what):
                raise ModelError(f"the sites {first.site} and {other.site} differ in {what}; sum again with the same")
    names = sorted(s.site for s in sites)
    check_once(names)
    if first.masked and names != list(first.masked[1:]):
        raise ModelError(
            f"the masks of round {first.masked[0]} cancel for the sites {', '.join(first.masked[1:])} together, got "
            f"{', '.join(names)}; the sites that are left have to sum again, in a round of their own"
        )
    totals = {name: reduce(np.add, [s.tensors[name] for s in sites]) for name in _FIELDS}
    if first.masked:
        totals = {name: values.view(np.int64) / 2.0**_POINT for name, values in totals.items()}
    return Sums(np.rint(totals["degrees"]).astype(np.int64), totals["gram"], totals["near"], totals["later"])


def train_sites(
    snapshot: Snapshot,
    sites: Sequence[SiteSums],
    chosen: Chosen,
    config: TrainConfig,
    progress: Progress = no_progress,
) -> Recommender:
    """The model that training on all sites' interactions together gives with the same hyperparameters.

    Args:
        snapshot: items and facts; its users play no part and are left out.
        sites: what they sent.
        chosen: hyperparameters, such as those that one site chose on its own interactions.
        config: the settings that they were chosen with.
        progress: called as the work advances.

    Raises:
        ModelError: the sites do not fit each other, the items or the settings, or a channel needs the users.
    """
    from kg_rec.model.train.train import fit_sums  # torch takes seconds to import

    total = added(sites)
    if sites[0].items != items_digest(snapshot.items):
        raise ModelError("the sites' sums are of other items than those of the graph; load the same items everywhere")
    expected = {"user_power": config.of(TasteConfig).user_power, "sequence": _plain(config.of(SequenceConfig))}
    if sites[0].settings != expected:
        raise ModelError(f"the sites summed with the settings {sites[0].settings}, training has {expected}")
    left = sorted(set(chosen.channels) - set(CHANNELS))
    if left:
        raise ModelError(f"{left[0]} cannot be made of sums; choose with --set 'channels={json.dumps(CHANNELS)}'")
    return fit_sums(without_users(snapshot), total, chosen, config, progress)


def new_secrets(sites: Sequence[str]) -> dict[str, dict[str, str]]:
    """By site, its secrets with each other site, hexadecimal, from the operating system."""
    by_site: dict[str, dict[str, str]] = {site: {} for site in sites}
    for place, one in enumerate(sites):
        for other in sites[place + 1 :]:
            by_site[one][other] = by_site[other][one] = secrets.token_hex(32)
    return by_site


def items_digest(items: IdMap) -> str:
    """SHA-256 of the keys, in order."""
    return hashlib.sha256(json.dumps(items.keys.to_pylist()).encode()).hexdigest()


def _fixed(values: NDArray[Any], sites: int) -> NDArray[np.uint64]:
    if np.abs(values).max(initial=0) * sites >= 2.0 ** (63 - _POINT):
        raise ModelError(f"sums beyond {2 ** (63 - _POINT) // sites:,} cannot be masked; use more, smaller sites")
    return np.rint(values * 2.0**_POINT).astype(np.int64).view(np.uint64)


def _plain(config: SequenceConfig) -> dict[str, Any]:
    """What the sums depend on, as JSON reads it back."""
    return {name: getattr(config, name) for name in ("blocks", "span", "far")}
