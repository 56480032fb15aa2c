"""What every answer carries, errors included; who may call from a browser; paths, slashes and methods."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from dating.settings import Settings
from tests.kit import Api, Server, running

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
JSON = {"Content-Type": "application/json"}
OURS = "https://app.example.org"
EVIL = "https://evil.example.net"


def assert_headers(response: httpx.Response) -> None:
    """All headers once, an id, and no word about the software."""
    for name, value in EVERYWHERE.items():
        assert response.headers.get_list(name) == [value], (response.request.url, name)
    assert response.headers["x-request-id"]
    assert "server" not in response.headers


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    """A refusal in the one shape."""
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"].endswith(".")


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/ping", {}, 200, None),
        ("GET", "/me", {}, 401, "unauthorized"),
        ("GET", "/no/such/path", {}, 404, "not_found"),
        ("GET", "/%00", {}, 404, "not_found"),
        ("GET", "/../../etc/passwd", {}, 404, "not_found"),
        ("PUT", "/ping", {}, 405, "method_not_allowed"),
        ("TRACE", "/ping", {}, 405, "method_not_allowed"),
        ("POST", "/login", {"content": b"{", "headers": JSON}, 400, "malformed"),
        ("POST", "/login", {"content": b"[1]", "headers": JSON}, 400, "invalid"),
        ("POST", "/login", {"content": b" " * 70_000, "headers": JSON}, 413, "too_large"),
        ("POST", "/login", {"data": {"username": "a"}}, 415, "unsupported_media_type"),
        ("GET", "/ws/chat", {}, 400, "malformed"),
    ],
)
async def test_headers_are_on_every_answer(
    server: Server, method: str, path: str, options: dict[str, Any], status: int, code: str | None
) -> None:
    """Success or refusal of any kind: the same headers, and a refusal is problem+json with a stable code."""
    response = await server.http.request(method, path, **options)
    assert response.status_code == status, response.text
    assert_headers(response)
    if code:
        assert_problem(response, status, code)


@pytest.mark.one_process("breaks the application from inside")
async def test_a_bug_answers_like_the_rest(settings: Settings) -> None:
    """An unforeseen error is a 500 problem with all headers, and tells nothing about itself."""
    async with running(settings) as api:
        api.app.state.readiness = None
        response = await api.http.get("/readyz")
        assert_problem(response, 500, "server_error")
        assert_headers(response)
        assert "NoneType" not in response.text


@pytest.mark.parametrize("path", ["/ping", "/api", "/docs", "/docs/openapi.json", "/user/999999", "/me"])
async def test_a_trailing_slash_is_insignificant(server: Server, path: str) -> None:
    """With and without the slash the answer is the same, and never a redirect."""
    one, other = await server.http.get(path), await server.http.get(f"{path}/")
    assert one.status_code == other.status_code
    assert one.content == other.content
    assert not one.is_redirect


@pytest.mark.parametrize("path", ["/ping", "/me", "/docs", "/no/such/path"])
async def test_head_is_get_without_the_body(server: Server, path: str) -> None:
    """HEAD gives the status and the headers of GET, and nothing else."""
    full, head = await server.http.get(path), await server.http.head(path)
    assert head.status_code == full.status_code
    assert head.content == b""
    assert head.headers["content-length"] == str(len(full.content))
    assert_headers(await server.http.head("/ping"))


async def test_methods_are_told(server: Server) -> None:
    """OPTIONS and a refused method name the methods that the path answers."""
    for path, methods in {
        "/swipe": {"OPTIONS", "POST"},
        "/me": {"OPTIONS", "GET", "HEAD", "PUT", "PATCH", "DELETE"},
        "/api/chats/7": {"OPTIONS", "GET", "HEAD", "PATCH", "DELETE"},
    }.items():
        options = await server.http.options(path)
        assert options.status_code == 204
        assert set(options.headers["allow"].split(", ")) == methods
        refused = await server.http.request("TRACE", path)
        assert_problem(refused, 405, "method_not_allowed")
        assert set(refused.headers["allow"].split(", ")) == methods


async def test_a_refused_token_says_so(api: Api) -> None:
    """401 names the scheme; no token and a wrong one have codes of their own."""
    for headers, code in [
        ({}, "unauthorized"),
        ({"Authorization": "Bearer x.y.z"}, "invalid_token"),
        ({"Authorization": "Bearer"}, "invalid_token"),
        ({"Authorization": "Basic YTpi"}, "invalid_token"),
        ({"Authorization": "Bearer é".encode()}, "invalid_token"),
    ]:
        response = await api.http.get("/me", headers=headers)  # type: ignore[arg-type]  # bytes are for the é
        assert_problem(response, 401, code)
        assert response.headers["www-authenticate"] == "Bearer"


async def test_request_ids_differ(api: Api) -> None:
    """Every answer has an id of its own, whatever the caller sends."""
    ids = {(await api.http.get("/ping", headers={"X-Request-Id": "mine"})).headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20
    assert "mine" not in ids


# --- browsers


async def test_no_origin_is_allowed_by_default(api: Api) -> None:
    """Without a list no page of another origin may read anything."""
    response = await api.http.get("/ping", headers={"Origin": EVIL})
    assert "access-control-allow-origin" not in response.headers
    preflight = await api.http.options("/swipe", headers={"Origin": EVIL, "Access-Control-Request-Method": "POST"})
    assert "access-control-allow-origin" not in preflight.headers


@pytest.mark.parametrize("path", ["/ping", "/me", "/no/such/path"])
async def test_listed_origins_alone_may_read(settings: Settings, path: str) -> None:
    """The listed origin is named on every answer, errors included; any other, however similar, is not."""
    async with running(msgspec.structs.replace(settings, cors_origins=(OURS,))) as api:
        allowed = await api.http.get(path, headers={"Origin": OURS})
        assert allowed.headers["access-control-allow-origin"] == OURS
        assert "access-control-allow-credentials" not in allowed.headers
        for origin in (EVIL, "null", f"{OURS}.evil.example.net", OURS.replace("https", "http"), OURS.upper(), "*", ""):
            refused = await api.http.get(path, headers={"Origin": origin})
            assert "access-control-allow-origin" not in refused.headers, origin
            assert refused.status_code == allowed.status_code


async def test_preflight_follows_the_list(settings: Settings) -> None:
    """A preflight of the listed origin learns the methods and headers; another origin's learns nothing useful."""
    async with running(msgspec.structs.replace(settings, cors_origins=(OURS,))) as api:
        ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
        allowed = await api.http.options("/swipe", headers={"Origin": OURS, **ask})
        assert allowed.status_code == 204
        assert allowed.headers["access-control-allow-origin"] == OURS
        assert "POST" in allowed.headers["access-control-allow-methods"]
        assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
        refused = await api.http.options("/swipe", headers={"Origin": EVIL, **ask})
        assert "access-control-allow-origin" not in refused.headers
        assert_headers(refused)


# --- bodies


async def test_a_chunked_body_has_the_same_limit(server: Server) -> None:
    """Without a declared length the bytes are counted as they come."""

    async def chunks() -> Any:
        for _ in range(80):
            yield b" " * 1024

    response = await server.http.post("/login", content=chunks(), headers=JSON)
    assert_problem(response, 413, "too_large")
    assert_headers(response)


async def test_a_body_at_the_limit_is_read(server: Server) -> None:
    """The limit itself is allowed: the refusal is about what the body says."""
    limit = server.app.state.settings.body_limit
    body = b'{"username": "nobody", "password": "x"}'.ljust(limit)
    assert (await server.http.post("/login", content=body, headers=JSON)).status_code == 401
    assert_problem(await server.http.post("/login", content=body + b" ", headers=JSON), 413, "too_large")


async def test_a_refused_body_leaves_the_connection_usable(server: Server) -> None:
    """After a refusal that did not read the body, other requests are answered as before."""
    for _ in range(3):
        assert (await server.http.post("/login", content=b"x" * 200_000, headers=JSON)).status_code == 413
        assert (await server.http.get("/ping")).status_code == 200


async def test_many_refusals_disturb_nobody(server: Server) -> None:
    """While one caller sends nonsense, others are answered."""
    nonsense = [server.http.post("/login", content=b"[" * 5_000, headers=JSON) for _ in range(30)]
    sensible = [server.http.get("/ping") for _ in range(30)]
    answers = await asyncio.gather(*nonsense, *sensible)
    assert {answer.status_code for answer in answers[:30]} == {400}
    assert {answer.status_code for answer in answers[30:]} == {200}


async def test_a_client_that_leaves_is_no_error_of_ours(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A connection that ends in the middle of a body is neither logged nor counted as a failure of the server."""
    person = await server.person()
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"POST /swipe HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {person.token}\r\n"
    writer.write(head.encode() + b"Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.transport.abort()
    await asyncio.sleep(0.2)
    assert "unhandled" not in caplog.text
    assert 'status="500"' not in (await server.http.get("/metrics")).text
