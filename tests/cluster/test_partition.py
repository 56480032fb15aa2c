"""A process that is cut off from Redis, and from nothing else: it goes on, the others know it, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from dating.settings import Settings
from tests.cluster.conftest import Remote, environment, open_seat, remote
from tests.cluster.proxy import Proxy
from tests.cluster.valkey import Valkey, until
from tests.kit import PASSWORD, Process, Socket


@pytest.fixture
async def proxy(valkey: Valkey) -> AsyncIterator[Proxy]:
    proxy = await Proxy(valkey.port).start()
    yield proxy
    await proxy.close()


@pytest.fixture
async def halves(settings: Settings, proxy: Proxy) -> AsyncIterator[tuple[Remote, Remote]]:
    """Two servers, of which the first has Redis through the proxy. Limits are on."""
    given = environment(settings) | {"DATING_RATE_LIMITS": "1"}
    first = await Process(**given | {"REDIS_URL": f"redis://127.0.0.1:{proxy.port}"}).start()
    second = await Process(**given).start()
    async with remote(first) as here, remote(second) as there:
        yield here, there
    first.kill()
    second.kill()


async def test_a_socket_reads_only_when_it_is_listened_for(settings: Settings, proxy: Proxy) -> None:
    """While a subscription is on its way the socket waits; what is told meanwhile, and hinted at in vain, is in what it reads."""
    settings = msgspec.structs.replace(settings, tops_seconds=3600.0)
    slow = msgspec.structs.replace(settings, redis_url=f"redis://127.0.0.1:{proxy.port}")
    here, there = await open_seat(settings), await open_seat(slow)
    anna = await here.person("anna")
    await until(lambda: here.bus._peers and there.bus._peers)
    proxy.hold()
    wire = there.enter(anna, since=0)
    await asyncio.sleep(0.5)
    await here.tell(anna)
    await asyncio.sleep(0.2)
    assert wire.frames == []
    proxy.heal()
    await until(lambda: wire.numbers() == [1])
    await here.close()
    await there.close()


async def become(server: Remote, state: str) -> None:
    """Wait until the server says so."""
    async with asyncio.timeout(15):
        while (await server.http.get("/readyz")).json()["status"] != state:
            await asyncio.sleep(0.1)


async def test_a_process_without_redis(halves: tuple[Remote, Remote], proxy: Proxy) -> None:
    """Its sends are answered and reach the others, theirs reach it, signing in waits; healed, all is as before."""
    cut_off, whole = halves
    anna, boris = await cut_off.person(), await whole.person()
    chat_id = await anna.match(boris)
    async with cut_off.socket(anna) as near, whole.socket(boris) as far:
        proxy.hold()
        for number in range(10):
            await anna.say(chat_id, f"there {number}")
            await boris.say(chat_id, f"here {number}")
        assert [await text(far, boris.id) for _ in range(10)] == [f"there {number}" for number in range(10)]
        assert [await text(near, anna.id) for _ in range(10)] == [f"here {number}" for number in range(10)]
        await become(cut_off, "degraded")
        await become(whole, "ok")
        body = {"username": anna.username, "password": PASSWORD}
        answer = await cut_off.http.post("/login", json=body)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert (await whole.http.post("/login", json=body)).status_code == 200
        proxy.heal()
        await become(cut_off, "ok")
        await anna.say(chat_id, "again")
        assert await text(far, boris.id) == "again"
        async with asyncio.timeout(10):
            while (await cut_off.http.post("/login", json=body)).status_code != 200:
                await asyncio.sleep(0.1)


async def text(socket: Socket, me: int) -> str:
    """What the next message of somebody else says."""
    while (frame := await socket.wait("message", 10))["user_id"] == me:
        pass
    return str(frame["content"])


async def test_connections_that_are_cut_again_and_again(halves: tuple[Remote, Remote], proxy: Proxy) -> None:
    """A process whose connections to Redis are closed all the time misses no event."""
    cut_off, whole = halves
    anna, boris = await cut_off.person(), await whole.person()
    chat_id = await anna.match(boris)
    async with cut_off.socket(anna) as near:
        for number in range(30):
            proxy.cut()
            await boris.say(chat_id, f"{number}")
        assert [await text(near, anna.id) for _ in range(30)] == [f"{number}" for number in range(30)]
