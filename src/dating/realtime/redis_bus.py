"""The bus between processes, through Redis or Valkey.

A process listens to one channel for each person who has a socket on it, and to one channel that everybody hears: revocations, and
the beats by which processes know of each other. The cost of a process whose people are elsewhere is its beat.

Channels bear a bounded number of hash tags, so that a cluster spreads them over its nodes, and the epoch of the database, so that
two deployments on one Redis never hear each other.

What Redis loses is `Missed`: after every reconnect, here and on all the others; every second while Redis is away; and every
second while a process that did not say goodbye is silent, for it may still commit what it cannot tell.
"""

import asyncio
import contextlib
import logging
import random
import secrets
import time

import msgspec

from dating.realtime.bus import Deliver
from dating.realtime.inbox import Missed, Notice, Passing, Revoked, Told
from dating.realtime.redis_link import BATCH, BEAT, DEAD, Link
from dating.redis.store import RedisAway
from dating.redis.wire import RedisRefused, read_address

logger = logging.getLogger(__name__)

TAGS = 128
ORIGIN = 8  # bytes before every payload: who has sent it
START_SECONDS = 2.0
FORGET = 60.0  # seconds after which a silent process is taken for dead


class Left(Notice, frozen=True, tag=5):
    """A notice among processes: the sender has shut down and has nothing more to tell."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Told | Passing | Revoked | Missed | Left])


class RedisBus:
    """Notices from any process to the hubs of all. Whatever is published here is delivered here at once."""

    def __init__(self, url: str) -> None:
        self.counts = {"published": 0, "received": 0, "missed": 0, "connected": 0}
        self._origin = secrets.token_bytes(ORIGIN)
        self._address = read_address(url)
        self._deliver: Deliver = lambda notices: None
        self._here: set[int] = set()
        self._peers: dict[bytes, float] = {}
        self._connected = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._names: list[bytes] = []
        self._everyone = b""
        self._link: Link | None = None

    # --- life

    async def start(self, deliver: Deliver, realm: str) -> None:
        """Connect, or begin without Redis and go on trying."""
        self._deliver = deliver
        self._names = [f"dating:{realm}:{{{tag:02x}}}:".encode() for tag in range(TAGS)]
        self._everyone = self._names[0] + b"everyone"
        self._link = Link(self._address, (self._everyone, self._origin), self._pack, self._hear, self._change)
        for user_id in self._here:
            self._link.subscribe(self._channel(user_id))
        self._link.start()
        self._watching = asyncio.create_task(self._watch())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self._connected.wait()

    async def close(self) -> None:
        """Say goodbye and disconnect."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._link is not None:
            self._link.send(self._everyone, Left())
            await self._link.close()
        self._deliver = lambda notices: None

    async def check(self) -> None:
        """Raises RedisAway while hints do not go round."""
        if self._link is None or not self._link.up:
            raise RedisAway(retry_after=1)

    # --- out

    def publish(self, notices: list[object]) -> None:
        self._deliver(notices)
        assert self._link is not None
        for notice in notices:
            match notice:
                case Told(user_id):
                    self._link.send(self._channel(user_id), notice)
                case Passing(people, event):
                    for user_id in people:
                        self._link.send(self._channel(user_id), Passing([user_id], event))
                case Revoked():
                    self._link.send(self._everyone, notice)
        self.counts["published"] += len(notices)

    def _channel(self, user_id: int) -> bytes:
        return b"%b%d" % (self._names[user_id % TAGS], user_id)

    def _pack(self, notices: list[object]) -> bytes:
        return self._origin + _encoder.encode(notices)

    # --- in

    def follow(self, user_id: int) -> None:
        self._here.add(user_id)
        if self._link is not None:
            self._link.subscribe(self._channel(user_id))

    def unfollow(self, user_id: int) -> None:
        self._here.discard(user_id)
        if self._link is not None:
            self._link.unsubscribe(self._channel(user_id))

    async def settled(self) -> None:
        if self._link is not None:
            await self._link.settled()

    async def online(self, people: list[int]) -> set[int]:
        """Whose channel somebody listens to. A killed process takes its subscriptions with it, so nothing has to expire."""
        found = self._here.intersection(people)
        elsewhere = {self._channel(user_id): user_id for user_id in people if user_id not in found}
        channels = list(elsewhere)
        with contextlib.suppress(OSError, TimeoutError, RedisRefused):
            for start in range(0, len(channels), BATCH):
                counts = await self._ask(channels[start : start + BATCH])
                found |= {elsewhere[channel] for channel, count in counts.items() if count}
        return found

    async def _ask(self, channels: list[bytes]) -> dict[bytes, int]:
        return await self._link.count(channels) if self._link is not None else {}

    def _hear(self, channel: bytes, payload: bytes) -> None:
        origin = payload[:ORIGIN]
        if origin == self._origin:
            return
        if channel == self._everyone:
            self._peers[origin] = time.monotonic()
        if len(payload) > ORIGIN:
            self._receive(origin, payload[ORIGIN:])

    def _receive(self, origin: bytes, payload: bytes) -> None:
        try:
            notices = _decoder.decode(payload)
        except msgspec.DecodeError:
            # A newer version of this code says something that this one does not know.
            notices = [Missed()]
        self.counts["received"] += len(notices)
        if any(isinstance(notice, Left) for notice in notices):
            self._peers.pop(origin, None)
        self._deliver(list(notices))

    # --- what may have been missed

    def _change(self, up: bool) -> None:
        if up:
            assert self._link is not None
            self.counts["connected"] += 1
            self._connected.set()
            self._link.send(self._everyone, Missed())
        self._miss()

    def _miss(self) -> None:
        self.counts["missed"] += 1
        self._deliver([Missed()])

    async def _watch(self) -> None:
        """Every second: if anything may be said that is not heard here, have the inboxes looked at."""
        while True:
            await asyncio.sleep(BEAT * random.uniform(0.8, 1.2))
            if self._link is None or not self._link.up or self._lacks_peer():
                self._miss()

    def _lacks_peer(self) -> bool:
        now = time.monotonic()
        for origin in [origin for origin, heard in self._peers.items() if now - heard > FORGET]:
            del self._peers[origin]
        return any(now - heard > DEAD for heard in self._peers.values())
