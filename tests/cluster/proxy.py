"""A way to a server that can be held (nothing passes, nothing closes: a partition), cut (everything closes), or lose answers."""

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Self

from tests.kit import free_port

COMMITTED = b"COMMIT\x00"  # PostgreSQL's word that a transaction is durable
ANSWERED = b"HTTP/1.1 20"  # the server's word that it has done what it was asked


class Proxy:
    """Listens on `port` and forwards to `target` (a port of this machine, or a socket's path) while it is let.

    The port is taken at once, the target may be named later. `lost` counts the answers that were lost.
    """

    def __init__(self, target: int | Path = 0) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", free_port()))
        self.port: int = self._listener.getsockname()[1]
        self.lost = 0
        self._losing: list[bytes] = []
        self._passing = asyncio.Event()
        self._passing.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> Self:
        self._server = await asyncio.start_server(self._accept, sock=self._listener)
        return self

    def hold(self) -> None:
        """From now on nothing passes; connections stay open, and new ones are accepted and never answered."""
        self._passing.clear()

    def heal(self) -> None:
        """What was held back passes now, and everything after it."""
        self._passing.set()

    def cut(self) -> None:
        """Close every connection there is."""
        for writer in list(self._writers):
            writer.transport.abort()

    def lose(self, marker: bytes, count: int = 1) -> None:
        """The next answers in which the marker stands do not arrive: their connections are cut instead, in both directions."""
        self._losing += [marker] * count

    def spare(self) -> None:
        """Lose nothing any more."""
        self._losing.clear()

    async def close(self) -> None:
        if self._server is None:
            self._listener.close()
            return
        self._server.close()
        self.heal()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        with contextlib.suppress(OSError):
            far_reader, far_writer = await self._connect()
            self._writers.add(far_writer)
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer, answers=True))
        writer.transport.abort()
        self._writers.discard(writer)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, Path):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection("127.0.0.1", self.target)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._passing.wait()
                if answers and self._loses(data):
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
        self._writers.discard(writer)

    def _loses(self, data: bytes) -> bool:
        for marker in self._losing:
            if marker in data:
                self._losing.remove(marker)
                self.lost += 1
                return True
        return False
