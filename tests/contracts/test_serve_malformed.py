"""Malformed requests to every route of the service's own OpenAPI document: no answer is a fault of the server.

``KG_REC_REQUESTS=10000 pytest tests/contracts/test_serve_malformed.py`` sends as many.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from starlette.testclient import TestClient
from toy_graph import everything, fill, films

from kg_rec.model import persist
from kg_rec.serve.app import create_app
from kg_rec.serve.config import ServeConfig
from kg_rec.serve.live import Live
from kg_rec.store import connect

REQUESTS = int(os.environ.get("KG_REC_REQUESTS", "600"))
USERS, ITEMS = (keys.to_pylist() for keys in (everything().users.keys, everything().items.keys))
#: What nobody should send, as text.
ODD = ["", " ", "\0", "\n", "../../etc/passwd", "' OR 1=1 //", "u00' DETACH DELETE n //", "{{7*7}}", "%00", "\u202e"]
ODD += [
    "é",
    "e\u0301",
    "\ud800",
    "💥" * 50,
    "x" * 999,
    "x" * 1001,
    "x" * 20_000,
    "-1",
    "0",
    "1e309",
    "NaN",
    "null",
    "true",
]
ODD += ["[]", "9" * 400, "u00,u01"]
#: And as JSON.
ODD_JSON: list[Any] = [None, True, 0, -1, 1.5, 2**63, -(2**64), 1e308, "", "x", "x" * 6000, "\ud800", [], [[]], {}]
ODD_JSON += [{"": {}}, [None] * 1100, ["x"] * 3]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    place: Path = tmp_path_factory.mktemp("serve")
    url = str(place / "graph")
    with closing(connect(url)) as store:
        fill(store, films())
    persist.save(everything(), place / "model")
    live = Live(lambda: connect(url, read_only=True), place / "model")
    app = create_app(live, lambda: connect(url), ServeConfig(poll=1000.0))
    with TestClient(app, raise_server_exceptions=False) as found:
        yield found
    live.close()


def value(rng: random.Random, name: str) -> str:
    """A parameter: as often good as odd."""
    good = {"user": USERS, "item": ITEMS, "other": ITEMS, "k": ["1", "5", "100"], "lang": ["en", "zh"], "q": ["a", "u"]}
    good |= {"why": ["true", "0"], "what": ["user", "item"]}
    return rng.choice(good.get(name, ["1"]) if rng.random() < 0.5 else ODD)


def body(rng: random.Random, schema: dict[str, Any], parts: dict[str, Any]) -> Any:
    """A JSON value that is near what the document asks for."""
    if rng.random() < 0.2:
        return rng.choice(ODD_JSON)
    if "$ref" in schema:
        return body(rng, parts[schema["$ref"].rsplit("/", 1)[1]], parts)
    if "anyOf" in schema:
        return body(rng, rng.choice(schema["anyOf"]), parts)
    kind = schema.get("type")
    if kind == "object":
        found = {
            name: body(rng, part, parts) for name, part in schema.get("properties", {}).items() if rng.random() < 0.8
        }
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            found |= {
                rng.choice([*ODD, "taste", "knowledge"]): body(rng, extra, parts) for _ in range(rng.randrange(3))
            }
        return found
    if kind == "array":
        return [body(rng, schema.get("items", {}), parts) for _ in range(rng.randrange(4))]
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if kind in ("integer", "number"):
        return rng.choice([0, 1, 3, 100, -5, 0.5, 10**12, 1e300])
    if kind == "boolean":
        return rng.random() < 0.5
    return rng.choice([*USERS[:3], *ITEMS[:5], *ODD, "like " + ITEMS[0], "no horror", "click", "dismiss"])


def sent(rng: random.Random, operation: dict[str, Any], parts: dict[str, Any]) -> tuple[str, bytes | None]:
    """The query and the body of a request."""
    pairs = []
    for parameter in operation.get("parameters", ()):
        if rng.random() < 0.9:
            text = quote_from_bytes(value(rng, parameter["name"]).encode("utf-8", "surrogatepass"))
            pairs += [f"{parameter['name']}={text}"] * (2 if rng.random() < 0.05 else 1)
    if "requestBody" not in operation:
        return "&".join(pairs), None
    asked = operation["requestBody"]["content"]["application/json"]["schema"]
    raw = json.dumps(body(rng, asked, parts)).encode()
    if rng.random() < 0.1:
        raw = rng.choice([b"", b"{", raw[:-1], raw + b"x", b"\xff\xfe", b"[" * 5000, b"1" * 5000, b'{"a": NaN}'])
    return "&".join(pairs), raw


def test_no_request_makes_the_server_fail(client: TestClient) -> None:
    rng = random.Random(20)
    document = client.get("/openapi.json").json()
    parts = document["components"]["schemas"]
    routes = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if path != "/v1/refresh"
    ]
    assert len(routes) >= 15
    told: Counter[int] = Counter()
    for n in range(REQUESTS):
        path, method, operation = routes[n % len(routes)]
        query, raw = sent(rng, operation, parts)
        headers = {} if raw is None else {"Content-Type": rng.choice(["application/json"] * 9 + ["text/plain"])}
        answer = client.request(method.upper(), f"{path}?{query}", content=raw, headers=headers)
        told[answer.status_code] += 1
        assert answer.status_code < 500, (method, path, query[:300], raw and raw[:300], answer.text[:300])
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", (method, path, query[:300])
            assert {"title", "status", "detail"} <= answer.json().keys()
    assert told[200] > REQUESTS / 20  # some get beyond the checks
    assert sum(count for status, count in told.items() if status >= 400) > REQUESTS / 3
