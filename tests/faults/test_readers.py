"""Slow and half-open readers: bounded, closed, found; nobody else is held up, and who comes back has missed nothing."""

import asyncio
import contextlib
import socket as network
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from dating.database import Transaction
from dating.realtime import inbox
from dating.realtime.events import Message
from dating.settings import Settings
from tests.cluster.proxy import Proxy
from tests.kit import Server, serving

EVENTS = 120
LONG = "Привет 👋 " * 4000  # far more in all than the buffers of two sockets hold
QUEUE = 16
HANDSHAKE = (
    "GET /ws/chat?session={} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Server]:
    """A server that is quick to lose patience."""
    hasty = msgspec.structs.replace(
        settings,
        heartbeat_seconds=0.5,
        socket_silence_seconds=1.5,
        socket_stall_seconds=1.0,
        socket_queue_frames=QUEUE,
        tops_seconds=3600,
    )
    async with serving(hasty) as server:
        yield server


@contextlib.contextmanager
def deaf(port: int, ticket: str) -> Iterator[network.socket]:
    """A client that opens a socket, with small buffers, and never reads from it."""
    with network.socket() as peer:
        peer.setsockopt(network.SOL_SOCKET, network.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", port))
        peer.sendall(HANDSHAKE.format(ticket).encode())
        yield peer


async def gone(server: Server, count: int) -> None:
    """Wait until no more than so many sockets are left."""
    async with asyncio.timeout(20):
        while server.app.state.hub.count() > count:
            await asyncio.sleep(0.02)


async def tell(tx: Transaction, user_id: int, number: int) -> None:
    """Tell somebody something long."""
    await inbox.tell(tx, [user_id], Message(number, 1, None, LONG, ""))


async def test_a_slow_reader(server: Server) -> None:
    """Who takes nothing has a bounded queue and is closed; the other device gets all meanwhile; back, the reader gets all too."""
    hub, db = server.app.state.hub, server.app.state.db
    boris = await server.person()
    ticket = (await boris.post("/ws/start")).json()["session_token"]
    longest = 0
    async with server.socket(boris) as near:
        with deaf(server.port, ticket):
            while hub.count() < 2 or any(session.greeting for session in hub.sessions()):
                await asyncio.sleep(0.01)
            for number in range(1, EVENTS + 1):
                await db.write(tell, boris.id, number)
                assert (await near.wait("message"))["id"] == number
                longest = max([longest, *[session.unsent for session in hub.sessions()]])
            await gone(server, 1)
    assert 1 < longest <= QUEUE + 1
    async with server.socket(boris, "&since=0") as back:
        assert [(await back.next())["seq"] for _ in range(EVENTS)] == list(range(1, EVENTS + 1))
        assert (await back.next())["type"] == "resumed"


async def test_a_half_open_reader(server: Server) -> None:
    """A client whose connection is dead without a word is found by the heartbeat; back, it has missed nothing."""
    anna, boris = await server.people(2)
    chat_id = await anna.match(boris)
    top = len(await boris.inbox())
    proxy = await Proxy(server.port).start()
    behind = Server(server.app, server.http, proxy.port)
    async with server.socket(anna) as near, behind.socket(boris):
        assert await server.app.state.hub._bus.online([boris.id]) == {boris.id}
        proxy.hold()
        sent = [(await anna.say(chat_id, f"{number} 👋"))["id"] for number in range(20)]
        assert [(await near.wait("message"))["id"] for _ in sent] == sent
        await gone(server, 1)
        assert await server.app.state.hub._bus.online([boris.id]) == set()
        proxy.cut()
    async with server.socket(boris, f"&since={top}") as back:
        assert [(await back.wait("message"))["id"] for _ in sent] == sent
    await proxy.close()


async def test_a_hundred_half_open_readers(server: Server) -> None:
    """A hundred of them at once are found as soon as one, and leave nothing behind."""
    people = await server.people(13)
    proxy = await Proxy(server.port).start()
    behind = Server(server.app, server.http, proxy.port)
    async with contextlib.AsyncExitStack() as stack:
        for number in range(100):
            await stack.enter_async_context(behind.socket(people[number // 8], close_timeout=0.1))
        assert server.app.state.hub.count() == 100
        proxy.hold()
        await gone(server, 0)
        proxy.cut()
    await proxy.close()
    async with server.socket(people[0]):
        assert server.app.state.hub.count() == 1
