"""uvicorn's socket protocol, which also takes a finished text frame at once.

ASGI's `send` makes a task, a message and a frame object of everything that one socket is told, several times what the kernel
takes. While the peer keeps up, the hub writes past it, and past the loop's own transport: a head of a few bytes and the text,
in one system call. While it does not, `send` waits.
"""

import asyncio
import os
import struct
from functools import lru_cache

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

EXTENSION = "dating.spout"
"""Where the ASGI scope has a `Spout`, in its extensions."""

WHOLE_TEXT = 0x81  # the first byte of a text frame that is not continued


class Wire(WebSocketsSansIOProtocol):
    """One socket."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101 and self.scheme == "ws" and os.name == "posix":  # TLS is the transport's business
            self.scope["extensions"][EXTENSION] = Spout(self.transport)  # type: ignore[assignment]


class Spout:
    """The short way to the kernel for frames that nothing else of this socket waits before."""

    __slots__ = ("_descriptor", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._descriptor: int = transport.get_extra_info("socket").fileno()

    def write(self, frame: bytes) -> bool:
        """Hand a frame on, all of it, or return False: the peer is slow or about to leave, and `send` has to see to it.

        What the transport keeps of earlier frames or of pings goes first. While it is not closing, the descriptor is its own.
        """
        transport = self._transport
        if transport.is_closing() or transport.get_write_buffer_size():
            return False
        try:
            taken = os.write(self._descriptor, frame)
        except OSError:  # full, or broken: the transport finds out the same
            return False
        if taken < len(frame):
            transport.write(frame[taken:])
        return True


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
