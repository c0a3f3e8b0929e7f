"""What requests hold: types that the OpenAPI document is made from."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import parse_qsl

from fastapi import Depends, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from kg_rec.errors import ArgumentError, SchemaError
from kg_rec.explain.words.languages.registry import code_of
from kg_rec.serve.service import Service
from kg_rec.serve.tokens import Token


def _spoken(lang: str) -> str:
    """The language as given, where there is one of that code."""
    try:
        code_of(lang)
    except SchemaError as error:
        raise ArgumentError(str(error)) from error
    return lang


#: What a request for a list has where it does not say it, and the most letters and items it may ask for.
LIST_LENGTH, LIST_LANG = 10, "en"
_KEY, _ITEMS, _LANG = 1000, 100, 20

Key = Annotated[str, Query(min_length=1, max_length=_KEY, description="Key of a user or an item.")]
Length = Annotated[int, Query(ge=1, le=_ITEMS, description="Length of the list.")]
Lang = Annotated[
    str,
    Query(min_length=1, max_length=_LANG, description="Language of the words: en, zh, ..."),
    AfterValidator(_spoken),
]


_LIST = {"user", "k", "lang", "why"}


def plain_list(query: bytes) -> tuple[str, int, str, bool] | None:
    """User, length, language and whether there are reasons, of a request for a list that needs no closer look.

    None where something is odd about it; then the route says what, or takes it all the same.
    """
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=4)
        given = dict(pairs)
        user, k, lang = given.get("user", ""), given.get("k", str(LIST_LENGTH)), given.get("lang", LIST_LANG)
        why = {"true": True, "false": False}[given.get("why", "true")]
        code_of(lang)
    except (ValueError, KeyError, SchemaError):
        return None
    if len(given) < len(pairs) or not given.keys() <= _LIST or not (0 < len(user) <= _KEY and 0 < len(lang) <= _LANG):
        return None
    return (user, int(k), lang, why) if k.isascii() and k.isdigit() and len(k) <= 3 and 1 <= int(k) <= _ITEMS else None


class Needs:
    """Lets a request through whose token has a role.

    Args:
        role: the least role, one of :data:`kg_rec.serve.tokens.ROLES`.
    """

    def __init__(self, role: str) -> None:
        self.role = role

    async def __call__(self, request: Request) -> Token:
        """Who asks; not in a thread of its own, as it waits for nothing."""
        service: Service = request.app.state.service
        token = service.who(request.headers.get("authorization"))
        if token is None:
            raise HTTPException(401, "send a token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        if not token.may(self.role):
            raise HTTPException(403, f"this needs the role {self.role}, the token of {token.name} has {token.role}")
        return token


App = Annotated[Token, Depends(Needs("app"))]
Support = Annotated[Token, Depends(Needs("support"))]
Auditor = Annotated[Token, Depends(Needs("auditor"))]
Admin = Annotated[Token, Depends(Needs("admin"))]


class Event(BaseModel):
    """What a person did with an item."""

    model_config = ConfigDict(extra="forbid")
    event: str = Field(min_length=1, max_length=200, description="Id of the event; sending it again changes nothing.")
    user: str = Field(min_length=1, max_length=1000)
    item: str = Field(min_length=1, max_length=1000)
    kind: Literal["click", "like", "buy", "dismiss"]
    list: str = Field("", max_length=200, description="The list it was done in.")
    at: int | None = Field(None, ge=0, le=2**40, description="Unix seconds; now where it is left out.")
    value: float = Field(1.0, ge=-1e9, le=1e9, allow_inf_nan=False, description="What it is worth.")


Keys = Annotated[list[Annotated[str, Field(min_length=1, max_length=1000)]], Field(max_length=10_000)]
Texts = Annotated[list[Annotated[str, Field(min_length=1, max_length=5000)]], Field(max_length=20)]


class Wanted(BaseModel):
    """Which items may be in a list; the names are those of a job's ``[candidates]``."""

    model_config = ConfigDict(extra="forbid")
    candidates: Keys | None = Field(None, description="Only items with these keys; all where left out.")
    never_items: Keys = Field(default_factory=list, description="No items with these keys.")
    only_facts: Texts = Field(default_factory=list, description="Only items with each fact: genre:Crime.")
    never_facts: Texts = Field(default_factory=list, description="No items with any of these facts.")
    only: Texts = Field(default_factory=list, description="Cypher: only items whose keys it returns.")
    never: Texts = Field(default_factory=list, description="Cypher: no items whose keys it returns.")
    k: int = Field(10, ge=1, le=100, description="Length of the list.")
    lang: Annotated[str, AfterValidator(_spoken)] = Field("en", min_length=1, max_length=20)
    why: bool = Field(True, description="Whether each item has its reason in words.")


class Said(BaseModel):
    """What a user says of themselves."""

    model_config = ConfigDict(extra="forbid")
    say: Texts = Field(default_factory=list, description="Sentences: no horror, more from the seventies.")
    strike: Texts = Field(default_factory=list, description="Names of clauses of the profile that shall not count.")
    forget: bool = Field(False, description="First forget all that was said before.")
    keep: bool = Field(False, description="Write it into the graph; else it is only tried.")
    k: int = Field(10, ge=1, le=100, description="Length of the list.")
    lang: Annotated[str, AfterValidator(_spoken)] = Field("en", min_length=1, max_length=20)


class Asked(BaseModel):
    """A request in words, with those before it in the same conversation; nothing of it is kept."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1, max_length=5000, description="The request.")
    after: list[Annotated[str, Field(max_length=5000)]] = Field(
        default_factory=list, max_length=20, description="The requests before it, oldest first."
    )
    k: int = Field(10, ge=1, le=100, description="Length of the list where the request does not say one.")
    lang: Literal["en", "zh"] | None = Field(None, description="Language of the requests; that of each where left out.")


class Change(BaseModel):
    """Another history, or other weights of the channels."""

    model_config = ConfigDict(extra="forbid")
    add: list[str] = Field(default_factory=list, max_length=1000, description="Items as if the user had liked them.")
    remove: list[str] = Field(
        default_factory=list, max_length=1000, description="Items as if the user had not had them."
    )
    weights: dict[str, Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]] = Field(
        default_factory=dict, max_length=50, description="Factor on a channel's weight; 0 leaves it out."
    )
    k: int = Field(10, ge=1, le=100)
