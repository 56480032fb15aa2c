"""How often somebody may do something. Limits are settings (`limit_login` …); keys are people, account names and addresses."""

import ipaddress
import time
from functools import cache

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from dating.errors import Throttled
from dating.settings import Settings


class RateLimited(Throttled):
    """429: this was asked too often; `retry_after` says when it is allowed again."""

    code = "rate_limited"
    detail = "Too many requests; try again later."


class Throttle:
    """Counts and refuses. `DATING_RATE_LIMITS=0` switches it off."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._item = cache(self._read)

    def _read(self, name: str) -> RateLimitItem:
        return parse(getattr(self._settings, f"limit_{name}"))

    async def take(self, name: str, key: str) -> None:
        """Count one use of the limit `name` by `key`. Raises RateLimited."""
        if not self._settings.rate_limits:
            return
        item = self._item(name)
        if not await self._limiter.hit(item, name, key):
            window = await self._limiter.get_window_stats(item, name, key)
            raise RateLimited(retry_after=max(1, round(window.reset_time - time.time())))

    async def clear(self, name: str, key: str) -> None:
        """Forget what `key` has used of the limit `name`: it has shown that it means well."""
        await self._limiter.clear(self._item(name), name, key)

    async def take_address(self, name: str, address: str) -> None:
        """The same for an address. In development the machine itself is not counted."""
        if self._settings.production or not is_loopback(address):
            await self.take(name, address)


def is_loopback(address: str) -> bool:
    """Whether this is the machine itself (or a test client without an address)."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address in ("", "localhost", "testclient")
