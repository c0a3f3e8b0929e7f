"""IRIs of RDF data as a schema compares them."""

from __future__ import annotations

import re
from urllib.parse import unquote as percent_decoded

_ENDS = re.compile(r"[#/:]")


def plain(iri: str) -> str:
    """An IRI as it is compared: vocabularies are written with ``http:`` and with ``https:``, and mean the same."""
    return f"http:{iri[6:]}" if iri.startswith("https://") else iri


def local_name(iri: str) -> str:
    """The last part of an IRI: ``Toy Story`` of ``http://example.org/films#Toy%20Story``."""
    return percent_decoded(_ENDS.split(iri.rstrip("#/:"))[-1])
