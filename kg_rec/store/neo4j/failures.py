"""What the driver raises, as kg_rec's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import neo4j.exceptions

from kg_rec.errors import AuthenticationError, QueryRefusedError, StoreError, StoreUnavailableError

_UNREACHABLE = (neo4j.exceptions.ServiceUnavailable, neo4j.exceptions.SessionExpired, OSError)
_NOT_VALID = frozenset(
    f"Neo.ClientError.Statement.{name}"
    for name in ("SyntaxError", "SemanticError", "ParameterMissing", "NotSystemDatabaseError", "UnsupportedOperation")
) | {"Neo.ClientError.Procedure.ProcedureNotFound"}


@dataclass(frozen=True)
class Where:
    """The server that an error tells of."""

    url: str
    database: str
    #: No credentials were given.
    anonymous: bool


@contextmanager
def mapped_errors(server: Where, *, user: bool = False, timeout: float = 0.0) -> Iterator[None]:
    """Raise the driver's errors as kg_rec's, in one line each.

    Args:
        server: whom the block talks to.
        user: a person wrote the query.
        timeout: seconds that the query may take.

    Raises:
        AuthenticationError: the server refused the credentials, or there are none.
        StoreUnavailableError: the server or the database does not answer, or has no time; trying again may help.
        QueryRefusedError: the query of a person is not valid.
        StoreError: anything else that the driver raises.
    """
    try:
        yield
    except neo4j.exceptions.Neo4jError as error:
        code = error.code or ""
        text = " ".join((error.message or str(error)).split())[:300]
        if ".Security." in code:
            how = "set NEO4J_USERNAME and NEO4J_PASSWORD, or NEO4J_AUTH_FILE"
            what = "no credentials were given" if server.anonymous else f"the server refused the credentials ({text})"
            raise AuthenticationError(f"{server.url}: {what}; {how}") from error
        if ".Database." in code:
            raise StoreUnavailableError(f"{server.url}: database {server.database}: {text}") from error
        if "TransactionTimedOut" in code and not user:
            raise StoreUnavailableError(
                f"{server.url}: a transaction ran out of time; the server is busy, or another transaction holds "
                "what it needs"
            ) from error
        if "TransactionTimedOut" in code:
            raise StoreError(
                f"the query was stopped after {timeout:g} seconds; narrow it or raise the timeout"
            ) from error
        if user and (code in _NOT_VALID or code.endswith("AccessMode")):
            raise QueryRefusedError(f"query refused by the server: {text}") from error
        kind = StoreUnavailableError if error.is_retryable() else StoreError
        raise kind(f"{server.url}: {text} ({code})") from error
    except neo4j.exceptions.BrokenRecordError as error:
        raise StoreError(
            f"{server.url}: the result holds a value that Python has no form for, such as a date after the year "
            "9999; return it as text, by toString()"
        ) from error
    except (neo4j.exceptions.DriverError, OSError, ValueError) as error:
        text = " ".join(str(error).split())[:300]
        unreachable = isinstance(error, _UNREACHABLE)
        raise (StoreUnavailableError if unreachable else StoreError)(
            f"{server.url}: no answer from a Neo4j server: {text}; is it running?"
        ) from error
