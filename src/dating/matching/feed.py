"""Keeps the candidate index of a process like the database: read whole at the start, then whoever is said to have changed.

Commits name the people they changed (`realtime.inbox.Changed`), and the bus carries that to every process. What was
changed is read from the database, so a name too many, twice or late does no harm. Where names may have been lost (`Missed`),
everybody is read again, once it has been quiet for a while. Where there are few people, none of this happens and the index stays
empty (not `ready`): the database answers as fast, and knows of every change at once. It is looked at now and then whether they
have become many.
"""

import asyncio
import ctypes
import logging
import sys
import time

from dating.database import Database
from dating.errors import Refusal, Unavailable
from dating.matching import index_queries as queries
from dating.matching.columns import Cells, Table, Topics
from dating.matching.index import Index
from dating.realtime.inbox import Changed, Missed

logger = logging.getLogger(__name__)

MANY = 50_000  # accounts from which on the index is worth its memory
GROWING = 3600.0  # seconds after which fewer are counted again
AT_ONCE = 5_000  # people that one statement reads at the start: the fewer, the less memory is left in pieces …
GENTLY = 2_000  # … and while others are being served
TOLD = 20_000  # accounts from which on progress is told
SOME = 500  # changed people that one statement reads
PAUSE = 0.05  # seconds in which changes are gathered
QUIET = 30.0  # seconds without a loss after which everybody is read again
RETRY = 1.0


class Feed:
    """The task that feeds one index, as soon as there are `least` accounts."""

    def __init__(self, db: Database, index: Index, least: int = 0) -> None:
        self._db = db
        self._index = index
        self._least = least
        self._begun = False
        self._changed: set[int] = set()
        self._missed: float | None = None
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read everybody if they are many, then follow. Raises DatabaseAway."""
        await self._begin(AT_ONCE)
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def hear(self, notices: list[object]) -> None:
        """What commits and the bus have to say."""
        for notice in notices if self._begun else ():
            if isinstance(notice, Changed):
                self._changed.update(notice.people)
                self._news.set()
            elif isinstance(notice, Missed):
                self._missed = time.monotonic()
                self._news.set()

    @property
    def whole(self) -> bool:
        """Whether everything that was heard is in the index, and nothing was lost that has not been made good."""
        return self._missed is None and not self._news.is_set() and not self._changed

    async def settled(self) -> None:
        """Wait until that is so."""
        while not self.whole:
            await asyncio.sleep(0.01)

    async def _begin(self, at_once: int) -> None:
        if not self._begun and await self._db.read(queries.last) >= self._least:
            self._begun = True
            try:
                await self._load(at_once)
            except BaseException:
                self._begun = False
                raise

    async def _follow(self) -> None:
        while True:
            await self._wait()
            try:
                await (self._catch_up() if self._begun else self._begin(GENTLY))
            except Unavailable:
                logger.warning("the candidate index lags behind: the database is away")
                await asyncio.sleep(RETRY)
            except Exception:  # whatever it was, what was being read is read again with everybody
                logger.exception("the candidate index lags behind")
                self._missed = time.monotonic()
                await asyncio.sleep(RETRY)

    async def _wait(self) -> None:
        """Until something is new, or until it has been quiet for long enough after a loss; until there may be more people."""
        if not self._begun:
            await asyncio.sleep(GROWING)
            return
        try:
            async with asyncio.timeout(None if self._missed is None else QUIET):
                await self._news.wait()
            await asyncio.sleep(PAUSE)
        except TimeoutError:
            pass

    async def _catch_up(self) -> None:
        while self._changed:
            people = sorted(self._changed)[:SOME]
            self._changed.difference_update(people)
            try:
                self._index.put(people, await self._db.read(queries.some, people))
            except Refusal:
                self._changed.update(people)
                raise
        self._news.clear()
        if self._missed is not None and time.monotonic() - self._missed >= QUIET:
            missed = self._missed
            await self._load(GENTLY)
            self._missed = None if self._missed == missed else self._missed
        elif self._index.crowded:
            self._index.adopt(await asyncio.to_thread(Index.sort, *self._index.begin()))

    async def _load(self, at_once: int) -> None:
        """Everybody anew. Who changes meanwhile is heard of, and read after that."""
        started = time.monotonic()
        last = await self._db.read(queries.last)
        cells = await self._load_cells(at_once)
        parts, after, told, topics = [Table.empty(0)], 0, 0, Topics()
        while rows := await self._db.read(queries.everybody, after, at_once):
            topics = Topics(row[-1] for row in rows) if after == 0 else topics
            parts.append(await asyncio.to_thread(Table.read, rows, cells, topics))
            after = rows[-1][0]
            told = report(told, after, last)
        base = await asyncio.to_thread(Table.join, parts)
        self._index.fill(await asyncio.to_thread(Index.sort, base, Table.empty(0), cells, topics))
        del parts, base
        await asyncio.to_thread(give_back)
        size, seconds = self._index.nbytes / 1e6, time.monotonic() - started
        logger.info("candidate index: %s people in %.1f s, %.0f MB", f"{self._index.count:,}", seconds, size)

    async def _load_cells(self, at_once: int) -> Cells:
        """Everywhere that somebody has lived."""
        parts, after = [], 0
        while rows := await self._db.read(queries.homes, after, at_once):
            parts.append(await asyncio.to_thread(Cells.read, rows))
            after = rows[-1][0]
        return await asyncio.to_thread(Cells, parts)


def report(told: int, after: int, last: int) -> int:
    """A line of progress for each tenth of the way; the tenth that was told last."""
    tenth = min(9, 10 * after // max(1, last))
    if last > TOLD and tenth > told:
        logger.info("candidate index: %d %% read", 10 * tenth)
        return tenth
    return told


def give_back() -> None:
    """Let the C library return to the system what is free in it, where it can: tens of megabytes after everybody was read."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
