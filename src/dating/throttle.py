"""How often somebody may do something. Limits are settings (`limit_login` …); keys are people, account names and addresses.

One process counts in memory. Several count in Redis, exactly: a use is one script there. While Redis is away, what guards secrets
is refused (503), and everything else is counted by each process for itself.
"""

import contextlib
import ipaddress
import time
from functools import cache
from typing import Any

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from dating.errors import Throttled
from dating.redis_store import RedisAway, RedisStore
from dating.settings import Settings

GUARDED = frozenset({"login", "account", "code", "register"})
"""Limits that fail closed: without a common count of the attempts, nobody may try a password or a code."""


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
        self._shared = count_in(store, settings) if store is not None else self._near
        self._item = cache(self._read)

    def _read(self, name: str) -> RateLimitItem:
        return parse(getattr(self._settings, f"limit_{name}"))

    async def take(self, name: str, key: str) -> None:
        """Count one use of the limit `name` by `key`. Raises RateLimited, and RedisAway where that cannot be counted."""
        if not self._settings.rate_limits:
            return
        if self._store is None:
            await self._take(self._near, name, key)
            return
        try:
            await self._store.ask(lambda _: self._take(self._shared, name, key))
        except RedisAway:
            if name in GUARDED:
                raise
            await self._take(self._near, name, key)

    async def _take(self, limiter: SlidingWindowCounterRateLimiter, name: str, key: str) -> None:
        item = self._item(name)
        if not await limiter.hit(item, name, key):
            window = await limiter.get_window_stats(item, name, key)
            raise RateLimited(retry_after=max(1, round(window.reset_time - time.time())))

    async def clear(self, name: str, key: str) -> None:
        """Forget what `key` has used of the limit `name`: it has shown that it means well."""
        item = self._item(name)
        await self._near.clear(item, name, key)
        if self._store is not None and self._settings.rate_limits:
            with contextlib.suppress(RedisAway):
                await self._store.ask(lambda _: self._shared.clear(item, name, key))

    async def take_address(self, name: str, address: str) -> None:
        """The same for an address. In development the machine itself is not counted."""
        if self._settings.production or not is_loopback(address):
            await self.take(name, address)


def count_in(store: RedisStore, settings: Settings) -> SlidingWindowCounterRateLimiter:
    """A limiter whose counts are in Redis."""
    from limits.aio.storage import RedisStorage

    options: dict[str, Any] = {"implementation": "redispy", "key_prefix": "dating:limit", "connection_pool": store.pool}
    return SlidingWindowCounterRateLimiter(RedisStorage(f"async+{settings.redis_url}", **options))


def is_loopback(address: str) -> bool:
    """Whether this is the machine itself (or a test client without an address)."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address in ("", "localhost", "testclient")
