"""A reconnect storm: a thousand sockets lose their server at once, and all of them come back at once."""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.cluster.conftest import remote
from tests.faults.nemesis import World
from tests.faults.referee import end_all
from tests.kit import Person, names

PEOPLE = 125
DEVICES = 8
PAIRS = 10
SOCKETS = PEOPLE * DEVICES
PATIENCE = 60.0
TEXT = 0x81
UPGRADE = (
    "GET /ws/chat?session={}&since={} HTTP/1.1\r\nHost: dating\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SPARE_MIB = 40  # what the allocator keeps; a thousand handshakes that were not let go of would be more


class Comer:
    """A device that gets a one-time token for every connection, bare: a general client would cost more than the server.

    `tally` counts what it is answered.
    """

    def __init__(self, port: int, person: Person, tally: Counter[str]) -> None:
        self.port = port
        self.head = f"Host: dating\r\nAuthorization: Bearer {person.token}\r\n"
        self.tally = tally
        self.seq = 0
        self.up = False
        self.heard: list[int] = []
        self.writer: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        while True:
            with contextlib.suppress(OSError, EOFError):
                await self.listen()
            self.up = False
            await asyncio.sleep(0.1)

    async def listen(self) -> None:
        """One connection: for the token, then for the socket."""
        reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            self.writer.write(f"POST /ws/start HTTP/1.1\r\n{self.head}Content-Length: 0\r\n\r\n".encode())
            status, token = await read_answer(reader)
            self.tally[f"token {status}"] += 1
            if status == 200:
                self.writer.write(UPGRADE.format(msgspec.json.decode(token)["session_token"], self.seq).encode())
                status, _ = await read_answer(reader)
                self.tally[f"socket {status}"] += 1
            while status == 101:
                self.apply(msgspec.json.decode(await read_text(reader)))
        finally:
            self.writer.transport.abort()

    def apply(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "resumed":
            self.up = True
        if "seq" in frame and frame["type"] != "hello":
            assert frame["type"] != "resync"
            assert frame["seq"] == self.seq + 1, "a gap"
            self.seq = frame["seq"]
            if frame["type"] == "message":
                self.heard.append(frame["id"])

    def drop(self) -> None:
        """Lose the connection without a word."""
        assert self.writer is not None
        self.up = False
        self.writer.transport.abort()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of an HTTP answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    return int(head.split(None, 2)[1]), await reader.readexactly(int(length or 0))


async def read_text(reader: asyncio.StreamReader) -> bytes:
    """The next text frame; others are passed over. Raises EOFError at the end."""
    while True:
        kind, length = await reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2))
        payload = await reader.readexactly(length)
        if kind == TEXT:
            return payload


async def all_up(comers: list[Comer]) -> None:
    """Wait until every socket has been resumed."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while missing := [comer for comer in comers if not comer.up]:
        await asyncio.sleep(0.02)
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"{len(missing)} of {SOCKETS} sockets are not back; answers so far: {missing[0].tally}")


def measure_mib(world: World) -> float:
    """The resident memory of the processes that serve."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in world.pids()]
    return sum(pages) * 4096 / 2**20


async def hurt(world: World) -> None:
    """`kill -9` of everything that serves; of a cluster Valkey too, which comes back empty."""
    if world.valkey is None:
        world.process.kill()
        await world.process.start()
        return
    world.valkey.kill()
    world.valkey.start()
    for pid in world.pids():
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A service of the kind that the test names."""
    return World(request.param, tmp_path, None if request.param == "sqlite" else request.getfixturevalue("postgres"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("world", ["sqlite", "cluster"], indirect=True)
async def test_a_reconnect_storm_of_a_thousand_sockets(world: World) -> None:
    """After `kill -9` of the server, and after all lose their connections to a living one, all are back, whole, by new tokens."""
    tally = Counter[str]()
    tasks: list[asyncio.Task[None]] = []
    await world.start([])
    try:
        async with remote(world.process) as server:
            people = await server.people(PEOPLE)
            chats = [(one, await one.match(other)) for one, other in zip(people[:PAIRS], people[PAIRS:], strict=False)]
            comers = [Comer(world.process.port, person, tally) for person in people for _ in range(DEVICES)]
            tasks = [asyncio.create_task(comer.run()) for comer in comers]
            await all_up(comers)
            for comer in comers:
                comer.up = False
            await hurt(world)
            said = [(await say(one, chat_id))["id"] for one, chat_id in chats]
            await all_up(comers)
            memory = measure_mib(world)
            tally.clear()
            for comer in comers:
                comer.drop()
            said += [(await say(one, chat_id))["id"] for one, chat_id in chats]
            await all_up(comers)
            assert set(tally) <= {"token 200", "token 503", "socket 101"}, tally  # 503: a slow machine asks some to come again
            assert tally["token 200"] == tally["socket 101"] >= SOCKETS
            assert measure_mib(world) < memory + SPARE_MIB
            heard = await listen_for(comers, said)
    finally:
        await end_all(tasks)
        await world.close()
    assert heard == dict.fromkeys(said, 2 * DEVICES)


async def say(person: Person, chat_id: int) -> dict[str, Any]:
    """Send a message, however often it takes."""
    body = {"chat_id": chat_id, "content": "Привет 👋", "client_id": f"{next(names)}"}
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await person.post("/messages/send", json=body)
                if answer.status_code in (200, 201):
                    return dict(answer.json())
            await asyncio.sleep(0.05)


async def listen_for(comers: list[Comer], said: list[int]) -> Counter[int]:
    """How many sockets have heard each message, once nothing more comes."""
    expected = len(said) * 2 * DEVICES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            while sum(len(comer.heard) for comer in comers) < expected:
                await asyncio.sleep(0.02)
    return Counter(id for comer in comers for id in comer.heard if id in said)
