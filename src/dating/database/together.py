"""Items that are written together: whoever comes while one batch is being committed rides the next."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

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


class Together(Generic[Item, Outcome]):
    """The items of one function. `write` takes a list of them and gives an outcome, or a refusal, for each."""

    def __init__(self, write: Callable[[list[Item]], Awaitable[Sequence[Outcome | Refusal]]], limit: int) -> None:
        self._write = write
        self._limit = limit
        self._waiting: list[Waiting[Item, Outcome]] = []
        self._pump: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()

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
        return await future

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            staying = [one for one in batch if not one.future.done()]
            if staying:
                await self._begin(staying)
        self._pump = None

    async def _begin(self, batch: list[Waiting[Item, Outcome]]) -> None:
        """Write a batch; go on without it when it takes long, unless too many do."""
        task = asyncio.create_task(self._carry(batch))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.wait([task], timeout=PATIENCE)
        if len(self._running) >= ABREAST:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

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
