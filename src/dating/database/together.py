"""Items that are written together: whoever comes while one batch is being committed rides the next."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from dating.database import DatabaseAway, Overloaded
from dating.errors import Refusal

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

BATCH = 128  # items of one transaction: enough to hide its round trips, few enough to keep the first one's wait short


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
                await self._carry(staying)
        self._pump = None

    async def _carry(self, batch: list[Waiting[Item, Outcome]]) -> None:
        try:
            outcomes = await self._write([one.item for one in batch])
        except (DatabaseAway, Overloaded) as error:
            fail(batch, error)
        except Exception as error:
            await self._part(batch, error)
        else:
            for one, outcome in zip(batch, outcomes, strict=True):
                settle(one, outcome)

    async def _part(self, batch: list[Waiting[Item, Outcome]], error: Exception) -> None:
        """A batch was rolled back: write its items one by one, so that only the bad ones fail."""
        if len(batch) == 1:
            fail(batch, error)
            return
        logger.warning("a batch of %d was rolled back and is written one by one", len(batch), exc_info=error)
        for one in batch:
            await self._carry([one])

    async def close(self) -> None:
        """Write what waits."""
        if self._pump is not None:
            await self._pump


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
