"""Time: microseconds since the epoch inside, RFC 3339 in UTC outside."""

import time
from datetime import UTC, date, datetime
from functools import lru_cache

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 86_400 * SECOND
EPOCH_DAY = date(1970, 1, 1).toordinal()


def now_microseconds() -> int:
    """The wall clock."""
    return time.time_ns() // 1000


def rfc3339(microseconds: int) -> str:
    """The moment as text, to the millisecond: `2026-11-20T09:00:00.000Z`."""
    seconds, rest = divmod(microseconds, SECOND)
    return f"{write_second(seconds)}.{rest // 1000:03d}Z"


@lru_cache(maxsize=256)  # what is said at once is mostly of the same second
def write_second(seconds: int) -> str:
    """A whole second since the epoch, without its zone."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def today(microseconds: int) -> date:
    """The day of a moment, in UTC."""
    return datetime.fromtimestamp(microseconds // SECOND, UTC).date()


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - EPOCH_DAY
