"""Two hubs on one database and one Valkey: whatever happens to Valkey, everybody gets everything, once and in order."""

import asyncio

import msgspec
import pytest

from dating.database import Transaction
from dating.realtime import inbox
from dating.realtime.events import Typing
from dating.realtime.inbox import Passing
from dating.realtime.protocol import Close
from dating.realtime.redis_bus import RedisBus
from dating.realtime.redis_link import WAITING
from dating.redis.store import RedisAway
from dating.settings import Settings
from tests.cluster.conftest import Seat, open_seat
from tests.cluster.valkey import Valkey, until

Seats = tuple[Seat, Seat]


async def test_events_cross_processes(seats: Seats) -> None:
    """What is told on one process reaches the sockets of the other and of its own, once and in order, by hints alone."""
    here, there = seats
    anna = await here.person("anna")
    near, far = here.enter(anna), there.enter(anna)
    await until(lambda: near.frames and far.frames)
    await here.tell(anna, 20)
    await there.tell(anna, 20)
    await until(lambda: len(near.numbers()) == len(far.numbers()) == 40)
    assert near.numbers() == far.numbers() == list(range(1, 41))
    assert here.hub.sent["repaired"] == there.hub.sent["repaired"] == 0


async def test_a_server_without_sharded_channels(settings: Settings, valkey: Valkey) -> None:
    """Redis before 7 has none: everything goes by plain ones there, in order, and a listener is still one."""
    valkey.run("ACL", "SETUSER", "default", "-spublish", "-ssubscribe", "-sunsubscribe", "-pubsub|shardnumsub")
    here, there = [await open_seat(msgspec.structs.replace(settings, tops_seconds=3600.0)) for _ in range(2)]
    anna = await here.person("anna")
    far = there.enter(anna)
    await until(lambda: far.frames)
    await here.tell(anna, 20)
    await until(lambda: len(far.numbers()) == 20)
    assert far.numbers() == list(range(1, 21))
    assert there.hub.sent["repaired"] == 0
    assert list((await here.link.count([here.bus._channel(anna)])).values()) == [1]
    for seat in (here, there):
        await seat.close()


async def test_text_survives_the_way(seats: Seats) -> None:
    """Cyrillic and emoji arrive on the other process as they were told."""
    here, there = seats
    anna = await here.person("anna")
    far = there.enter(anna)
    await until(lambda: far.frames)
    await here.tell(anna)
    await until(lambda: far.numbers())
    assert far.frames[-1]["content"] == "Привет 🎉"


async def test_ephemeral_events_cross_processes(seats: Seats) -> None:
    """A typing event reaches the person's socket elsewhere, and is not doubled where it was sent."""
    here, there = seats
    anna = await here.person("anna")
    near, far = here.enter(anna), there.enter(anna)
    await until(lambda: near.frames and far.frames)
    here.hub.send([anna], Typing(1, 2))
    await until(lambda: "typing" in far.types())
    assert near.types().count("typing") == far.types().count("typing") == 1


async def test_revocation_closes_sockets_everywhere(seats: Seats) -> None:
    """A session that ends on one process closes its sockets on the other; other sessions stay."""
    here, there = seats
    anna = await here.person("anna")
    ended, kept = there.enter(anna, session_id=1), there.enter(anna, session_id=2)

    async def end(tx: Transaction) -> None:
        inbox.revoke(tx, anna, 1, Close.REVOKED)

    await here.db.write(end)
    await until(lambda: ended.code == Close.REVOKED)
    assert kept.code is None


async def test_only_who_has_sockets_is_listened_to(seats: Seats) -> None:
    """A person's channel has one listener for each process with a socket of that person, and none when the last has gone."""
    here, there = seats
    anna = await here.person("anna")

    async def listeners() -> int:
        (count,) = (await here.link.count([here.bus._channel(anna)])).values()
        return count

    assert await listeners() == 0
    wires = [there.enter(anna), there.enter(anna)]
    await until(lambda: all(wire.frames for wire in wires))
    assert await listeners() == 1
    for wire in wires:
        assert wire.session is not None
        there.hub.disconnect(wire.session)
    await there.bus.settled()
    assert await listeners() == 0


async def test_nothing_falls_between_reading_and_listening(seats: Seats) -> None:
    """Sockets that connect while events pour in on the other process get every number once, without any comparison of tops."""
    here, there = seats
    anna = await here.person("anna")
    telling = asyncio.create_task(here.tell(anna, 150))
    wires = []
    for session_id in range(30):
        wire = there.enter(anna, since=0, session_id=session_id % 8)
        wires.append(wire)
        await asyncio.sleep(0.004)
        if session_id % 3 == 0:
            assert wire.session is not None
            there.hub.disconnect(wire.session)
            wires.remove(wire)
    await telling
    live = [wire for wire in wires if wire.code is None]
    await until(lambda: all(len(wire.numbers()) == 150 for wire in live))
    assert all(wire.numbers() == list(range(1, 151)) for wire in live)


async def test_people_far_apart_share_no_realm(seats: Seats) -> None:
    """Another deployment on the same Redis, with people of the same ids, hears nothing."""
    here, _ = seats
    heard: list[object] = []
    other = RedisBus(f"redis://{here.bus._nodes.seed}")
    await other.start(heard.extend, "another")
    anna = await here.person("anna")
    other.follow(anna)
    await other.settled()
    heard.clear()
    await here.tell(anna, 3)
    await here.bus.online([anna])
    assert heard == []
    await other.close()


async def test_a_killed_subscription_loses_nothing(seats: Seats, valkey: Valkey) -> None:
    """When Valkey drops the listening connections while events pour, everything arrives all the same, in order."""
    here, there = seats
    anna = await here.person("anna")
    far = there.enter(anna)
    await until(lambda: far.frames)
    telling = asyncio.create_task(here.tell(anna, 200))
    for _ in range(5):
        await asyncio.sleep(0.03)
        valkey.run("CLIENT", "KILL", "TYPE", "pubsub")
    await telling
    await until(lambda: len(far.numbers()) >= 200)
    assert far.numbers() == list(range(1, 201))


async def test_a_killed_publisher_is_noticed_by_the_others(seats: Seats, valkey: Valkey) -> None:
    """Events told while the teller's connections are cut reach the other process, which itself has lost nothing."""
    here, there = seats
    anna = await here.person("anna")
    far = there.enter(anna)
    await until(lambda: far.frames)
    for number in range(1, 6):
        here.link._abort()
        await here.tell(anna)
        await until(lambda number=number: far.numbers() == list(range(1, number + 1)))
        await until(lambda: here.link.up)


async def test_valkey_killed_and_restarted_empty(seats: Seats, valkey: Valkey) -> None:
    """While Valkey is gone tells go on and arrive by polling; when it is back, empty, hints go round again."""
    here, there = seats
    anna = await here.person("anna")
    near, far = here.enter(anna), there.enter(anna)
    await until(lambda: near.frames and far.frames)
    await here.tell(anna, 10)
    valkey.kill()
    await here.tell(anna, 10)
    await there.tell(anna, 10)
    await until(lambda: len(far.numbers()) == len(near.numbers()) == 30)
    with pytest.raises(RedisAway):
        await here.bus.check()
    valkey.start()
    await here.tell(anna, 10)
    await until(lambda: len(far.numbers()) == 40)
    await until(lambda: here.link.up and there.link.up)
    await here.bus.check()
    heard = there.bus.counts["received"]
    await here.tell(anna, 10)
    await until(lambda: len(far.numbers()) == 50 and there.bus.counts["received"] > heard)
    assert near.numbers() == far.numbers() == list(range(1, 51))


async def test_a_silent_valkey_is_left(seats: Seats, valkey: Valkey) -> None:
    """A Valkey that answers nothing and closes nothing is taken for dead, and tells arrive by polling."""
    here, there = seats
    anna = await here.person("anna")
    far = there.enter(anna)
    await until(lambda: far.frames)
    valkey.pause()
    await here.tell(anna, 10)
    await until(lambda: len(far.numbers()) == 10)
    assert not there.link.up
    boris = there.enter(await here.person("boris"))
    await until(lambda: boris.types() == ["hello"])
    valkey.wake()
    await until(lambda: here.link.up and there.link.up)
    await here.tell(anna, 10)
    await until(lambda: far.numbers() == list(range(1, 21)))


async def test_a_process_that_falls_silent_is_looked_after(seats: Seats, valkey: Valkey) -> None:
    """What a process commits and cannot tell (it died in between) is found by the others within seconds."""
    here, there = seats
    anna = await here.person("anna")
    far = there.enter(anna)
    await until(lambda: far.frames and there.bus._peers)
    await here.silently(anna)
    here.link._task.cancel()
    await until(lambda: far.numbers() == [1])


async def test_who_is_online_anywhere(seats: Seats, valkey: Valkey) -> None:
    """Presence is known on every process, ends with the last socket, and is there again after Valkey was emptied."""
    here, there = seats
    anna, boris, vera = [await here.person(name) for name in ("anna", "boris", "vera")]
    near, far = here.enter(anna), there.enter(boris)
    await until(lambda: near.frames and far.frames)
    assert await here.bus.online([anna, boris, vera]) == await there.bus.online([anna, boris, vera]) == {anna, boris}
    assert far.session is not None
    there.hub.disconnect(far.session)
    await asyncio.sleep(0)
    assert await there.bus.online([boris]) == set()
    valkey.kill()
    assert await there.bus.online([anna, boris]) == set()
    assert await here.bus.online([anna, boris]) == {anna}
    await until(lambda: not here.link.up and not there.link.up)
    valkey.start()
    await until(lambda: here.link.up and there.link.up)
    assert await there.bus.online([anna, boris, vera]) == {anna}


async def test_a_goodbye_is_not_a_silence(seats: Seats) -> None:
    """A process that shuts down in order is not missed by the others."""
    here, _ = seats
    third = await open_seat(here.settings)
    origin = third.bus._origin
    await until(lambda: origin in [peer for _, peer in here.bus._peers])
    await third.close()
    await until(lambda: origin not in [peer for _, peer in here.bus._peers])


async def test_hints_that_were_too_many_are_looked_for(seats: Seats, valkey: Valkey) -> None:
    """When a slow Valkey makes a process drop hints, the queue stays bounded and the others look for what they were not told."""
    here, there = seats
    anna, boris = await here.person("anna"), await here.person("boris")
    far = there.enter(anna)
    await until(lambda: far.frames)
    valkey.pause()
    ballast = Passing([boris], b"x" * 60_000)
    while not here.link._queue:
        here.bus.publish([ballast] * 20)
        await asyncio.sleep(0)
    await here.tell(anna)
    here.bus.publish([Passing([boris], b"{}")] * (WAITING + 1))
    assert len(here.link._queue) == WAITING
    assert here.link.dropped > 0
    valkey.wake()
    await until(lambda: far.numbers() == [1])
