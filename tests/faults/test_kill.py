"""kill -9 in the middle of sending: what was answered is there, and reaches every device exactly once and in order."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dating.settings import Settings
from tests.cluster.valkey import Valkey
from tests.faults.crowd import Crowd
from tests.faults.nemesis import SECRET
from tests.kit import CHEAP, Postgres, Process, names

PAIRS = 16
SEED = 1


class Service(NamedTuple):
    """Servers that share a database."""

    settings: Settings
    servers: list[Process]
    kills: int
    messages: int


@pytest.fixture(params=["sqlite", "processes"])
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Service]:
    """One process on SQLite, then two on PostgreSQL and Valkey."""
    given = {"DATING_RATE_LIMITS": "0", "DATING_POSTGRES_POOL": "4", "JWT_SECRET": SECRET}
    if request.param == "sqlite":
        settings = Settings(database_path=tmp_path / "dating.db", **CHEAP)
        server = await Process(**given, DATABASE_PATH=str(settings.database_path)).start()
        yield Service(settings, [server], 10, 10_000)
        server.kill()
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    valkey: Valkey = request.getfixturevalue("shared_valkey")
    name = f"kill_{next(names)}"
    settings = Settings(database_url=postgres.create(name), **CHEAP)
    given |= {"DATABASE_URL": postgres.url(name), "REDIS_URL": valkey.url}
    servers = [await Process(**given).start() for _ in range(2)]
    yield Service(settings, servers, 30, 50_000)
    for server in servers:
        server.kill()
    postgres.drop(name)


@pytest.mark.timeout(600)
async def test_kills_lose_nothing(service: Service) -> None:
    """Killed again and again while it answers thousands of sends, a server, or one of two, loses, doubles and disorders none."""
    dice = random.Random(SEED)
    async with Crowd(service.settings, service.servers, PAIRS, SEED) as crowd:
        for kill in range(1, service.kills + 1):
            async with asyncio.timeout(60):
                while crowd.acknowledged < kill * service.messages // service.kills:
                    await asyncio.sleep(0.01)
            server = dice.choice(service.servers)
            server.kill()
            await server.start()
        verdict = await crowd.finish(["kill"] * service.kills)
    assert verdict.good, verdict.show()
    assert verdict.sent >= service.messages
    assert set(verdict.answers) <= {"200", "201", "503", "unknown"}
