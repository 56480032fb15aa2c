"""uvicorn's socket protocol, which also takes a finished text frame at once.

ASGI's `send` makes a task, a message and a frame object of everything that one socket is told, several times what the kernel
takes. While the peer keeps up, the hub writes past it, and past the loop's own transport: a head of a few bytes and the text,
in one system call. While it does not, `send` waits.
"""

import asyncio
import os
import struct
from functools import lru_cache
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from dating.realtime.inbox import number

EXTENSION = "dating.spout"
"""Where the ASGI scope has a `Spout`, in its extensions."""

WHOLE_TEXT = 0x81  # the first byte of a text frame that is not continued


class Wire(WebSocketsSansIOProtocol):
    """One socket."""

    spout: "Spout | None" = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if os.name == "posix" and transport.get_extra_info("sslcontext") is None:  # TLS has no descriptor to write texts to
            self.spout = Spout(cast(asyncio.Transport, transport))
        super().connection_made(cast(asyncio.Transport, self.spout or transport))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.spout is not None:
            self.spout.stop()
        super().connection_lost(exc)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101 and self.spout is not None:
            self.scope["extensions"][EXTENSION] = self.spout  # type: ignore[assignment]


class Spout:
    """A transport with a short way past itself to the kernel, for frames that nothing else of this socket waits before.

    Everything that uvicorn says (pings, what `send` is given, the end) passes by here as well: so a look at one flag tells that
    the way is free, where asking the transport each time costs a tenth of a frame. Until `connection_lost` the descriptor is its
    own.
    """

    __slots__ = ("_descriptor", "_is_free", "_transport", "pause_reading", "resume_reading")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._descriptor: int = transport.get_extra_info("socket").fileno()
        self._is_free = False
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hand on what uvicorn says."""
        self._transport.write(data)
        self._is_free = False

    def close(self) -> None:
        """Hang up when everything has been sent."""
        self._is_free = False
        self._transport.close()

    def abort(self) -> None:
        """Hang up now."""
        self._is_free = False
        self._transport.abort()

    def stop(self) -> None:
        """The connection is lost: the descriptor may soon be another's."""
        self._is_free = False
        self._descriptor = -1

    def write_frame(self, frame: bytes) -> bool:
        """Hand a frame on, all of it, or return False: the peer is slow or about to leave, and `send` has to see to it."""
        if not self._is_free and not self._look():
            return False
        try:
            taken = os.write(self._descriptor, frame)
        except OSError:  # full, or broken: the transport finds out the same
            return False
        if taken < len(frame):
            self.write(frame[taken:])
        return True

    def _look(self) -> bool:
        """Whether the transport keeps nothing back any more."""
        transport = self._transport
        self._is_free = not (self._descriptor < 0 or transport.is_closing() or transport.get_write_buffer_size())
        return self._is_free


class Press:
    """Makes the frames of events: all but the number is made once for the many people who are told the same."""

    __slots__ = ("_event", "_from", "_start", "_until")

    def __init__(self) -> None:
        self._event = b""
        self._start = b""
        self._from = self._until = 0

    def frame(self, event: bytes, seq: int) -> bytes:
        """The event over the wire, with its number: `frame(number(event, seq))`."""
        if event is not self._event or not self._from <= seq < self._until:
            digits = len(str(seq))
            self._event, self._from, self._until = event, 10 ** (digits - 1), 10**digits
            self._start = frame(number(event, seq))[: -digits - 1]
        return b"%b%d}" % (self._start, seq)


def frame(text: bytes) -> bytes:
    """A text as it goes over the wire."""
    return head(len(text)) + text


@lru_cache(1024)
def head(length: int) -> bytes:
    """What precedes a text of so many bytes on the wire: RFC 6455, section 5.2, from a server, so without a mask."""
    if length < 126:
        return struct.pack("!BB", WHOLE_TEXT, length)
    if length < 1 << 16:
        return struct.pack("!BBH", WHOLE_TEXT, 126, length)
    return struct.pack("!BBQ", WHOLE_TEXT, 127, length)
