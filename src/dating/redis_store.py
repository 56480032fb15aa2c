"""What the processes share in Redis besides the bus: one pool, a deadline for every question, and a circuit.

After a failure nobody is asked for `REST` seconds, so that an outage costs each request nothing; then one question tries again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from dating.errors import Unavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

DEADLINE = 1.0
REST = 1.0
CONNECTIONS = 32


class RedisAway(Unavailable):
    """503: Redis cannot be reached."""

    code = "redis_away"
    detail = "A part of the server is not reachable right now; try again in a moment."


class RedisStore:
    """Redis with a deadline. `pool` is for libraries that bring their own client."""

    def __init__(self, url: str) -> None:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError

        self.failures = (RedisError, OSError, TimeoutError)
        # Nothing is tried twice: the second GETDEL of a token that the first has consumed would find nothing.
        self.pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=DEADLINE,
            socket_timeout=DEADLINE,
            socket_connect_timeout=DEADLINE,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self.redis = Redis(connection_pool=self.pool)
        self._away_until: float | None = None

    async def ask(self, question: Callable[["Redis"], Awaitable[T]]) -> T:
        """What `question` answers, within `DEADLINE`. Raises RedisAway, at once where Redis has just failed."""
        if self._away_until is not None:
            if time.monotonic() < self._away_until:
                raise RedisAway(retry_after=1)
            self._away_until = time.monotonic() + REST
        try:
            async with asyncio.timeout(DEADLINE):
                answer = await question(self.redis)
        except self.failures as error:
            self._away_until = time.monotonic() + REST
            raise RedisAway(retry_after=1) from error
        self._away_until = None
        return answer

    async def close(self) -> None:
        """Disconnect."""
        await self.redis.aclose()
        await self.pool.aclose()


async def check_redis(url: str) -> None:
    """Try Redis once, as the server will use it. Raises RedisAway with a sentence that says what is wrong and where."""
    place = url.rpartition("@")[2].removeprefix("redis://").removeprefix("rediss://").partition("?")[0]
    store = RedisStore(url)
    try:
        role = await asyncio.wait_for(_find_role(store.redis), 2 * DEADLINE)
    except (*store.failures, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise RedisAway(f"Redis does not answer at REDIS_URL ({place}): {reason}.") from error
    finally:
        await store.close()
    if role == "slave":
        raise RedisAway(f"REDIS_URL ({place}) names a replica: it must name the primary, which takes writes.")


async def _find_role(redis: "Redis") -> str:
    """`master` or `slave`, as Redis calls them."""
    return str((await redis.info("replication"))["role"])
