"""One connection to Redis, as thin as it can be: bytes out, parsed replies in, in order.

Everything that is asked within one tick of the loop goes out as one pipeline. A general client costs ten times as much, and its
reader waits for ever on a path that has gone silent. Whoever holds a `Wire` brings the deadline.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis
import msgspec

CONNECT_SECONDS = 2.0
ASK_SECONDS = 1.0
CONGESTED = 1 << 20  # bytes that wait for the kernel before the writer is told to hold back
PORT = 6379

Word = str | int | bytes
"""What commands are made of."""


class RedisRefused(Exception):
    """Redis answered, and said no: a wrong password, a replica, a command that it does not know."""


class Address(msgspec.Struct, frozen=True):
    """Where Redis is and how to sign in."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    database: int = 0
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def read_address(url: str) -> Address:
    """The address in a `redis://` or `rediss://` URL; also `ssl_ca_certs` and `ssl_cert_reqs=none`. Raises ValueError."""
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return Address(
        host=parts.hostname or "localhost",
        port=parts.port or PORT,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        database=int(parts.path.strip("/") or 0),
        tls=read_tls(query) if parts.scheme == "rediss" else None,
    )


def read_tls(query: dict[str, str]) -> ssl.SSLContext:
    """How to check the certificate of a Redis behind TLS."""
    context = ssl.create_default_context(cafile=query.get("ssl_ca_certs"))
    if query.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def pack(*words: Word) -> bytes:
    """A command as it goes over the wire."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub describes a tuple of exactly one word
    return packed


class Wire(asyncio.Protocol):
    """Both directions of one connection.

    `hear`, where set, gets every reply; `refused` the errors that answer to `write`; `relieved` is called when writing is welcome
    again.
    """

    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.hear: Callable[[Any], None] | None = None
        self.relieved: Callable[[], None] = lambda: None
        self.refused: Callable[[str], None] = lambda reason: None
        self.congested = False
        self._reader = hiredis.Reader()
        self._asked: deque[asyncio.Future[Any] | int] = deque()
        self._transport: asyncio.Transport | None = None

    # --- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by descent
        self._transport.set_write_buffer_limits(high=CONGESTED)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        hear = self.hear or self._answer
        try:
            while (reply := self._reader.gets()) is not False:
                hear(reply)
        except hiredis.ProtocolError:
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
        for asked in self._asked:
            if not isinstance(asked, int) and not asked.done():
                asked.set_exception(ConnectionResetError("Redis closed the connection"))
        self._asked.clear()

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        self.relieved()

    # --- called by the bus

    def write(self, commands: bytes, replies: int = 0) -> None:
        """Send packed commands whose `replies` answers nobody waits for."""
        if not self.open:
            return
        assert self._transport is not None
        if replies:
            self._asked.append(replies)
        self._transport.write(commands)

    async def ask(self, *words: Word) -> Any:
        """Send one command and wait for its answer. Raises RedisRefused for an error, OSError when the connection is lost."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("Redis closed the connection")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        self._transport.write(pack(*words))
        reply = await answer
        if isinstance(reply, hiredis.ReplyError):
            raise RedisRefused(str(reply))
        return reply

    async def ask_soon(self, *words: Word) -> Any:
        """The same within `ASK_SECONDS`. Raises TimeoutError too; the wire is no good then."""
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return await self.ask(*words)
        except TimeoutError:
            self.abort()
            raise

    async def finish(self) -> None:
        """Close when everything has been sent, or after a second."""
        if self._transport is not None:
            self._transport.close()
            await asyncio.wait((self.lost,), timeout=1)

    def abort(self) -> None:
        """Close now, whatever is still to be sent."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def open(self) -> bool:
        """Whether it can be written to."""
        return self._transport is not None and not self._transport.is_closing()

    def _answer(self, reply: Any) -> None:
        asked = self._asked[0]
        if isinstance(asked, int):
            if isinstance(reply, hiredis.ReplyError):
                self.refused(str(reply))
            if asked == 1:
                self._asked.popleft()
            else:
                self._asked[0] = asked - 1
            return
        self._asked.popleft()
        if not asked.done():
            asked.set_result(reply)


async def dial(address: Address) -> Wire:
    """A connection that has signed in. Raises OSError, TimeoutError or RedisRefused."""
    loop = asyncio.get_running_loop()
    host = address.host if address.tls else None
    async with asyncio.timeout(CONNECT_SECONDS):
        _, wire = await loop.create_connection(Wire, address.host, address.port, ssl=address.tls, server_hostname=host)
        try:
            if address.password is not None:
                await wire.ask("AUTH", *filter(None, (address.username, address.password)))
            if address.database:
                await wire.ask("SELECT", address.database)
        except BaseException:
            wire.abort()
            raise
    return wire
