"""Fixtures: one PostgreSQL database and one Valkey, and several hubs or servers on them."""

import contextlib
import copy
from collections.abc import AsyncIterator, Iterator
from typing import cast

import httpx
import msgspec
import pytest
from litestar import Litestar

from dating.database import Database, connect
from dating.realtime.hub import Hub
from dating.realtime.redis_bus import RedisBus
from dating.realtime.redis_link import Link
from dating.settings import Settings
from tests.api.test_hub import Room
from tests.cluster.valkey import Valkey
from tests.kit import CHEAP, Person, Postgres, Process, Server, names


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A Valkey for one test, which may hurt it."""
    server = Valkey().start()
    yield server
    server.kill()


@pytest.fixture
def settings(postgres: Postgres, postgres_template: str, valkey: Valkey) -> Iterator[Settings]:
    """Settings of a process of a cluster: a fresh, migrated PostgreSQL database, and the Valkey."""
    name = f"test_{next(names)}"
    yield Settings(database_url=postgres.create(name, postgres_template), redis_url=valkey.url, postgres_pool=4, **CHEAP)
    postgres.drop(name)


class Seat(Room):
    """One process's hub, with a bus to the others."""

    bus: RedisBus  # type: ignore[assignment]  # the room of one process has a local one

    def __init__(self, settings: Settings, db: Database) -> None:
        super().__init__(settings, db)
        assert settings.redis_url is not None
        self.bus = RedisBus(settings.redis_url)
        self.hub = Hub(settings, db, self.bus)
        db.committed = self.bus.publish

    @property
    def link(self) -> Link:
        """The one to a single server."""
        (link,) = self.bus._links
        return link

    async def close(self) -> None:
        await self.hub.close()
        await self.db.close()


async def open_seat(settings: Settings) -> Seat:
    """A hub of its own, as another process would have it."""
    db = connect(settings)
    await db.open()
    seat = Seat(settings, db)
    await seat.hub.start()
    return seat


@pytest.fixture
async def seats(settings: Settings) -> AsyncIterator[tuple[Seat, Seat]]:
    """Two hubs that share the database and Valkey and nothing else. Tops are never compared by the clock alone."""
    settings = msgspec.structs.replace(settings, tops_seconds=3600.0)
    here, there = await open_seat(settings), await open_seat(settings)
    yield here, there
    await here.close()
    await there.close()


class Remote(Server):
    """A server in another process, asked over the network."""

    def __init__(self, process: Process, http: httpx.AsyncClient) -> None:
        super().__init__(cast(Litestar, None), http, process.port)
        self.process = process

    def take(self, person: Person) -> Person:
        """The same person with the same session, asking this server."""
        other = copy.copy(person)
        other.api = self
        return other


@contextlib.asynccontextmanager
async def remote(process: Process) -> AsyncIterator[Remote]:
    """A client of a process."""
    async with httpx.AsyncClient(base_url=process.url, timeout=30) as http:
        yield Remote(process, http)


def environment(settings: Settings) -> dict[str, str]:
    """The variables that make a process one of the cluster of these settings."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "JWT_SECRET": settings.jwt_secret,
        "DATING_RATE_LIMITS": "0",
        "DATING_DRAIN_SECONDS": "0",
        "DATING_POSTGRES_POOL": "4",
        "DATING_TOPS_SECONDS": "3600",
    }


@pytest.fixture
async def pair(settings: Settings) -> AsyncIterator[tuple[Remote, Remote]]:
    """Two `dating serve` of their own on one database and one Valkey."""
    first = await Process(**environment(settings)).start()
    second = await Process(**environment(settings)).start()
    async with remote(first) as here, remote(second) as there:
        yield here, there
    for process in (first, second):
        process.kill()
