"""Two `dating serve` on one PostgreSQL and one Valkey: a person may be on either, and nobody can tell the difference."""

import asyncio
import contextlib
import os
import signal

import httpx
import websockets

from dating.settings import Settings
from tests.cluster.conftest import Remote, environment, open_seat, remote
from tests.cluster.valkey import Valkey, until
from tests.kit import PASSWORD, Process

Pair = tuple[Remote, Remote]


async def test_a_pair_on_two_processes(pair: Pair) -> None:
    """A match, messages and receipts reach the person whose socket is on the other process, in order."""
    here, there = pair
    anna, boris = await here.person(), await there.person()
    async with here.socket(anna) as near, there.socket(boris) as far:
        chat_id = await anna.match(boris)
        assert (await near.wait("match"))["chat_id"] == (await far.wait("match"))["chat_id"] == chat_id
        sent = [(await anna.say(chat_id, f"Привет {number} 🎉"))["id"] for number in range(20)]
        heard = [await far.wait("message") for _ in range(20)]
        assert [frame["id"] for frame in heard] == sent
        assert [frame["content"] for frame in heard] == [f"Привет {number} 🎉" for number in range(20)]
        await far.send(type="typing", chat_id=chat_id)
        assert (await near.wait("typing"))["user_id"] == boris.id
        await far.send(type="delivered", chat_id=chat_id, message_id=sent[-1])
        assert (await near.wait("delivered"))["message_id"] == sent[-1]


async def test_a_client_resumes_on_the_other_process(pair: Pair) -> None:
    """Who was on one process, killed with `kill -9`, comes back on the other with `since` and has missed nothing."""
    here, there = pair
    anna, boris = await here.person(), await there.person()
    chat_id = await anna.match(boris)
    async with here.socket(anna) as socket:
        await boris.say(chat_id, "one")
        last = (await socket.wait("message"))["seq"]
    here.process.kill()
    await boris.say(chat_id, "two")
    async with there.socket(there.take(anna), f"&since={last}") as socket:
        assert (await socket.next())["content"] == "two"
        assert (await socket.next())["type"] == "resumed"


async def test_one_token_eight_racers_two_processes(pair: Pair) -> None:
    """Of eight racers with one token on two processes exactly one is admitted; seven get 401."""
    anna = await pair[0].person()

    async def race(server: Remote, token: str) -> int:
        try:
            async with server.connect(f"/ws/chat?session={token}"):
                return 101
        except websockets.InvalidStatus as refusal:
            return refusal.response.status_code

    for _ in range(10):
        token = (await anna.post("/ws/start")).json()["session_token"]
        answers = await asyncio.gather(*[race(pair[number % 2], token) for number in range(8)])
        assert sorted(answers) == [101] + [401] * 7


async def test_revocation_reaches_the_other_process(pair: Pair) -> None:
    """After a logout on one process the session's socket on the other closes at once, and its token is refused there."""
    here, there = pair
    anna = await here.person()
    async with there.socket(there.take(anna)) as socket:
        assert (await there.take(anna).get("/me")).status_code == 200
        assert (await anna.post("/logout")).status_code == 200
        assert await socket.closed(1) == 4403
    assert (await there.take(anna).get("/me")).status_code == 401


async def test_revocation_without_redis(pair: Pair, valkey: Valkey) -> None:
    """With Redis away a logout still closes the socket on the other process, and its token is refused, within seconds."""
    here, there = pair
    anna = await here.person()
    async with there.socket(there.take(anna)) as socket:
        valkey.kill()
        assert (await anna.post("/logout")).status_code == 200
        assert await socket.closed(6) == 4403

    async def refused() -> bool:
        return (await there.take(anna).get("/me")).status_code == 401

    async with asyncio.timeout(8):
        while not await refused():
            await asyncio.sleep(0.1)


async def test_a_token_from_before_the_logout_admits_nobody(pair: Pair) -> None:
    """A socket token issued before the session ended opens no lasting socket after it."""
    here, there = pair
    anna = await here.person()
    token = (await anna.post("/ws/start")).json()["session_token"]
    await anna.post("/logout")
    async with there.connect(f"/ws/chat?session={token}") as socket:
        assert await socket.closed(5) == 4403


async def test_readiness_says_degraded(pair: Pair, valkey: Valkey) -> None:
    """Without Redis both processes go on, say so, send and answer; when it is back they say ok again."""
    here, there = pair
    anna, boris = await here.person(), await there.person()
    chat_id = await anna.match(boris)

    async def status(server: Remote) -> tuple[int, str]:
        answer = await server.http.get("/readyz")
        return answer.status_code, answer.json()["status"]

    async def become(state: str) -> None:
        async with asyncio.timeout(15):
            while [await status(server) for server in pair] != [(200, state)] * 2:
                await asyncio.sleep(0.1)

    await become("ok")
    valkey.kill()
    await become("degraded")
    async with there.socket(boris) as socket:
        for number in range(5):
            await anna.say(chat_id, f"{number}")
        assert [(await socket.wait("message"))["content"] for _ in range(5)] == ["0", "1", "2", "3", "4"]
    valkey.start()
    await become("ok")


async def test_what_a_killed_process_could_not_tell(pair: Pair) -> None:
    """A process killed while it answers sends: whatever it has answered reaches the other process's socket within seconds."""
    here, there = pair
    anna, boris = await here.person(), await there.person()
    chat_id = await anna.match(boris)
    answered: list[int] = []

    async def pour() -> None:
        with contextlib.suppress(httpx.TransportError):
            while True:
                answered.append((await anna.say(chat_id, "…"))["id"])

    async with there.socket(boris) as socket:
        pouring = [asyncio.create_task(pour()) for _ in range(8)]
        await until(lambda: len(answered) > 50)
        here.process.kill()
        await asyncio.gather(*pouring)
        heard: list[int] = []
        async with asyncio.timeout(15):
            while not set(answered) <= set(heard):
                heard.append((await socket.wait("message", 10))["id"])
        assert heard == sorted(set(heard))


async def test_presence_ends_with_a_killed_process(pair: Pair, settings: Settings) -> None:
    """Who has a socket on one process is online for all others, until the socket closes or that process is killed."""
    here, there = pair
    anna, boris = await here.person(), await there.person()
    seat = await open_seat(settings)

    async def become(online: set[int]) -> None:
        async with asyncio.timeout(10):
            while await seat.bus.online([anna.id, boris.id]) != online:
                await asyncio.sleep(0.02)

    async with here.socket(anna):
        await become({anna.id})
        async with there.socket(boris):
            await become({anna.id, boris.id})
        await become({anna.id})
        here.process.kill()
        await become(set())
    await seat.close()


async def test_a_worker_paused_for_10_s_and_woken(pair: Pair) -> None:
    """A process stopped for far longer than its peers wait wakes up informed: a revoked socket hears nothing more."""
    here, there = pair
    anna, boris, vera = await here.person(), await here.person(), await here.person()
    chat_id, other_id = await anna.match(boris), await anna.match(vera)
    async with there.socket(there.take(boris)) as revoked, there.socket(there.take(vera)) as kept:
        os.kill(there.process.pid, signal.SIGSTOP)
        await boris.post("/logout")
        await asyncio.sleep(10)
        for number in range(5):
            await anna.say(chat_id, f"{number}")
            await anna.say(other_id, f"{number}")
        os.kill(there.process.pid, signal.SIGCONT)
        assert [(await kept.wait("message"))["content"] for _ in range(5)] == ["0", "1", "2", "3", "4"]
        with contextlib.suppress(websockets.ConnectionClosed):
            assert await revoked.next() is None, "it was told something after its session had ended"
        assert revoked.connection.close_code == 4403


async def test_sign_in_waits_for_redis(settings: Settings, valkey: Valkey) -> None:
    """With limits on and Redis away, signing in answers 503 with Retry-After and reading goes on; later signing in does too."""
    process = await Process(**{**environment(settings), "DATING_RATE_LIMITS": "1"}).start()
    async with remote(process) as server:
        anna = await server.person()
        body = {"username": anna.username, "password": PASSWORD}
        valkey.kill()
        answer = await server.http.post("/login", json=body)
        assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (503, "1", "redis_away")
        assert (await anna.get("/me")).status_code == 200
        valkey.start()
        async with asyncio.timeout(10):
            while (await server.http.post("/login", json=body)).status_code != 200:
                await asyncio.sleep(0.2)
    assert process.stop() == 0
