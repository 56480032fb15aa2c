"""The clockwork itself, without a server: what a job does that fails."""

import asyncio
import logging
from pathlib import Path

import pytest

from dating.accounts.mail import make_mailer
from dating.database import DatabaseAway, connect
from dating.jobs import Jobs
from dating.settings import Settings


@pytest.mark.parametrize("failure", [DatabaseAway(retry_after=1), ZeroDivisionError("a bad row")], ids=["away", "bug"])
async def test_a_job_that_failed_is_tried_again(tmp_path: Path, failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a database that is away nor a mistake of ours ends a job for good, and the log has it."""
    settings = Settings(database_path=tmp_path / "dating.db")
    jobs = Jobs(settings, connect(settings), make_mailer(settings), lambda since: set())
    turns = 0
    again = asyncio.Event()

    async def sow() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            raise failure
        again.set()

    with caplog.at_level(logging.WARNING, "dating.jobs"):
        rounds = asyncio.create_task(jobs.repeat(0.001, sow))
        async with asyncio.timeout(10):
            await again.wait()
        rounds.cancel()
    [record] = [record for record in caplog.records if record.name == "dating.jobs"]
    assert (record.job, record.exc_info is not None) == ("sow", isinstance(failure, ZeroDivisionError))  # type: ignore[attr-defined]


async def test_what_is_done_by_the_hour_begins_soon(tmp_path: Path) -> None:
    """A server that is started anew every half an hour drops what is over, too."""
    settings = Settings(database_path=tmp_path / "dating.db")
    jobs = Jobs(settings, connect(settings), make_mailer(settings), lambda since: set())
    turns: list[None] = []

    async def sow() -> None:
        turns.append(None)

    rounds = asyncio.create_task(jobs.repeat(3600.0, sow, first=0.001))
    async with asyncio.timeout(10):
        while not turns:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    rounds.cancel()
    assert len(turns) == 1
