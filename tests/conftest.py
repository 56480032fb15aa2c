"""Fixtures: both databases, an application on each, and a real server."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dating.database import connect
from dating.migrate import migrate
from dating.settings import Settings
from tests.kit import CHEAP, Api, Postgres, Server, running, serving


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for the whole run, from the test wheel."""
    server = Postgres()
    yield server
    server.close()


async def prepare(settings: Settings) -> None:
    db = connect(settings)
    await db.open()
    await migrate(db)
    await db.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, copied for every test."""
    path = tmp_path_factory.mktemp("template") / "dating.db"
    asyncio.run(prepare(Settings(database_path=path)))
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """A migrated PostgreSQL database, copied for every test."""
    asyncio.run(prepare(Settings(database_url=postgres.create("template_dating"))))
    return "template_dating"


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings that name a fresh, migrated database: SQLite, then PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "dating.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield Settings(database_path=path, **CHEAP)
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    template = request.getfixturevalue("postgres_template")
    name = postgres.lend(template)
    yield Settings(database_url=postgres.url(name), **CHEAP)
    postgres.take_back(name, template)


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    """A server in this process, once on each database."""
    async with running(settings) as api:
        yield api


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Server]:
    """A real server on a port, once on each database."""
    async with serving(settings) as server:
        yield server
