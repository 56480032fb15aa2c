"""Many cheap clients on several servers: each sends until it is answered, and each person's device applies what comes."""

import asyncio
import contextlib
import random
from typing import Any, Self

import httpx
import msgspec

from dating.settings import Settings
from tests.faults.clients import ANSWER_SECONDS, Device, now
from tests.faults.history import History, Send
from tests.faults.referee import Verdict, end_all, settle
from tests.kit import PASSWORD, Process

PAUSE = 0.1


class Line:
    """A connection that posts JSON, kept open. It costs a tenth of a general client's."""

    def __init__(self, token: str, patience: float) -> None:
        self._patience = patience
        self._head = f"Host: dating\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, server: Process, path: str, body: Any) -> tuple[int, bytes]:
        """Status and body. Raises OSError, EOFError or TimeoutError when nobody knows what came of it.

        The server counts when there is no connection yet: after the start and after whatever was raised.
        """
        content = msgspec.json.encode(body)
        request = f"POST {path} HTTP/1.1\r\n{self._head}Content-Length: {len(content)}\r\n\r\n".encode() + content
        try:
            async with asyncio.timeout(self._patience):
                if self._writer is None:
                    self._reader, self._writer = await asyncio.open_connection("127.0.0.1", server.port)
                assert self._reader is not None
                self._writer.write(request)
                head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
                return int(head.split(None, 2)[1]), await self._reader.readexactly(length)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None


class Phone(Device):
    """A device that comes back on any of the servers."""

    def __init__(self, servers: list[Process], user_id: int, token: str, dice: random.Random) -> None:
        super().__init__(servers[0].url, user_id, token)
        self._servers = servers
        self._dice = dice

    async def listen(self) -> None:
        self.url = self._dice.choice(self._servers).url.replace("http", "ws")
        await super().listen()


class Sender:
    """Half of a pair: sends flat out and repeats whatever stayed unknown, on whichever server takes it."""

    def __init__(
        self, servers: list[Process], history: History, answer: dict[str, Any], dice: random.Random, patience: float
    ) -> None:
        self.id: int = answer["user_id"]
        self.token: str = answer["access_token"]
        self.chat_id = 0
        self.stopping = False
        self.answered = 0.0
        self._servers = servers
        self._history = history
        self._dice = dice
        self._line = Line(self.token, patience)

    async def run(self) -> None:
        number = 0
        while not self.stopping:
            number += 1
            send = Send(self.id, self.chat_id, f"{self.id}-{number}", f"Привет {number} 🎉", now())
            self._history.sends.append(send)
            send.ids.add(await self._send(send))
            send.answered = self.answered = now()
        self._line.close()

    async def _send(self, send: Send) -> int:
        """The id of the message, whatever it takes."""
        body = {"chat_id": send.chat_id, "content": send.content, "client_id": send.client_id}
        while True:
            status = "unknown"
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                code, content = await self._line.post(self._dice.choice(self._servers), "/messages/send", body)
                status = str(code)
                if code in (200, 201):
                    self._history.answers[status] += 1
                    return int(msgspec.json.decode(content)["id"])
                if code != 503:
                    self._history.odd.append(f"a send was answered {code}: {content[:300]!r}")
                    return 0
            self._history.answers[status] += 1
            await asyncio.sleep(PAUSE)


async def befriend(
    servers: list[Process], history: History, pairs: int, seed: int, patience: float = ANSWER_SECONDS
) -> list[Sender]:
    """Pairs of people with a chat each."""
    senders = []
    async with httpx.AsyncClient(base_url=servers[0].url, timeout=30) as http:

        async def like(one: Sender, other: Sender) -> dict[str, Any]:
            headers = {"Authorization": f"Bearer {one.token}"}
            history.likes.add((one.id, other.id))
            return dict((await http.post("/swipe", json={"target_id": other.id, "action": "like"}, headers=headers)).json())

        for number in range(2 * pairs):
            answer = await http.post("/register", json={"username": f"sender{number}", "password": PASSWORD})
            senders.append(Sender(servers, history, answer.json(), random.Random(f"sender {seed} {number}"), patience))
        for one, other in zip(senders[::2], senders[1::2], strict=True):
            await like(one, other)
            one.chat_id = other.chat_id = (await like(other, one))["chat_id"]
            history.chats[one.chat_id] = {one.id, other.id}
    return senders


class Crowd:
    """Pairs who send, and their devices, for the time of a block."""

    def __init__(
        self, settings: Settings, servers: list[Process], pairs: int, seed: int, patience: float = ANSWER_SECONDS
    ) -> None:
        self.history = History()
        self.senders: list[Sender] = []
        self._settings = settings
        self._servers = servers
        self._pairs = pairs
        self._seed = seed
        self._patience = patience
        self._phones: list[Phone] = []
        self._sending: list[asyncio.Task[None]] = []
        self._listening: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        dice = random.Random(self._seed)
        self.senders = await befriend(self._servers, self.history, self._pairs, self._seed, self._patience)
        self._phones = [Phone(self._servers, sender.id, sender.token, dice) for sender in self.senders]
        self._listening = [asyncio.create_task(phone.run()) for phone in self._phones]
        self._sending = [asyncio.create_task(sender.run()) for sender in self.senders]
        return self

    async def __aexit__(self, *_: object) -> None:
        await end_all([*self._listening, *self._sending])

    @property
    def acknowledged(self) -> int:
        """How many sends were answered."""
        return self.history.answers["200"] + self.history.answers["201"]

    async def finish(self, faults: list[str]) -> Verdict:
        """Let everybody end and everything arrive; what came of it, which is printed, too."""
        for sender in self.senders:
            sender.stopping = True
        await asyncio.gather(*self._sending)
        store = await settle(self._settings, self._phones)
        await end_all(self._listening)
        self.history.seen = [phone.report() for phone in self._phones]
        sent = sum(bool(send.ids) for send in self.history.sends)
        staleness, off = self.history.measure_staleness(), self.history.judge(store)
        verdict = Verdict(faults, sent, dict(self.history.answers), staleness, off)
        print(verdict.show())
        return verdict
