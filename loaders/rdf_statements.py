"""The statements of an RDF file, one at a time: N-Triples line by line, Turtle read whole by rdflib."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rdflib import RDF, BNode, Graph, Literal
from rdflib.compat import decodeUnicodeEscape

from kg_rec.errors import ArgumentError, LoadError
from kg_rec.loaders.text import Faults, bare_name, lines
from kg_rec.schema.iris import local_name
from kg_rec.textfile import parser_fault, read_text

_IRI = r"<([^\x00-\x20<>\"{}|^`\\]*(?:\\[uU][0-9A-Fa-f]{4,8}[^\x00-\x20<>\"{}|^`\\]*)*)>"
_BLANK = r"(_:[^\s<>\"]+)"
_LITERAL = r'"((?:[^"\\\r\n]|\\.)*)"(?:\^\^' + _IRI + r"|@([A-Za-z]+(?:-[A-Za-z0-9]+)*))?"
_TRIPLE = re.compile(rf"\s*(?:{_IRI}|{_BLANK})\s*{_IRI}\s*(?:{_IRI}|{_BLANK}|{_LITERAL})\s*\.\s*(?:#.*)?")
_COMMENT = re.compile(r"\s*(?:#.*)?")


@dataclass(frozen=True, slots=True)
class Statement:
    """One triple with an IRI as subject.  ``resource`` or ``text`` is the object."""

    subject: str
    predicate: str
    resource: str | None
    text: str | None
    language: str | None
    line: int | None


class Statements:
    """The statements of a file, as often as they are wanted; the first time faults and blank nodes are counted.

    Args:
        path: of the file.
        faults: takes malformed lines.
        unmapped: counts what is said of or with blank nodes.
    """

    def __init__(self, path: Path, faults: Faults, unmapped: Counter[str]) -> None:
        self._path = path
        self._told = (faults, unmapped)
        self._graph = _turtle(path) if bare_name(path).endswith(".ttl") else None
        if self._graph is None and not bare_name(path).endswith(".nt"):
            raise LoadError(
                "expected a file named *.nt, *.ttl or either with .gz or .bz2; convert other RDF first", path
            )

    def __iter__(self) -> Iterator[Statement]:
        """The statements in the order of the lines; those of Turtle, which has none, sorted."""
        faults, unmapped = self._told
        self._told = (Faults(stop=False), Counter())
        if self._graph is not None:
            return _of_graph(self._path, self._graph, faults, unmapped)
        return _n_triples(self._path, faults, unmapped)


def _n_triples(path: Path, faults: Faults, unmapped: Counter[str]) -> Iterator[Statement]:
    for number, text in lines(path, faults):
        match = _TRIPLE.fullmatch(text)
        if match is None:
            if not _COMMENT.fullmatch(text):
                reason = "expected '<subject> <predicate> object .' as in N-Triples; correct the line"
                faults.add(path, number, reason, [text])
            continue
        subject, blank, predicate, resource, object_blank, literal, _, language = match.groups()
        if blank is not None or object_blank is not None:
            _count_blank(unmapped, predicate, object_blank is not None)
            continue
        try:
            if "\\" in text:
                subject, predicate = _unescaped(subject), _unescaped(predicate)
                resource = None if resource is None else _unescaped(resource)
                literal = None if literal is None else _unescaped(literal)
        except ValueError as error:
            faults.add(
                path, number, f"expected characters of Unicode in escapes, got {error}; correct the line", [text]
            )
            continue
        yield Statement(subject, predicate, resource, literal, language, number)


def _unescaped(text: str) -> str:
    try:
        plain: str = decodeUnicodeEscape(text)
        plain.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(f"half a character (\\u{ord(plain[error.start]):04X})") from error
    except (ValueError, OverflowError) as error:
        raise ArgumentError("a number that stands for none") from error
    return plain


def _count_blank(unmapped: Counter[str], predicate: str, value: bool) -> None:
    """Count a statement about, or with, a blank node; a list is a chain of these."""
    if predicate == str(RDF.first):
        unmapped["values in RDF lists"] += 1
    elif predicate == str(RDF.rest):
        return
    elif value:
        unmapped[f"predicate {short(predicate)}: the value is a blank node or a list"] += 1
    else:
        unmapped["statements about blank nodes"] += 1


def _turtle(path: Path) -> Graph:
    graph = Graph()
    data = read_text(path)
    try:
        graph.parse(data=data, format="turtle")
    except Exception as error:  # rdflib raises many unrelated classes for bad Turtle
        raise LoadError(f"not valid Turtle: {parser_fault(error)}; correct the file", path) from error
    return graph


def _of_graph(path: Path, graph: Graph, faults: Faults, unmapped: Counter[str]) -> Iterator[Statement]:
    for subject, predicate, value in sorted(graph, key=lambda triple: tuple(map(str, triple))):
        if isinstance(subject, BNode) or isinstance(value, BNode):
            if value != RDF.nil:
                _count_blank(unmapped, str(predicate), isinstance(value, BNode))
            continue
        text = str(value)
        if not text.isascii() and text.encode(errors="ignore").decode() != text:
            faults.add(
                path, None, f"<{subject}>: {local_name(str(predicate))}: half a character in the text; correct it"
            )
        elif isinstance(value, Literal):
            yield Statement(str(subject), str(predicate), None, text, value.language, None)
        else:
            yield Statement(str(subject), str(predicate), text, None, None, None)


def short(iri: str) -> str:
    """The local name for a message."""
    return f"{local_name(iri):.100}"
