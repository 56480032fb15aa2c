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
from tests.cluster.proxy import ANSWERED, COMMITTED, Proxy
from tests.cluster.valkey import Valkey
from tests.faults.history import Open
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
    """`dating serve` with what it stands on: kind is sqlite, postgres, or cluster (two workers, PostgreSQL, Valkey).

    For the faults that need them there are `gates`, proxies on the ways `clients` → server, server → `postgres` and → `redis`.
    """

    def __init__(self, kind: str, folder: Path, postgres: Postgres | None) -> None:
        self.kind = kind
        self.postgres = postgres
        self.valkey = Valkey().start() if kind == "cluster" else None
        self.database = f"referee_{next(names)}"
        self.repeats = 0  # how often clients send everything again; a fault raises it
        self.gates: dict[str, Proxy] = {}
        self.process = Process()
        self._started = False
        if postgres is None:
            self.settings = Settings(database_path=folder / "dating.db", **CHEAP)
        else:
            self.settings = Settings(database_url=postgres.create(self.database), **CHEAP)

    @property
    def url(self) -> str:
        """Where clients go."""
        return f"http://127.0.0.1:{self.gates['clients'].port}" if self.gates else self.process.url

    async def start(self, faults: list[str]) -> None:
        """Start the server, and the gates if a fault wants them."""
        if GATED & set(faults):
            await self._open_gates()
        self.process = Process(*(["--workers=2"] if self.kind == "cluster" else []), **self._environment())
        if self.gates:
            self.gates["clients"].target = self.process.port
        self._started = True
        await self.process.start()

    async def _open_gates(self) -> None:
        self.gates["clients"] = await Proxy().start()
        if self.postgres is not None:
            self.gates["postgres"] = await Proxy(self.postgres.socket).start()
        if self.valkey is not None:
            self.gates["redis"] = await Proxy(self.valkey.port).start()

    def _environment(self) -> dict[str, str]:
        given = {"DATING_RATE_LIMITS": "0", "DATING_DRAIN_SECONDS": "0", "DATING_POSTGRES_POOL": "4", "JWT_SECRET": SECRET}
        given["DATING_ACCESS_TOKEN_SECONDS"] = "86400"  # the clients of a long run do not ask for new ones
        if self.postgres is None:
            return given | {"DATABASE_PATH": str(self.settings.database_path), "DATING_SQLITE_BUSY_SECONDS": "0.2"}
        given |= {"DATABASE_URL": self.postgres.url(self.database, self.gates["postgres"].port if self.gates else None)}
        given |= {"DATING_POSTGRES_STATEMENT_SECONDS": "1"}
        if self.valkey is not None:
            given |= {"REDIS_URL": f"redis://127.0.0.1:{self.gates['redis'].port}" if self.gates else self.valkey.url}
        return given

    def pids(self) -> list[int]:
        """The processes that serve."""
        pid = self.process.pid
        if self.kind != "cluster":
            return [pid]
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def count(self) -> Open:
        """What the service holds open."""
        counts = []
        for pid in self.pids():
            with contextlib.suppress(OSError):
                counts.append(len(os.listdir(f"/proc/{pid}/fd")))
        pending = int(self.postgres.execute(OPEN.format(self.database))) if self.postgres else 0
        return Open(max(counts, default=0), pending)

    async def close(self) -> None:
        """Stop what was started here; the PostgreSQL is its owner's."""
        if self._started and self.kind == "cluster":
            await asyncio.to_thread(self.process.stop)  # its workers, too, have to be gone before their database
        elif self._started:
            self.process.kill()
        for gate in self.gates.values():
            await gate.close()
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


async def commits(world: World, dice: random.Random) -> None:
    """PostgreSQL commits, and its word that it has does not arrive."""
    gate = world.gates["postgres"]
    for _ in range(4):
        gate.lose(COMMITTED, dice.randint(1, 3))
        await asyncio.sleep(dice.uniform(0.05, 0.2))
    gate.spare()


async def answers(world: World, dice: random.Random) -> None:
    """The server has done what it was asked, and its word that it has does not arrive."""
    gate = world.gates["clients"]
    for _ in range(4):
        gate.lose(ANSWERED, dice.randint(1, 3))
        await asyncio.sleep(dice.uniform(0.05, 0.2))
    gate.spare()


async def hold(gate: Proxy, seconds: float) -> None:
    """Nothing passes a gate and nothing closes; then what was held back passes, or everything closes."""
    gate.hold()
    await asyncio.sleep(seconds)
    gate.heal()


async def partition(world: World, dice: random.Random) -> None:
    """The server and PostgreSQL do not reach each other."""
    await hold(world.gates["postgres"], dice.uniform(0.3, 2.5))


async def isolation(world: World, dice: random.Random) -> None:
    """The workers and Valkey do not reach each other."""
    await hold(world.gates["redis"], dice.uniform(0.3, 4))


async def silence(world: World, dice: random.Random) -> None:
    """All clients are half-open: nothing comes from them, and they take nothing."""
    await hold(world.gates["clients"], dice.uniform(0.3, 2.5))


async def storm(world: World, dice: random.Random) -> None:
    """All clients lose their connections at once and come back at once."""
    for _ in range(dice.randint(1, 3)):
        world.gates["clients"].cut()
        await asyncio.sleep(dice.uniform(0, 0.3))


async def roll(world: World, dice: random.Random) -> None:
    """The server is stopped in order and started again; workers are replaced one by one, each when its successor serves."""
    if world.kind != "cluster":
        await asyncio.to_thread(world.process.stop)
        await world.process.start()
        return
    before = set(world.pids())
    os.kill(world.process.pid, signal.SIGHUP)
    async with asyncio.timeout(60):
        while before & set(world.pids()) or len(world.pids()) != 2:
            await asyncio.sleep(0.05)


Fault = Callable[[World, random.Random], Awaitable[None]]
ALL: list[Fault] = [kill, pause, lock, database, terminate, duplicate, redis, pubsub]
ALL += [commits, answers, partition, isolation, silence, storm, roll]
FAULTS = {fault.__name__: fault for fault in ALL}
GATED = {"commits", "answers", "partition", "isolation", "silence", "storm"}
ANYWHERE = ["kill", "pause", "duplicate", "answers", "silence", "storm", "roll"]
POSSIBLE = {
    "sqlite": [*ANYWHERE, "lock"],
    "postgres": [*ANYWHERE, "database", "terminate", "commits", "partition"],
    "cluster": [*ANYWHERE, "database", "terminate", "commits", "partition", "redis", "pubsub", "isolation"],
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
