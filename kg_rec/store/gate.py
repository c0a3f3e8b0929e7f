"""The gate for Cypher that a person or a file supplied: only one statement, and only reading.

:func:`check_read_only` reads the text with its own tokenizer and refuses everything that it does not know to be
harmless.  It is the first of two locks: the stores then ask the database itself (Neo4j: the query type that
``EXPLAIN`` reports, once for each text, and READ access mode; embedded: a view that takes no writes).  Words that
write or reach files are refused wherever they stand outside strings, backticks and comments, except as a name
after ``.`` or ``:``.  Text that two parsers could read differently (unicode escapes, odd white space, unusual
string escapes) is refused, because the databases differ there.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from kg_rec.errors import QueryRefusedError

MAX_QUERY_CHARS = 100_000
#: Bounds of what the databases' parsers and planners take in reasonable time and without running out of stack.
MAX_TOKENS = 10_000
MAX_DEPTH = 100
MAX_CLAUSES = 200


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


#: Words that write, reach files or other databases, or manage the server.
FORBIDDEN = words(
    """
    ALTER ATTACH BEGIN CHECKPOINT COMMIT COPY CREATE DELETE DENY DETACH DROP EXPORT FOREACH GRANT IMPORT INSERT
    INSTALL LOAD MERGE NODETACH REMOVE REVOKE ROLLBACK SET TERMINATE TRANSACTION TRANSACTIONS UNINSTALL USE
    """
)
#: Words that a statement may start with.
OPENING = words("CALL MATCH OPTIONAL RETURN UNWIND WITH")
_CLOSING = words("RETURN")
#: Words that begin a part of a statement; WHERE and ORDER BY belong to the one before.
_CLAUSES = words("CALL MATCH RETURN UNION UNWIND WITH")
#: Procedures that only read the graph.
PROCEDURES = words(
    """
    db.index.fulltext.querynodes db.index.fulltext.queryrelationships db.index.vector.querynodes
    db.index.vector.queryrelationships db.labels db.propertykeys db.relationshiptypes db.schema.nodetypeproperties
    db.schema.reltypeproperties db.schema.visualization show_connection show_tables table_info
    """
)
#: Namespaces of built-in functions; those of plug-ins (``apoc.``) are not known to only read.
_NAMESPACES = words("date datetime duration localdatetime localtime point time vector")
#: Functions that change a sequence or a session, or reach files.
_FORBIDDEN_FUNCTIONS = words("file nextval setseed")

Kind = Literal["word", "name", "string", "number", "parameter", "symbol"]


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind, its text as it stands in the query, and where it starts."""

    kind: Kind
    text: str
    start: int

    @property
    def word(self) -> str:
        """The text as a keyword would be compared: folded to upper case and compatibility form; "" if quoted."""
        return unicodedata.normalize("NFKC", self.text).upper() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """The text as a name: without backticks where it is quoted."""
        return self.text[1:-1].replace("``", "`") if self.kind == "name" else self.text


_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\n]+|\r\n)
  | (?P<comment>//[^\n]*|/\*.*?\*/)
  | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
  | (?P<name>`(?:[^`]|``)*`)
  | (?P<parameter>\$(?:\w+|`(?:[^`]|``)*`))
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\w*)
  | (?P<word>\w+)
  | (?P<symbol>[-+*%^=<>!~|&.,:;()\[\]{}?]|/(?![/*]))
    """,
    re.VERBOSE | re.DOTALL,
)
_BAD_ESCAPE = re.compile(r"\\[^\\'\"bfnrt]")


def tokens(cypher: str) -> list[Token]:
    """The tokens of a query, without white space and comments.

    Raises:
        QueryRefusedError: a character or escape that the databases could read differently than this tokenizer.
    """
    if len(cypher) > MAX_QUERY_CHARS:
        raise QueryRefusedError(f"query refused: {len(cypher)} characters; at most {MAX_QUERY_CHARS} are allowed")
    escape = re.search(r"\\u", cypher, re.IGNORECASE)
    if escape:
        raise _refusal(cypher, escape.start(), "a unicode escape; write the character itself or pass a parameter")
    for place, char in enumerate(cypher):
        if unicodedata.category(char)[0] in "CZ" and char not in " \t\r\n":
            raise _refusal(
                cypher, place, f"an invisible character (U+{ord(char):04X}); pass text that needs it as a parameter"
            )
    found = []
    place = 0
    while place < len(cypher):
        match = _TOKEN.match(cypher, place)
        if match is None:
            raise _refusal(cypher, place, "a character that Cypher does not use here, or an unclosed quote or comment")
        kind = match.lastgroup
        if kind == "comment" and "\r" in match[0].replace("\r\n", "\n").removesuffix("\r"):
            raise _refusal(cypher, place, "a carriage return inside a comment")
        if kind == "string" and _BAD_ESCAPE.search(match[0].replace("\\\\", "")):
            raise _refusal(cypher, place, r"a string escape other than \\ \' \" \b \f \n \r \t")
        if kind not in ("space", "comment"):
            found.append(Token(kind, match[0], place))  # type: ignore[arg-type]  # the group names are the kinds
        place = match.end()
    return found


def check_read_only(cypher: str) -> list[Token]:
    """Refuse anything but one statement that only reads.

    Returns:
        The statement's tokens, without a closing ``;``.

    Raises:
        QueryRefusedError: the message says which word, where, and what to do.
    """
    found = tokens(cypher)
    while found and found[-1].text == ";":
        found.pop()
    if not found:
        raise QueryRefusedError("query refused: it is empty; expected one statement such as MATCH (n) RETURN n.name")
    if found[0].word not in OPENING:
        raise _refusal(cypher, found[0].start, f"a statement has to start with one of {', '.join(sorted(OPENING))}")
    for i, token in enumerate(found):
        if token.text == ";":
            raise _refusal(cypher, token.start, "only one statement is allowed")
        if token.word in FORBIDDEN and not _is_name(found, i):
            raise _refusal(cypher, token.start, "only reading is allowed here; as a name, put it in `backticks`")
        if token.word == "CALL" and not _is_name(found, i):
            _check_call(cypher, found, i)
        if token.text == "(":
            _check_function(cypher, found, i)
    _check_size(cypher, found)
    if found[0].word != "CALL" and not any(token.word in _CLOSING for token in found):
        raise QueryRefusedError("query refused: it returns nothing; expected it to end with RETURN and what to return")
    return found


def with_limit(cypher: str, found: list[Token], limit: int) -> str:
    """The query with ``LIMIT limit`` added where it has none and a LIMIT can simply be added at its end."""
    depth = 0
    tail: list[str] | None = None
    for token in found:
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if depth == 0 and token.word == "UNION":
            return cypher
        if depth == 0 and token.word == "RETURN":
            tail = []
        elif depth == 0 and tail is not None:
            tail.append(token.word)
    if tail is None or "LIMIT" in tail:
        return cypher
    return f"{statement_text(cypher, found)} LIMIT {limit}"


def statement_text(cypher: str, found: list[Token]) -> str:
    """The query without what follows its last token: a semicolon, a comment."""
    return cypher[: found[-1].start + len(found[-1].text)]


def _check_size(cypher: str, found: list[Token]) -> None:
    if len(found) > MAX_TOKENS:
        raise QueryRefusedError(
            f"query refused: {len(found)} words and signs, at most {MAX_TOKENS} are allowed; "
            "pass long lists as parameters"
        )
    clauses = [token for token in found if token.word in _CLAUSES]
    if len(clauses) > MAX_CLAUSES:
        raise _refusal(cypher, clauses[MAX_CLAUSES].start, f"more than {MAX_CLAUSES} clauses")
    depth = signs = 0
    for token in found:
        depth += (token.text in ("(", "[", "{") or token.word == "CASE") - (
            token.text in (")", "]", "}") or token.word == "END"
        )
        signs = signs + 1 if token.word == "NOT" or token.text in ("+", "-") else 0
        if max(depth, signs) > MAX_DEPTH:
            raise _refusal(cypher, token.start, f"more than {MAX_DEPTH} levels of brackets, CASE or signs")


def _is_name(found: list[Token], i: int) -> bool:
    """Whether a word stands where only a property, label or relationship type can stand."""
    if i < 2:
        return False
    before, owner = found[i - 1].text, found[i - 2]
    if found[i - 1].start + 1 != found[i].start:
        return False
    if before == ".":
        return owner.kind in ("word", "name", "parameter") or owner.text in (")", "]", "}")
    if before == ":":  # (n:SET), [:SET], n:SET
        return owner.text in ("(", "[") or (
            owner.kind in ("word", "name") and i > 2 and found[i - 3].text in ("(", "[")
        )
    return False


def _check_call(cypher: str, found: list[Token], i: int) -> None:
    if i + 1 < len(found) and found[i + 1].text in ("{", "("):
        return  # a subquery; its words are checked like all others
    name = ""
    for token in found[i + 1 :]:
        if token.kind != "word" and token.text != ".":
            break
        name += token.text.lower()
        if token.kind == "word" and not _continues(found, token):
            break
    if name not in PROCEDURES:
        raise _refusal(cypher, found[i].start, f"procedure {name or '?'} is not among {', '.join(sorted(PROCEDURES))}")


def _continues(found: list[Token], token: Token) -> bool:
    at = found.index(token)
    return at + 1 < len(found) and found[at + 1].text == "."


def _check_function(cypher: str, found: list[Token], i: int) -> None:
    """Refuse calls of functions that do more than compute; ``found[i]`` is an opening parenthesis."""
    parts: list[Token] = []
    at = i - 1
    while at >= 0 and found[at].kind in ("word", "name"):
        parts.insert(0, found[at])
        if at == 0 or found[at - 1].text != ".":
            break
        at -= 2
    if not parts or (at > 0 and found[at - 1].word == "CALL"):
        return
    name = ".".join(p.text.strip("`").lower() for p in parts)
    known = len(parts) == 1 or parts[0].text.lower() in _NAMESPACES
    if not known or name in _FORBIDDEN_FUNCTIONS:
        raise _refusal(cypher, parts[0].start, f"function {name} is not known to only read")


def _refusal(cypher: str, place: int, why: str) -> QueryRefusedError:
    line = cypher.count("\n", 0, place) + 1
    shown = cypher[place : place + 20].split("\n")[0]
    return QueryRefusedError(f"query refused at line {line}, near {shown!a}: {why}")
