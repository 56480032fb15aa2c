"""Messages end to end: HTTP request → commit → the recipient's socket, at 64 senders, beside FastAPI with python-socketio.

Each sender writes to a recipient of their own and sends the next message when the last is answered. A message carries its number
and the moment it was sent, so a recipient's socket tells what was lost, repeated or out of order, and how long it took. The
client speaks HTTP and WebSocket by hand: a full client would cost more than the server.
"""

import argparse
import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, cast

import jwt
import msgspec
import uvloop

from bench import lab

SENDERS = 64
SECONDS = 5.0
ROUNDS = 2
PATIENCE = 5.0  # seconds that messages may still be on the way after the last answer
MASK = bytes(4)  # a client must mask; with zeros there is nothing to compute


class Tally:
    """What came of the messages of one run."""

    def __init__(self, senders: int) -> None:
        self.sent = [0] * senders
        self.came = [0] * senders
        self.faults: list[str] = []
        self.latencies: list[float] = []

    def lost(self) -> int:
        """Answered, but not on the recipient's socket; or there twice, or out of order."""
        return sum(self.sent) - sum(self.came) + len(self.faults)

    def hear(self, frame: bytes) -> None:
        """A frame with a message: `sender:number:nanoseconds` between marks."""
        start = frame.find(b"<")
        if start < 0:
            return
        sender, number, at = map(int, frame[start + 1 : frame.index(b">", start)].split(b":"))
        if number != self.came[sender]:
            self.faults.append(f"{sender}: {number} instead of {self.came[sender]}")
            return
        self.came[sender] += 1
        self.latencies.append((time.perf_counter_ns() - at) / 1e6)


class Sender(asyncio.Protocol):
    """One keep-alive connection that sends the next message when the last was answered, and not before `every` seconds."""

    def __init__(
        self, number: int, tally: Tally, chat_id: int, token: str, until: Callable[[], bool], every: float | None = None
    ) -> None:
        self._head = (
            f"POST /messages/send HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\n"
        )
        self._number, self._tally, self._chat_id, self._more = number, tally, chat_id, until
        self._every = every
        self._answer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        loop = asyncio.get_running_loop()
        self._next = loop.time() + random.uniform(0, self._every or 0)
        loop.call_at(self._next, self._send)

    def _send(self) -> None:
        self._next += self._every or 0
        mark = f"<{self._number}:{self._tally.sent[self._number]}:{time.perf_counter_ns()}>"
        body = f'{{"chat_id":{self._chat_id},"content":"Hi! How was your day? {mark}"}}'
        self._transport.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0]):
            return
        if not head.startswith(b"HTTP/1.1 201"):
            self.done.set_exception(RuntimeError(self._answer.decode()))
            self._transport.close()
            return
        self._answer = b""
        self._tally.sent[self._number] += 1
        if self._more() and self._every is None:
            self._send()
        elif self._more():
            loop = asyncio.get_running_loop()
            loop.call_at(max(self._next, loop.time()), self._send)
        else:
            self._transport.close()
            self.done.set_result(None)


class Recipient(asyncio.Protocol):
    """One socket: hand-made upgrade, then frames. `greet` is what a python-socketio client says first."""

    def __init__(self, path: str, tally: Tally, greet: bytes = b"") -> None:
        self._path, self._tally, self._greet = path, tally, greet
        self._buffer = b""
        self._upgraded = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YmVuY2gtYmVuY2gtYmVuYw==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                self.ready.set_exception(RuntimeError(head.decode()))
                return
            self._upgraded, self._buffer = True, rest
            if self._greet:
                self._say(1, self._greet)
        self._read_frames()

    def _read_frames(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) >= at + 4:
            size, start = buffer[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(buffer[at + 2 : at + 4]), at + 4
            if len(buffer) < start + size:
                break
            self._take(buffer[at] & 15, buffer[start : start + size])
            at = start + size
        self._buffer = buffer[at:]

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == 9:
            self._say(10, payload)
        elif payload == b"2":
            self._say(1, b"3")
        elif (b'"hello"' in payload or payload.startswith(b"40")) and not self.ready.done():
            self.ready.set_result(None)
        else:
            self._tally.hear(payload)

    def _say(self, kind: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([128 | size]) if size < 126 else bytes([128 | 126]) + size.to_bytes(2)
        self._transport.write(bytes([128 | kind]) + length + MASK + payload)

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


class Talk(msgspec.Struct):
    """Who sends into which chat, and how the recipient's socket is opened."""

    chat_id: int
    token: str
    path: str
    greet: bytes = b""


async def match(port: int) -> list[Talk]:
    """Pairs on our server, each with a chat, and a one-time token for the second of them, good on any of its processes."""
    people = await lab.register(port, 2 * SENDERS)
    talks = []
    async with lab.Client(port) as http:
        for sender, recipient in zip(people[::2], people[1::2], strict=True):
            for one, other in ((sender, recipient), (recipient, sender)):
                _, answer = await http.request("POST", "/swipe", {"target_id": other["id"], "action": "like"}, one["token"])
            _, door = await http.request("POST", "/ws/start", {}, recipient["token"])
            path = f"/ws/chat?session={msgspec.json.decode(door)['session_token']}"
            talks.append(Talk(msgspec.json.decode(answer)["chat_id"], sender["token"], path))
    return talks


def sign(secret: str) -> list[Talk]:
    """The same pairs on the baseline, which makes its chats itself."""

    def token(user_id: int) -> str:
        return jwt.encode({"sub": str(user_id), "exp": int(time.time()) + 3600}, secret, "HS256")

    path = "/socket.io/?EIO=4&transport=websocket"
    return [Talk(n, token(2 * n - 1), path, b'40{"token":"%b"}' % token(2 * n).encode()) for n in range(1, SENDERS + 1)]


async def load(
    ports: tuple[int, int], pids: list[int], talks: list[Talk], seconds: float, pace: float | None = None
) -> dict[str, Any]:
    """Send to the first port for some seconds, at most `pace` messages a second, and listen at the second; a row of the table."""
    sending, listening = ports
    every = None if pace is None else len(talks) / pace
    loop = asyncio.get_running_loop()
    tally = Tally(len(talks))
    recipients = [
        (await loop.create_connection(lambda t=talk: Recipient(t.path, tally, t.greet), "127.0.0.1", listening))[1]
        for talk in talks
    ]
    await asyncio.gather(*[recipient.ready for recipient in recipients])
    started, busy = time.perf_counter(), time.process_time()
    spent: list[float] = []
    async with lab.cpu_of(pids, spent):
        senders = [
            (
                await loop.create_connection(
                    lambda n=n, t=talk: Sender(
                        n, tally, t.chat_id, t.token, lambda: time.perf_counter() < started + seconds, every
                    ),
                    "127.0.0.1",
                    sending,
                )
            )[1]
            for n, talk in enumerate(talks)
        ]
        await asyncio.gather(*[sender.done for sender in senders])
        elapsed = time.perf_counter() - started
        deadline = time.perf_counter() + PATIENCE
        while tally.lost() and time.perf_counter() < deadline:
            await asyncio.sleep(0.01)
    busy = time.process_time() - busy
    for recipient in recipients:
        recipient.close()
    return {
        "messages/s": sum(tally.sent) / elapsed,
        "p50 ms": lab.quantile(tally.latencies, 0.5),
        "p99 ms": lab.quantile(tally.latencies, 0.99),
        "server CPU µs": spent[0] / max(1, sum(tally.sent)) * 1e6,
        "client CPU µs": busy / max(1, sum(tally.sent)) * 1e6,
        "messages": sum(tally.sent),
        "lost": tally.lost(),
    }


async def measure_ours(seconds: float) -> dict[str, Any]:
    """This project: limits counted, but so high that nobody meets them."""
    async with lab.ours(
        DATING_RATE_LIMITS="1",
        DATING_LIMIT_MESSAGE="100000000/minute",
        DATING_LIMIT_REGISTER="100000/hour",
        DATING_NEWCOMER_HOURS="0",
    ) as server:
        return {"server": "dating (SQLite FULL, inbox)"} | await load(
            (server.port, server.port), [server.pid], await match(server.port), seconds
        )


async def measure_baseline(seconds: float) -> dict[str, Any]:
    """FastAPI with python-socketio."""
    secret = os.urandom(32).hex()
    command = [sys.executable, "-m", "bench.baselines.socketio_chat", "{port}"]
    async with lab.Subject(command, {"JWT_SECRET": secret, "CHATS": str(SENDERS)}) as server:
        return {"server": "FastAPI + python-socketio"} | await load(
            (server.port, server.port), [server.pid], sign(secret), seconds
        )


def summarize(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of one server's rounds; of what was lost, the sum."""
    middle = {key: statistics.median(row[key] for row in rows) for key in rows[0] if key != "server"}
    counts = {"messages": sum(row["messages"] for row in rows), "lost": sum(row["lost"] for row in rows)}
    return {"server": f"{rows[0]['server']}, median"} | middle | counts


async def main() -> int:
    """Both in turn; 1 when ours lost anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--alone", action="store_true", help="without the baseline")
    options = parser.parse_args()
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(await measure_ours(options.seconds))
        if not options.alone:
            theirs.append(await measure_baseline(options.seconds))
    rounds = [row for pair in zip(ours, theirs or ours, strict=True) for row in pair[: 2 if theirs else 1]]
    rows = [*rounds, summarize(ours), *([summarize(theirs)] if theirs else [])]
    lab.report(
        "messages",
        rows,
        f"{SENDERS} senders, each to one recipient; end to end from request to socket; {options.seconds:g} s a round",
    )
    return 1 if any(row["lost"] for row in ours) else 0


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
