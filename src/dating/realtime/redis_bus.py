"""The bus between processes, through Redis or Valkey.

A process listens to one channel for each person who has a socket on it, and to one channel that everybody hears: revocations, and
the beats by which processes know of each other. The cost of a process whose people are elsewhere is its beat.

Channels bear a bounded number of hash tags, so that a cluster spreads them over its nodes, and the epoch of the database, so that
two deployments on one Redis never hear each other. There is one link to each node; when the cluster moves slots or a replica
takes over, the links are made anew.

What Redis loses is `Missed`: after every reconnect, here and on all the others; every second while Redis is away; and every
second while a process that did not say goodbye is silent, for it may still commit what it cannot tell. What a process itself
does not know, because its commit was not answered, it publishes as `Missed` to all.
"""

import asyncio
import contextlib
import logging
import random
import secrets
import time

import msgspec

from dating.realtime.bus import Deliver
from dating.realtime.inbox import Changed, Missed, Notice, Passing, Revoked, Told
from dating.realtime.redis_link import BEAT, DEAD, Link
from dating.redis.nodes import Nodes
from dating.redis.store import FAILURES, RedisAway
from dating.redis.wire import Address, read_address

logger = logging.getLogger(__name__)

TAGS = 128
ORIGIN = 8  # bytes before every payload: who has sent it
EVERYONE = b"everyone"
START_SECONDS = 2.0
FORGET = 60.0  # seconds after which a silent process is taken for dead


class Left(Notice, frozen=True, tag=5):
    """A notice among processes: the sender has shut down and has nothing more to tell."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Told | Passing | Revoked | Missed | Changed | Left])


class RedisBus:
    """Notices from any process to the hubs of all. Whatever is published here is delivered here at once."""

    def __init__(self, url: str) -> None:
        self.counts = {"published": 0, "received": 0, "missed": 0, "connected": 0}
        self._origin = secrets.token_bytes(ORIGIN)
        self._nodes = Nodes(read_address(url))
        self._deliver: Deliver = lambda notices: None
        self._here: set[int] = set()
        self._peers: dict[tuple[bytes, bytes], float] = {}
        self._names: list[bytes] = []
        self._links: list[Link] = []
        self._routes: list[Link] = []
        self._connected = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    # --- life

    async def start(self, deliver: Deliver, realm: str) -> None:
        """Connect, or begin without Redis and go on trying."""
        self._deliver = deliver
        self._names = [f"dating:{realm}:{{{tag:02x}}}:".encode() for tag in range(TAGS)]
        with contextlib.suppress(*FAILURES):
            await self._nodes.find()
        self._connect()
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._follow_nodes())]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self._connected.wait()

    async def close(self) -> None:
        """Say goodbye and disconnect."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self._links:
            link.send(link.channel, Left())
        await asyncio.gather(*[link.close() for link in self._links])
        self._deliver = lambda notices: None

    def _connect(self) -> None:
        """One link to each node, and everybody who is here followed through them."""
        links: dict[Address, Link] = {}
        for name in self._names:
            address = self._nodes.of(name)
            if address not in links:
                links[address] = Link(address, (name + EVERYONE, self._origin), self._wrap, self._hear, self._change)
        self._links = list(links.values())
        self._routes = [links[self._nodes.of(name)] for name in self._names]
        for user_id in self._here:
            self._route(user_id).subscribe(self._channel(user_id))
        for link in self._links:
            link.start()

    async def _follow_nodes(self) -> None:
        """Make the links anew when the cluster is not what it was. A single server stays what it is."""
        while True:
            await asyncio.sleep(BEAT)
            moved = any(link.moved or not link.up for link in self._links)
            if self._nodes.known and not (self._nodes.clustered and moved):
                continue
            with contextlib.suppress(*FAILURES):
                if await self._nodes.find():
                    former = self._links
                    self._connect()
                    await asyncio.gather(*[link.close() for link in former])
            for link in self._links:
                link.moved = False

    async def check(self) -> None:
        """Raises RedisAway while hints do not go round."""
        if not self._up:
            raise RedisAway(retry_after=1)

    @property
    def _up(self) -> bool:
        """Whether every node is within reach."""
        return bool(self._links) and all(link.up for link in self._links)

    # --- out

    def publish(self, notices: list[object]) -> None:
        self._deliver(notices)
        if not self._routes:
            return
        for notice in notices:
            match notice:
                case Changed():
                    self._links[0].send(self._links[0].channel, notice)
                case Told(user_id):
                    self._route(user_id).send(self._channel(user_id), notice)
                case Passing(people, event):
                    for user_id in people:
                        self._route(user_id).send(self._channel(user_id), Passing([user_id], event))
                case Revoked() | Missed():
                    # Through every node: one that is away must not keep a session alive.
                    for link in self._links:
                        link.send(link.channel, notice)
        self.counts["published"] += len(notices)

    def _channel(self, user_id: int) -> bytes:
        return b"%b%d" % (self._names[user_id % TAGS], user_id)

    def _route(self, user_id: int) -> Link:
        return self._routes[user_id % TAGS]

    def _wrap(self, notices: list[object]) -> bytes:
        return self._origin + _encoder.encode(notices)

    # --- in

    def follow(self, user_id: int) -> None:
        self._here.add(user_id)
        if self._routes:
            self._route(user_id).subscribe(self._channel(user_id))

    def unfollow(self, user_id: int) -> None:
        self._here.discard(user_id)
        if self._routes:
            self._route(user_id).unsubscribe(self._channel(user_id))

    async def settled(self) -> None:
        for link in self._links:
            await link.settled()

    async def online(self, people: list[int]) -> set[int]:
        """Whose channel somebody listens to. A killed process takes its subscriptions with it, so nothing has to expire."""
        found = self._here.intersection(people)
        asked: dict[Link, dict[bytes, int]] = {}
        for user_id in people:
            if user_id not in found and self._routes:
                asked.setdefault(self._route(user_id), {})[self._channel(user_id)] = user_id
        for link, channels in asked.items():
            with contextlib.suppress(*FAILURES):
                counts = await link.count(list(channels))
                found |= {channels[channel] for channel, count in counts.items() if count}
        return found

    def _hear(self, channel: bytes, payload: bytes) -> None:
        origin = payload[:ORIGIN]
        if origin == self._origin:
            return
        if channel.endswith(EVERYONE):
            self._peers[channel, origin] = time.monotonic()
        if len(payload) > ORIGIN:
            self._receive(channel, origin, payload[ORIGIN:])

    def _receive(self, channel: bytes, origin: bytes, payload: bytes) -> None:
        try:
            notices = _decoder.decode(payload)
        except msgspec.DecodeError:
            # A newer version of this code says something that this one does not know.
            notices = [Missed()]
        self.counts["received"] += len(notices)
        if any(isinstance(notice, Left) for notice in notices):
            self._peers.pop((channel, origin), None)
        self._deliver(list(notices))

    # --- what may have been missed

    def _change(self, link: Link) -> None:
        if link.up:
            self.counts["connected"] += 1
            link.send(link.channel, Missed())
            if self._up:
                self._connected.set()
        self._miss()

    def _miss(self) -> None:
        self.counts["missed"] += 1
        self._deliver([Missed()])

    async def _watch(self) -> None:
        """Every second: if anything may be said that is not heard here, have the inboxes looked at."""
        while True:
            await asyncio.sleep(BEAT * random.uniform(0.8, 1.2))
            if not self._up or self._lacks_peer():
                self._miss()

    def _lacks_peer(self) -> bool:
        now = time.monotonic()
        for peer in [peer for peer, heard in self._peers.items() if now - heard > FORGET]:
            del self._peers[peer]
        return any(now - heard > DEAD for heard in self._peers.values())
