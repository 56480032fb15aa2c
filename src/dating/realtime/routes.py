"""The doors to the hub: POST /ws/start gives a one-time token, GET /ws/chat (and /ws) admits a socket with it."""

import asyncio
from collections import deque
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from litestar import asgi, post
from litestar.di import NamedDependency
from litestar.types import Receive, Scope, Send
from msgspec import Meta

from dating.database import Database
from dating.errors import Forbidden, Malformed, NotFound, Refusal, Unauthorized
from dating.realtime import inbox
from dating.realtime.hub import Hub
from dating.realtime.session import Session
from dating.realtime.wire import EXTENSION, Spout, frame
from dating.settings import Settings
from dating.tokens import Identity, Tickets


class ForeignOrigin(Forbidden):
    """403: the page that opens the socket belongs to an origin that is not on the list."""

    code = "foreign_origin"
    detail = "Sockets from this origin are not allowed."


class BadTicket(Unauthorized):
    """401: the one-time token was used, has expired, or never existed."""

    code = "invalid_session_token"
    detail = "The session token is not valid, was used already, or has expired."


class BadSince(Malformed):
    """400: `since` is not a number of an event."""

    code = "invalid_since"
    detail = "since must be a whole number from 0."


class Door(msgspec.Struct, frozen=True):
    """A one-time token for /ws/chat, its life in seconds, and the top of my inbox now."""

    session_token: Annotated[str, Meta(examples=["q3Z8v0n1cJx7mR5tYw2LkD4sH6bF9gPaUeIoTzXyVbN"])]
    expires_in: Annotated[int, Meta(examples=[30])]
    seq: Annotated[int, Meta(examples=[118])]


@post(
    "/ws/start",
    status_code=200,
    summary="Get a one-time token for a socket",
    description="Good for one connection to `/ws/chat?session=…` within `expires_in` seconds.",
    tags=["Realtime"],
    opt={"limit": "socket"},
)
async def start_socket(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    tickets: NamedDependency[Tickets],
    settings: NamedDependency[Settings],
) -> Door:
    """Issue a token bound to me and to this session."""
    place = await db.read(inbox.position, me.user_id)
    return Door(await tickets.issue(me), settings.session_token_seconds, place.top)


PATHS = ("/ws/chat", "/ws")


@asgi(list(PATHS), copy_scope=True, opt={"access": "public"})
async def refuse_plain(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer plain HTTP on the sockets' paths."""
    raise Malformed("This path answers WebSocket upgrades only.")


async def enter(scope: Scope, receive: Receive, send: Send) -> None:
    """Admit one socket and serve it until it closes; a refusal is an HTTP status before the upgrade.

    The gate calls this itself: an idle socket then holds three frames instead of ten.
    """
    state = scope["litestar_app"].state
    await receive()
    if scope["path"].rstrip("/") not in PATHS:
        await answer(send, NotFound())
        return
    connection = SocketConnection(send)
    try:
        since, epoch = read_place(scope)
        judge_origin(scope, state.settings)
        identity = await admit(scope, state.tickets)
        session = state.hub.connect(identity, connection, since, epoch)
    except Refusal as refusal:
        await answer(send, refusal)
        return
    await serve(state.hub, session, connection, scope, receive, send)


async def serve(hub: Hub, session: Session, connection: "SocketConnection", scope: Any, receive: Receive, send: Send) -> None:
    """Read frames until the socket is gone. Never waits for anything but the next frame."""
    try:
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        spout = scope["extensions"].get(EXTENSION)
        scope.clear()  # nobody needs the handshake any more, and an idle socket shall be small
        connection.open(hub, session, spout)
        while True:
            message = await receive()
            if message["type"] == "websocket.receive":
                hub.intake.receive(session, message["text"] if message.get("text") is not None else message.get("bytes"))
            else:
                break
    finally:
        hub.disconnect(session)
        connection.abandon()


def read_place(scope: Any) -> tuple[int | None, str | None]:
    """`since` and `epoch` of the query. Raises BadSince."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    epoch = query.get("epoch", [None])[0]
    if "since" not in query:
        return None, epoch
    since = query["since"][0]
    if not (since.isascii() and since.isdigit() and len(since) <= 16):
        raise BadSince
    return int(since), epoch


def judge_origin(scope: Any, settings: Settings) -> None:
    """Browsers say which page opens the socket: ours or one on the list. Raises ForeignOrigin."""
    headers = dict(scope["headers"])
    if b"origin" not in headers:
        return
    origin = headers[b"origin"].decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1")
    if origin not in settings.cors_origins and (not host or urlsplit(origin).netloc != host):
        raise ForeignOrigin


async def admit(scope: Any, tickets: Tickets) -> Identity:
    """Who comes in: by the one-time token, or by the bearer token that the gate has verified already."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    if "session" in query:
        identity = await tickets.redeem(query["session"][0])
        if identity is None:
            raise BadTicket
        return identity
    bearer: Identity | Refusal | None = scope["state"].get("identity")
    if isinstance(bearer, Identity):
        return bearer
    raise bearer or Unauthorized


async def answer(send: Any, refusal: Refusal) -> None:
    """Refuse the upgrade with a plain HTTP answer."""
    headers = [(b"content-type", b"application/problem+json")]
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": refusal.problem(), "more_body": False})


class SocketConnection:
    """The hub's view of an ASGI socket. What the peer does not take at once queues here; a task sends it while there is any."""

    __slots__ = ("_closing", "_frames", "_hub", "_send", "_sender", "_session", "_spout")

    def __init__(self, send: Any) -> None:
        self._send = send
        self._frames: deque[bytes] | None = None  # made when there is something to send: an empty one is 0.6 KiB
        self._sender: asyncio.Task[None] | None = None
        self._closing: int | None = None
        self._hub: Hub | None = None
        self._session: Session | None = None
        self._spout: Spout | None = None

    def open(self, hub: Hub, session: Session, spout: Spout | None) -> None:
        """The upgrade is done: what was written meanwhile may go. `spout`: the way past ASGI, where there is one."""
        self._hub, self._session, self._spout = hub, session, spout
        self._wake()

    def write(self, data: bytes) -> bool:
        if self._sender is None and self._spout is not None and self._spout.write_frame(frame(data)):
            return True
        if self._frames is None:
            self._frames = deque()
        self._frames.append(data)
        self._wake()
        return False

    def close(self, code: int) -> None:
        self._closing = code
        self._wake()

    def abandon(self) -> None:
        """The peer is gone: send nothing more."""
        self._spout = None
        if self._session is not None:
            self._session.direct = None
        if self._sender is not None:
            self._sender.cancel()

    def _wake(self) -> None:
        if self._sender is None and self._hub is not None and self._session is not None:
            self._session.direct = None
            self._sender = asyncio.create_task(self._flush(self._hub, self._session))

    async def _flush(self, hub: Hub, session: Session) -> None:
        try:
            while self._frames:
                text = self._frames.popleft().decode()
                await self._send({"type": "websocket.send", "text": text})
                hub.sent_frames(session, 1)
            if self._closing is not None:
                await self._send({"type": "websocket.close", "code": self._closing, "reason": ""})
                self._spout = None
        except (OSError, RuntimeError):
            # The peer went away between two frames; the reader notices and unregisters.
            return
        finally:
            self._frames = None
            self._sender = None
            if self._spout is not None:
                session.direct = self._spout.write_frame
