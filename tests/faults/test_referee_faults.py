"""Faults, each a test of its own: what was answered is never lost, never doubled, and arrives in order; errors are 503 only."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from dating.settings import Settings
from tests.faults.nemesis import POSSIBLE, World, locked, revive
from tests.faults.referee import AUDIENCE, Verdict, referee
from tests.kit import CHEAP, Person, Postgres, Server, names, serving


@pytest.fixture(scope="module")
def victim() -> Iterator[Postgres]:
    """A PostgreSQL that only these tests use, for they kill it."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A service of the kind that the test names; the referee starts and ends it."""
    kind: str = request.param
    return World(kind, tmp_path, None if kind == "sqlite" else request.getfixturevalue("victim"))


on = {kind: pytest.mark.parametrize("world", [kind], indirect=True) for kind in POSSIBLE}
on_both = pytest.mark.parametrize("world", ["sqlite", "postgres"], indirect=True)
on_all = pytest.mark.parametrize("world", list(POSSIBLE), indirect=True)


def accept(verdict: Verdict, *faults: str) -> None:
    """Nothing is off, the faults have happened, and something was at stake."""
    assert verdict.good, verdict.show()
    assert set(faults) <= set(verdict.faults)
    assert verdict.sent > 20
    assert set(verdict.answers) <= {"200", "201", "503", "unknown"}


@on_both
async def test_duplicate_sends(world: World) -> None:
    """Every message sent up to five times at once and again after the answer is one message with one answer."""
    verdict = await referee(world, ["duplicate"], seed=1, seconds=3)
    accept(verdict, "duplicate")
    assert verdict.answers["200"] > 100


@on["cluster"]
async def test_duplicate_sends_on_two_workers(world: World) -> None:
    """The same where two workers take them."""
    accept(await referee(world, ["duplicate"], seed=2, seconds=3), "duplicate")


@on["cluster"]
async def test_a_worker_killed_under_load(world: World) -> None:
    """One of two workers is killed again and again; the other goes on and the supervisor replaces the dead."""
    accept(await referee(world, ["kill"], seed=3, seconds=5), "kill")


@on["cluster"]
async def test_a_worker_paused_under_load(world: World) -> None:
    """One of two workers stands still and goes on as if nothing had been."""
    accept(await referee(world, ["pause"], seed=4, seconds=5), "pause")


@on["postgres"]
async def test_pg_terminate_backend_at_random(world: World) -> None:
    """Connections ended by PostgreSQL in the middle of anything: errors are 503 only."""
    accept(await referee(world, ["terminate"], seed=5, seconds=6), "terminate")


@on["postgres"]
async def test_postgres_killed_and_restarted(world: World) -> None:
    """PostgreSQL killed under load: errors are 503 only, and it goes on without a restart of the server."""
    accept(await referee(world, ["database"], seed=6, seconds=5), "database")


@on["sqlite"]
async def test_sqlite_locked_under_load(world: World) -> None:
    """Another process takes the write lock again and again under load."""
    accept(await referee(world, ["lock"], seed=7, seconds=4), "lock")


@on["cluster"]
async def test_redis_killed_and_restarted_empty(world: World) -> None:
    """Valkey killed and started empty again and again: sends are answered all the while."""
    verdict = await referee(world, ["redis"], seed=8, seconds=4)
    accept(verdict, "redis")
    assert "503" not in verdict.answers


@on["cluster"]
async def test_pubsub_connections_dropped_with_redis_alive(world: World) -> None:
    """The connections on which workers listen are dropped while Valkey lives: sends are answered all the while."""
    verdict = await referee(world, ["pubsub"], seed=10, seconds=3)
    accept(verdict, "pubsub")
    assert "503" not in verdict.answers


@on["cluster"]
async def test_partition_to_redis(world: World) -> None:
    """Valkey is there, and nothing passes between it and the workers: sends are answered all the while."""
    verdict = await referee(world, ["isolation"], seed=11, seconds=5)
    accept(verdict, "isolation")
    assert "503" not in verdict.answers


@on["postgres"]
async def test_partition_to_postgres(world: World) -> None:
    """PostgreSQL is there, and nothing passes between it and the server: errors are 503 only, and it goes on by itself."""
    accept(await referee(world, ["partition"], seed=12, seconds=5), "partition")


@on["postgres"]
async def test_commit_answers_cut_off(world: World) -> None:
    """PostgreSQL has committed and the server does not hear it: a repeat is given the first answer."""
    verdict = await referee(world, ["commits"], seed=13, seconds=4)
    accept(verdict, "commits")
    assert verdict.answers["503"]
    assert verdict.answers["200"]


@on["sqlite"]
async def test_answers_cut_off_and_all_clients_silent_or_lost(world: World) -> None:
    """The server has answered and clients do not hear it; all are half-open for a while, or lose their connections at once."""
    accept(await referee(world, ["answers", "silence", "storm"], seed=14, seconds=5), "answers", "silence", "storm")


@on["cluster"]
async def test_workers_replaced_under_load(world: World) -> None:
    """Every worker replaced by a successor that already serves: nobody is refused, whatever the load."""
    verdict = await referee(world, ["roll"], seed=15, seconds=4)
    accept(verdict, "roll")
    assert "503" not in verdict.answers


@on_all
async def test_a_seeded_mix_of_all(world: World) -> None:
    """Every fault that this kind of service can have, in an order drawn by the seed; a group of 200 listens."""
    accept(await referee(world, POSSIBLE[world.kind], seed=9, seconds=6, audience=AUDIENCE))


async def correspond(server: Server) -> tuple[Person, int]:
    """Somebody with a chat."""
    anna, boris = await server.people(2)
    return anna, await anna.match(boris)


@pytest.fixture
async def patient(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Server]:
    """A server on SQLite that waits 0.2 s for a lock."""
    path = tmp_path / "dating.db"
    shutil.copy(sqlite_template, path)
    async with serving(Settings(database_path=path, sqlite_busy_seconds=0.2, **CHEAP)) as server:
        yield server


async def test_sqlite_locked_by_another_process(patient: Server) -> None:
    """Sends answer 503 with Retry-After, reads go on, a socket opens; a repeat after the lock is the first and only message."""
    anna, chat_id = await correspond(patient)
    await anna.say(chat_id, "before", client_id="one")
    body = {"chat_id": chat_id, "content": "Привет 👋", "client_id": "two"}
    async with locked(patient.app.state.settings.database_path):
        for _ in range(3):
            answer = await anna.post("/messages/send", json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_away")
            assert int(answer.headers["retry-after"]) >= 1
            messages = (await anna.get(f"/chat/messages/{chat_id}")).json()
            assert [message["content"] for message in messages if message["client_id"]] == ["before"]
        assert (await patient.http.get("/readyz")).status_code == 200
    sent = (await anna.post("/messages/send", json=body)).json()
    messages = (await anna.get(f"/chat/messages/{chat_id}")).json()
    assert [message["id"] for message in messages if message["client_id"] == "two"] == [sent["id"]]


@pytest.fixture
async def fragile(victim: Postgres) -> AsyncIterator[tuple[Server, str]]:
    """A server on the PostgreSQL that may be killed, and the name of its database."""
    name = f"fragile_{next(names)}"
    settings = Settings(database_url=victim.create(name), postgres_lock_seconds=0.2, postgres_pool=4, **CHEAP)
    async with serving(settings) as server:
        yield server, name
    victim.drop(name)


async def test_postgres_away(fragile: tuple[Server, str], victim: Postgres) -> None:
    """While PostgreSQL is dead everything that needs it answers 503 at once; when it is back, so is the server."""
    server, _ = fragile
    anna, chat_id = await correspond(server)
    await anna.say(chat_id, "before")
    victim.kill()
    answers = [
        await anna.post("/messages/send", json={"chat_id": chat_id, "content": "now"}),
        await anna.get("/chats"),
        await server.http.post("/register", json={"username": "nobody", "password": "correct horse"}),
        await server.http.get("/readyz"),
    ]
    assert [answer.status_code for answer in answers] == [503] * 4
    assert all("retry-after" in answer.headers for answer in answers)
    assert (await server.http.get("/ping")).status_code == 200
    await revive(victim)
    async with asyncio.timeout(5):
        while (await anna.get("/chats")).status_code == 503:
            await asyncio.sleep(0.02)
    assert (await anna.say(chat_id, "after"))["content"] == "after"
    messages = (await anna.get(f"/chat/messages/{chat_id}")).json()
    assert sorted(message["content"] for message in messages if message["kind"] == "text") == ["after", "before"]


async def test_a_row_locked_by_another_process(fragile: tuple[Server, str], victim: Postgres) -> None:
    """A process that stopped in the middle of a send holds the chat's row: the others answer 503, and go on when it is gone."""
    server, name = fragile
    anna, chat_id = await correspond(server)
    stopped = await asyncpg.connect(victim.url(name))
    async with stopped.transaction():
        await stopped.execute("SELECT 1 FROM chats FOR UPDATE")
        answer = await anna.post("/messages/send", json={"chat_id": chat_id, "content": "now"})
        assert (answer.status_code, answer.json()["code"]) == (503, "database_away")
    await stopped.close()
    await anna.say(chat_id, "after")
