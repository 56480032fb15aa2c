"""The same on a cluster of three Valkey nodes: channels, tokens and limits spread over them, and follow where slots go."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from dating.database import Transaction
from dating.realtime import inbox
from dating.realtime.protocol import Close
from dating.realtime.redis_tickets import RedisTickets
from dating.redis.nodes import find_slot
from dating.redis.store import RedisStore
from dating.settings import Settings
from dating.throttle import RateLimited, Throttle
from dating.tokens import Identity
from tests.api.test_hub import Wire
from tests.cluster.conftest import Seat, open_seat
from tests.cluster.valkey import ValkeyCluster, until

Seats = tuple[Seat, Seat]
PEOPLE = 24


@pytest.fixture(scope="module")
def cluster() -> Iterator[ValkeyCluster]:
    cluster = ValkeyCluster()
    yield cluster
    cluster.close()


@pytest.fixture
def shared(settings: Settings, cluster: ValkeyCluster) -> Settings:
    """Settings of a process on the cluster."""
    return msgspec.structs.replace(settings, redis_url=cluster.url, tops_seconds=3600.0, postgres_pool=6)


@pytest.fixture
async def seats(shared: Settings) -> AsyncIterator[Seats]:
    here, there = await open_seat(shared), await open_seat(shared)
    yield here, there
    await here.close()
    await there.close()


async def enter_all(here: Seat, there: Seat) -> dict[int, Wire]:
    """People enough for every node, all of them over there."""
    people = [await here.person(f"person {number}") for number in range(PEOPLE)]
    wires = {user_id: there.enter(user_id) for user_id in people}
    await until(lambda: all(wire.frames for wire in wires.values()))
    return wires


@pytest.mark.parametrize(("name", "slot"), [(b"123456789", 0x31C3), (b"{user}:1", 5474), (b"x{}y", find_slot(b"x{}y"))])
def test_slots_are_those_of_redis(cluster: ValkeyCluster, name: bytes, slot: int) -> None:
    """A key's slot is the one that the server computes, with and without a hash tag."""
    assert find_slot(name) == cluster.nodes[0].run("CLUSTER", "KEYSLOT", name.decode())
    assert find_slot(name) == slot


async def test_everybody_hears_through_some_node(seats: Seats, cluster: ValkeyCluster) -> None:
    """People of all nodes get their events by hints, presence is known, and every node carries channels."""
    here, there = seats
    wires = await enter_all(here, there)
    await asyncio.gather(*[here.tell(user_id, 3) for user_id in wires])
    await until(lambda: all(wire.numbers() == [1, 2, 3] for wire in wires.values()))
    assert await here.bus.online([*wires, 10**6]) == set(wires)
    assert all(len(node.run("PUBSUB", "SHARDCHANNELS")) > 1 for node in cluster.nodes)


async def test_revocation_on_a_cluster(seats: Seats) -> None:
    """A session that ends on one process closes its socket on the other."""
    here, there = seats
    wires = await enter_all(here, there)

    async def end(tx: Transaction, user_id: int) -> None:
        inbox.revoke(tx, user_id, 1, Close.REVOKED)

    for user_id in wires:
        await here.db.write(end, user_id)
    await until(lambda: all(wire.code == Close.REVOKED for wire in wires.values()))


async def test_slots_that_move_are_followed(seats: Seats, cluster: ValkeyCluster) -> None:
    """When a person's slot moves to another node while events pour, nothing is lost, and hints go through the new node."""
    here, there = seats
    wires = await enter_all(here, there)
    for user_id, wire in list(wires.items())[:3]:
        channel = there.bus._channel(user_id)
        slot = find_slot(channel)
        owner = next(number for number, node in enumerate(cluster.nodes) if node.port == there.bus._nodes.of(channel).port)
        telling = asyncio.create_task(here.tell(user_id, 60))
        cluster.move(slot, (owner + 1) % 3)
        await telling
        await until(lambda wire=wire: len(wire.numbers()) == 60)
        assert wire.numbers() == list(range(1, 61))
        port = cluster.nodes[(owner + 1) % 3].port
        await until(lambda c=channel, p=port: all(s.bus._nodes.of(c).port == p and s.bus._up for s in seats))
        await here.tell(user_id)
        await until(lambda wire=wire: wire.numbers()[-1] == 61)


async def test_tokens_and_limits_on_a_cluster(seats: Seats, shared: Settings) -> None:
    """Tokens admit one of eight and limits are exact, on whichever node they are kept."""
    here, _ = seats
    assert shared.redis_url is not None
    stores = RedisStore(shared.redis_url), RedisStore(shared.redis_url)
    tickets = [RedisTickets(shared, store, here.db) for store in stores]
    anna = Identity(await here.person("anna"), 1, "user", 2e9)
    for _ in range(20):
        token = await tickets[0].issue(anna)
        answers = await asyncio.gather(*[tickets[number % 2].redeem(token) for number in range(8)])
        assert [answer for answer in answers if answer is not None] == [anna]
    limited = msgspec.structs.replace(shared, rate_limits=True, limit_message="10/minute")
    throttles = [Throttle(limited, store) for store in stores]
    for person in ("anna", "борис {x}", "vera"):
        uses = [throttles[number % 2].take("message", person) for number in range(30)]
        answers = await asyncio.gather(*uses, return_exceptions=True)
        assert sum(isinstance(answer, RateLimited) for answer in answers) == 20
        assert sum(answer is None for answer in answers) == 10
    for store in stores:
        await store.close()


async def test_a_lost_node_costs_only_time(seats: Seats, cluster: ValkeyCluster) -> None:
    """While one of the nodes is gone everybody is told all the same; when it is back hints go round again."""
    here, there = seats
    wires = await enter_all(here, there)
    cluster.nodes[2].kill()
    await asyncio.gather(*[here.tell(user_id, 5) for user_id in wires])
    await until(lambda: all(wire.numbers() == [1, 2, 3, 4, 5] for wire in wires.values()))
    assert not here.bus._up
    cluster.nodes[2].start()
    await until(lambda: all(seat.bus._up for seat in seats), 30)
    heard = there.bus.counts["received"]
    await asyncio.gather(*[here.tell(user_id) for user_id in wires])
    await until(lambda: all(wire.numbers()[-1] == 6 for wire in wires.values()))
    await until(lambda: there.bus.counts["received"] >= heard + PEOPLE)
