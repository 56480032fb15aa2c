"""Fixtures: both databases, an application on each, and a real server."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dating.database import Database, connect
from dating.migrate import migrate
from dating.settings import Settings
from tests.cluster.valkey import Valkey
from tests.kit import CHEAP, Api, Postgres, Server, running, serving
from tests.twins import Doubled, Twins

DOUBLED = ("api", "ws")  # folders whose tests run on two processes


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what needs a server on SQLite, and again on PostgreSQL: on two processes unless the test says why it cannot."""
    if "ground" in metafunc.fixturenames:
        alone = metafunc.definition.get_closest_marker("one_process") or metafunc.definition.path.parent.name not in DOUBLED
        metafunc.parametrize("ground", ["sqlite", "postgres" if alone else "processes"], indirect=True)


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


@pytest.fixture(scope="session")
def twins() -> Iterator[Twins]:
    """Two processes that serve what they are told."""
    twins = Twins()
    yield twins
    twins.close()


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[Valkey]:
    """One Valkey for the whole run, emptied for every test."""
    server = Valkey().start()
    yield server
    server.kill()


@pytest.fixture
def ground(request: pytest.FixtureRequest) -> str:
    """What the servers of a test stand on: sqlite, postgres, or processes (two of them on PostgreSQL and Valkey)."""
    return str(request.param)


@pytest.fixture
def settings(request: pytest.FixtureRequest, ground: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings that name a fresh, migrated database."""
    if ground == "sqlite":
        path = tmp_path / "dating.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield Settings(database_path=path, **CHEAP)
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    template = request.getfixturevalue("postgres_template")
    name = postgres.lend(template)
    url = postgres.url(name)
    if ground == "postgres":
        yield Settings(database_url=url, **CHEAP)
    else:
        valkey: Valkey = request.getfixturevalue("shared_valkey")
        valkey.run("FLUSHALL")
        twins: Twins = request.getfixturevalue("twins")
        yield Doubled(database_url=url, redis_url=valkey.url, postgres_pool=4, twins=twins, **CHEAP)
    postgres.take_back(name, template)


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Database]:
    """That database, open. It is closed after a failure, too: its threads would keep the run from ending."""
    db = connect(settings)
    await db.open()
    yield db
    await db.close()


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
