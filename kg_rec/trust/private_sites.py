"""Sites that add noise to their own sums: what each sends is differentially private by itself, whoever reads it.

    q = sum over sites of (q_s + noise);   V of q and public facts;   M = sum over sites of (M_s + noise)

with q_s, V and M_s as in :mod:`kg_rec.trust.private`.  Each person is at one site and pays for its two looks alone, so
the budget of each site holds for its people, with no trust in anybody else.  The price is noise of all sites: its
variance is that of one site times their number.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kg_rec.arrays.types import Floats64
from kg_rec.errors import ArgumentError, ConfigError, ModelError
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot import Snapshot
from kg_rec.trust import site_file
from kg_rec.trust.gaussian import Budget, Guarantee, noised, noised_symmetric
from kg_rec.trust.private import Basis, PublicPart, looks_of, new_noise, popularities
from kg_rec.trust.sites import check_once, items_digest

_KIND = "noised"
_STEPS = ("popularity", "basis", "moments")


@dataclass(frozen=True)
class Noised:
    """A file of training over sites with noise.

    Attributes:
        step: ``popularity`` and ``moments`` come from a site; ``basis`` is made of the popularities of all.
        sites: whose; one, or for a basis all of them.
        items: SHA-256 of the keys of the items, in order.
        budget: of each site.
        tensors: ``popularity``, ``vectors`` (of a basis and of moments) and ``moments``.
    """

    step: str
    sites: tuple[str, ...]
    items: str
    budget: Budget
    tensors: dict[str, Floats64]

    @property
    def basis(self) -> Basis:
        """The directions that a basis, or a site's moments, are in."""
        return Basis(self.tensors["popularity"], self.tensors["vectors"])

    @property
    def of_basis(self) -> str:
        """SHA-256 of the basis."""
        parts = (self.tensors["popularity"], self.tensors["vectors"])
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()

    def save(self, path: Path) -> None:
        """Write a file; it appears whole or not at all."""
        about = {name: value for name, value in asdict(self).items() if name != "tensors"}
        site_file.write(path, _KIND, about, self.tensors)

    @classmethod
    def load(cls, path: Path, *steps: str) -> Noised:
        """Read a file of one of some steps.

        Raises:
            ModelError: it is none.
        """
        try:
            about, tensors = site_file.read(path, _KIND)
            if about["step"] not in _STEPS:
                raise ArgumentError(f"unknown step {about['step']}")
            loaded = cls(about["step"], tuple(about["sites"]), about["items"], Budget(**about["budget"]), tensors)
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise ModelError(
                f"{path}: not a file of `kg-rec site sum --epsilon` or `kg-rec site basis` ({error}); "
                "sums without noise need --choices"
            ) from error
        if loaded.step not in steps:
            raise ModelError(f"{path}: expected a site's {' or '.join(steps)}, got its {loaded.step}")
        return loaded


def noised_popularity(
    snapshot: Snapshot, site: str, budget: Budget, random: np.random.Generator | None = None
) -> Noised:
    """What a site sends first: how popular items are with its users, with noise.

    Args:
        snapshot: the site's graph; its items are those of all sites.
        site: its name.
        budget: of the site's users, for this and for :func:`noised_moments` together.
        random: source of the noise; None draws a seed from the operating system.
    """
    liked = PublicPart.liked_of(snapshot)
    sigma = looks_of(budget, liked.shape[1])[0].sigma
    noisy = noised(popularities(liked), sigma, random or new_noise())
    return Noised("popularity", (site,), items_digest(snapshot.items), budget, {"popularity": noisy})


def basis_of(public: PublicPart, parts: Sequence[Noised]) -> Noised:
    """The directions in which all sites sum, of what they sent first and public facts; anybody may make it.

    Args:
        public: items and facts.
        parts: the popularities of all sites.

    Raises:
        ModelError: the sites do not fit each other or the items.
    """
    _check(parts, public.snapshot)
    total = np.sum([part.tensors["popularity"] for part in parts], axis=0)
    basis = Basis.of(total, public.likeness)
    sites = tuple(sorted(part.sites[0] for part in parts))
    tensors = {"popularity": basis.popularity, "vectors": basis.vectors}
    return Noised("basis", sites, parts[0].items, parts[0].budget, tensors)


def noised_moments(snapshot: Snapshot, site: str, basis: Noised, random: np.random.Generator | None = None) -> Noised:
    """What a site sends then: how tastes of its users go together, with noise.

    Args:
        snapshot: the same graph as before.
        site: its name.
        basis: of all sites; its budget is that of the popularities.
        random: source of the noise; None draws a seed from the operating system.

    Raises:
        ModelError: the site had no part in the basis, or has other items.
    """
    if site not in basis.sites:
        raise ModelError(f"the basis is of the sites {', '.join(basis.sites)}, without {site}")
    if basis.items != items_digest(snapshot.items):
        raise ModelError(f"the basis is of other items than those of site {site}; load the same items everywhere")
    liked = PublicPart.liked_of(snapshot)
    sigma = looks_of(basis.budget, liked.shape[1])[1].sigma
    noisy = noised_symmetric(basis.basis.moments(liked), sigma, random or new_noise())
    return Noised("moments", (site,), basis.items, basis.budget, {**basis.tensors, "moments": noisy})


def train_noised_sites(public: PublicPart, parts: Sequence[Noised]) -> Recommender:
    """The model of what the sites sent, over a snapshot without users, as that of :mod:`kg_rec.trust.private`.

    A site that sent no moments has a part in the popularities alone.

    Args:
        public: items and facts.
        parts: the moments of the sites.

    Raises:
        ModelError: the sites do not fit each other or the items.
    """
    _check(parts, public.snapshot)
    if len({part.of_basis for part in parts}) > 1:
        raise ModelError("the sites' moments are in different directions; all have to use one `kg-rec site basis`")
    looks = looks_of(parts[0].budget, len(public.snapshot.items))
    moments = np.sum([part.tensors["moments"] for part in parts], axis=0)
    basis = parts[0].basis
    kernel = basis.kernel(moments, looks[1].sigma * math.sqrt(len(parts)))
    privacy = Guarantee(parts[0].budget, looks).to_dict() | {"sites": [part.sites[0] for part in parts]}
    return public.model(basis, kernel, privacy)


def _check(parts: Sequence[Noised], snapshot: Snapshot) -> None:
    check_once([part.sites[0] for part in parts])
    if len({part.budget for part in parts}) > 1:
        raise ModelError("the sites have different budgets; sum again with the same --epsilon and --delta")
    for part in parts:
        if part.items != items_digest(snapshot.items):
            raise ModelError(f"site {part.sites[0]} has other items than the graph; load the same items everywhere")
