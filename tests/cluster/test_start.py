"""A start on what is not there or will not do: it ends soon, with one sentence that says what and where, and no password."""

import asyncio
import re
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dating.database.postgres import name_place
from dating.errors import Unavailable
from dating.redis.store import check_redis
from dating.serve import prepare
from dating.settings import Settings
from tests.cluster.conftest import environment, remote
from tests.cluster.valkey import Valkey
from tests.kit import CHEAP, Postgres, Process, names, serving
from tests.unit.test_command_line import dating

JWT_SECRET = secrets.token_urlsafe(48)
SECRET = "canary"  # what no sentence may say
WITHIN = 10  # seconds until a start that must fail has failed


async def try_both(settings: Settings) -> None:
    """What a server does before it serves."""
    await prepare(settings)
    await check_redis(settings.redis_url or "")


async def start(settings: Settings) -> str:
    """What it says when it cannot serve, within the 10 s that are promised; `tests/unit` has the exit codes."""
    with pytest.raises(Unavailable) as refusal:
        async with asyncio.timeout(WITHIN):
            await try_both(settings)
    assert SECRET not in refusal.value.detail
    return refusal.value.detail


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of something that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def guest(postgres: Postgres) -> Iterator[str]:
    """The URL of a database whose owner has a password."""
    name = f"guest_{next(names)}"
    postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'")
    postgres.execute(f"CREATE DATABASE {name} OWNER {name}")
    rules = postgres.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all {name} scram-sha-256\n{before}")
    postgres.execute("SELECT pg_reload_conf()")
    yield postgres.url(name).replace("postgres@", f"{name}:{SECRET}@", 1)
    rules.write_text(before)
    postgres.execute("SELECT pg_reload_conf()")
    postgres.drop(name)
    postgres.execute(f"DROP ROLE {name}")


async def test_a_database_that_will_not_do(postgres: Postgres, guest: str, silent: str) -> None:
    """Nobody there, nobody who speaks, no such host, no such database, a wrong password, an address that is none."""
    places = {
        f"postgresql://u:{SECRET}@127.0.0.1:1/dating": "does not answer at DATABASE_URL (127.0.0.1:1/dating): ",
        f"postgresql://u:{SECRET}@{silent}/dating": f"does not answer at DATABASE_URL ({silent}/dating): no answer within 5 s",
        f"postgresql://u:{SECRET}@nowhere.invalid/dating": "does not answer at DATABASE_URL (nowhere.invalid/dating): ",
        postgres.url("nothing"): '/nothing) refuses us: database "nothing" does not exist.',
        guest.replace(SECRET, "wrong"): "refuses us: password authentication failed for user",
        f"postgresql://u:{SECRET}/x@127.0.0.1/dating": "DATABASE_URL cannot be read",
    }
    said = await asyncio.gather(*[start(Settings(database_url=url)) for url in places])
    assert [sentence for sentence, line in zip(places.values(), said, strict=True) if sentence not in line] == [], said


async def test_a_database_that_takes_no_writes(postgres: Postgres, guest: str) -> None:
    """A standby cannot be migrated: a server does not start on it, and says what to name instead; on the primary it does."""
    postgres.execute(f"ALTER ROLE {urlsplit(guest).username} SET default_transaction_read_only = on")
    assert "takes no writes: DATABASE_URL must name the primary" in await start(Settings(database_url=guest))
    postgres.execute(f"ALTER ROLE {urlsplit(guest).username} RESET default_transaction_read_only")
    await prepare(Settings(database_url=guest))


async def test_a_redis_that_will_not_do(tmp_path: Path, valkey: Valkey, silent: str) -> None:
    """Nobody there, nobody who speaks, a wrong password, a replica, an address that is none."""
    replica = Valkey("--replicaof", "127.0.0.1", str(valkey.port)).start()
    guarded = Valkey("--requirepass", "another").start()
    places = {
        f"redis://:{SECRET}@127.0.0.1:1": "does not answer at REDIS_URL (127.0.0.1:1): ",
        f"redis://:{SECRET}@{silent}": f"does not answer at REDIS_URL ({silent}): ",
        f"redis://:{SECRET}@127.0.0.1:{guarded.port}": "invalid username-password",
        replica.url: "names a replica",
        f"redis://u:{SECRET}/x@127.0.0.1": "REDIS_URL cannot be read",
    }
    here = [Settings(database_path=tmp_path / f"{number}.db", redis_url=url) for number, url in enumerate(places)]
    said = await asyncio.gather(*map(start, here))
    assert [sentence for sentence, line in zip(places.values(), said, strict=True) if sentence not in line] == [], said
    replica.kill()
    guarded.kill()


def limit(postgres: Postgres, guest: str, connections: int) -> None:
    """So many connections may the guest have from now on; -1: any number."""
    postgres.execute(f"ALTER ROLE {urlsplit(guest).username} CONNECTION LIMIT {connections}")


async def test_a_start_on_a_full_database(postgres: Postgres, guest: str) -> None:
    """When all connections that it may have are taken, a server does not start, and says so; a little later it does."""
    settings = Settings(database_url=guest)
    limit(postgres, guest, 0)
    assert "refuses us: too many connections for role" in await start(settings)
    limit(postgres, guest, -1)
    await prepare(settings)


async def test_a_full_pool_is_503_and_recovers(postgres: Postgres, guest: str) -> None:
    """A server that may have fewer connections than its pools answers what it can and 503 with Retry-After to the others."""
    async with serving(Settings(database_url=guest, postgres_pool=8, **CHEAP)) as server:
        person = await server.person()
        limit(postgres, guest, 0)
        answers = await asyncio.gather(*[person.get(path) for path in ("/me", "/chats", "/matches") for _ in range(6)])
        assert {answer.status_code for answer in answers} <= {200, 503}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 503)
        limit(postgres, guest, -1)
        answers = await asyncio.gather(*[person.get(path) for path in ("/me", "/chats", "/matches") for _ in range(6)])
        assert {answer.status_code for answer in answers} == {200}


@pytest.fixture
def ahead(settings: Settings, postgres: Postgres) -> Settings:
    """A database that a newer version has already migrated."""
    assert settings.database_url is not None
    name = settings.database_url.partition("@/")[2].partition("?")[0]
    postgres.execute("INSERT INTO migrations (name, checksum, applied_at) VALUES ('9999_future', 'x', 1)", name)
    postgres.execute("ALTER TABLE facts ADD COLUMN future TEXT", name)
    return settings


async def test_a_database_ahead_of_the_code(ahead: Settings) -> None:
    """The version before goes on beside the new one: it starts, and serves."""
    process = await Process(**environment(ahead)).start()
    async with remote(process) as server:
        anna, boris = await server.people(2)
        await anna.say(await anna.match(boris), "hello")
    assert process.stop() == 0


async def test_a_migration_that_was_changed(tmp_path: Path, settings: Settings, postgres: Postgres) -> None:
    """A database that was made by other migrations than ours is refused, and which one it was and where is said."""
    assert settings.database_url is not None
    name = settings.database_url.partition("@/")[2].partition("?")[0]
    postgres.execute("UPDATE migrations SET checksum = 'other' WHERE name = '0005_chat'", name)
    assert await refuse(tmp_path, settings) == (
        f"The migration 0005_chat was changed after it had been applied to PostgreSQL at DATABASE_URL ({name_place(settings)})."
    )


async def refuse(folder: Path, settings: Settings, **given: str) -> str:
    """What a server says that ends with 1 within the 10 s."""
    assert settings.database_url is not None
    async with asyncio.timeout(WITHIN):
        done = await asyncio.to_thread(dating, folder, "serve", "--port=0", DATABASE_URL=settings.database_url, **given)
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr.strip()


async def test_a_database_behind_the_code(tmp_path: Path, postgres: Postgres) -> None:
    """In production nobody migrates by the way: the server does not start until `dating migrate` has run, and says so."""
    settings = Settings(database_url=postgres.create(f"behind_{next(names)}"))
    production = {"DATING_ENV": "production", "JWT_SECRET": JWT_SECRET}
    where = f"PostgreSQL at DATABASE_URL ({name_place(settings)})"
    said = await refuse(tmp_path, settings, **production)
    assert re.fullmatch(
        rf"{re.escape(where)} lacks the migration 0000_portable\.postgres and \d+ more: run `dating migrate` first\.", said
    )
    done = await asyncio.to_thread(dating, tmp_path, "migrate", DATABASE_URL=settings.database_url, **production)
    assert done.returncode == 0, done.stderr
    process = await Process(
        DATABASE_URL=settings.database_url or "", REDIS_URL="", DATING_DRAIN_SECONDS="0", **production
    ).start()
    assert process.stop() == 0


async def test_a_database_too_far_ahead_of_the_code(tmp_path: Path, settings: Settings, postgres: Postgres) -> None:
    """Code without the migration that the schema has for its floor does not start, migrating or not, and says what to install."""
    assert settings.database_url is not None
    name = settings.database_url.partition("@/")[2].partition("?")[0]
    postgres.execute("INSERT INTO floors (name) VALUES ('9999_future')", name)
    for at_start in "01":
        said = await refuse(tmp_path, settings, DATING_MIGRATE_AT_START=at_start)
        assert said.startswith(
            f"PostgreSQL at DATABASE_URL ({name_place(settings)}) was migrated by a newer version, and code without"
        )
        assert "9999_future" in said
