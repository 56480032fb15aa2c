"""A whole service that may be hurt, and the seeded nemesis that hurts it: every fault ends healed."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from dating.settings import Settings
from tests.cluster.valkey import Valkey
from tests.kit import CHEAP, Postgres, Process, names

SECRET = "k" * 7 + "Zq3rP0vXw9LmN2bT5yHs8dFg1JcE4uAo"
HOLD_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""
TERMINATE = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}' AND random() < {}"
OPEN = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = '{}' AND state LIKE 'idle in transaction%'"


class World:
    """`dating serve` with what it stands on: kind is sqlite, postgres, or cluster (two workers, PostgreSQL, Valkey)."""

    def __init__(self, kind: str, folder: Path, postgres: Postgres | None) -> None:
        self.kind = kind
        self.postgres = postgres
        self.valkey = Valkey().start() if kind == "cluster" else None
        self.database = f"referee_{next(names)}"
        self.repeats = 0  # how often clients send everything again; a fault raises it
        given = {"DATING_RATE_LIMITS": "0", "DATING_DRAIN_SECONDS": "0", "DATING_POSTGRES_POOL": "4", "JWT_SECRET": SECRET}
        if postgres is None:
            self.settings = Settings(database_path=folder / "dating.db", **CHEAP)
            given |= {"DATABASE_PATH": str(self.settings.database_path), "DATING_SQLITE_BUSY_SECONDS": "0.2"}
        else:
            url = postgres.create(self.database)
            self.settings = Settings(database_url=url, **CHEAP)
            given |= {"DATABASE_URL": url}
        if self.valkey is not None:
            given |= {"REDIS_URL": self.valkey.url}
        self.process = Process(*(["--workers=2"] if kind == "cluster" else []), **given)

    def pids(self) -> list[int]:
        """The processes that serve."""
        pid = self.process.pid
        if self.kind != "cluster":
            return [pid]
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def count_descriptors(self) -> int:
        """The most open files and connections of any process that serves."""
        counts = []
        for pid in self.pids():
            with contextlib.suppress(OSError):
                counts.append(len(os.listdir(f"/proc/{pid}/fd")))
        return max(counts, default=0)

    def count_open(self) -> int:
        """Transactions that nobody has ended."""
        return int(self.postgres.execute(OPEN.format(self.database))) if self.postgres else 0

    def close(self) -> None:
        """Stop what was started here; the PostgreSQL is its owner's."""
        if self.kind == "cluster":
            self.process.stop()  # its workers, too, have to be gone before their database
        else:
            self.process.kill()
        if self.valkey is not None:
            self.valkey.kill()
        if self.postgres is not None:
            self.postgres.drop(self.database)


async def kill(world: World, dice: random.Random) -> None:
    """kill -9 of the server, or of one of its workers, which the supervisor replaces."""
    if world.kind != "cluster":
        world.process.kill()
        await asyncio.sleep(dice.uniform(0, 0.3))
        await world.process.start()
        return
    before = world.pids()
    os.kill(dice.choice(sorted(before)), signal.SIGKILL)
    async with asyncio.timeout(30):
        while len(world.pids()) < 2 or world.pids() == before:
            await asyncio.sleep(0.05)


async def pause(world: World, dice: random.Random) -> None:
    """A server, or one of two workers, that stands still for a while and then goes on as if nothing had been."""
    pid = dice.choice(sorted(world.pids()))
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(dice.uniform(0.5, 3))
    os.kill(pid, signal.SIGCONT)


@contextlib.asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Another process has SQLite's write lock."""
    pipe = asyncio.subprocess.PIPE
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLD_LOCK, path, stdin=pipe, stdout=pipe)
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"locked\n"
    try:
        yield
    finally:
        holder.stdin.close()
        await holder.wait()


async def lock(world: World, dice: random.Random) -> None:
    """SQLite locked by another process for longer than the server waits."""
    async with locked(world.settings.database_path):
        await asyncio.sleep(dice.uniform(0.1, 1.0))


async def revive(postgres: Postgres) -> None:
    """Start a PostgreSQL that was killed, again and again until it sees that the old one is dead."""
    postgres.spawn()
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(postgres.answers):
            if not postgres.alive:
                postgres.spawn()
            await asyncio.sleep(0.05)


async def database(world: World, dice: random.Random) -> None:
    """PostgreSQL killed and started again."""
    assert world.postgres is not None
    world.postgres.kill()
    await asyncio.sleep(dice.uniform(0, 0.5))
    await revive(world.postgres)


async def terminate(world: World, dice: random.Random) -> None:
    """Some of the connections to PostgreSQL ended by it, whatever they were doing, several times."""
    assert world.postgres is not None
    for _ in range(5):
        await asyncio.to_thread(world.postgres.execute, TERMINATE.format(world.database, dice.uniform(0.2, 1)))
        await asyncio.sleep(dice.uniform(0, 0.2))


async def duplicate(world: World, dice: random.Random) -> None:
    """Clients send everything several times at once, and once more after the answer."""
    world.repeats = dice.randint(1, 4)
    await asyncio.sleep(dice.uniform(0.3, 1))
    world.repeats = 0


async def redis(world: World, dice: random.Random) -> None:
    """Valkey killed and started again empty."""
    assert world.valkey is not None
    world.valkey.kill()
    await asyncio.sleep(dice.uniform(0, 2))
    world.valkey.start()


async def pubsub(world: World, dice: random.Random) -> None:
    """Subscriptions dropped while Valkey lives."""
    assert world.valkey is not None
    for _ in range(3):
        world.valkey.run("CLIENT", "KILL", "TYPE", "pubsub")
        await asyncio.sleep(dice.uniform(0, 0.2))


Fault = Callable[[World, random.Random], Awaitable[None]]
FAULTS: dict[str, Fault] = {fault.__name__: fault for fault in (kill, pause, lock, database, terminate, duplicate, redis, pubsub)}
POSSIBLE = {
    "sqlite": ["kill", "pause", "lock", "duplicate"],
    "postgres": ["kill", "pause", "database", "terminate", "duplicate"],
    "cluster": ["kill", "pause", "database", "terminate", "duplicate", "redis", "pubsub"],
}


async def torment(world: World, faults: list[str], seed: int, seconds: float) -> list[str]:
    """One fault after the other, drawn by the seed, each at least once while the time lasts; what was done, in order."""
    dice = random.Random(f"nemesis {seed}")
    done: list[str] = []
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        await asyncio.sleep(dice.uniform(0.2, 0.8))
        if len(done) % len(faults) == 0:
            deck = dice.sample(faults, len(faults))
        name = deck[len(done) % len(faults)]
        await FAULTS[name](world, dice)
        done.append(name)
    return done
