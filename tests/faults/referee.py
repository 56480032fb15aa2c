"""The referee: people on HTTP and WebSocket, a seeded nemesis that hurts the service, and the verdict on what came of it.

    python -m tests.faults.referee --kind cluster --seed 1 --seconds 20 --faults kill,pause,duplicate

Prints one table; the exit status is 1 if anything is off. The seed decides who does what and which faults come in which order.
"""

import argparse
import asyncio
import itertools
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dating.database import connect
from dating.settings import Settings
from tests.faults.clients import Device, enroll, now
from tests.faults.conversations import judge_conversations
from tests.faults.history import History, Open, Store, find_leaks, read_store, read_tops
from tests.faults.nemesis import POSSIBLE, World, torment
from tests.kit import Postgres

CLIENTS = 6
DEVICES = 2  # of each client; one of each who only listens
SETTLE_SECONDS = 30.0
READ_SECONDS = 600.0  # a long run leaves many rows
PATIENT = 1.0  # seconds until the first who listen connect again; hundreds at once would keep a server from starting
AUDIENCE = 194  # people who only listen, in a group with the clients: 200 in all


class Verdict(msgspec.Struct, frozen=True):
    """What came of a run. `off` has, for each check, what is wrong; `command` runs the same again."""

    faults: list[str]
    sent: int
    answers: dict[str, int]
    staleness: list[float]
    off: dict[str, list[str]]
    command: str = ""
    deeds: dict[str, int] = {}

    @property
    def good(self) -> bool:
        return not any(self.off.values())

    def show(self) -> str:
        """One table, and the first things that are wrong."""
        counted = ", ".join(f"{name}: {count}" for name, count in sorted(Counter(self.faults).items()))
        rows = [("faults", counted), ("acknowledged", str(self.sent))]
        rows += [("changes", ", ".join(f"{name}: {count}" for name, count in sorted(self.deeds.items())))]
        rows += [("answers", ", ".join(f"{name}: {count}" for name, count in sorted(self.answers.items())))]
        rows += [(f"staleness {name}", f"{self.stale(share) * 1000:.0f} ms") for name, share in SHARES.items()]
        rows += [(name, str(len(lines))) for name, lines in self.off.items()]
        wrong = [f"{name}: {line}" for name, lines in self.off.items() for line in lines[:5]]
        end = "good" if self.good else f"OFF {self.command}"
        return "\n".join([*(f"{name:<15} {value}" for name, value in rows), *wrong, end])

    def stale(self, share: float) -> float:
        """The staleness in seconds that this share of the deliveries did not exceed."""
        return self.staleness[min(len(self.staleness) - 1, int(share * len(self.staleness)))] if self.staleness else 0.0


SHARES = {"p50": 0.5, "p99": 0.99, "max": 1.0}


async def settle(settings: Settings, devices: Sequence[Device]) -> Store:
    """Wait until every device has everything, for a limited time; the database then."""
    db = connect(msgspec.structs.replace(settings, postgres_statement_seconds=READ_SECONDS))
    await db.open()
    end = now() + SETTLE_SECONDS
    try:
        while True:
            tops = {entry.user_id: entry.seq for entry in await db.read(read_tops)}
            if all(device.seq >= tops.get(device.user_id, 0) for device in devices) or now() > end:
                await asyncio.sleep(0.3)  # for what comes twice or should not come at all
                return await read_store(db)
            await asyncio.sleep(0.05)
    finally:
        await db.close()


async def wait_for_leaks(world: World, before: Open) -> list[str]:
    """What is still open some seconds after the clients have gone."""
    end = now() + 5
    while (leaks := find_leaks(before, world.count())) and now() < end:
        await asyncio.sleep(0.1)
    return leaks


async def referee(world: World, faults: list[str], seed: int, seconds: float, count: int = CLIENTS, audience: int = 0) -> Verdict:
    """A whole run on a service that is started here and closed here."""
    history = History()
    listening: list[asyncio.Task[None]] = []
    sending: list[asyncio.Task[None]] = []
    try:
        await world.start(faults)
        clients, listeners = await enroll(world, history, seed, count, audience)
        before = world.count()
        devices = [Device(world.url, client.id, client.token) for client in clients * DEVICES]
        devices += [Device(world.url, person.id, person.token, PATIENT + number / 100) for number, person in enumerate(listeners)]
        listening = [asyncio.create_task(device.run()) for device in devices]
        sending = [asyncio.create_task(client.run()) for client in clients]
        done = await torment(world, faults, seed, seconds)
        for client in clients:
            client.stopping = True
        async with asyncio.timeout(SETTLE_SECONDS):
            await asyncio.gather(*sending)
        store = await settle(world.settings, devices)
        await end_all(listening)
        history.seen = [device.report() for device in devices]
        off = merge(history.judge(store), judge_conversations(history, store), {"leaks": await wait_for_leaks(world, before)})
        acknowledged = sum(bool(send.ids) for send in history.sends)
        command = f"python -m tests.faults.referee --kind {world.kind} --seed {seed} --seconds {seconds:g} --clients {count}"
        command += f" --audience {audience}"
        command += f" --faults {','.join(faults)}"
        deeds = Counter(deed.kind for deed in history.deeds if deed.done)
        return Verdict(done, acknowledged, dict(history.answers), history.measure_staleness(), off, command, deeds)
    finally:
        await end_all([*listening, *sending])
        await world.close()


def merge(*found: dict[str, list[str]]) -> dict[str, list[str]]:
    """All that several judges have found, by the name of the check."""
    return {name: [line for one in found for line in one.get(name, [])] for name in dict.fromkeys(itertools.chain(*found))}


async def end_all(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel and wait."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main(words: list[str]) -> int:
    """One run from the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.referee", description=__doc__.partition("\n")[0])
    parser.add_argument("--kind", choices=list(POSSIBLE), default="cluster", help="what to run on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--audience", type=int, default=AUDIENCE)
    parser.add_argument("--faults", default="", help="comma separated; all that are possible if not given")
    given = parser.parse_args(words)
    faults = given.faults.split(",") if given.faults else POSSIBLE[given.kind]
    if unknown := set(faults) - set(POSSIBLE[given.kind]):
        parser.error(f"{given.kind} knows {', '.join(POSSIBLE[given.kind])}; not {', '.join(sorted(unknown))}")
    postgres = None if given.kind == "sqlite" else Postgres()
    try:
        with tempfile.TemporaryDirectory() as folder:
            world = World(given.kind, Path(folder), postgres)
            verdict = asyncio.run(referee(world, faults, given.seed, given.seconds, given.clients, given.audience))
    finally:
        if postgres is not None:
            postgres.close()
    print(f"{given.kind}, seed {given.seed}, {given.seconds:g} s, {given.clients} + {given.audience} people\n{verdict.show()}")
    return 0 if verdict.good else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
