"""What processes share in Redis: tokens that admit once, limits that count everywhere, and what holds while Redis is away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from dating.database import Database
from dating.realtime.redis_tickets import RedisTickets, forget
from dating.redis.store import RedisAway, RedisStore, check_redis
from dating.settings import Settings
from dating.throttle import RateLimited, Throttle
from dating.tokens import Identity
from tests.api.test_hub import Room
from tests.cluster.valkey import Valkey

Stores = tuple[RedisStore, RedisStore]


@pytest.fixture
async def stores(settings: Settings) -> AsyncIterator[Stores]:
    """The clients of two processes."""
    assert settings.redis_url is not None
    stores = RedisStore(settings.redis_url), RedisStore(settings.redis_url)
    yield stores
    for store in stores:
        await store.close()


@pytest.fixture
async def anna(settings: Settings, db: Database) -> Identity:
    return Identity(await Room(settings, db).person("anna"), 7, "user", 2e9)


async def count(asked: list[Callable[[], Awaitable[object]]]) -> int:
    """Do all of it at once; how many were not refused."""
    answers = await asyncio.gather(*[ask() for ask in asked], return_exceptions=True)
    assert all(answer is None or isinstance(answer, RateLimited | Identity) for answer in answers), answers
    return sum(answer is None for answer in answers)


async def test_a_token_admits_one_of_many_racers(settings: Settings, stores: Stores, db: Database, anna: Identity) -> None:
    """Of eight racers on two processes exactly one is admitted, for each of many tokens, as the person that it was made for."""
    tickets = [RedisTickets(settings, store, db) for store in stores]
    for _ in range(50):
        token = await tickets[0].issue(anna)
        answers = await asyncio.gather(*[tickets[number % 2].redeem(token) for number in range(8)])
        assert [answer for answer in answers if answer is not None] == [anna]


async def test_tokens_go_through_the_database_without_redis(
    settings: Settings, stores: Stores, db: Database, anna: Identity, valkey: Valkey
) -> None:
    """While Redis is away tokens are issued and admit once all the same; one that Redis had answers that it is away."""
    tickets = [RedisTickets(settings, store, db) for store in stores]
    stranded = await tickets[0].issue(anna)
    valkey.kill()
    for _ in range(10):
        token = await tickets[0].issue(anna)
        answers = await asyncio.gather(*[tickets[number % 2].redeem(token) for number in range(8)])
        assert [answer for answer in answers if answer is not None] == [anna]
    with pytest.raises(RedisAway):
        await tickets[1].redeem(stranded)
    kept = await tickets[0].issue(anna)
    valkey.start()
    assert await tickets[1].redeem(kept) == anna


async def test_a_forged_or_old_token_admits_nobody(settings: Settings, stores: Stores, db: Database, anna: Identity) -> None:
    """Unknown, empty and expired tokens of either place admit nobody, and old rows are dropped."""
    tickets = RedisTickets(msgspec.structs.replace(settings, session_token_seconds=1), stores[0], db)
    token = await tickets.issue(anna)
    for forged in ("", "db.", "db.nothing", "nothing", "Привет 🎉", token[:-1]):
        assert await tickets.redeem(forged) is None
    await asyncio.sleep(1.1)
    assert await tickets.redeem(token) is None
    await db.write(forget)


async def test_a_token_of_another_deployment_admits_nobody(
    settings: Settings, stores: Stores, db: Database, anna: Identity
) -> None:
    """Two deployments on one Redis do not take each other's tokens."""
    mine, other = RedisTickets(settings, stores[0], db), RedisTickets(settings, stores[1], db)
    other._realm = "another"
    assert await mine.redeem(await other.issue(anna)) is None


async def test_limits_count_over_all_processes(settings: Settings, stores: Stores) -> None:
    """Of many uses at once on two processes exactly as many pass as the limit allows."""
    settings = msgspec.structs.replace(settings, rate_limits=True, limit_message="50/minute")
    throttles = [Throttle(settings, store) for store in stores]
    uses: list[Callable[[], Awaitable[object]]] = [
        lambda number=number: throttles[number % 2].take("message", "anna")  # type: ignore[misc]
        for number in range(120)
    ]
    assert await count(uses) == 50
    with pytest.raises(RateLimited) as refusal:
        await throttles[0].take("message", "anna")
    assert refusal.value.retry_after is not None
    assert 1 <= refusal.value.retry_after <= 120
    await throttles[0].take("message", "boris")


async def test_a_cleared_limit_is_cleared_everywhere(settings: Settings, stores: Stores) -> None:
    """Who has shown that they mean well starts anew on every process."""
    settings = msgspec.structs.replace(settings, rate_limits=True, limit_login="3/minute")
    here, there = [Throttle(settings, store) for store in stores]
    for _ in range(3):
        await here.take("login", "анна")
    with pytest.raises(RateLimited):
        await there.take("login", "анна")
    await there.clear("login", "анна")
    await here.take("login", "анна")


@pytest.mark.parametrize("name", ["login", "account", "code", "register"])
async def test_secrets_are_not_tried_without_a_common_count(
    settings: Settings, stores: Stores, valkey: Valkey, name: str
) -> None:
    """While Redis is away, what guards passwords and codes is refused with 503 and a time to come back, and open again after."""
    throttle = Throttle(msgspec.structs.replace(settings, rate_limits=True), stores[0])
    await throttle.take(name, "anna")
    valkey.kill()
    for _ in range(20):
        with pytest.raises(RedisAway) as refusal:
            await throttle.take(name, "anna")
        assert refusal.value.retry_after == 1
    await throttle.clear(name, "anna")
    valkey.start()
    async with asyncio.timeout(10):
        while True:
            try:
                await throttle.take(name, "anna")
            except RedisAway:
                await asyncio.sleep(0.05)
            else:
                break


async def test_everything_else_goes_on_without_redis(settings: Settings, stores: Stores, valkey: Valkey) -> None:
    """While Redis is away other limits are counted by each process for itself."""
    settings = msgspec.structs.replace(settings, rate_limits=True, limit_message="5/minute", limit_refresh="5/minute")
    throttles = [Throttle(settings, store) for store in stores]
    valkey.kill()
    for name in ("message", "refresh"):
        for throttle in throttles:
            uses: list[Callable[[], Awaitable[object]]] = [
                lambda throttle=throttle, name=name: throttle.take(name, "anna")  # type: ignore[misc]
                for _ in range(20)
            ]
            assert await count(uses) == 5


async def test_a_silent_redis_holds_nobody_up(settings: Settings, stores: Stores, valkey: Valkey) -> None:
    """A Redis that neither answers nor closes costs one question its deadline; those after it are answered at once."""
    throttle = Throttle(msgspec.structs.replace(settings, rate_limits=True), stores[0])
    valkey.pause()
    async with asyncio.timeout(5):
        for number in range(100):
            await throttle.take("message", f"person {number}")
    valkey.wake()


async def test_a_redis_that_will_not_do_is_told_in_a_sentence(valkey: Valkey) -> None:
    """Nobody there, a wrong password and a replica: each says what is wrong and where, without the password."""
    await check_redis(valkey.url)
    replica = Valkey("--replicaof", "127.0.0.1", str(valkey.port)).start()
    guarded = Valkey("--requirepass", "geheim").start()
    places = {
        "redis://127.0.0.1:1/0": "Redis does not answer at REDIS_URL (127.0.0.1:1)",
        replica.url: "names a replica",
        guarded.url: "Authentication required",
        guarded.url.replace("127", "user:wrong@127", 1): "invalid username-password",
    }
    for url, sentence in places.items():
        with pytest.raises(RedisAway) as refusal:
            await check_redis(url)
        assert sentence in refusal.value.detail
        assert "wrong" not in refusal.value.detail.replace("WRONGPASS", "")
    replica.kill()
    guarded.kill()
