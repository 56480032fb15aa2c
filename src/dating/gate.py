"""The gate that every request passes: who is asking, what route wants of them, and what every answer carries.

`Gate` wraps the whole application and costs little: one look-up in a cache of verified tokens, one list of headers. `admit` is
the guard of every route and denies by default: a handler without `opt={"access": …}` needs a signed-in person.

    access  "required" (default) · "optional" (a token adds fields; a bad one is refused) · "public" (tokens are not looked at)
    limit   the name of a limit in the settings, counted per person, or per address where nobody is signed in
"""

import logging
import time
from collections import OrderedDict
from ipaddress import ip_address, ip_network
from typing import Any, cast

import msgspec
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, InternalServerException, SerializationException, ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Scope, Send

from dating.accounts import service as accounts
from dating.answers import EXTENSION, answer, join
from dating.bodies import BadText, judge_body
from dating.database import Database
from dating.errors import (
    FieldError,
    Forbidden,
    Invalid,
    Malformed,
    MethodNotAllowed,
    NotFound,
    Refusal,
    TooLarge,
    Unauthorized,
    Unavailable,
    Unsupported,
)
from dating.observe import Metrics, new_request_id, request_id
from dating.realtime.inbox import Revoked
from dating.realtime.routes import enter
from dating.settings import Settings
from dating.throttle import name_network
from dating.tokens import Identity, InvalidToken, verify_access

logger = logging.getLogger(__name__)

KNOWN = 50_000  # verified tokens kept; more are verified again
FRESH = 5.0  # seconds after which a verified token's session is looked up again: bounds what a lost revocation can do
IDS_END = 2**53

HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=63072000; includeSubDomains"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"geolocation=(), camera=(), microphone=()"),
]
NO_STORE = (b"cache-control", b"no-store")
CLOSED_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
JSON = [(b"content-type", b"application/json")]
JSON_FIELDS = join((*JSON, *HEADERS, NO_STORE, CLOSED_POLICY)) + b"x-request-id: "
WHOLE = "dating.answer"
"""A message to the gate instead of ASGI's two: the `status`, the `headers` but for the length, and the whole `body`."""


class Gone(Malformed):
    """400: the client went away before its request was whole."""

    detail = "The client went away before its request was whole."


class Known(msgspec.Struct):
    """A verified token: whose it is and when its session was last looked up."""

    identity: Identity
    checked: float


class Doorkeeper:
    """Says whose token it is. Verifies each token once and remembers it until it expires or is revoked."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self._settings = settings
        self._db = db
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._turn = 0

    async def identify(self, token: str) -> Identity:
        """The person behind an access token. Raises InvalidToken, or DatabaseAway when that cannot be found out."""
        known = self._known.get(token)
        now = time.time()
        if known is not None and now - known.checked < FRESH and known.identity.expires_at > now:
            return known.identity
        self._known.pop(token, None)
        claims = verify_access(self._settings, token)
        turn = self._turn
        identity = await self._db.read(accounts.identify, claims)
        if turn != self._turn:  # somebody was revoked meanwhile: what was read may be older than that
            return await self._db.read(accounts.identify, claims)
        if len(self._known) >= KNOWN:
            self._known.popitem(last=False)
        self._known[token] = Known(identity, now)
        return identity

    def seen_since(self, moment: float) -> set[int]:
        """Who has asked for something since a moment (seconds since the epoch), give or take FRESH."""
        people: set[int] = set()
        for known in reversed(self._known.values()):
            if known.checked < moment:
                break
            people.add(known.identity.user_id)
        return people

    def forget(self, notices: list[object]) -> None:
        """Look again at the tokens of whoever was revoked."""
        people = {notice.user_id for notice in notices if isinstance(notice, Revoked)}
        if people:
            self._turn += 1
            for token in [t for t, known in self._known.items() if known.identity.user_id in people]:
                del self._known[token]


class Gate:
    """Around the application: identifies, counts, and puts the headers on every answer, errors included."""

    def __init__(self, app: ASGIApp, settings: Settings, doorkeeper: Doorkeeper, metrics: Metrics) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
        self._metrics = metrics
        self._proxies = [ip_network(proxy) for proxy in settings.trusted_proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        identity = await self._identify(scope)
        scope["state"] = {"identity": identity, "address": self._address(scope)}
        if scope["type"] == ScopeType.WEBSOCKET:
            await enter(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        mark = new_request_id()
        token = request_id.set(mark)
        method = scope["method"]
        status = 500
        if method == "HEAD":  # a GET without its body; the server below us keeps the original scope
            scope = cast(HTTPScope, {**scope, "method": "GET"})

        async def finish(message: Message) -> None:
            nonlocal status
            if message["type"] == WHOLE:
                status = await self._give(scope, message, mark, send, method == "HEAD")
                return
            if message["type"] == "http.response.start":
                status = self._complete(scope, message, mark)
            elif method == "HEAD" and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        try:
            await self._app(scope, receive, finish)
        finally:
            request_id.reset(token)
            route = scope.get("path_template") or "unknown"
            self._metrics.request(method, str(route), status, time.perf_counter() - started)

    async def _give(self, scope: HTTPScope, message: Any, mark: str, send: Send, bare: bool) -> int:
        """Pass on an answer that is there as a whole, in one step where it is the usual JSON and the server below has one.

        Without its body if that is all that is asked for (`bare`).
        """
        status, body = message["status"], message["body"]
        cycle: Any = (scope.get("extensions") or {}).get(EXTENSION)
        if cycle is not None and message["headers"] == JSON and not bare:
            fields = b"%b%b\r\n" % (JSON_FIELDS, mark.encode())
            if answer(cycle, status, fields, body):
                return int(status)
        headers = [*message["headers"], (b"content-length", b"%d" % len(body))]
        start: HTTPResponseStartEvent = {"type": "http.response.start", "status": status, "headers": headers}
        status = self._complete(scope, start, mark)
        await send(start)
        await send({"type": "http.response.body", "body": b"" if bare else body, "more_body": False})
        return status

    def _complete(self, scope: Scope, message: Any, mark: str) -> int:
        headers = [
            (name, list_methods(scope, value) if name == b"allow" else value) for name, value in message.get("headers", ())
        ]
        names = {name for name, _ in headers}
        headers += [*HEADERS, (b"x-request-id", mark.encode())]
        headers += [header for header in (NO_STORE, CLOSED_POLICY) if header[0] not in names]
        message["headers"] = headers
        commit = scope["state"].get("commit")
        if commit is not None and commit.repeated and message["status"] == 201:
            message["status"] = 200
        return int(message["status"])

    async def _identify(self, scope: Any) -> Identity | Refusal | None:
        for name, value in scope["headers"]:
            if name == b"authorization":
                scheme, _, token = value.decode("latin-1").partition(" ")
                if scheme.lower() != "bearer":
                    return InvalidToken("The Authorization header must be a Bearer token.")
                try:
                    return await self._doorkeeper.identify(token.strip())
                except Refusal as refusal:
                    return refusal
        return None

    def _address(self, scope: Any) -> str:
        """Where the client is: the last one in X-Forwarded-For that is not a trusted proxy of ours."""
        address = (scope.get("client") or ("", 0))[0]
        forwarded = [v for n, v in scope["headers"] if n == b"x-forwarded-for"]
        if not forwarded and ":" not in address:
            return str(address)
        hops = [hop.strip() for hop in b",".join(forwarded).decode("latin-1").split(",") if hop.strip()]
        while hops and self._trusts(address):
            address = hops.pop()
        return name_network(address) if ":" in address else address

    def _trusts(self, address: str) -> bool:
        try:
            return any(ip_address(address) in proxy for proxy in self._proxies)
        except ValueError:
            return False


def list_methods(scope: Scope, known: bytes) -> bytes:
    """The methods that a path answers. Litestar leaves out HEAD, and for OPTIONS those of all handlers of the path but one."""
    template = scope.get("path_template")
    routes = [route for route in scope["litestar_app"].routes if isinstance(route, HTTPRoute) and route.path_format == template]
    methods = {*known.decode().split(", "), *(method for route in routes for method in route.methods)}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set()))).encode()


async def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The guard of every route. Raises NotFound, BadText, Unauthorized, RateLimited, Unsupported or TooLarge."""
    scope, state = connection.scope, connection.app.state
    if scope["type"] != ScopeType.HTTP or scope["method"] == "OPTIONS":
        return
    judge_address(scope, connection.path_params)
    identity = scope["state"]["identity"]
    access = handler.opt.get("access", "required")
    if access == "required" and not isinstance(identity, Identity):
        raise identity or Unauthorized
    if access == "optional" and isinstance(identity, Refusal):
        raise identity
    if limit := handler.opt.get("limit"):
        if access != "public" and isinstance(identity, Identity):
            await state.throttle.take(limit, str(identity.user_id))
        else:
            await state.throttle.take_address(limit, scope["state"]["address"])
    judge_body(scope, state.settings.body_limit)


def judge_address(scope: Any, names: dict[str, Any]) -> None:
    """No id is outside 1 … 2^53, and no name has a NUL character. Raises NotFound for such a path, BadText for such a query."""
    if "\x00" in scope["path"]:
        raise NotFound
    if names and any(isinstance(name, int) and not 0 < name < IDS_END for name in names.values()):
        raise NotFound
    if b"%00" in scope["query_string"]:
        raise BadText


def provide_me(scope: Scope) -> Any:
    """The person who asks, on routes that require one."""
    return scope["state"]["identity"]


def provide_viewer(scope: Scope) -> Any:
    """The person who asks, or None, on routes where a token is optional."""
    return scope["state"]["identity"]


def provide_address(scope: Scope) -> str:
    """Where the request came from."""
    return str(scope["state"]["address"])


# --- errors -------------------------------------------------------------------------------------------------------------------

BY_STATUS: dict[int, type[Refusal]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    413: TooLarge,
    415: Unsupported,
    503: Unavailable,
}


def to_refusal(error: Exception) -> Refusal | None:
    """What an exception means to the client; None for a bug of ours."""
    match error:
        case Refusal():
            return error
        case ValidationException():
            return read_validation(error.extra)
        case SerializationException() | RecursionError() | UnicodeError() | OverflowError():
            return Malformed("The request body is not valid JSON.")
        case HTTPException() if error.status_code < 500:
            kind = BY_STATUS.get(error.status_code, Malformed)
            return kind() if kind is not Malformed else Malformed(describe_parse(error))
        case InternalServerException() if "disconnected" in error.detail:
            return Gone()  # nobody is there to read it
        case _:
            return None


def describe_parse(error: HTTPException) -> str:
    """A sentence for a body or a query that could not be read."""
    return (
        "The request body is not valid JSON."
        if isinstance(error.__cause__, SerializationException)
        else "The request is malformed."
    )


def read_validation(extra: object) -> Refusal:
    """Litestar's list of what was wrong, as field and message. An id in the path that cannot be is one that does not exist."""
    rows = [row for row in extra if isinstance(row, dict)] if isinstance(extra, list) else []
    if any(row.get("source") == "path" for row in rows):
        return NotFound()
    return Invalid(errors=[read_field(str(row.get("key", "")), str(row.get("message", ""))) for row in rows])


def read_field(key: str, message: str) -> FieldError:
    """One refused field. Litestar calls the body `data`, and a missing one by its name in quotes."""
    field = "body" if key == "data" else key
    return FieldError(field, "Missing." if message == f"'{key}'" else message)


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Every error as problem+json; what nobody foresaw is logged and answered without details."""
    refusal = to_refusal(error)
    if refusal is None:
        logger.error("unhandled error", exc_info=error, extra={"route": request.scope.get("path_template")})
        refusal = ServerError()
    headers = dict(getattr(error, "headers", None) or {})
    if refusal.retry_after is not None:
        headers["retry-after"] = str(refusal.retry_after)
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(refusal.problem(), status_code=refusal.status, media_type="application/problem+json", headers=headers)


class ServerError(Refusal):
    """500: a bug of ours."""

    status = 500
    title = "Internal Server Error"
    code = "server_error"
    detail = "Something went wrong on our side; it has been logged."
