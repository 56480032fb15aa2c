"""How often somebody may do something. Limits are settings (`limit_login` …); keys are people, account names and addresses.

One process counts in memory. Several count in Redis, exactly: by one script for the uses of a moment. While Redis is away, what
guards secrets is refused (503), and everything else is counted by each process for itself.
"""

import asyncio
import contextlib
import ipaddress
import math
import time
from functools import cache, lru_cache
from typing import NamedTuple

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from dating.errors import Throttled
from dating.redis.store import RedisAway, RedisStore, Script
from dating.settings import Settings
from dating.tokens import hash_secret

GUARDED = frozenset({"login", "account", "code", "register"})
"""Limits that fail closed: without a common count of the attempts, nobody may try a password or a code."""


COUNT = Script("""
-- The same sliding window that `limits` keeps in memory, for several uses. For each, KEYS: the counts of the window before and of
-- the present one. ARGV: how many are allowed in how many milliseconds. Answers 0 for what it has counted, else the milliseconds
-- until one is allowed.
local function count(before_key, now_key, limit, span)
    local left = redis.call('PTTL', now_key)
    if left > 0 and left <= span then
        redis.call('RENAME', now_key, before_key)
        left = left + span
        redis.call('SET', now_key, 0, 'PX', left)
    end
    local before, share = tonumber(redis.call('GET', before_key) or 0), math.max(0, redis.call('PTTL', before_key))
    local now = tonumber(redis.call('GET', now_key) or 0)
    if math.floor(before * share / span) + now < limit then
        if left > 0 then redis.call('INCR', now_key) else redis.call('SET', now_key, 1, 'PX', 2 * span) end
        return 0
    end
    if now >= limit then return math.max(1, math.ceil(left - limit * span / now)) end
    return math.max(1, math.ceil(share - (limit - now) * span / before))
end
local waits = {}
for at = 1, #KEYS, 2 do
    waits[#waits + 1] = count(KEYS[at], KEYS[at + 1], tonumber(ARGV[at]), tonumber(ARGV[at + 1]))
end
return waits
""")
TOGETHER = 128  # uses that one script counts: each keeps Redis from others for some microseconds


class RateLimited(Throttled):
    """429: this was asked too often; `retry_after` says when it is allowed again."""

    code = "rate_limited"
    detail = "Too many requests; try again later."


class Use(NamedTuple):
    """One use to be counted: its keys, how many are allowed in how many milliseconds, and who waits for the answer."""

    windows: tuple[str, str]
    limit: int
    span: int
    answer: asyncio.Future[int]


class Tally:
    """What is used within one tick is counted by one script: a script for each use would cost Redis and us five times as much."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._uses: list[Use] = []
        self._counting: set[asyncio.Task[None]] = set()

    async def take(self, windows: tuple[str, str], item: RateLimitItem) -> int:
        """Count one use; the milliseconds until one is allowed, 0 when this one is. Raises RedisAway."""
        loop = asyncio.get_running_loop()
        use = Use(windows, item.amount, item.get_expiry() * 1000, loop.create_future())
        if not self._uses:
            loop.call_soon(self._flush)
        self._uses.append(use)
        return await use.answer

    def _flush(self) -> None:
        uses, self._uses = self._uses, []
        for lot in self._store.part(uses, lambda use: use.windows[0]):
            for start in range(0, len(lot), TOGETHER):
                task = asyncio.create_task(self._count(lot[start : start + TOGETHER]))
                self._counting.add(task)
                task.add_done_callback(self._counting.discard)

    async def _count(self, uses: list[Use]) -> None:
        keys = [key for use in uses for key in use.windows]
        try:
            waits = await self._store.run(COUNT, keys, *[word for use in uses for word in (use.limit, use.span)])
        except RedisAway as away:
            for use in uses:
                if not use.answer.done():
                    use.answer.set_exception(RedisAway(retry_after=away.retry_after))
            return
        for use, wait in zip(uses, waits, strict=True):
            if not use.answer.done():
                use.answer.set_result(wait)


class Throttle:
    """Counts and refuses. `DATING_RATE_LIMITS=0` switches it off."""

    def __init__(self, settings: Settings, store: RedisStore | None = None) -> None:
        self._settings = settings
        self._near = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._store = store
        self._tally = None if store is None else Tally(store)
        self._item = cache(self._read)

    def _read(self, name: str) -> RateLimitItem:
        return parse(getattr(self._settings, f"limit_{name}"))

    async def take(self, name: str, key: str) -> None:
        """Count one use of the limit `name` by `key`. Raises RateLimited, and RedisAway where that cannot be counted."""
        if not self._settings.rate_limits:
            return
        try:
            await self._take(name, key)
        except RedisAway:
            if name in GUARDED:
                raise
            await self._take_near(name, key)

    async def _take(self, name: str, key: str) -> None:
        if self._tally is None:
            await self._take_near(name, key)
            return
        wait = await self._tally.take(list_windows(name, key), self._item(name))
        if wait:
            raise RateLimited(retry_after=math.ceil(wait / 1000))

    async def _take_near(self, name: str, key: str) -> None:
        item = self._item(name)
        if not await self._near.hit(item, name, key):
            window = await self._near.get_window_stats(item, name, key)
            raise RateLimited(retry_after=max(1, round(window.reset_time - time.time())))

    async def clear(self, name: str, key: str) -> None:
        """Forget what `key` has used of the limit `name`: it has shown that it means well."""
        await self._near.clear(self._item(name), name, key)
        if self._store is not None and self._settings.rate_limits:
            windows = list_windows(name, key)
            with contextlib.suppress(RedisAway):
                await self._store.ask(windows[0], "DEL", *windows)

    async def take_address(self, name: str, address: str) -> None:
        """The same for an address. In development the machine itself is not counted."""
        if self._settings.production or not is_loopback(address):
            await self.take(name, address)


@lru_cache(10_000)
def list_windows(name: str, key: str) -> tuple[str, str]:
    """Where Redis keeps the two counts of this key. Hashed: a key may hold an address, a name, and the braces of a hash tag."""
    tag = hash_secret(f"{name} {key}")[:32]
    return f"dating:limit:{{{tag}}}:before", f"dating:limit:{{{tag}}}:now"


def name_network(address: str) -> str:
    """What an IPv6 address is counted as: its /64, in which every customer has all the addresses there are. Others stay."""
    try:
        given = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if given.ipv4_mapped is not None:
        return str(given.ipv4_mapped)
    return address if given.is_loopback else str(ipaddress.IPv6Network((int(given) >> 64 << 64, 64)))


def is_loopback(address: str) -> bool:
    """Whether this is the machine itself (or a test client without an address)."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address in ("", "localhost", "testclient")
