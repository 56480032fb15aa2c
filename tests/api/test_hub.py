"""The hub on both databases: order, gaps, resume, slow readers, several devices. The wire is a list that these tests read."""

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from dating.database import Database, Transaction, connect
from dating.realtime import inbox
from dating.realtime.bus import LocalBus
from dating.realtime.events import Ack, Match, Typing
from dating.realtime.hub import Hub, Leaving
from dating.realtime.inbox import Told
from dating.realtime.protocol import Close
from dating.realtime.session import Session
from dating.settings import Settings
from dating.tokens import Identity

pytestmark = pytest.mark.one_process("asks one hub; tests/cluster has several")

ADD = "INSERT INTO users (username, username_key, password, created_at) VALUES (:name, :name, '', :now) RETURNING id"


class Wire:
    """The far end of a connection: keeps what was written; `reads` says whether it takes frames."""

    def __init__(self, hub: Hub, reads: bool = True) -> None:
        self.hub = hub
        self.reads = reads
        self.frames: list[dict[str, object]] = []
        self.code: int | None = None
        self.session: Session | None = None
        self.waiting = 0

    def write(self, data: bytes) -> bool:
        self.frames.append(msgspec.json.decode(data))
        self.waiting += 1
        if self.reads:
            asyncio.get_running_loop().call_soon(self.take)
        return False

    def take(self) -> None:
        """Let the kernel have everything."""
        count, self.waiting = self.waiting, 0
        if count and self.session is not None:
            self.hub.sent_frames(self.session, count)

    def close(self, code: int) -> None:
        self.code = int(code)

    def types(self) -> list[object]:
        return [frame["type"] for frame in self.frames]

    def numbers(self) -> list[object]:
        return [frame["seq"] for frame in self.frames if frame["type"] == "match"]


class Room:
    """A hub on a database, with people in it."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self.settings = settings
        self.db = db
        self.bus = LocalBus()
        self.hub = Hub(settings, db, self.bus)
        db.committed = self.bus.publish

    async def person(self, name: str) -> int:
        async def add(tx: Transaction) -> int:
            return await tx.one(int, ADD, name=name, now=tx.now) or 0

        return await self.db.write(add)

    async def tell(self, user_id: int, count: int = 1) -> None:
        async def one(tx: Transaction, number: int) -> None:
            await inbox.tell(tx, [user_id], Match("Привет 🎉", number, 1))

        for number in range(count):
            await self.db.write(one, number)

    async def silently(self, user_id: int, count: int = 1) -> None:
        """Tell, and lose the hint."""
        listener, self.db.committed = self.db.committed, lambda notices: None
        await self.tell(user_id, count)
        self.db.committed = listener

    def enter(
        self, user_id: int, since: int | None = None, *, reads: bool = True, session_id: int = 1, epoch: str | None = None
    ) -> Wire:
        wire = Wire(self.hub, reads)
        identity = Identity(user_id, session_id, "user", time.time() + 900)
        wire.session = self.hub.connect(identity, wire, since, epoch)
        return wire


async def until(condition: object, seconds: float = 5) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]  # any callable without arguments
            await asyncio.sleep(0.005)


@pytest.fixture
async def room(settings: Settings) -> AsyncIterator[Room]:
    settings = msgspec.structs.replace(settings, socket_queue_frames=20, socket_stall_seconds=0.5, sockets_per_user=3)
    db = connect(settings)
    await db.open()
    room = Room(settings, db)
    await room.hub.start()
    yield room
    await room.hub.close()
    await db.close()


async def test_hello_then_live(room: Room) -> None:
    """A fresh socket hears hello with the top of the inbox, nothing old, then events as they commit."""
    anna = await room.person("anna")
    await room.tell(anna, 3)
    wire = room.enter(anna)
    await until(lambda: wire.frames and wire.session and wire.session.reading is None)
    await room.tell(anna, 2)
    await until(lambda: wire.numbers() == [4, 5])
    assert wire.types() == ["hello", "match", "match"]
    assert wire.frames[0]["seq"] == 3
    assert wire.frames[0]["epoch"] == room.hub.epoch


async def test_resume_is_whole(room: Room) -> None:
    """A socket with `since` gets what it missed, then `resumed`, then live events, each once and in order."""
    anna = await room.person("anna")
    await room.tell(anna, 5)
    wire = room.enter(anna, since=2)
    await room.tell(anna, 3)
    await until(lambda: "resumed" in wire.types() and wire.numbers() == [3, 4, 5, 6, 7, 8])
    resumed = wire.frames[wire.types().index("resumed")]
    assert resumed["from"] == 2
    assert wire.types()[0] == "hello"


async def test_resume_while_events_pour(room: Room) -> None:
    """Connecting in the middle of a stream of commits neither loses nor repeats a number."""
    anna = await room.person("anna")
    pouring = asyncio.create_task(room.tell(anna, 150))
    wires = []
    for _ in range(8):
        await asyncio.sleep(0.01)
        wires.append(room.enter(anna, since=0, session_id=len(wires)))
        if len(wires) > 3:
            assert wires[-4].code == Close.REPLACED
    await pouring
    for wire in wires[-3:]:
        await until(lambda wire=wire: len(wire.numbers()) == 150)
        assert wire.numbers() == list(range(1, 151))


async def test_a_hole_is_read_from_the_inbox(room: Room) -> None:
    """When a hint is lost, the next event makes the server itself read the hole; repeated hints are dropped."""
    anna = await room.person("anna")
    wire = room.enter(anna)
    await until(lambda: wire.frames and wire.session and wire.session.reading is None)
    await room.silently(anna, 3)
    await room.tell(anna)
    await until(lambda: wire.numbers() == [1, 2, 3, 4])
    room.hub.deliver([Told(anna, 2, b'{"type":"match"}'), Told(anna, 4, b'{"type":"match"}')])
    await asyncio.sleep(0.05)
    assert wire.numbers() == [1, 2, 3, 4]


async def test_what_the_short_way_does_not_take_goes_the_long_one(room: Room) -> None:
    """A socket gets every event once and in order, whichever of them its short way refuses; while it reads the inbox, none."""
    anna = await room.person("anna")
    wire = room.enter(anna)
    await until(lambda: wire.frames and wire.session and wire.session.reading is None)
    assert wire.session is not None
    taken: list[int] = []

    def take(data: bytes) -> bool:
        event = msgspec.json.decode(data[2:])
        if event["seq"] % 3 == 0:
            return False
        taken.append(event["seq"])
        wire.frames.append(event)
        return True

    wire.session.direct = take
    await room.tell(anna, 7)
    await until(lambda: wire.numbers() == [1, 2, 3, 4, 5, 6, 7])
    assert taken == [1, 2, 4, 5, 7]
    await room.silently(anna)
    await room.tell(anna)
    await until(lambda: wire.numbers() == list(range(1, 10)))
    assert taken == [1, 2, 4, 5, 7]


async def test_comparing_tops_heals_a_lost_last_event(room: Room) -> None:
    """A lost hint with nothing after it is found by comparing the tops."""
    anna = await room.person("anna")
    wire = room.enter(anna)
    await until(lambda: wire.frames and wire.session and wire.session.reading is None)
    await room.silently(anna)
    await room.hub.compare_tops()
    await until(lambda: wire.numbers() == [1])


async def test_a_gap_that_cannot_be_filled_is_a_resync(room: Room) -> None:
    """A position ahead of the inbox, of another epoch, or trimmed away answers `resync` with the number to go on from."""
    anna = await room.person("anna")
    await room.tell(anna, 5)
    await room.db.write(inbox.trim, room.db.clock() + 1, 1)
    await room.tell(anna, 2)
    wires = {
        "ahead": room.enter(anna, since=99),
        "epoch": room.enter(anna, since=6, epoch="another"),
        "trimmed": room.enter(anna, since=3),
    }
    for reason, wire in wires.items():
        await until(lambda wire=wire: "resync" in wire.types())
        assert wire.frames[1] == {"type": "resync", "reason": reason, "epoch": room.hub.epoch, "seq": 7}
    await room.tell(anna)
    await until(lambda: wires["trimmed"].numbers() == [8])


async def test_a_slow_reader_falls_back_to_its_inbox(room: Room) -> None:
    """A socket that stops reading holds a bounded queue, loses ephemeral events only, and gets the rest when it reads again."""
    anna, boris = await room.person("anna"), await room.person("boris")
    slow, quick = room.enter(anna, reads=False), room.enter(boris)
    await until(lambda: slow.frames and quick.frames)
    await asyncio.gather(room.tell(anna, 60), room.tell(boris, 60))
    room.hub.send([anna, boris], Typing(1, 2))
    await until(lambda: quick.numbers() == list(range(1, 61)) and "typing" in quick.types())
    assert len(slow.frames) <= 21
    assert "typing" not in slow.types()
    slow.reads = True
    slow.take()
    await until(lambda: slow.numbers() == list(range(1, 61)))
    await room.tell(anna)
    await until(lambda: slow.numbers()[-1] == 61)


async def test_a_socket_that_takes_nothing_is_closed(room: Room) -> None:
    """Without progress for the stall time a socket that is behind closes with 4408."""
    anna = await room.person("anna")
    wire = room.enter(anna, reads=False)
    await until(lambda: wire.frames)
    await room.tell(anna, 30)
    await until(lambda: wire.code == Close.SLOW)
    assert room.hub.count() == 0


async def test_devices_do_not_disturb_each_other(room: Room) -> None:
    """Several devices get everything; one more than allowed closes the oldest; an old socket's end leaves the newer ones."""
    anna = await room.person("anna")
    wires = [room.enter(anna, session_id=n) for n in range(4)]
    assert [wire.code for wire in wires] == [Close.REPLACED, None, None, None]
    assert wires[0].session is not None
    assert wires[1].session is not None
    room.hub.disconnect(wires[0].session)
    room.hub.disconnect(wires[1].session)
    await until(lambda: wires[3].frames and wires[2].frames)
    await room.tell(anna)
    await until(lambda: [wire.numbers() for wire in wires] == [[], [], [1], [1]])


async def test_revocation_closes_the_right_sockets(room: Room) -> None:
    """Ending one session closes its sockets; ending all but one spares that one."""
    anna = await room.person("anna")
    wires = [room.enter(anna, session_id=n) for n in (1, 2, 3)]

    async def end(tx: Transaction, session_id: int | None, spare: int | None) -> None:
        inbox.revoke(tx, anna, session_id, Close.REVOKED, spare=spare)

    await room.db.write(end, 2, None)
    assert [wire.code for wire in wires] == [None, Close.REVOKED, None]
    await room.db.write(end, None, 3)
    assert [wire.code for wire in wires] == [Close.REVOKED, Close.REVOKED, None]


async def test_an_expired_token_ends_the_socket(room: Room) -> None:
    """When the access token runs out and was not refreshed, the socket closes with 4401."""
    anna = await room.person("anna")
    wire = Wire(room.hub)
    wire.session = room.hub.connect(Identity(anna, 1, "user", time.time() + 0.2), wire, None, None)
    await until(lambda: wire.code == Close.EXPIRED)


async def test_drain_sends_everybody_away(room: Room) -> None:
    """A draining hub tells every socket, closes it with 1012, and admits nobody."""
    anna = await room.person("anna")
    wire = room.enter(anna)
    await until(lambda: wire.frames)
    await room.hub.drain()
    assert wire.types() == ["hello", "drain"]
    assert wire.code == Close.RESTART
    with pytest.raises(Leaving):
        room.enter(anna)


async def test_nothing_is_left_behind(room: Room) -> None:
    """After everybody has gone the hub holds no session and no task runs for one."""
    anna = await room.person("anna")
    before = len(asyncio.all_tasks())
    wires = [room.enter(anna, since=0, session_id=n) for n in range(30)]
    await room.tell(anna, 5)
    for wire in wires:
        assert wire.session is not None
        room.hub.disconnect(wire.session)
    await asyncio.sleep(0.05)
    assert (room.hub.count(), room.hub.lag(), len(asyncio.all_tasks())) == (0, 0, before)


async def test_a_long_frame_is_refused(room: Room) -> None:
    """A frame over the limit is answered with an error, even when it is sound JSON; the socket goes on."""
    anna = await room.person("anna")
    wire = room.enter(anna)
    await until(lambda: wire.frames)
    assert wire.session is not None
    room.hub.intake.receive(wire.session, '{"type":"ping"}' + " " * room.settings.socket_frame_bytes)
    room.hub.intake.receive(wire.session, '{"type":"ping"}')
    assert wire.types() == ["hello", "error", "pong"]
    assert wire.frames[1]["code"] == "frame_too_large"


async def test_an_ack_is_taken_silently(room: Room) -> None:
    """Clients may say what they have applied, however far; nothing is answered and nothing of what follows changes."""
    acked: list[int] = []

    async def on_ack(me: Identity, frame: Ack) -> None:
        acked.append(frame.seq)

    room.hub.intake.handlers[Ack] = on_ack
    anna = await room.person("anna")
    wire = room.enter(anna)
    await until(lambda: wire.frames and wire.session and wire.session.reading is None)
    assert wire.session is not None
    room.hub.intake.receive(wire.session, '{"type":"ack","seq":99}')
    await room.tell(anna, 2)
    await until(lambda: wire.numbers() == [1, 2])
    assert wire.types() == ["hello", "match", "match"]
    assert acked == [99]
