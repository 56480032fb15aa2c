"""A process that is cut off from Redis, or from an answer of PostgreSQL: it goes on, the others know it, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from dating.settings import Settings
from tests.cluster.conftest import Remote, environment, open_seat, remote
from tests.cluster.proxy import COMMITTED, Proxy
from tests.cluster.valkey import Valkey, until
from tests.kit import PASSWORD, Postgres, Process, Socket, serving


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


async def test_what_a_process_does_not_know_of_its_own_commit(settings: Settings, postgres: Postgres) -> None:
    """One process commits and does not hear that it did: people on the other are told all the same, within seconds."""
    assert settings.database_url is not None
    settings = msgspec.structs.replace(settings, tops_seconds=3600.0)
    proxy = await Proxy(postgres.socket).start()
    name = settings.database_url.partition("@/")[2].partition("?")[0]
    behind = msgspec.structs.replace(settings, database_url=postgres.url(name, proxy.port))
    async with serving(behind) as here, serving(settings) as there:
        anna, boris = await here.person(), await there.person()
        chat_id = await anna.match(boris)
        async with there.socket(boris) as far:
            proxy.lose(COMMITTED)
            body = {"chat_id": chat_id, "content": "Привет 👋", "client_id": "one"}
            assert (await anna.post("/messages/send", json=body)).status_code == 503
            assert (await far.wait("message"))["content"] == "Привет 👋"
    await proxy.close()
