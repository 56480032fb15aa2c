"""How often somebody may do something. Limits are settings (`limit_login` …); keys are people, account names and addresses.

One process counts in memory. Several count in Redis, exactly: a use is one script there. While Redis is away, what guards secrets
is refused (503), and everything else is counted by each process for itself.
"""

import contextlib
import ipaddress
import math
import time
from functools import cache

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
-- The same sliding window that `limits` keeps in memory. KEYS: the counts of the window before and of the present one.
-- ARGV: how many are allowed in how many milliseconds. Answers 0 and counts, or the milliseconds until one is allowed.
local limit, span = tonumber(ARGV[1]), tonumber(ARGV[2])
local left = redis.call('PTTL', KEYS[2])
if left > 0 and left <= span then
    redis.call('RENAME', KEYS[2], KEYS[1])
    left = left + span
    redis.call('SET', KEYS[2], 0, 'PX', left)
end
local before, share = tonumber(redis.call('GET', KEYS[1]) or 0), math.max(0, redis.call('PTTL', KEYS[1]))
local now = tonumber(redis.call('GET', KEYS[2]) or 0)
if math.floor(before * share / span) + now < limit then
    if left > 0 then redis.call('INCR', KEYS[2]) else redis.call('SET', KEYS[2], 1, 'PX', 2 * span) end
    return 0
end
if now >= limit then return math.max(1, math.ceil(left - limit * span / now)) end
return math.max(1, math.ceil(share - (limit - now) * span / before))
""")


class RateLimited(Throttled):
    """429: this was asked too often; `retry_after` says when it is allowed again."""

    code = "rate_limited"
    detail = "Too many requests; try again later."


class Throttle:
    """Counts and refuses. `DATING_RATE_LIMITS=0` switches it off."""

    def __init__(self, settings: Settings, store: RedisStore | None = None) -> None:
        self._settings = settings
        self._near = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._store = store
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
        if self._store is None:
            await self._take_near(name, key)
            return
        item = self._item(name)
        wait = await self._store.run(COUNT, list_windows(name, key), item.amount, item.get_expiry() * 1000)
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


def list_windows(name: str, key: str) -> list[str]:
    """Where Redis keeps the two counts of this key. Hashed: a key may hold an address, a name, and the braces of a hash tag."""
    tag = hash_secret(f"{name} {key}")[:32]
    return [f"dating:limit:{{{tag}}}:before", f"dating:limit:{{{tag}}}:now"]


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
