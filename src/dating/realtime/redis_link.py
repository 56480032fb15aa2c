"""The supervised pair of connections to one Redis node: one publishes, one listens, and both are alive or both are made anew.

Every second the link publishes a beat and has to hear it come back through its own subscription: that proves the whole way, the
server's memory of the subscription included. A link that has heard nothing for `DEAD` seconds is dropped, whatever the kernel
says of it; the next one subscribes to everything that is wanted before it counts as up.

Sharded pub/sub where the server knows it, plain where not. Knows channels and payloads, nothing of people.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import hiredis

from dating.redis.wire import Address, RedisRefused, Wire, Word, dial, pack

logger = logging.getLogger(__name__)

BEAT = 1.0
DEAD = 3.0
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
RESTORE_SECONDS = 10.0  # for a server to take up to a million subscriptions again
WAITING = 10_000  # hints that wait for a slow server before the oldest are dropped
BATCH = 500  # channels in one command


class Verbs(NamedTuple):
    """How a server calls the four things that a link does."""

    subscribe: bytes
    unsubscribe: bytes
    publish: bytes
    ask_count: bytes


SHARDED = Verbs(b"SSUBSCRIBE", b"SUNSUBSCRIBE", b"SPUBLISH", b"SHARDNUMSUB")
PLAIN = Verbs(b"SUBSCRIBE", b"UNSUBSCRIBE", b"PUBLISH", b"NUMSUB")
MESSAGES = (b"smessage", b"message")

Wrap = Callable[[list[object]], bytes]
Hear = Callable[[bytes, bytes], None]
Changed = Callable[["Link"], None]


class Link:
    """Keeps the way to one node open. `channel` is the one that carries its beat.

    `send` queues a notice for a channel; the notices of one tick become one pipeline, those of one channel one payload (`wrap`).
    `hear(channel, payload)` is called with everything that comes, `changed(link)` when the link has come up, has gone down, or
    had to drop something and is free again. `moved` turns true when the node says that another one keeps some channels now.
    """

    def __init__(self, address: Address, beat: tuple[bytes, bytes], wrap: Wrap, hear: Hear, changed: Changed) -> None:
        self.address = address
        self.up = False
        self.moved = False
        self.dropped = 0
        self.channel, self._beat = beat
        self._wrap = wrap
        self._hear = hear
        self._changed = changed
        self._verbs = SHARDED
        self._publisher: Wire | None = None
        self._listener: Wire | None = None
        self._wanted: set[bytes] = {self.channel}
        self._asked: set[bytes] = set()
        self._touched: set[bytes] = set()
        self._fences: deque[asyncio.Future[None]] = deque()
        self._queue: deque[tuple[bytes, object]] = deque()
        self._flushing = False
        self._overflowed = False
        self._heard = 0.0
        self._complained = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect; `changed` tells of the success."""
        self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Send what waits, and part."""
        self._flush()
        publisher, self._publisher = self._publisher, None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if publisher is not None:
            await publisher.finish()

    # --- publishing

    def send(self, channel: bytes, notice: object) -> None:
        """Publish with the others of this tick, never waiting; when the way is closed or full, this or the oldest is dropped."""
        if not self.up:
            self.dropped += 1
            return
        if len(self._queue) >= WAITING:
            self._queue.popleft()
            self.dropped += 1
            self._overflowed = True
        self._queue.append((channel, notice))
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._listener is not None and self._touched:
            self._resubscribe(self._listener)
        if self._queue and self._publisher is not None and not self._publisher.congested:
            self._publish(self._publisher, self._queue)
            self._queue.clear()
            if self._overflowed:
                self._overflowed = False
                self._changed(self)

    def _publish(self, publisher: Wire, queue: Iterable[tuple[bytes, object]]) -> None:
        channels: dict[bytes, list[object]] = {}
        for channel, notice in queue:
            channels.setdefault(channel, []).append(notice)
        verb = self._verbs.publish
        commands = [pack(verb, channel, self._wrap(notices)) for channel, notices in channels.items()]
        publisher.write(b"".join(commands), len(commands))

    async def count(self, channels: list[bytes]) -> dict[bytes, int]:
        """How many connections listen to each channel. Raises OSError, TimeoutError or RedisRefused."""
        if self._publisher is None:
            raise ConnectionResetError("Redis is away")
        counts: dict[bytes, int] = {}
        for lot in batches(channels):
            reply = await self._publisher.ask_soon(b"PUBSUB", self._verbs.ask_count, *lot)
            counts |= zip(reply[::2], reply[1::2], strict=True)
        return counts

    # --- subscribing

    def subscribe(self, channel: bytes) -> None:
        """Want everything that is published there, now and after every reconnect; `settled` tells when it is in force."""
        self._wanted.add(channel)
        self._touch(channel)

    def unsubscribe(self, channel: bytes) -> None:
        """Want it no more."""
        self._wanted.discard(channel)
        self._touch(channel)

    def _touch(self, channel: bytes) -> None:
        if self._listener is None:
            return
        if not self._touched:
            self._fences.append(asyncio.get_running_loop().create_future())
        self._touched.add(channel)
        self._flush_soon()

    async def settled(self) -> None:
        """Wait until every subscription asked for so far is in force, or the link has gone down."""
        if self._fences:
            await asyncio.shield(self._fences[-1])

    def _resubscribe(self, listener: Wire) -> None:
        """Say what has changed since the last tick, and put a fence behind it: its echo opens the fence."""
        added = (self._touched & self._wanted) - self._asked
        removed = (self._touched - self._wanted) & self._asked
        self._touched.clear()
        self._asked = (self._asked | added) - removed
        commands = [pack(self._verbs.unsubscribe, *batch) for batch in batches(removed)]
        commands += [pack(self._verbs.subscribe, *batch) for batch in batches(added)]
        listener.write(b"".join(commands) + pack(b"PING", b"fence"))

    # --- listening

    def _receive(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError):
            self._refuse(str(reply))
            self._abort()
        elif reply[0] in MESSAGES:
            if reply[1] == self.channel and reply[2] == self._beat:
                self._heard = time.monotonic()
            else:
                self._hear(reply[1], reply[2])
        elif reply[0] == b"pong" and self._fences:
            self._open(self._fences.popleft())
        elif reply[0] == b"sunsubscribe" and reply[1] in self._asked:
            self.moved = True

    def _refuse(self, reason: str) -> None:
        if reason.startswith("MOVED"):
            self.moved = True
        else:
            self._complain(RedisRefused(reason))

    def _open(self, fence: asyncio.Future[None]) -> None:
        if not fence.done():
            fence.set_result(None)

    # --- staying alive

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self._connect()
                pause = FIRST_PAUSE
                await self._beat_on()
            except (OSError, TimeoutError, RedisRefused) as error:
                self._complain(error)
            except Exception:
                # A bug must not end the supervision: without it this process would be deaf until somebody restarts it.
                logger.exception("The link to Redis failed.")
            finally:
                self._drop()
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            logger.warning("Redis at %s is away: %s", self.address, str(error) or type(error).__name__)

    async def _connect(self) -> None:
        self._publisher = publisher = await dial(self.address)
        publisher.relieved, publisher.refused = self._flush_soon, self._refuse
        role = await self._inquire(publisher, b"ROLE")
        if isinstance(role, list) and role[0] != b"master":
            raise RedisRefused("it is a replica; REDIS_URL must name the primary")
        self._verbs = SHARDED if await self._inquire(publisher, b"PUBSUB", b"SHARDNUMSUB") is not None else PLAIN
        listener = await dial(self.address)
        listener.hear = self._receive
        self._listener = listener
        await self._restore()
        self._heard = time.monotonic()
        self.up = True
        self._complained = False
        self._changed(self)

    async def _inquire(self, wire: Wire, *words: Word) -> Any:
        """The answer, or None when this server does not know or not allow the question."""
        with contextlib.suppress(RedisRefused):
            return await wire.ask_soon(*words)
        return None

    async def _restore(self) -> None:
        """Subscribe to everything that is wanted, and wait until it is in force."""
        self._fences.append(asyncio.get_running_loop().create_future())
        self._touched |= self._wanted
        self._flush_soon()
        assert self._listener is not None
        async with asyncio.timeout(RESTORE_SECONDS):
            await asyncio.wait((self._fences[-1], self._listener.lost), return_when=asyncio.FIRST_COMPLETED)
        if self._listener.lost.done():
            raise ConnectionResetError("Redis closed the connection")

    async def _beat_on(self) -> None:
        """Until the link is lost. Raises OSError with the reason."""
        assert self._publisher is not None
        assert self._listener is not None
        lost = (self._publisher.lost, self._listener.lost)
        beat = pack(self._verbs.publish, self.channel, self._beat)
        while True:
            self._publisher.write(beat, 1)
            done, _ = await asyncio.wait(lost, timeout=BEAT, return_when=asyncio.FIRST_COMPLETED)
            if done:
                raise ConnectionResetError("the connection was closed")
            if time.monotonic() - self._heard > DEAD:
                raise ConnectionResetError("it has gone silent")

    def _abort(self) -> None:
        for wire in (self._publisher, self._listener):
            if wire is not None:
                wire.abort()

    def _drop(self) -> None:
        """Forget both connections; whoever waits for a fence goes on without it."""
        was_up, self.up = self.up, False
        self._abort()
        self._publisher = self._listener = None
        self.dropped += len(self._queue)
        self._queue.clear()
        self._asked.clear()
        self._touched.clear()
        while self._fences:
            self._open(self._fences.popleft())
        if was_up:
            self._changed(self)


def batches(channels: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The channels in lots of at most `BATCH`, each of one hash tag: a cluster takes no others."""
    tags: dict[bytes, list[bytes]] = {}
    for channel in channels:
        tags.setdefault(channel.partition(b"}")[0], []).append(channel)
    for lot in tags.values():
        for start in range(0, len(lot), BATCH):
            yield lot[start : start + BATCH]
