"""Messages between two processes on PostgreSQL and Valkey, at 64 senders, beside python-socketio (Redis manager) and ejabberd.

Everybody sends through the first process and listens on the second. Both sides have the same PostgreSQL (commits go to the disk)
and the same Valkey, from the test wheels. Also: how long a message takes at 500 a second, and what a third process costs whose
people are elsewhere.
"""

import argparse
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvloop
from tests.cluster.valkey import Valkey
from tests.kit import Postgres

from bench import ejabberd, lab
from bench.messages import SENDERS, Talk, load, match, sign, summarize

SECONDS = 5.0
ROUNDS = 3
PACE = 500.0
LIMITS = {
    "DATING_RATE_LIMITS": "1",
    "DATING_LIMIT_MESSAGE": "100000000/minute",
    "DATING_LIMIT_REGISTER": "100000/hour",
    "DATING_NEWCOMER_HOURS": "0",  # people of every age send, and what is measured are they
}


class Stage:
    """The PostgreSQL and the Valkey that everybody uses."""

    def __init__(self) -> None:
        self.postgres = Postgres(durable=True)
        self.valkey = Valkey().start()
        self._databases = 0

    def environment(self) -> dict[str, str]:
        """A fresh database, and the Valkey."""
        self._databases += 1
        url = self.postgres.create(f"bench_{self._databases}")
        return {"DATABASE_URL": url, "REDIS_URL": self.valkey.url, "JWT_SECRET": "bench-" + "x" * 40}

    def backends(self) -> list[int]:
        """PostgreSQL's processes and Valkey's."""
        return [self.valkey.pid, *lab.family(self.postgres.pid)]

    def close(self) -> None:
        """End both."""
        self.valkey.kill()
        self.postgres.close()


class Servers:
    """Processes of one kind on one database."""

    def __init__(self, stage: Stage, servers: list[lab.Subject]) -> None:
        self.stage = stage
        self.servers = servers

    @property
    def ports(self) -> tuple[int, int]:
        """Where people send, and where they listen."""
        return self.servers[0].port, self.servers[1].port

    async def measure(self, talks: list[Talk], seconds: float, pace: float | None = None) -> dict[str, Any]:
        """A row of the table."""
        backends = self.stage.backends()
        before = sum(map(lab.cpu_seconds, backends))
        row = await load(self.ports, [server.pid for server in self.servers], talks, seconds, pace)
        spent = sum(map(lab.cpu_seconds, backends)) - before
        return row | {"PostgreSQL, Valkey CPU µs": spent / max(1, row["messages"]) * 1e6}


@contextlib.asynccontextmanager
async def started(stage: Stage, make: Any, count: int) -> AsyncIterator[Servers]:
    """So many processes, one after the other: the first one migrates."""
    environment = stage.environment()
    async with contextlib.AsyncExitStack() as stack:
        yield Servers(stage, [await stack.enter_async_context(make(environment)) for _ in range(count)])


def ours(environment: dict[str, str]) -> lab.Subject:
    """This project: limits counted, but so high that nobody meets them."""
    return lab.ours(**environment, **LIMITS)


def unindexed(environment: dict[str, str]) -> lab.Subject:
    """The same without the search's index: all processes share that work, so one more would be measured by what it takes over."""
    return lab.ours(**environment, **LIMITS, DATING_INDEX_SECONDS="3600")


def theirs(environment: dict[str, str]) -> lab.Subject:
    """FastAPI with python-socketio and its Redis manager."""
    command = [sys.executable, "-m", "bench.baselines.socketio_cluster", "{port}"]
    return lab.Subject(command, environment | {"CHATS": str(SENDERS)})


async def measure_ours(stage: Stage, seconds: float) -> list[dict[str, Any]]:
    """At full speed, and at a given pace."""
    async with started(stage, ours, 2) as servers:
        full = await servers.measure(await match(servers.ports[0]), seconds)
        paced = await servers.measure(await match(servers.ports[0]), seconds, PACE)
    return [{"server": "dating, two processes"} | full, {"server": f"dating, {PACE:g}/s"} | paced]


async def measure_theirs(stage: Stage, seconds: float) -> list[dict[str, Any]]:
    """The same of the baseline."""
    environment = stage.environment()
    async with theirs(environment) as first, theirs(environment) as second:
        servers = Servers(stage, [first, second])
        full = await servers.measure(sign(environment["JWT_SECRET"]), seconds)
        paced = await servers.measure(sign(environment["JWT_SECRET"]), seconds, PACE)
    return [{"server": "python-socketio, Redis manager"} | full, {"server": f"python-socketio, {PACE:g}/s"} | paced]


async def measure_idler(stage: Stage, seconds: float) -> dict[str, Any]:
    """A third process that nobody is connected to: its CPU for each message of the others."""
    async with started(stage, unindexed, 3) as servers:
        idler = servers.servers.pop()
        talks = await match(servers.ports[0])
        spent: list[float] = []
        async with lab.cpu_of([idler.pid], spent):
            row = await servers.measure(talks, seconds)
        return {"server": "dating, no index, and a third that idles"} | row | {"idler CPU µs": spent[0] / row["messages"] * 1e6}


async def main() -> int:
    """All in turn; 1 when ours lost anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--alone", action="store_true", help="without the baselines")
    options = parser.parse_args()
    if not options.alone and ejabberd.find_libraries() is None:
        lab.console.print("ejabberd is not installed (apt install ejabberd): it is left out.")
    stage = Stage()
    try:
        rounds: list[dict[str, Any]] = []
        for _ in range(options.rounds):
            rounds += await measure_ours(stage, options.seconds)
            if not options.alone:
                rounds += await measure_theirs(stage, options.seconds)
                rounds += await ejabberd.measure(options.seconds, PACE)
        kinds = dict.fromkeys(row["server"] for row in rounds)
        rows = [summarize([row for row in rounds if row["server"] == kind]) for kind in kinds]
        idler = await measure_idler(stage, options.seconds)
    finally:
        stage.close()
    cost = idler.pop("idler CPU µs")
    note = (
        f"{SENDERS} senders on one process, their recipients on the other; {options.seconds:g} s a round, {options.rounds} rounds"
    )
    lab.report("cluster", [*rows, idler], f"{note}; the third process used {cost:.1f} µs of CPU for each message of the others")
    return 1 if any(row["lost"] for row in rows if row["server"].startswith("dating")) else 0


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
