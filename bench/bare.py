"""What a frame costs the kernel: a bare loop that writes the same bytes to every socket whenever one of them says anything.

Nothing is encoded, looked up or stored. What a server uses beyond this for a frame is its own.
"""

import asyncio
import sys
from typing import cast

from dating.serve import loop_factory

FRAME = 400  # bytes, about what a short message in a group is on the wire


class Peer(asyncio.Protocol):
    """One socket."""

    def __init__(self, peers: list[asyncio.Transport]) -> None:
        self._peers = peers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peers.append(self._transport)

    def connection_lost(self, reason: Exception | None) -> None:
        self._peers.remove(self._transport)

    def data_received(self, data: bytes) -> None:
        for peer in self._peers:
            peer.write(b"x" * FRAME)


async def main(port: int) -> None:
    peers: list[asyncio.Transport] = []
    server = await asyncio.get_running_loop().create_server(lambda: Peer(peers), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main(int(sys.argv[1])))
