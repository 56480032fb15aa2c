"""What happens by the clock: who was active is noted; picks are made; old inbox rows, kept answers and dead sessions go."""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Concatenate, ParamSpec

from dating import idempotency
from dating.accounts import addresses, exclusions, exports
from dating.accounts import service as accounts
from dating.accounts.mail import Postbox
from dating.calls import service as calls
from dating.chat import expiry, hold_queries, invites, limit_queries
from dating.clock import DAY
from dating.database import SWEPT, Database, Transaction
from dating.errors import Unavailable
from dating.matching import boost_queries, exposure, fairness, picks, standing_queries
from dating.matching.exposure_queries import HOUR
from dating.matching.weights import read_weights
from dating.profiles import service as profiles
from dating.realtime import inbox, redis_tickets
from dating.safety import reports
from dating.search import indexing
from dating.settings import Settings

logger = logging.getLogger(__name__)

P = ParamSpec("P")

ROUND = 3600.0  # seconds between sweeps, jittered
SOON = 300.0  # seconds until a job has its first turn at most
ANSWERS_KEPT = DAY
LATELY = 3 * HOUR  # more than two sweeps lie apart: whoever has left meanwhile is erased once more
MINUTE = 60.0
EXPORTING = 3.0  # seconds for which somebody who asked for their data waits at most before it begins
RINGING = 10.0  # seconds that a call which nobody takes may ring on at most
TOUCHED = 500  # people whose activity one transaction notes: keeps the writer free for others in between


class Jobs:
    """The clockwork of one process. Several at once do no harm: each step is its own transaction and repeatable.

    `seen_since` tells who was here after a moment (seconds since the epoch).
    """

    def __init__(self, settings: Settings, db: Database, postbox: Postbox, seen_since: Callable[[float], set[int]]) -> None:
        self._settings = settings
        self._db = db
        self._postbox = postbox
        self._seen_since = seen_since
        self._name = secrets.token_hex(8)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin the rounds."""
        self._tasks = [
            asyncio.create_task(self.repeat(ROUND, self.sweep)),
            asyncio.create_task(self.repeat(MINUTE, self.note_activity)),
            asyncio.create_task(self.repeat(MINUTE, self.make_picks)),
            asyncio.create_task(self.repeat(MINUTE, self.expire)),
            asyncio.create_task(self.repeat(MINUTE, self.renew_statistics)),
            asyncio.create_task(self.repeat(self._settings.index_seconds, self.index)),
            asyncio.create_task(self.repeat(RINGING, self.end_calls)),
            asyncio.create_task(self.repeat(EXPORTING, self.make_exports)),
            asyncio.create_task(self.repeat(MINUTE, self.lift_suspensions)),
        ]

    async def close(self) -> None:
        """End them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def repeat(self, period: float, job: Callable[[], Awaitable[None]], first: float = SOON) -> None:
        """Do a job every so many seconds, jittered, for ever: whatever it ends with. It begins `first` seconds from now at most.

        So what is done by the hour is done also where a server is started anew more often than that.
        """
        pause = min(period, first)
        while True:
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            pause = period
            try:
                await job()
            except Unavailable:
                logger.warning("a job was put off: the database is away", extra={"job": job.__name__})
            except Exception:  # one bad row must not end a job for good: it is seen in the log, and tried again
                logger.exception("a job failed", extra={"job": job.__name__})

    async def note_activity(self) -> None:
        """Write down who was active in the last two minutes (a round and its jitter)."""
        people = sorted(self._seen_since(time.time() - 2 * MINUTE))
        for first in range(0, len(people), TOUCHED):
            await self._db.write(profiles.touch, people[first : first + TOUCHED])

    async def make_picks(self) -> None:
        """The picks of a new day, once."""
        await picks.make_picks(self._db, self._settings)

    async def expire(self) -> None:
        """Remove the messages whose time is over."""
        while await self._db.write(expiry.expire):
            pass

    async def index(self) -> None:
        """Let the search know what is new."""
        await indexing.keep_up(self._db, self._name)

    async def renew_statistics(self) -> None:
        """The fairness page, when it has become old."""
        await fairness.renew(self._db)

    async def end_calls(self) -> None:
        """Calls that nobody took, or that never ended."""
        while await self._db.write(calls.end_overdue) == calls.AT_ONCE:
            pass

    async def make_exports(self) -> None:
        """The archives that people have asked for."""
        while await exports.make_next(self._db, self._postbox):
            pass

    async def lift_suspensions(self) -> None:
        """Let back in whose suspension is over."""
        await self._db.write(exclusions.lift_expired)

    async def sweep(self) -> None:
        """Drop everything whose time is over, and seal the addresses that are not sealed yet.

        A step that fails keeps none of the others from their work. Raises what failed; at once, when the database is away.
        """
        failures: list[Exception] = []
        for step in self._list_steps(self._db.clock()):
            try:
                await step()
            except Unavailable:
                raise
            except Exception as error:
                failures.append(error)
        if failures:
            raise ExceptionGroup("steps of a sweep failed", failures)

    def _list_steps(self, now: int) -> list[Callable[[], Awaitable[object]]]:
        """What a sweep does, in this order."""
        weights = read_weights(self._settings)
        joined = now - round(weights.first_hours * HOUR)
        return [
            partial(self._trim_inboxes, now - self._settings.inbox_days * DAY),
            partial(self._drain, idempotency.forget, now - ANSWERS_KEPT),
            partial(self._drain, redis_tickets.forget),
            partial(self._drain, accounts.sweep),
            partial(accounts.erase_lately, self._db, now - LATELY),
            partial(self._drain, reports.forget, now - self._settings.report_days * DAY),
            partial(self._drain, hold_queries.forget, now - self._settings.report_days * DAY),
            partial(self._db.write, standing_queries.forget_lessons),
            partial(self._db.write, picks.forget),
            partial(self._db.write, boost_queries.forget),
            partial(self._drain, profiles.forget_newcomers, joined, weights.first_impressions),
            partial(self._drain, invites.sweep),
            partial(self._drain, limit_queries.forget, now - DAY),
            partial(exports.forget, self._db),
            partial(exposure.sweep, self._db),
            partial(addresses.seal_missing, self._db, self._settings),
            partial(indexing.merge, self._db),
        ]

    async def _drain(
        self, step: Callable[Concatenate[Transaction, P], Awaitable[int]], *args: P.args, **options: P.kwargs
    ) -> None:
        """Repeat a step that drops SWEPT rows at most, until there were fewer: keeps the writer free for others in between."""
        while await self._db.write(step, *args, **options) == SWEPT:
            pass

    async def _trim_inboxes(self, before: int) -> None:
        last = await self._db.read(inbox.last_person)
        for first in range(1, last + 1, inbox.TRIM_PEOPLE):
            await self._db.write(inbox.trim, before, first)
