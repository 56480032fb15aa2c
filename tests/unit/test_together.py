"""When the next batch of what is written together begins."""

import asyncio
from collections.abc import Sequence

import pytest

from dating.database.together import Together


class Press:
    """What writes batches: each is on its way until it is let through."""

    def __init__(self, *, pairwise: bool) -> None:
        self.begun: list[list[int]] = []
        self.gates: list[asyncio.Event] = []
        self.together: Together[int, int] = Together(self.write, 100, pairwise=pairwise)
        self.tasks: list[asyncio.Task[int]] = []

    async def write(self, items: list[int]) -> Sequence[int]:
        """One batch."""
        self.begun.append(items)
        self.gates.append(asyncio.Event())
        await self.gates[-1].wait()
        return items

    async def add(self, *items: int) -> list[list[int]]:
        """Bring items at once; the batches that have begun when all is quiet again."""
        self.tasks += [asyncio.create_task(self.together.add(item)) for item in items]
        return await self.rest()

    async def rest(self) -> list[list[int]]:
        """Let everybody go as far as they can."""
        for _ in range(10):
            await asyncio.sleep(0)
        return self.begun

    async def finish(self) -> list[int]:
        """Let everything through; what everybody was answered."""
        while not all(task.done() for task in self.tasks):
            for gate in self.gates:
                gate.set()
            await self.rest()
        await self.together.close()
        return [task.result() for task in self.tasks]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch takes long here, however slow the machine is."""
    monkeypatch.setattr("dating.database.together.PATIENCE", 3600.0)


async def test_a_second_batch_beside_the_first() -> None:
    """It begins when at least half as many wait as the first one has; a third begins when one of both has ended."""
    press = Press(pairwise=True)
    assert await press.add(0, 1, 2, 3) == [[0, 1, 2, 3]]
    assert await press.add(4) == [[0, 1, 2, 3]]
    assert await press.add(5) == [[0, 1, 2, 3], [4, 5]]
    assert await press.add(6, 7, 8, 9) == [[0, 1, 2, 3], [4, 5]]
    press.gates[1].set()
    assert await press.rest() == [[0, 1, 2, 3], [4, 5], [6, 7, 8, 9]]
    assert await press.finish() == list(range(10))


async def test_one_batch_after_the_other() -> None:
    """Where one is written at a time, all that comes meanwhile is the next one."""
    press = Press(pairwise=False)
    assert await press.add(0) == [[0]]
    assert await press.add(1, 2) == [[0]]
    assert await press.add(3) == [[0]]
    press.gates[0].set()
    assert await press.rest() == [[0], [1, 2, 3]]
    assert await press.finish() == [0, 1, 2, 3]
