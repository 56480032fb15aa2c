"""Items that are written together: whoever comes while one batch is being committed rides the next."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from dating.database import DatabaseAway, Locked, Overloaded, Oversized
from dating.errors import Refusal

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

BATCH = 128  # items of one transaction: enough to hide its round trips, few enough to keep the first one's wait short
PATIENCE = 0.25  # seconds until the next batch no longer waits for this one, which somebody's lock may hold up
ABREAST = 4  # batches at once, then


class Waiting(msgspec.Struct, Generic[Item, Outcome], eq=False):
    """An item, and who waits for what becomes of it."""

    item: Item
    future: asyncio.Future[Outcome]


class Running(NamedTuple):
    """A batch on its way: how many items it has, and when the next one no longer waits for it."""

    size: int
    patience_ends: float


class Together(Generic[Item, Outcome]):
    """The items of one function. `write` takes a list of them and gives an outcome, or a refusal, for each.

    One batch is written at a time; or, where the database works beside us (`pairwise`), two: while it writes the one, we answer
    the other. The second begins when at least half as many wait as the first one has, so that neither becomes tiny.
    """

    def __init__(
        self, write: Callable[[list[Item]], Awaitable[Sequence[Outcome | Refusal]]], limit: int, *, pairwise: bool = False
    ) -> None:
        self._write = write
        self._limit = limit
        self._pairwise = pairwise
        self._waiting: list[Waiting[Item, Outcome]] = []
        self._pump: asyncio.Task[None] | None = None
        self._running: dict[asyncio.Task[None], Running] = {}
        self._turn: asyncio.Future[None] | None = None

    def waiting(self) -> int:
        """How many items wait for a batch."""
        return len(self._waiting)

    async def add(self, item: Item) -> Outcome:
        """Write the item with others; its outcome after the commit. Raises its refusal, or Overloaded.

        Who is canceled before the batch begins takes the item along; later it is written all the same.
        """
        if len(self._waiting) >= self._limit:
            raise Overloaded(retry_after=1)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(item, future))
        if self._pump is None:
            self._pump = asyncio.create_task(self._work())
        elif self._turn is not None and not self._turn.done() and self._may_begin():
            self._turn.set_result(None)
        return await future

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            staying = [one for one in batch if not one.future.done()]
            if staying:
                self._begin(staying)
                await self._wait_turn()
        self._pump = None

    def _begin(self, batch: list[Waiting[Item, Outcome]]) -> None:
        task = asyncio.create_task(self._carry(batch))
        self._running[task] = Running(len(batch), time.monotonic() + PATIENCE)
        task.add_done_callback(self._running.pop)

    async def _wait_turn(self) -> None:
        """Until the next batch may begin, if only because those before it take long."""
        while not self._may_begin():
            self._turn = asyncio.get_running_loop().create_future()
            now = time.monotonic()
            ends = [one.patience_ends - now for one in self._running.values() if one.patience_ends > now]
            await asyncio.wait([*self._running, self._turn], timeout=min(ends, default=None), return_when=asyncio.FIRST_COMPLETED)
            self._turn = None

    def _may_begin(self) -> bool:
        now = time.monotonic()
        sizes = [one.size for one in self._running.values() if one.patience_ends > now]
        if not sizes or len(self._running) >= ABREAST:
            return len(self._running) < ABREAST
        return self._pairwise and len(sizes) == 1 and 2 * len(self._waiting) >= sizes[0]

    async def _carry(self, batch: list[Waiting[Item, Outcome]]) -> None:
        try:
            outcomes = await self._write([one.item for one in batch])
        except Oversized:
            middle = len(batch) // 2
            for half in (batch[:middle], batch[middle:]):
                await self._carry(half)
        except Exception as error:
            away = isinstance(error, DatabaseAway | Overloaded) and not isinstance(error, Locked)
            if away or len(batch) == 1:
                fail(batch, error)
            else:
                await self._part(batch, error)
        else:
            for one, outcome in zip(batch, outcomes, strict=True):
                settle(one, outcome)

    async def _part(self, batch: list[Waiting[Item, Outcome]], error: Exception) -> None:
        """A batch was rolled back: write each item by itself, so that only the bad ones fail, and only the locked ones wait."""
        logger.warning("a batch of %d was rolled back; each is written by itself", len(batch), exc_info=error)
        await asyncio.gather(*[self._carry([one]) for one in batch])

    async def close(self) -> None:
        """Write what waits."""
        if self._pump is not None:
            await self._pump
        if self._running:
            await asyncio.wait(self._running)


def settle(one: Waiting[Any, Any], outcome: object) -> None:
    """Hand the outcome to the one who waits, unless he has gone."""
    if one.future.done():
        return
    if isinstance(outcome, Refusal):
        one.future.set_exception(outcome)
    else:
        one.future.set_result(outcome)


def fail(batch: list[Waiting[Any, Any]], error: Exception) -> None:
    """Tell everybody of the batch the same."""
    for one in batch:
        if not one.future.done():
            one.future.set_exception(error)
