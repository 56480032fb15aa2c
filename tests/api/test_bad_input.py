"""Bad input at every operation: a problem with the right status and a stable code, nothing changed, never a 500.

The operations come from the server's own OpenAPI document, so a new one is tested without a word here.
"""

import base64
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import jwt
import msgspec
import pytest

from dating.documentation import document
from dating.tokens import key_id, sign_access
from tests.kit import Api, Person

JSON = {"Content-Type": "application/json"}
METHODS = ("get", "post", "put", "patch", "delete")


class Operation(NamedTuple):
    """One operation of the document."""

    method: str
    path: str
    about: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def needs_token(self) -> bool:
        return {} not in self.about["security"] and self.about["security"] != []

    @property
    def example(self) -> Any:
        """The example of the body; None where there is none."""
        return self.about.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")

    def parameters(self, place: str) -> list[dict[str, Any]]:
        return [parameter for parameter in self.about.get("parameters", []) if parameter["in"] == place]

    def address(self, **names: Any) -> str:
        """The path with ids that cannot be somebody's (2^50), or the given ones."""
        filled = {parameter["name"]: 2**50 for parameter in self.parameters("path")} | names
        return self.path.format(**filled)


def list_operations(whole: dict[str, Any]) -> list[Operation]:
    """Everything that the server answers, from its own document."""
    return [
        Operation(method.upper(), path, item[method])
        for path, item in sorted(whole["paths"].items())
        for method in METHODS
        if method in item
    ]


def list_with_body(whole: dict[str, Any]) -> list[Operation]:
    """Those that read a body."""
    return [operation for operation in list_operations(whole) if operation.example is not None]


def judge(response: httpx.Response, statuses: tuple[int, ...]) -> str | None:
    """What is wrong with the answer to bad input; None if nothing."""
    if response.status_code not in statuses:
        return f"{response.status_code}: {response.text[:200]}"
    if response.headers["content-type"] != "application/problem+json":
        return f"not a problem: {response.text[:200]}"
    problem = response.json()
    if problem["status"] != response.status_code or not problem["code"] or not problem["detail"]:
        return f"not the problem's shape: {problem}"
    if any(not error["message"] for error in problem.get("errors", [])):
        return f"an error without words: {problem}"
    return None


NAMES = {
    "sqlite": """
        SELECT t.name || ' ' || c.name FROM pragma_table_list t JOIN pragma_table_info(t.name) c
        WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid""",
    "postgres": """
        SELECT c.table_name || ' ' || c.column_name FROM information_schema.columns c
        JOIN information_schema.tables t ON t.table_name = c.table_name AND t.table_type = 'BASE TABLE'
        WHERE c.table_schema = 'public' AND t.table_schema = 'public' ORDER BY c.table_name, c.ordinal_position""",
}
SEEN = {"last_active", "used_at"}  # when somebody was last here may change


async def read_everything(tx: Any, dialect: str) -> dict[str, list[str]]:
    """Each table's rows as text: the whole database, so that nothing can change unseen."""
    columns: dict[str, list[str]] = {}
    for name in await tx.all(str, NAMES[dialect]):
        table, column = name.split()
        columns.setdefault(table, []).extend([column] if column not in SEEN else [])
    whole = {}
    for table, names in columns.items():
        row = " || '|' || ".join(f"COALESCE(CAST({name} AS TEXT), '~')" for name in names)
        whole[table] = sorted(await tx.all(str, f"SELECT {row} FROM {table}"))
    return whole


async def fingerprint(api: Api) -> dict[str, list[str]]:
    """Everything in the database of a server."""
    db = api.app.state.db
    return dict(await db.read(read_everything, db.dialect))


# --- whole bodies


def list_bodies(example: Any) -> Iterator[tuple[str, bytes, dict[str, str], tuple[int, ...]]]:
    """Bodies that are wrong as a whole: a name, the bytes, the headers, and the statuses that fit."""
    good = msgspec.json.encode(example)
    yield "empty", b"", JSON, (400,)
    yield "blank", b"   ", JSON, (400,)
    yield "null", b"null", JSON, (400,)
    yield "a list", b"[]", JSON, (400,)
    yield "a list of bodies", b"[" + good + b"]", JSON, (400,)
    yield "a text", b'"text"', JSON, (400,)
    yield "a number", b"1", JSON, (400,)
    yield "truncated", good[:-1], JSON, (400,)
    yield "two bodies", good + good, JSON, (400,)
    yield "not JSON", b"username=a&password=b", JSON, (400,)
    yield "invalid UTF-8", b'{"username": "\xff\xfe", "x": "\xc3\x28"}', JSON, (400,)
    yield "invalid UTF-8 in an unknown key", good[:-1] + b', "\xff": 1}', JSON, (400,)
    yield "a byte order mark", b"\xef\xbb\xbf" + good, JSON, (400,)
    yield "UTF-16", good.decode().encode("utf-16"), JSON, (400,)
    yield "5,000 deep", b"[" * 5_000 + b"]" * 5_000, JSON, (400,)
    yield "5,000 deep in an unknown key", good[:-1] + b', "deep": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001, JSON, (400,)
    yield "deep and never closed", b'{"a":' * 5_000, JSON, (400,)
    yield "a NUL byte", good[:-1] + b', "x": "\x00"}', JSON, (400,)
    yield "an escaped NUL", good[:-1] + b', "x": "a\\u0000b"}', JSON, (400,)
    yield "a NUL in a key", good[:-1] + b', "\\u0000": 1}', JSON, (400,)
    yield "NaN", good[:-1] + b', "x": NaN}', JSON, (400,)
    yield "a comment", b"/* */" + good, JSON, (400,)
    yield "single quotes", b"{'a': 1}", JSON, (400,)
    yield "too large", good[:-1] + b', "x": "' + b"x" * 70_000 + b'"}', JSON, (413,)
    yield "no content type", good, {}, (415,)
    yield "text/plain", good, {"Content-Type": "text/plain"}, (415,)
    yield "a form", b"username=a", {"Content-Type": "application/x-www-form-urlencoded"}, (415,)
    yield "multipart", good, {"Content-Type": "multipart/form-data; boundary=x"}, (415,)
    yield "almost JSON", good, {"Content-Type": "application/jsonp"}, (415,)


async def test_bad_bodies_change_nothing(api: Api) -> None:
    """What is not a JSON object of the right kind is refused at every operation that reads one."""
    person = await api.person()
    before = await fingerprint(api)
    failures = []
    for operation in list_with_body(document(api.app)):
        optional = not operation.about["requestBody"]["required"]
        for name, body, headers, statuses in list_bodies(operation.example):
            if optional and name == "empty":
                continue
            response = await person.request(operation.method, operation.address(), content=body, headers=headers)
            if problem := judge(response, statuses):
                failures.append(f"{operation.name}, {name}: {problem}")
    assert failures[:60] == []
    assert await fingerprint(api) == before


async def test_strange_bodies_never_break(api: Api) -> None:
    """What JSON allows but nobody writes is answered, whatever the answer: never a 500."""
    failures = []
    for operation in list_with_body(document(api.app)):
        good = msgspec.json.encode(operation.example)
        first = next(iter(operation.example), "x")
        strange = {
            "a key twice": good[:-1] + b"," + good[1:],
            "a key twice, once wrong": b'{"%s": [], ' % first.encode() + good[1:],
            "1e400": good[:-1] + b', "x": 1e400}',
            "a long number": good[:-1] + b', "x": ' + b"9" * 5_000 + b"}",
            "400 keys": good[:-1] + b"".join(b', "k%d": 1' % n for n in range(400)) + b"}",
            "60 deep": good[:-1] + b', "x": ' + b"[" * 60 + b"]" * 60 + b"}",
            "a lone surrogate in an unknown key": good[:-1] + b', "x": "\\ud800"}',
        }
        for name, body in strange.items():
            person = await api.person()
            response = await person.request(operation.method, operation.address(), content=body, headers=JSON)
            if response.status_code >= 500:
                failures.append(f"{operation.name}, {name}: {response.status_code}")
    assert failures[:60] == []


# --- fields


def list_fields(
    schema: dict[str, Any], known: dict[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any, bool]]:
    """Every field of a body, nested ones too: path, schema, whether it must be there."""
    if "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    for part in schema.get("anyOf", []):
        if "$ref" in part:
            yield from list_fields(part, known, path)
    for name, part in schema.get("properties", {}).items():
        yield (*path, name), part, name in schema.get("required", ())
        yield from list_fields(part, known, (*path, name))


def list_choices(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas among which a value may choose."""
    return list(schema.get("anyOf", [schema]))


ABSENT = object()
SURROGATE = "<surrogate>"
WRONG_TYPES: dict[str, Any] = {
    "string": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "object": {},
    "null": None,
}


def list_values(schema: dict[str, Any], *, required: bool) -> Iterator[tuple[str, Any]]:
    """Values that a field must refuse."""
    choices = list_choices(schema)
    kinds = {part.get("type", "object") for part in choices} | {"object" for part in choices if "$ref" in part}
    if any("enum" in part for part in choices):
        kinds.add("string")
        yield "no such choice", "no-such-choice"
    if required:
        yield "missing", ABSENT
    for kind, value in WRONG_TYPES.items():
        if kind not in kinds and not (kind == "integer" and "number" in kinds):
            yield f"a {kind}", value
    for part in choices:
        match part:
            case {"type": "string"}:
                yield "a lone surrogate", SURROGATE
                yield "NUL", "a\0b"
                if "maxLength" in part:
                    yield "too long", "x" * (part["maxLength"] + 1)
                    yield "too long in characters of four bytes", "😀" * (part["maxLength"] + 1)
            case {"type": "integer" | "number" as kind}:
                yield "a number as text", "1"
                if "minimum" in part:
                    yield "too small", part["minimum"] - 1
                if "maximum" in part or "exclusiveMaximum" in part:
                    yield "too large", part.get("exclusiveMaximum", part.get("maximum", 0) + 1)
                yield "2^63", 2**63
                yield "2^64", 2**64
                yield "-2^63", -(2**63)
                if kind == "integer":
                    yield "a fraction", 1.5
            case {"type": "array"}:
                items = part.get("items", {})
                yield "too many", [0] * (part.get("maxItems", 0) + 1)
                yield "a list of nulls", [None]
                if items.get("type") == "integer":
                    yield "a list of -1", [-1]
                    yield "a list of 2^63", [2**63]
                else:
                    yield "a list of lists", [[]]


def replace(body: Any, path: tuple[str, ...], value: Any) -> Any:
    """The body with one value changed or left out."""
    if isinstance(body, list):
        return [replace(body[0], path, value), *body[1:]] if body else body
    [name, *rest] = path
    copy = dict(body or {})
    if rest:
        copy[name] = replace(copy.get(name), tuple(rest), value)
    elif value is ABSENT:
        copy.pop(name, None)
    else:
        copy[name] = value
    return copy


def encode(body: Any) -> bytes:
    """JSON with the marks replaced by what no encoder writes."""
    return msgspec.json.encode(body).replace(SURROGATE.encode(), b"\\ud800")


async def test_bad_fields_change_nothing(api: Api) -> None:
    """Each field of each body refuses what is missing, null, of another type, too long, too large or unwritable."""
    whole = document(api.app)
    known = whole["components"]["schemas"]
    person = await api.person()
    before = await fingerprint(api)
    failures, tried = [], 0
    for operation in list_with_body(whole):
        schema = operation.about["requestBody"]["content"]["application/json"]["schema"]
        for path, part, required in list_fields(schema, known):
            for name, value in list_values(part, required=required):
                tried += 1
                body = encode(replace(operation.example, path, value))
                response = await person.request(operation.method, operation.address(), content=body, headers=JSON)
                if problem := judge(response, (400,)):
                    failures.append(f"{operation.name}, {'.'.join(path)} {name}: {problem}")
    assert failures[:60] == []
    assert tried > 500
    assert await fingerprint(api) == before


async def test_the_refused_field_is_named(api: Api) -> None:
    """The problem says which field was refused and why, nested ones with their path."""
    person = await api.person()
    response = await person.post("/swipe", json={"target_id": 0, "action": "wink"})
    problem = response.json()
    assert problem["code"] == "invalid"
    assert problem["errors"]
    assert {error["field"] for error in problem["errors"]} <= {"target_id", "action"}
    response = await person.patch("/me", json={"preferences": {"min_age": "young"}})
    assert response.json()["errors"][0]["field"] == "preferences.min_age"
    assert (await person.post("/swipe", content=b"", headers=JSON)).json()["errors"] == [{"field": "body", "message": "Missing."}]


# --- addresses

STRANGE_IDS = [
    "0",
    "-1",
    str(2**53),
    str(2**63),
    str(2**64),
    "9" * 4_000,
    "1e400",
    "1.5",
    "abc",
    "null",
    "%00",
    "%FF",
    "%F0%9F%98%80",
    "[]",
    "{}",
]


async def test_bad_ids_are_not_found(api: Api) -> None:
    """An id that nothing can have, or that nothing has, is 404 at every operation, for every id in its path."""
    person = await api.person()
    failures = []
    for operation in list_operations(document(api.app)):
        for parameter in operation.parameters("path"):
            for value in [*STRANGE_IDS, str(2**50)]:
                address = operation.address(**{parameter["name"]: value})
                options = {} if operation.example is None else {"json": operation.example}
                if problem := judge(await person.request(operation.method, address, **options), (404,)):
                    failures.append(f"{operation.name}, {value[:20]}: {problem}")
    assert failures[:60] == []


async def test_bad_queries_are_refused(api: Api) -> None:
    """Each query parameter refuses other types, values beyond its bounds, and NUL; whatever else comes is no 500."""
    person = await api.person()
    failures = []
    for operation in list_operations(document(api.app)):
        for parameter in operation.parameters("query"):
            for value, refused in list_query_values(parameter["schema"]):
                response = await person.request(operation.method, f"{operation.address()}?{parameter['name']}={value}")
                statuses = (400,) if refused else (200, 400, 404)
                problem = judge(response, statuses) if refused or response.status_code >= 500 else None
                if problem:
                    failures.append(f"{operation.name}, {parameter['name']}={value[:20]}: {problem}")
    assert failures[:60] == []


def list_query_values(schema: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Values for a query parameter, and whether they must be refused."""
    yield "%00", True
    yield "a%00b", True
    kinds = {name for part in schema.get("oneOf", [schema]) for name in as_list(part.get("type"))}
    yield "%FF%FE", "string" not in kinds or "enum" in schema
    yield "%ED%A0%80", "string" not in kinds or "enum" in schema
    yield "x" * 5_000, True
    yield "", False
    yield "1&1", False
    yield "null", False
    if kinds & {"integer", "number"}:
        for value in ("abc", "1e400", "9" * 400, str(2**63), str(-(2**63)), "[]", "0x10", "NaN", "Infinity"):
            yield value, True
        if "minimum" in schema:
            yield str(int(schema["minimum"]) - 1), True
        if "maximum" in schema:
            yield str(int(schema["maximum"]) + 1), True


def as_list(value: Any) -> list[Any]:
    """JSON Schema's one or many, as many."""
    return value if isinstance(value, list) else [value]


# --- tokens


def forge(person: Person, settings: Any, **changes: Any) -> dict[str, str]:
    """Tokens that look like the person's and are not good."""
    secret = settings.jwt_secret
    claims = jwt.decode(person.token, options={"verify_signature": False})
    headers = {"kid": key_id(secret)}

    def sign(key: str = secret, algorithm: str = "HS256", head: dict[str, Any] | None = None, **other: Any) -> str:
        return jwt.encode(claims | other, key, algorithm=algorithm, headers=headers if head is None else head)

    def without(name: str) -> str:
        return jwt.encode({key: value for key, value in claims.items() if key != name}, secret, headers=headers)

    unsigned = ".".join(person.token.split(".")[:2])
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT","kid":"%s"}' % key_id(secret).encode()).decode().rstrip("=")
    now = int(time.time())
    return {
        "expired": sign_access(settings, claims["sub"], claims["sid"], claims["since"], now - 10_000),
        "not yet valid": sign(nbf=now + 1_000),
        "another key": sign(key="x" * 40),
        "another algorithm": sign(algorithm="HS512"),
        "alg none": f"{none}.{person.token.split('.')[1]}.",
        "no signature": f"{unsigned}.",
        "two parts": unsigned,
        "an altered body": person.token.replace(".ey", ".eY", 1),
        "an altered signature": person.token[:-4] + ("AAAA" if person.token[-4:] != "AAAA" else "BBBB"),
        "another audience": sign(aud="other"),
        "a list of audiences": sign(aud=["dating-api", "other"]),
        "another issuer": sign(iss="other"),
        "another kind": sign(typ="refresh"),
        "another person": sign(sub=str(person.id + 1)),
        "nobody": sign(sub="0"),
        "a huge person": sign(sub=str(2**63)),
        "a person by number": sign(sub="1.5"),
        "another session": sign(sid=2**52),
        "a huge session": sign(sid=2**64),
        "a session as text": sign(sid="1"),
        "a session as truth": sign(sid=True),
        "another beginning of the session": sign(since=claims["since"] + 1),
        "another kid": sign(head={"kid": "other"}),
        "a kid with a path": sign(head={"kid": "../../etc/passwd"}),
        "no kid": sign(head={}),
        "a critical header": sign(head={**headers, "crit": ["x"]}),
        "a foreign key's address": sign(head={**headers, "jku": "https://evil.example.net/keys"}),
        **{f"no {name}": without(name) for name in ("exp", "iat", "nbf", "sub", "sid", "since", "jti", "typ", "aud", "iss")},
        "a refresh token": person.refresh_token,
        "empty": "",
        "spaces": "a b c",
        "dots": "...",
        "long": "x" * 8_000,
        "a lone brace": base64.urlsafe_b64encode(b"{").decode() + ".e30.x",
    }


@pytest.mark.one_process("httpx does not put such headers on a wire")
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_bad_tokens_open_nothing(api: Api) -> None:
    """No token, an expired one and each kind of forged one is 401 with a code, over HTTP."""
    person = await api.person()
    for name, token in forge(person, api.app.state.settings).items():
        response = await api.http.get("/me", headers={"Authorization": f"Bearer {token}"})
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token"), name
    assert (await person.get("/me")).status_code == 200


async def test_every_operation_asks_for_a_token(api: Api) -> None:
    """Without a token, with an expired and with a forged one, each operation that is not public refuses before anything else."""
    person = await api.person()
    bad = forge(person, api.app.state.settings)
    before = await fingerprint(api)
    failures = []
    for operation in list_operations(document(api.app)):
        if not operation.needs_token:
            continue
        options = {} if operation.example is None else {"json": operation.example}
        for name in (None, "expired", "another key"):
            headers = {} if name is None else {"Authorization": f"Bearer {bad[name]}"}
            response = await api.http.request(operation.method, operation.address(), headers=headers, **options)
            if problem := judge(response, (401,)):
                failures.append(f"{operation.name}, {name}: {problem}")
    assert failures[:60] == []
    assert await fingerprint(api) == before


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb"])
async def test_bad_keys_are_refused(api: Api, key: str) -> None:
    """An Idempotency-Key is printable ASCII of at most 255 characters, or the request is refused."""
    anna, boris = await api.people(2)
    headers = {"Idempotency-Key": key.encode("latin-1")}
    response = await anna.request("POST", "/swipe", json={"target_id": boris.id, "action": "like"}, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_idempotency_key")
    assert await api.count("pairs") == 0
