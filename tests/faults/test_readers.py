"""Slow and half-open readers: bounded, closed, found; nobody else is held up, and who comes back has missed nothing."""

import asyncio
import contextlib
import socket as network
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from dating.settings import Settings
from tests.cluster.proxy import Proxy
from tests.kit import Person, Server, serving

MESSAGES = 120
LONG = "Привет 👋 " * 350  # far more in all than the buffers of two sockets hold
HANDSHAKE = (
    "GET /ws/chat?session={} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Server]:
    """A server that is quick to lose patience."""
    hasty = msgspec.structs.replace(
        settings, heartbeat_seconds=0.5, socket_silence_seconds=1.5, socket_stall_seconds=1.0, socket_queue_frames=16, tops_seconds=3600
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


async def test_a_slow_reader(server: Server) -> None:
    """Who takes nothing has a bounded queue and is closed; the other device gets all meanwhile; back, the reader gets all too."""
    anna, boris = await server.people(2)
    chat_id = await anna.match(boris)
    hub = server.app.state.hub
    ticket = (await boris.post("/ws/start")).json()
    longest = 0
    async with server.socket(boris) as near:
        with deaf(server.port, ticket["session_token"]):
            while hub.count() < 2 or any(session.greeting for session in hub.sessions()):
                await asyncio.sleep(0.01)
            for number in range(MESSAGES):
                await anna.say(chat_id, f"{number} {LONG}")
                longest = max([longest, *[session.unsent for session in hub.sessions()]])
                assert (await near.wait("message"))["content"].startswith(f"{number} ")
            await gone(server, 1)
    assert 0 < longest <= 16 + 1
    async with server.socket(boris, f"&since={ticket['seq']}") as back:
        frames = [await back.next() for _ in range(MESSAGES)]
        assert [frame["seq"] for frame in frames] == list(range(ticket["seq"] + 1, ticket["seq"] + MESSAGES + 1))
        assert (await back.next())["type"] == "resumed"


async def chat(anna: Person, boris: Person) -> tuple[int, int]:
    """A chat, and the top of Boris's inbox."""
    chat_id = await anna.match(boris)
    return chat_id, len(await boris.inbox())


async def test_a_half_open_reader(server: Server) -> None:
    """A client whose connection is dead without a word is found by the heartbeat; back, it has missed nothing."""
    anna, boris = await server.people(2)
    chat_id, top = await chat(anna, boris)
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
