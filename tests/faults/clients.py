"""The clients of a run: devices that apply what they are told, and people who do things until they are answered."""

import asyncio
import contextlib
import random
from collections import deque
from typing import Any

import httpx
import msgspec
import websockets

from tests.faults.history import Deed, History, Seen, Send
from tests.faults.nemesis import World
from tests.kit import PASSWORD

ANSWER_SECONDS = 2.0  # a client gives up waiting, and the outcome is unknown
RACERS = 3  # sockets that try the same one-time token
CHANGES = 0.3  # how often a message is followed by a reaction, an edit or a deletion
COMINGS = 0.05  # how often the owner of a group lets somebody come or go
SMALL_WEIGHT = 0.5  # how often a group is talked in, compared with one friend
LARGE_WEIGHT = 0.03  # the same of one in which every word is told to hundreds
SOON = 0.05  # seconds until a device connects again
LEAST = 8  # messages of everybody, however slow the machine: the last come when all is healed
RECENT = 20  # messages of a chat that something still happens to
AT_ONCE = 10  # people who register at the same time
EMOJI = ["👍", "❤️", "👩🏽‍🚀"]


def now() -> float:
    return asyncio.get_running_loop().time()


class Device:
    """Applies each event once, by its number, and resumes whenever the connection breaks."""

    def __init__(self, url: str, user_id: int, token: str, pause: float = SOON) -> None:
        self.pause = pause  # before it connects again
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
            await asyncio.sleep(self.pause)

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
        self.chats: list[int] = []
        self.weights: list[float] = []
        self.recent: dict[int, deque[Send]] = {}  # chat id -> what anybody has said there lately
        self.strangers: list[int] = []
        self.owned: tuple[int, int] | None = None  # a group of mine, and somebody who comes and goes
        self.sent = 0
        self.done = 0
        self.stopping = False

    async def run(self) -> None:
        async with self.open() as http:
            while not self.stopping or self.sent < LEAST:
                await self.send(http)
                if self.dice.random() < CHANGES:
                    await self.change(http)
                if self.owned and self.dice.random() < COMINGS:
                    await self.let_come_or_go(http, *self.owned)
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

    def enter(self, chat_id: int, weight: float, recent: deque[Send]) -> None:
        """From now on, take part in a chat: so often, compared with the others."""
        self.chats.append(chat_id)
        self.weights.append(weight)
        self.recent[chat_id] = recent

    async def ask(
        self, http: httpx.AsyncClient, path: str, body: dict[str, Any] | None, key: str | None = None, excused: str = ""
    ) -> dict[str, Any] | None:
        """The answer to a POST, or without a body to a DELETE, whatever it takes.

        None when it is one that no fault excuses, or the problem `excused`.
        """
        method = "DELETE" if body is None else "POST"
        headers = {} if key is None else {"Idempotency-Key": key}
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await http.request(method, path, json=body, headers=headers)
                if excused and answer.status_code != 503 and answer.is_error and answer.json()["code"] == excused:
                    return None
                self.history.answers[str(answer.status_code)] += 1
                if answer.status_code in (200, 201):
                    return dict(answer.json())
                if answer.status_code != 503:
                    self.history.odd.append(f"{method} {path} was answered {answer.status_code}: {answer.text[:300]}")
                    return None
                await asyncio.sleep(0.05)
                continue
            self.history.answers["unknown"] += 1
            await asyncio.sleep(0.05)

    async def send(self, http: httpx.AsyncClient) -> None:
        """A message into one of the chats, sent as often as the nemesis says."""
        chat_id = self.dice.choices(self.chats, self.weights)[0]
        self.sent += 1
        content = f"Привет {self.id}-{self.sent} 🎉"
        send = Send(self.id, chat_id, f"{self.id}-{self.sent}", content, now())
        self.history.sends.append(send)
        body = {"chat_id": chat_id, "content": content, "client_id": send.client_id}
        repeats = self.world.repeats
        await asyncio.gather(*[self.record(http, send, body) for _ in range(1 + repeats)])
        if repeats:
            await self.record(http, send, body)
        self.recent[chat_id].append(send)

    async def record(self, http: httpx.AsyncClient, send: Send, body: dict[str, Any]) -> None:
        answer = await self.ask(http, "/messages/send", body)
        if answer is not None:
            send.answered = send.answered or now()
            send.ids.add(answer["id"])

    async def change(self, http: httpx.AsyncClient) -> None:
        """Something happens to a message of late: of somebody's a reaction, of mine an edit, or now and then its end."""
        chat_id = self.dice.choices(self.chats, self.weights)[0]
        recent = [send for send in self.recent[chat_id] if send.ids]
        own = [send for send in recent if send.sender_id == self.id]
        kind = self.dice.choices(["react", "edit", "delete"], [4, 3, 1])[0]
        if choices := recent if kind == "react" else own:
            await self.do(http, kind, self.dice.choice(choices))

    async def do(self, http: httpx.AsyncClient, kind: str, send: Send) -> None:
        """Do it once, however often it has to be said; to what is deleted nothing happens any more."""
        text = {"react": self.dice.choice(EMOJI), "edit": f"иначе {self.id}-{self.done + 1} ✏️", "delete": ""}[kind]
        deed = Deed(kind, self.id, send.chat_id, min(send.ids), text)
        body = {"react": {"emoji": text}, "edit": {"content": text}, "delete": {"for_all": True}}[kind]
        await self.perform(http, deed, f"/api/messages/{deed.message_id}/{kind}", body, "message_deleted")

    async def perform(self, http: httpx.AsyncClient, deed: Deed, path: str, body: dict[str, Any] | None, excused: str) -> None:
        """Repeat it under one key, at once and afterwards as often as the nemesis says."""
        self.done += 1
        self.history.deeds.append(deed)
        key = f"deed-{self.id}-{self.done}"
        for _ in range(1 + self.world.repeats):
            deed.done = await self.ask(http, path, body, key, excused) is not None

    async def let_come_or_go(self, http: httpx.AsyncClient, chat_id: int, guest_id: int) -> None:
        """Bring somebody into my group who is not there, or make them leave."""
        came = sum(deed.kind == "come" for deed in self.history.deeds)
        went = sum(deed.kind == "go" for deed in self.history.deeds)
        if came == went:
            deed = Deed("come", guest_id, chat_id)
            await self.perform(http, deed, f"/api/chats/{chat_id}/members", {"user_ids": [guest_id]}, "")
        else:
            deed = Deed("go", guest_id, chat_id)
            await self.perform(http, deed, f"/api/chats/{chat_id}/members/{guest_id}", None, "")

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


async def enroll(world: World, history: History, seed: int, count: int, audience: int = 0) -> tuple[list[Client], list[Client]]:
    """People in a ring, each a friend of both neighbors, who do not know the others yet; and people who only listen.

    All but the last of the ring share a group, where that one comes and goes. Everybody shares another with those who listen.
    """
    async with httpx.AsyncClient(base_url=world.url, timeout=30) as http:
        clients = [await register(http, world, history, seed, number) for number in range(count)]
        listeners = []
        for first in range(count, count + audience, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, count + audience))
            listeners += await asyncio.gather(*[register(http, world, history, seed, number) for number in numbers])
    for number, client in enumerate(clients):
        await befriend(history, client, clients[(number + 1) % count])
    *members, guest = clients
    chat_id = await gather_group(history, members, members, SMALL_WEIGHT)
    history.guests[chat_id] = guest.id
    members[0].owned = chat_id, guest.id
    if listeners:
        await gather_group(history, clients, [*clients, *listeners], LARGE_WEIGHT)
    for client in clients:
        client.strangers = [other.id for other in clients if other is not client and not history.know(client.id, other.id)]
        client.dice.shuffle(client.strangers)
    return clients, listeners


async def register(http: httpx.AsyncClient, world: World, history: History, seed: int, number: int) -> Client:
    """Somebody whom everybody may write to."""
    body = {"username": f"client{number}", "password": PASSWORD, "settings": {"messages_from": "everyone"}}
    answer = await http.post("/register", json=body)
    return Client(world, history, answer.json(), random.Random(f"client {seed} {number}"))


async def match(history: History, client: Client, other: Client) -> int:
    """A match of two; its chat."""
    async with client.open() as here, other.open() as there:
        await client.like(here, other.id)
        chat_id: int = (await other.like(there, client.id))["chat_id"]
    history.chats[chat_id] = {client.id, other.id}
    return chat_id


async def befriend(history: History, client: Client, other: Client) -> None:
    """A match of two, who talk in its chat."""
    chat_id = await match(history, client, other)
    recent: deque[Send] = deque(maxlen=RECENT)
    client.enter(chat_id, 1, recent)
    other.enter(chat_id, 1, recent)


async def gather_group(history: History, talkers: list[Client], members: list[Client], weight: float) -> int:
    """A group of the first one's, who knows everybody there; some of them talk in it."""
    owner, *others = members
    for other in others:
        if not history.know(owner.id, other.id):
            await match(history, owner, other)
    async with owner.open() as http:
        body = {"kind": "group", "name": "Походы 🏔️", "member_ids": [other.id for other in others]}
        answer = (await http.post("/api/chats", json=body)).raise_for_status()
    chat_id: int = answer.json()["id"]
    history.chats[chat_id] = {member.id for member in members}
    recent: deque[Send] = deque(maxlen=RECENT)
    for client in talkers:
        client.enter(chat_id, weight, recent)
    return chat_id
