"""Redis, then PostgreSQL, away under load on two processes: how long, what people notice, and how soon it is whole again.

The suite stops Redis for a few seconds; `OUTAGE_SECONDS=15 make test ARGS="tests/faults/test_outage.py -s"` for longer.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator

import pytest

from dating.settings import Settings
from tests.cluster.valkey import Valkey
from tests.faults.clients import now
from tests.faults.crowd import Crowd
from tests.faults.nemesis import SECRET, revive
from tests.kit import CHEAP, Postgres, Process, names

OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "3"))
CALM_SECONDS = 1.5  # before and after
WHOLE_SECONDS = 5.0
STALE_SECONDS = 2.0
PAIRS = 6


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """One that may be stopped."""
    server = Valkey().start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def victim() -> Iterator[Postgres]:
    """A PostgreSQL that may be killed."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
async def crowd(valkey: Valkey, victim: Postgres) -> AsyncIterator[Crowd]:
    """People under way on two processes, who wait as long as it takes for an answer."""
    name = f"outage_{next(names)}"
    settings = Settings(database_url=victim.create(name), **CHEAP)
    given = {"DATING_RATE_LIMITS": "0", "DATING_POSTGRES_POOL": "4", "JWT_SECRET": SECRET}
    given |= {"DATABASE_URL": victim.url(name), "REDIS_URL": valkey.url}
    servers = [await Process(**given).start() for _ in range(2)]
    async with Crowd(settings, servers, PAIRS, seed=1, patience=60) as crowd:
        yield crowd
    for server in servers:
        server.kill()
    victim.drop(name)


@pytest.mark.parametrize("manner", ["killed", "paused"])
async def test_redis_away_under_load(crowd: Crowd, valkey: Valkey, manner: str) -> None:
    """Every send is answered, none with 5xx, nothing is lost, and what is answered after the return arrives within 2 s."""
    await asyncio.sleep(CALM_SECONDS)
    if manner == "killed":
        valkey.kill()
        await asyncio.sleep(OUTAGE_SECONDS)
        valkey.start()
    else:
        valkey.pause()
        await asyncio.sleep(OUTAGE_SECONDS)
        valkey.wake()
    returned = now()
    await asyncio.sleep(CALM_SECONDS)
    verdict = await crowd.finish([f"redis {manner}"])
    late = crowd.history.measure_staleness(returned)
    stale = late[int(0.99 * len(late))]
    print(f"{manner} for {OUTAGE_SECONDS:g} s; answered after the return: {len(late)}, staleness p99 {stale * 1000:.0f} ms")
    assert verdict.good, verdict.show()
    assert set(verdict.answers) == {"201"}
    assert stale < STALE_SECONDS


async def test_postgres_restarted_under_load(crowd: Crowd, victim: Postgres) -> None:
    """Errors are 503 only, nothing is lost, and everybody's sends are answered again within five seconds of its own return."""
    await asyncio.sleep(CALM_SECONDS)
    victim.kill()
    await asyncio.sleep(random.uniform(0.2, 0.5))
    await revive(victim)
    returned = now()
    async with asyncio.timeout(60):
        while not all(sender.answered > returned for sender in crowd.senders):
            await asyncio.sleep(0.01)
    whole = now() - returned
    verdict = await crowd.finish(["postgres killed"])
    print(f"whole again after {whole:.1f} s")
    assert verdict.good, verdict.show()
    assert set(verdict.answers) <= {"200", "201", "503"}
    assert whole < WHOLE_SECONDS
