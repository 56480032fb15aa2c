"""uvicorn's socket protocol, which also takes a finished text frame at once.

ASGI's `send` makes a task, a message and a frame object of everything that one socket is told, several times what the kernel
takes. While the peer keeps up, the hub writes past it: a head of a few bytes and the text. While it does not, `send` waits.
"""

import struct
from functools import lru_cache

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

EXTENSION = "dating.write"
"""Where the ASGI scope has `write_text`, in its extensions."""

WHOLE_TEXT = 0x81  # the first byte of a text frame that is not continued


class Wire(WebSocketsSansIOProtocol):
    """One socket."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"][EXTENSION] = self.write_text  # type: ignore[assignment]

    def write_text(self, text: bytes) -> bool:
        """Hand a text to the kernel; False when it did not: the peer is slow or about to leave, and `send` has to see to it."""
        if not self.writable.is_set() or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(head(len(text)) + text)
        return True


@lru_cache(1024)
def head(length: int) -> bytes:
    """What precedes a text of so many bytes on the wire: RFC 6455, section 5.2, from a server, so without a mask."""
    if length < 126:
        return struct.pack("!BB", WHOLE_TEXT, length)
    if length < 1 << 16:
        return struct.pack("!BBH", WHOLE_TEXT, 126, length)
    return struct.pack("!BBQ", WHOLE_TEXT, 127, length)
