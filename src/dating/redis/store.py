"""What the processes share in Redis besides the bus: short answers with a deadline, and a circuit.

After a failure nobody is asked for `REST` seconds, so that an outage costs each request nothing; then one question tries again.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from dating.errors import Unavailable
from dating.redis.nodes import Nodes, find_slot
from dating.redis.wire import Address, RedisRefused, Wire, Word, dial, read_address

logger = logging.getLogger(__name__)

DEADLINE = 1.0
REST = 1.0
Item = TypeVar("Item")
FAILURES = (RedisRefused, OSError, TimeoutError)


class RedisAway(Unavailable):
    """503: Redis cannot be reached."""

    code = "redis_away"
    detail = "A part of the server is not reachable right now; try again in a moment."


class Script:
    """A Lua script, sent by its hash once the server knows it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class RedisStore:
    """Redis, or each node of a cluster, over one connection each."""

    def __init__(self, url: str) -> None:
        self._nodes = Nodes(read_address(url))
        self._wires: dict[Address, Wire] = {}
        self._dialing = asyncio.Lock()
        self._away_until: float | None = None

    async def ask(self, key: str, *words: Word) -> Any:
        """The answer to a command about `key`. Raises RedisAway, at once where Redis has just failed.

        Nothing is tried twice: the second GETDEL of a token that the first has consumed would find nothing.
        """
        name = key.encode()
        if self._away_until is not None:
            if time.monotonic() < self._away_until:
                raise RedisAway(retry_after=1)
            self._away_until = time.monotonic() + REST
        try:
            async with asyncio.timeout(DEADLINE):
                answer = await self._ask(name, words)
        except FAILURES as error:
            self._give_up(name, error)
            raise RedisAway(retry_after=1) from error
        self._away_until = None
        return answer

    async def run(self, script: Script, keys: list[str], *words: Word) -> Any:
        """What the script answers; its keys are of one lot. Raises RedisAway."""
        arguments = (len(keys), *keys, *words)
        answer = await self.ask(keys[0], "EVALSHA", script.sha, *arguments)
        return answer if answer is not UNKNOWN else await self.ask(keys[0], "EVAL", script.text, *arguments)

    def part(self, items: Iterable[Item], key: Callable[[Item], str]) -> list[list[Item]]:
        """The items in lots whose keys one script may use: those of one slot, or all of them where there is no cluster."""
        if self._nodes.known and not self._nodes.clustered:
            return [list(items)]
        lots: dict[int, list[Item]] = {}
        for item in items:
            lots.setdefault(find_slot(key(item).encode()), []).append(item)
        return list(lots.values())

    async def _ask(self, name: bytes, words: tuple[Word, ...]) -> Any:
        if not self._nodes.known:
            await self._find_nodes()
        try:
            return await (await self._reach(self._nodes.of(name))).ask(*words)
        except RedisRefused as refusal:
            if str(refusal).startswith("NOSCRIPT"):
                return UNKNOWN
            if not str(refusal).startswith("MOVED"):
                raise
        self._nodes.known = False  # the node has not done it: another one is in charge
        await self._find_nodes()
        return await (await self._reach(self._nodes.of(name))).ask(*words)

    async def _find_nodes(self) -> None:
        async with self._dialing:
            if not self._nodes.known:
                await self._nodes.find()

    async def _reach(self, address: Address) -> Wire:
        wire = self._wires.get(address)
        if wire is None or not wire.open:
            async with self._dialing:
                wire = self._wires.get(address)
                if wire is None or not wire.open:
                    wire = self._wires[address] = await dial(address)
        return wire

    def _give_up(self, name: bytes, error: Exception) -> None:
        """Leave a connection that has failed: it may be silent for ever, or lead to what is a replica now."""
        if self._away_until is None:
            logger.warning("Redis is away: %s", str(error) or type(error).__name__)
        self._away_until = time.monotonic() + REST
        self._nodes.known = False
        if (wire := self._wires.pop(self._nodes.of(name), None)) is not None:
            wire.abort()

    async def close(self) -> None:
        """Disconnect."""
        for wire in self._wires.values():
            await wire.finish()


UNKNOWN = object()
"""The server does not know the script yet."""


async def check_redis(url: str) -> None:
    """Try Redis once, as the server will use it. Raises RedisAway with a sentence that says what is wrong and where."""
    try:
        address = read_address(url)
    except ValueError as error:
        # Its text may quote any part of the URL.
        raise RedisAway("REDIS_URL cannot be read: it is redis://user:password@host:port/0, odd characters as %XX.") from error
    try:
        wire = await dial(address)
        role = await wire.ask_soon("ROLE")
        wire.abort()
    except FAILURES as error:
        reason = str(error) or type(error).__name__
        raise RedisAway(f"Redis does not answer at REDIS_URL ({address}): {reason}.") from error
    if role[0] != b"master":
        raise RedisAway(f"REDIS_URL ({address}) names a replica: it must name the primary, which takes writes.")
