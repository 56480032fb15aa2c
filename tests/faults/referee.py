"""The referee: people on HTTP and WebSocket, a seeded nemesis that hurts the service, and the verdict on what came of it.

    python -m tests.faults.referee --kind cluster --seed 1 --seconds 20 --faults kill,pause,duplicate

Prints one table; the exit status is 1 if anything is off. The seed decides who does what and which faults come in which order.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import websockets

from dating.database import connect
from dating.settings import Settings
from tests.faults.history import History, Open, Seen, Send, Store, find_leaks, read_store, read_tops
from tests.faults.nemesis import POSSIBLE, World, torment
from tests.kit import PASSWORD, Postgres

CLIENTS = 6
DEVICES = 2
ANSWER_SECONDS = 2.0  # a client gives up waiting, and the outcome is unknown
SETTLE_SECONDS = 30.0
READ_SECONDS = 600.0  # a long run leaves many rows
RACERS = 3  # sockets that try the same one-time token


def now() -> float:
    return asyncio.get_running_loop().time()


class Device:
    """Applies each event once, by its number, and resumes whenever the connection breaks."""

    def __init__(self, url: str, user_id: int, token: str) -> None:
        self.url = url.replace("http", "ws")
        self.user_id = user_id
        self.token = token
        self.seq = 0
        self.gaps = 0
        self.frames: list[dict[str, Any]] = []
        self.moments: dict[int, float] = {}

    async def run(self) -> None:
        while True:
            with contextlib.suppress(OSError, websockets.WebSocketException, TimeoutError):
                await self.listen()
            await asyncio.sleep(0.05)

    async def listen(self) -> None:
        patience = {"open_timeout": ANSWER_SECONDS, "ping_interval": 1, "ping_timeout": ANSWER_SECONDS, "close_timeout": 1}
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.url}/ws?since={self.seq}"
        async with websockets.connect(url, additional_headers=headers, compression=None, **patience) as socket:
            async for text in socket:
                self.apply(msgspec.json.decode(text))

    def apply(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "hello" or "seq" not in frame or frame["seq"] <= self.seq:
            return
        if frame["type"] == "resync" or frame["seq"] > self.seq + 1:
            self.gaps += 1
        self.seq = frame["seq"]
        self.frames.append(frame)
        if frame["type"] == "message":
            self.moments[frame["id"]] = now()

    def report(self) -> Seen:
        return Seen(self.user_id, self.frames, self.moments, self.gaps)


class Client:
    """Somebody who repeats whatever stayed unknown, until it is answered."""

    def __init__(self, world: World, history: History, answer: dict[str, Any], dice: random.Random) -> None:
        self.world = world
        self.history = history
        self.dice = dice
        self.id: int = answer["user_id"]
        self.token: str = answer["access_token"]
        self.friends: list[tuple[int, int]] = []  # chat id and the other person
        self.strangers: list[int] = []
        self.sent = 0
        self.stopping = False

    async def run(self) -> None:
        async with self.open() as http:
            while not self.stopping:
                await self.send(http)
                if self.strangers and self.dice.random() < 0.05:
                    await self.like(http, self.strangers.pop())
                if self.dice.random() < 0.01:
                    await self.share_token(http)
                await asyncio.sleep(self.dice.uniform(0, 0.02))
            while self.strangers:
                await self.like(http, self.strangers.pop())

    def open(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.AsyncClient(base_url=self.world.url, headers=headers, timeout=ANSWER_SECONDS)

    async def ask(self, http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The answer, whatever it takes; None when it is one that no fault excuses."""
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await http.post(path, json=body)
                self.history.answers[str(answer.status_code)] += 1
                if answer.status_code in (200, 201):
                    return dict(answer.json())
                if answer.status_code != 503:
                    self.history.odd.append(f"{path} was answered {answer.status_code}: {answer.text[:300]}")
                    return None
                await asyncio.sleep(0.05)
                continue
            self.history.answers["unknown"] += 1
            await asyncio.sleep(0.05)

    async def send(self, http: httpx.AsyncClient) -> None:
        """A message to a friend, sent as often as the nemesis says."""
        chat_id, other_id = self.dice.choice(self.friends)
        self.sent += 1
        content = f"Привет {self.sent} 🎉"
        send = Send(self.id, other_id, chat_id, f"{self.id}-{self.sent}", content, now())
        self.history.sends.append(send)
        body = {"chat_id": chat_id, "content": content, "client_id": send.client_id}
        repeats = self.world.repeats
        await asyncio.gather(*[self.record(http, send, body) for _ in range(1 + repeats)])
        if repeats:
            await self.record(http, send, body)

    async def record(self, http: httpx.AsyncClient, send: Send, body: dict[str, Any]) -> None:
        answer = await self.ask(http, "/messages/send", body)
        if answer is not None:
            send.answered = send.answered or now()
            send.ids.add(answer["id"])

    async def share_token(self, http: httpx.AsyncClient) -> None:
        """Several sockets at once by one token."""
        answer = await self.ask(http, "/ws/start", {})
        if answer is not None:
            await asyncio.gather(*[self.try_token(answer["session_token"]) for _ in range(RACERS)])

    async def try_token(self, token: str) -> None:
        url = f"{self.world.url.replace('http', 'ws')}/ws/chat?session={token}"
        with contextlib.suppress(OSError, websockets.WebSocketException, TimeoutError):
            async with websockets.connect(url, compression=None, open_timeout=ANSWER_SECONDS, close_timeout=0.1):
                self.history.admitted[token] += 1

    async def like(self, http: httpx.AsyncClient, other_id: int) -> dict[str, Any]:
        self.history.likes.add((self.id, other_id))
        return await self.ask(http, "/swipe", {"target_id": other_id, "action": "like"}) or {}


async def enroll(world: World, history: History, seed: int, count: int) -> list[Client]:
    """People in a ring, each a friend of both neighbors, who do not know the others yet."""
    clients = []
    async with httpx.AsyncClient(base_url=world.url, timeout=30) as http:
        for number in range(count):
            answer = await http.post("/register", json={"username": f"client{number}", "password": PASSWORD})
            clients.append(Client(world, history, answer.json(), random.Random(f"client {seed} {number}")))
    for number, client in enumerate(clients):
        other = clients[(number + 1) % count]
        async with client.open() as here, other.open() as there:
            await client.like(here, other.id)
            chat_id = (await other.like(there, client.id))["chat_id"]
        history.chats[chat_id] = {client.id, other.id}
        client.friends.append((chat_id, other.id))
        other.friends.append((chat_id, client.id))
    for client in clients:
        known = {client.id} | {other for _, other in client.friends}
        client.strangers = [other.id for other in clients if other.id not in known]
        client.dice.shuffle(client.strangers)
    return clients


class Verdict(msgspec.Struct, frozen=True):
    """What came of a run. `off` has, for each check, what is wrong; `command` is what runs the same again."""

    faults: list[str]
    sent: int
    answers: dict[str, int]
    staleness: list[float]
    off: dict[str, list[str]]
    command: str = ""

    @property
    def good(self) -> bool:
        return not any(self.off.values())

    def show(self) -> str:
        """One table, and the first things that are wrong."""
        counted = ", ".join(f"{name}: {count}" for name, count in sorted(Counter(self.faults).items()))
        rows = [("faults", counted), ("acknowledged", str(self.sent))]
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


async def referee(world: World, faults: list[str], seed: int, seconds: float, count: int = CLIENTS) -> Verdict:
    """A whole run on a service that is started here and closed here."""
    history = History()
    listening: list[asyncio.Task[None]] = []
    sending: list[asyncio.Task[None]] = []
    try:
        await world.start(faults)
        clients = await enroll(world, history, seed, count)
        before = world.count()
        devices = [Device(world.url, client.id, client.token) for client in clients for _ in range(DEVICES)]
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
        off = history.judge(store) | {"leaks": await wait_for_leaks(world, before)}
        acknowledged = sum(bool(send.ids) for send in history.sends)
        command = f"python -m tests.faults.referee --kind {world.kind} --seed {seed} --seconds {seconds:g} --clients {count}"
        command += f" --faults {','.join(faults)}"
        return Verdict(done, acknowledged, dict(history.answers), history.measure_staleness(), off, command)
    finally:
        await end_all([*listening, *sending])
        await world.close()


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
    parser.add_argument("--faults", default="", help="comma separated; all that are possible if not given")
    given = parser.parse_args(words)
    faults = given.faults.split(",") if given.faults else POSSIBLE[given.kind]
    if unknown := set(faults) - set(POSSIBLE[given.kind]):
        parser.error(f"{given.kind} knows {', '.join(POSSIBLE[given.kind])}; not {', '.join(sorted(unknown))}")
    postgres = None if given.kind == "sqlite" else Postgres()
    try:
        with tempfile.TemporaryDirectory() as folder:
            world = World(given.kind, Path(folder), postgres)
            verdict = asyncio.run(referee(world, faults, given.seed, given.seconds, given.clients))
    finally:
        if postgres is not None:
            postgres.close()
    print(f"{given.kind}, seed {given.seed}, {given.seconds:g} s, {given.clients} clients\n{verdict.show()}")
    return 0 if verdict.good else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
