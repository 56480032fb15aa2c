"""uvicorn's protocol for HTTP, whose answers go to the kernel in one piece.

It writes the head of an answer and its body one after the other, and uvloop hands each to the kernel at once: for a short answer
the second call costs as much as the first, here and at the client. So a head waits for its body, but no longer than this tick.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD = b"HTTP/1.1 "


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
        if self._head:
            head, self._head = self._head, b""
            self.whole.write(head + data)
        elif data.startswith(HEAD):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self.whole.write(data)

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self.whole.write(head)

    def close(self) -> None:
        """Hand on what waits, and hang up."""
        self._flush()
        self.whole.close()


class Answering(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(cast(asyncio.Transport, Joining(transport)))

    def handle_websocket_upgrade(self) -> None:
        self.transport = cast(Joining, self.transport).whole  # a socket has nothing to join
        super().handle_websocket_upgrade()
