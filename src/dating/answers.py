"""uvicorn's protocol for HTTP, whose answers go to the kernel in one piece, and which takes no head without end.

It writes the head of an answer and its body one after the other, and uvloop hands each to the kernel at once: for a short answer
the second call costs as much as the first, here and at the client. So a head waits for its body, but no longer than this tick.
Who has both at once, as the short way for messages does, gives them to `answer`, which spares the two messages of ASGI and
looking into every header for what cannot be there.

The parser below it keeps whatever a client calls a head, and asks for no `Host`. Here a head has bounds, and in HTTP/1.1 one host
(RFC 9112, section 3.2): anything else is 400, and the end of the connection. Who connects and says nothing, and who is slower at
it than anybody's line is, is hung up on.
"""

import asyncio
from functools import lru_cache
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

EXTENSION = "dating.answer"
"""Where the ASGI scope has what `answer` takes, in its extensions."""

HEAD = b"HTTP/1.1 "
LARGEST_HEAD = 32 * 1024  # bytes of a request's address and headers; the proxy in front lets half of that pass
MOST_HEADERS = 200
PATIENCE_SECONDS = 10.0  # from its first byte, or from the connection on, until a request is whole; the proxy's `http-request`


class Joining:
    """A transport that keeps the head of an answer until more is written, or the tick is over."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.whole = transport
        self._loop = asyncio.get_running_loop()
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    def write(self, data: bytes) -> None:
        """Hand on what waits and this, or keep it when it begins an answer."""
        if data.startswith(HEAD) and not self._head:
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self.write_whole(data)

    def write_whole(self, data: bytes) -> None:
        """Hand on what waits and this."""
        head, self._head = self._head, b""
        self.whole.write(head + data if head else data)

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self.whole.write(head)

    def close(self) -> None:
        """Hand on what waits, and hang up."""
        self._flush()
        self.whole.close()


class BadHead(ValueError):
    """What a client sent is the head of no request that is answered here."""


class Answering(HttpToolsProtocol):
    """One connection."""

    _heading: int | None = None  # bytes of a head that is not whole yet, besides those with which it began
    _reading = True  # a request is not whole, or none has come
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(cast(asyncio.Transport, Joining(transport)))
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._relax()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._heading is not None:
            self._heading += len(data)
            if self._heading > LARGEST_HEAD:
                self.send_400_response("The head of this request is too large.")
                return
        super().data_received(data)
        if not self._reading:
            self._relax()
        elif self._deadline is None and not self.transport.is_closing():
            self._watch()

    def _watch(self) -> None:
        self._deadline = self.loop.call_later(PATIENCE_SECONDS, self.transport.close)

    def _relax(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def on_message_begin(self) -> None:
        self._heading, self._reading = 0, True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._reading = False
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        """Raises BadHead, which the parser takes for a request that cannot be read: 400."""
        self._heading = None
        judge_head(self.url, self.headers, self.parser.get_http_version())
        super().on_headers_complete()
        cycle = cast(RequestResponseCycle | None, self.cycle)
        if cycle is not None and cycle.scope is self.scope:  # else it is a socket's
            self.scope["extensions"] = cast(dict[str, dict[object, object]], {EXTENSION: cycle})

    def handle_websocket_upgrade(self) -> None:
        self._reading = False
        self._relax()
        self.transport = cast(Joining, self.transport).whole  # a socket has nothing to join
        super().handle_websocket_upgrade()


def judge_head(url: bytes, headers: list[tuple[bytes, bytes]], version: str) -> None:
    """Raises BadHead for one that is too large, and for one of HTTP/1.1 that does not name one host."""
    size, hosts = len(url), 0
    for name, value in headers:
        size += len(name) + len(value)
        hosts += name == b"host"
    if size > LARGEST_HEAD or len(headers) > MOST_HEADERS or hosts > 1 or (hosts == 0 and version == "1.1"):
        raise BadHead


def answer(cycle: RequestResponseCycle, status: int, fields: bytes, body: bytes) -> bool:
    """Give the whole answer to a request; False when it has to go the usual way: a part of it has, or the client reads slowly.

    `fields`: the lines of the headers but for the body's length and what uvicorn adds. Nothing in them may come from a client.
    """
    if cycle.response_started or cycle.flow.write_paused:
        return False
    if cycle.disconnected:
        return True
    length = b"content-length: %d\r\n" % len(body)
    end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
    transport = cast(Joining, cycle.transport)
    transport.write_whole(b"".join((STATUS_LINE[status], join(tuple(cycle.default_headers)), fields, length, end, body)))
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    if not cycle.keep_alive:
        transport.close()
    cycle.on_response()
    return True


@lru_cache(4)
def join(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Headers as lines. uvicorn's own change once a second."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])
