"""Rolling restarts: a server that stops says so, sends its people away gently and ends in time; they resume elsewhere."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
import websockets

from dating.serve import CLOSE_SECONDS, DRAIN_GRACE_SECONDS, FINISH_SECONDS
from dating.settings import PRODUCTION, Settings
from tests.cluster.conftest import Remote, remote
from tests.cluster.valkey import Valkey
from tests.faults.crowd import Phone, befriend
from tests.faults.history import History
from tests.faults.nemesis import SECRET
from tests.faults.referee import Verdict, end_all, settle
from tests.kit import CHEAP, Person, Postgres, Process, names

ROUNDS = 2
PAIRS = 8
DRAIN = 4.0
PEOPLE = 3
DEVICES = 8


def test_an_end_is_in_time() -> None:
    """In production a stopping server is gone in less than 20 seconds, its sockets spread over 10 of them."""
    assert PRODUCTION["drain_seconds"] == 10.0
    assert PRODUCTION["drain_seconds"] + DRAIN_GRACE_SECONDS + FINISH_SECONDS + CLOSE_SECONDS < 20


@pytest.fixture
async def stopping(tmp_path: Path) -> AsyncIterator[Remote]:
    """A server that takes four seconds to send its sockets away."""
    given = {"DATING_RATE_LIMITS": "0", "DATABASE_PATH": str(tmp_path / "dating.db"), "JWT_SECRET": SECRET}
    process = await Process(**given, DATING_DRAIN_SECONDS=str(DRAIN)).start()
    async with remote(process) as server:
        yield server
    process.kill()


class Leaver(msgspec.Struct):
    """What a socket was told, and when it ended, in seconds after the signal."""

    after: float = -1.0
    ended: float = -1.0
    code: int | None = None


async def watch(server: Remote, person: Person, opened: asyncio.Barrier, start: list[float]) -> Leaver:
    """Hold a socket until the server ends it."""
    leaver = Leaver()
    async with server.socket(person) as socket:
        await opened.wait()
        with contextlib.suppress(websockets.ConnectionClosed):
            leaver.after = (await socket.wait("drain", 20))["after_ms"] / 1000
            await socket.wait("nothing more", 20)
        leaver.ended = time.monotonic() - start[0]
        leaver.code = socket.connection.close_code
    return leaver


async def test_the_order_of_a_stop(stopping: Remote) -> None:
    """Not ready, no new sockets, requests answered; `drain`, then 1012, spread; the request under way finished; gone in time."""
    people = await stopping.people(PEOPLE)
    chat_id = await people[0].match(people[1])
    opened, start = asyncio.Barrier(PEOPLE * DEVICES + 1), [0.0]
    watching = [asyncio.create_task(watch(stopping, person, opened, start)) for person in people for _ in range(DEVICES)]
    await opened.wait()
    ticket = (await people[0].post("/ws/start")).json()["session_token"]
    body = msgspec.json.encode({"chat_id": chat_id, "content": "Привет 👋", "client_id": "slow"})
    resume = asyncio.Event()

    async def trickle() -> AsyncIterator[bytes]:
        yield body[:10]
        await resume.wait()
        yield body[10:]

    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    slow = asyncio.create_task(people[0].post("/messages/send", content=trickle(), headers=headers))
    await asyncio.sleep(0.2)
    start[0] = time.monotonic()
    ending = asyncio.create_task(asyncio.to_thread(stopping.process.stop))
    while (ready := await stopping.http.get("/readyz")).status_code == 200:
        await asyncio.sleep(0.01)
    assert (ready.status_code, "retry-after" in ready.headers) == (503, True)
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with stopping.connect(f"/ws/chat?session={ticket}"):
            pass
    assert refusal.value.response.status_code == 503
    assert (await people[1].say(chat_id, "still here"))["content"] == "still here"
    leavers = await asyncio.gather(*watching)
    resume.set()
    assert (await slow).status_code == 201
    assert await ending == 0
    assert time.monotonic() - start[0] < 20
    assert {leaver.code for leaver in leavers} == {1012}
    assert all(0 <= leaver.after <= DRAIN <= DRAIN + leaver.ended - leaver.after for leaver in leavers)
    assert max(leaver.ended for leaver in leavers) - min(leaver.ended for leaver in leavers) > DRAIN / 4
    with pytest.raises(httpx.ConnectError):
        await stopping.http.get("/ping")


class Service(msgspec.Struct, frozen=True):
    """Two servers on one database."""

    settings: Settings
    servers: list[Process]


@pytest.fixture
async def service(postgres: Postgres, postgres_template: str, shared_valkey: Valkey) -> AsyncIterator[Service]:
    """Two `dating serve`, each with a second for its drain."""
    name = f"rolling_{next(names)}"
    url = postgres.create(name, postgres_template)
    given = {"DATING_RATE_LIMITS": "0", "DATING_POSTGRES_POOL": "4", "JWT_SECRET": SECRET, "DATABASE_URL": url}
    given |= {"REDIS_URL": shared_valkey.url, "DATING_DRAIN_SECONDS": "1"}
    servers = [await Process(**given).start() for _ in range(2)]
    yield Service(Settings(database_url=url, **CHEAP), servers)
    for server in servers:
        server.kill()
    postgres.drop(name)


async def test_rolling_restarts_under_load(service: Service) -> None:
    """Two servers replaced one after the other, twice, under load: people resume on the other; lost 0, and no 5xx at all."""
    history, dice = History(), random.Random(1)
    senders = await befriend(service.servers, history, PAIRS, 1)
    phones = [Phone(service.servers, sender.id, sender.token, dice) for sender in senders]
    tasks = [asyncio.create_task(one.run()) for one in (*phones, *senders)]
    try:
        for _ in range(ROUNDS):
            for server in service.servers:
                await asyncio.sleep(0.5)
                assert await asyncio.to_thread(server.stop) == 0
                await server.start()
        for sender in senders:
            sender.stopping = True
        await asyncio.gather(*tasks[len(phones) :])
        store = await settle(service.settings, phones)
    finally:
        await end_all(tasks)
    history.seen = [phone.report() for phone in phones]
    sent = sum(bool(send.ids) for send in history.sends)
    verdict = Verdict(["roll"] * 2 * ROUNDS, sent, dict(history.answers), history.measure_staleness(), history.judge(store))
    assert verdict.good, verdict.show()
    assert sent > 100
    assert set(history.answers) <= {"200", "201", "unknown"}
