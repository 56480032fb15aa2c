"""kill -9 in the middle of sending: what was answered is there, and reaches the recipient exactly once and in order."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import websockets

from tests.kit import PASSWORD, Postgres, Process, names

KILLS = 20
SENDERS = 4


class Client:
    """Somebody who sends until answered, repeating whatever stayed unknown under the same client_id."""

    def __init__(self, url: str, token: str, chat_id: int, name: str) -> None:
        self.url = url
        self.token = token
        self.chat_id = chat_id
        self.name = name
        self.answered: list[tuple[int, str]] = []
        self.stopping = False

    async def run(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=5) as http:
            number = 0
            while not self.stopping:
                await self.send(http, f"{self.name}-{number}")
                number += 1

    async def send(self, http: httpx.AsyncClient, text: str) -> None:
        body = {"chat_id": self.chat_id, "content": text, "client_id": text}
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await http.post("/messages/send", json=body, headers={"Authorization": f"Bearer {self.token}"})
                if answer.status_code in (200, 201):
                    self.answered.append((answer.json()["id"], text))
                    return
                assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.05)


class Recipient:
    """Somebody who applies each event once, by its number, and resumes whenever the connection breaks."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.replace("http", "ws")
        self.token = token
        self.seq = 0
        self.applied: list[dict[str, Any]] = []
        self.stopping = False

    async def run(self) -> None:
        while not self.stopping:
            with contextlib.suppress(OSError, websockets.WebSocketException, TimeoutError):
                await self.listen()
            await asyncio.sleep(0.05)

    async def listen(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.url}/ws?since={self.seq}"
        async with websockets.connect(url, additional_headers=headers, compression=None, open_timeout=5) as socket:
            async for text in socket:
                self.apply(msgspec.json.decode(text))

    def apply(self, frame: dict[str, Any]) -> None:
        assert frame["type"] != "resync"
        if frame["type"] == "hello" or "seq" not in frame or frame["seq"] <= self.seq:
            return
        assert frame["seq"] == self.seq + 1, "a gap"
        self.seq = frame["seq"]
        self.applied.append(frame)

    def messages(self) -> list[tuple[int, str]]:
        return [(frame["id"], frame["content"]) for frame in self.applied if frame["type"] == "message"]


async def register(http: httpx.AsyncClient, name: str) -> dict[str, Any]:
    answer = await http.post("/register", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def like(http: httpx.AsyncClient, one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {one['access_token']}"}
    answer = await http.post("/swipe", json={"target_id": other["user_id"], "action": "like"}, headers=headers)
    return dict(answer.json())


@pytest.fixture(params=["sqlite", "postgres"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    base = {"DATING_RATE_LIMITS": "0", "JWT_SECRET": "k" * 7 + "Zq3rP0vXw9LmN2bT5yHs8dFg1JcE4uAo"}
    if request.param == "sqlite":
        return base | {"DATABASE_PATH": str(tmp_path / "dating.db")}
    postgres: Postgres = request.getfixturevalue("postgres")
    return base | {"DATABASE_URL": postgres.create(f"kill_{next(names)}")}


@pytest.mark.timeout(300)
async def test_twenty_kills_lose_nothing(environment: dict[str, str]) -> None:
    """Killed twenty times under load, the server has every answered message, once, and the recipient gets each once, in order."""
    server = await Process(**environment).start()
    async with httpx.AsyncClient(base_url=server.url, timeout=10) as http:
        sink = await register(http, "sink")
        senders = []
        for number in range(SENDERS):
            person = await register(http, f"sender{number}")
            await like(http, person, sink)
            chat_id = (await like(http, sink, person))["chat_id"]
            senders.append(Client(server.url, person["access_token"], chat_id, person["user"]["username"]))
    recipient = Recipient(server.url, sink["access_token"])
    sending = [asyncio.create_task(sender.run()) for sender in senders]
    receiving = asyncio.create_task(recipient.run())
    for _ in range(KILLS):
        before = sum(len(sender.answered) for sender in senders)
        async with asyncio.timeout(20):
            while sum(len(sender.answered) for sender in senders) < before + 40:
                await asyncio.sleep(0.02)
        server.kill()
        await server.start()
    for sender in senders:
        sender.stopping = True
    await asyncio.gather(*sending)
    answered = [message for sender in senders for message in sender.answered]
    async with asyncio.timeout(20):
        while len(recipient.messages()) < len(answered):
            assert not receiving.done(), receiving
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    recipient.stopping = True
    receiving.cancel()
    received = recipient.messages()
    server.kill()
    assert sorted(received) == sorted(answered)
    assert len(answered) >= KILLS * 40
    for sender in senders:
        mine = [message for message in received if message[1].startswith(f"{sender.name}-")]
        assert mine == sender.answered
