"""What happens by the clock: old inbox rows, kept answers and dead sessions go."""

import asyncio
import logging
import random

from dating import idempotency
from dating.accounts import service as accounts
from dating.clock import DAY
from dating.database import Database
from dating.errors import Refusal
from dating.realtime import inbox
from dating.settings import Settings

logger = logging.getLogger(__name__)

ROUND = 3600.0  # seconds between sweeps, jittered
ANSWERS_KEPT = DAY


class Jobs:
    """The sweeper of one process. Several at once do no harm: each deletion is its own transaction and repeatable."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self._settings = settings
        self._db = db
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin the rounds."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End them."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(ROUND * random.uniform(0.8, 1.2))
            try:
                await self.sweep()
            except Refusal:
                logger.warning("sweep put off: the database is away")

    async def sweep(self) -> None:
        """Drop everything whose time is over."""
        now = self._db.clock()
        await self._trim_inboxes(now - self._settings.inbox_days * DAY)
        await self._db.write(idempotency.forget, now - ANSWERS_KEPT)
        await self._db.write(accounts.sweep)

    async def _trim_inboxes(self, before: int) -> None:
        last = await self._db.read(inbox.last_person)
        for first in range(1, last + 1, inbox.TRIM_PEOPLE):
            await self._db.write(inbox.trim, before, first)
