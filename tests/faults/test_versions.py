"""The version before this one and this one on the same database, at once, and back again.

The version before is the code just before the newest migration came, taken out of the history with `git archive`: a fresh clone
has it, it needs no tag and no release, and every migration that is added later is tried by this test with the code that has never
heard of it. Where the newest change of `migrations/` changed a file that older code had applied (before the first release that
was done), no code before it can share a database with this one; then the change itself is taken.
"""

import asyncio
import os
import random
import subprocess
from pathlib import Path

import pytest

from dating.database import connect
from dating.migrate import pending
from dating.settings import Settings
from tests.cluster.valkey import Valkey
from tests.faults.crowd import Phone, befriend
from tests.faults.history import History
from tests.faults.nemesis import SECRET
from tests.faults.referee import Verdict, end_all, settle
from tests.kit import CHEAP, Postgres, Process, names

HOUSE = Path(__file__).parents[2]
PAIRS = 6


def git(*words: str) -> bytes:
    """What git says about this clone."""
    return subprocess.run(["git", "-C", HOUSE, *words], check=True, capture_output=True).stdout


def find_previous() -> str:
    """The commit before the newest migration."""
    newest = git("log", "-1", "--format=%H", "--", "migrations").decode().strip()
    kept = git("diff", "--name-only", "--diff-filter=a", f"{newest}^", newest, "--", "migrations")
    return newest if kept else f"{newest}^"


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The tree of the version before."""
    archive = git("archive", "--format=tar", find_previous(), "src", "migrations")
    subprocess.run(["tar", "-x", "-C", tmp_path], input=archive, check=True)
    return tmp_path


class Older(Process):
    """The version before, as a process."""

    def __init__(self, tree: Path, **environment: str) -> None:
        path = os.pathsep.join(filter(None, [str(tree / "src"), os.environ.get("PYTHONPATH")]))
        super().__init__(**environment, PYTHONPATH=path)


async def list_pending(settings: Settings, directory: Path | None = None) -> list[str]:
    """The migrations that the database lacks for a tree."""
    db = connect(settings)
    await db.open()
    try:
        return await pending(db, directory=directory)
    finally:
        await db.close()


async def answer(history: History, count: int) -> None:
    """Wait until so many more sends were answered."""
    before = history.answers["200"] + history.answers["201"]
    async with asyncio.timeout(30):
        while history.answers["200"] + history.answers["201"] < before + count:
            await asyncio.sleep(0.02)


async def test_the_version_before_and_this_one_on_one_database(previous: Path, postgres: Postgres, shared_valkey: Valkey) -> None:
    """Under load the schema is migrated, both serve, each in turn alone: people go from one to the other, and nothing is lost."""
    name = f"versions_{next(names)}"
    settings = Settings(database_url=postgres.create(name), **CHEAP)
    given = {"DATING_RATE_LIMITS": "0", "DATING_POSTGRES_POOL": "4", "JWT_SECRET": SECRET, "DATING_DRAIN_SECONDS": "0"}
    given |= {"DATABASE_URL": postgres.url(name), "REDIS_URL": shared_valkey.url}
    history, dice = History(), random.Random(1)
    older = await Older(previous, **given).start()
    newer = Process(**given)
    servers: list[Process] = [older]
    assert await list_pending(settings, previous / "migrations") == []
    senders = await befriend(servers, history, PAIRS, 1)
    phones = [Phone(servers, sender.id, sender.token, dice) for sender in senders]
    tasks = [asyncio.create_task(one.run()) for one in (*phones, *senders)]
    try:
        await answer(history, 50)
        await newer.start()
        assert await list_pending(settings) == []
        servers.append(newer)
        await answer(history, 100)
        assert await asyncio.to_thread(older.stop) == 0
        await answer(history, 50)
        await older.start()
        await answer(history, 100)
        assert await asyncio.to_thread(newer.stop) == 0
        await answer(history, 50)
        for sender in senders:
            sender.stopping = True
        await asyncio.gather(*tasks[len(phones) :])
        store = await settle(settings, phones)
    finally:
        await end_all(tasks)
        for server in servers:
            server.kill()
        postgres.drop(name)
    history.seen = [phone.report() for phone in phones]
    sent = sum(bool(send.ids) for send in history.sends)
    verdict = Verdict(["roll"], sent, dict(history.answers), history.measure_staleness(), history.judge(store))
    assert verdict.good, verdict.show()
    assert set(history.answers) <= {"200", "201", "unknown"}
