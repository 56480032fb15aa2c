"""A participant's phone: one socket that is lost and found again, and an application that misses nothing."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from dating.replay.client import Account, Client, Refused
from dating.replay.referee import Faults, Frame, Key, Log, read_key

FRAMES_PER_SECOND = 15.0
BURST = 30.0
MOVES = 40
LATEST = 32
BLAMED = {4400, 4403, 4408, 4409, 4429}
FRAME = msgspec.json.Decoder(Frame)


class Pace:
    """Keeps one phone below the server's limit of frames: waits instead of being told off."""

    def __init__(self) -> None:
        self.left = BURST
        self.at = time.monotonic()

    def delay(self) -> float:
        """Takes one frame's worth; seconds to wait before sending it."""
        now = time.monotonic()
        self.left = min(BURST, self.left + (now - self.at) * FRAMES_PER_SECOND) - 1
        self.at = now
        return max(0.0, -self.left / FRAMES_PER_SECOND)


class Seats:
    """The server's processes as sockets find them. Men look for every other one and women for those between, so that the two of a
    pair sit on different processes; where the latest sockets all found the same one, everybody sits there.
    """

    def __init__(self) -> None:
        self.processes: set[str] = set()
        self._latest: deque[str] = deque(maxlen=LATEST)

    def suits(self, process: str, side: int) -> bool:
        """Whether a socket of this side, 0 or 1, may stay on the process."""
        self.processes.add(process)
        self._latest.append(process)
        alive = sorted(set(self._latest))
        return len(alive) == 1 or alive.index(process) % 2 == side


class Device:
    """Keeps a socket open, resumes it after every loss, and tells whoever waits what has come."""

    def __init__(
        self, account: Account, client: Client, server: str, door: asyncio.Semaphore, faults: Faults, seats: Seats, side: int
    ) -> None:
        self.account, self.client, self.faults, self.door = account, client, faults, door
        self.seats, self.side, self.process, self.moves = seats, side, "", 0
        self.address = server.replace("http", "ws", 1).rstrip("/") + "/ws/chat"
        self.log = Log(faults)
        self.heard: dict[Key, float] = {}
        self.typing: list[Frame] = []
        self.owed: dict[int, int] = {}
        self.connections = self.resumes = 0
        self.online = asyncio.Event()
        self.away = 0.0
        self.trouble = ""
        self._pace = Pace()
        self._waiting: dict[Key, asyncio.Future[None]] = {}
        self._socket: ClientConnection | None = None
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._goodbye: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Device":
        self._task = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing = True
        if self._socket is not None:
            await self._socket.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def hear(self, key: Key, patience: float) -> bool:
        """Waits until the application has applied the event; False when it did not come in `patience` seconds."""
        if key in self.heard:
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._future(key)), patience)
        return key in self.heard

    def note(self, key: Key, told: Callable[[float], None]) -> None:
        """Calls `told` with the moment at which the event was applied, now or as soon as it is."""
        if key in self.heard:
            told(self.heard[key])
        else:
            self._future(key).add_done_callback(lambda _: told(self.heard[key]))

    def _future(self, key: Key) -> asyncio.Future[None]:
        return self._waiting.setdefault(key, asyncio.get_running_loop().create_future())

    async def reach(self, seq: int, patience: float) -> bool:
        """Waits until everything up to `seq` has been applied."""
        return self.log.applied >= seq or await self.hear(("seq", seq), patience)

    async def return_online(self, patience: float) -> bool:
        """Waits until the socket is open, and resumed if it had been lost."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.online.wait(), patience)
        return self.online.is_set()

    async def settle(self, patience: float) -> bool:
        """Looks for a better seat if this is the wrong one; False when the socket does not come back in time."""
        if self.online.is_set():
            self._sit()
        return await self.return_online(patience)

    def _sit(self) -> None:
        """Stays here, or goes and tries the luck of another connection, which the server's machine hands to any process."""
        if self.seats.suits(self.process, self.side) or self.moves == MOVES:
            self.moves = 0
            self.online.set()
        elif self._socket is not None:
            self.moves += 1
            self.online.clear()
            self._goodbye = asyncio.create_task(self._socket.close())

    def drop(self, politely: bool, away: float) -> bool:
        """Loses the socket, with or without a goodbye, for `away` seconds; False when there is none."""
        if self._socket is None or not self.online.is_set():
            return False
        self.away = away
        self.online.clear()
        if politely:
            self._goodbye = asyncio.create_task(self._socket.close())
        else:
            self._socket.transport.abort()
        return True

    async def type(self, chat_id: int) -> bool:
        """Tells the other member that I am typing; False when the socket is away."""
        return await self._say({"type": "typing", "chat_id": chat_id})

    async def receipt(self, chat_id: int) -> None:
        """Reports the newest message of the chat as delivered, again if that has not been seen to arrive."""
        if message_id := self.owed.get(chat_id):
            await self._say({"type": "delivered", "chat_id": chat_id, "message_id": message_id})

    async def _say(self, frame: dict[str, object]) -> bool:
        socket = self._socket
        if socket is None or not self.online.is_set():
            return False
        await asyncio.sleep(self._pace.delay())
        try:
            await socket.send(msgspec.json.encode(frame).decode())
        except WebSocketException:
            return False
        return True

    async def _keep(self) -> None:
        pause = 0.05
        while not self._closing:
            before = self.connections
            try:
                await self._connect()
            except (Refused, msgspec.DecodeError) as error:
                self.faults.add("wrong", f"The socket of {self.account.username} failed: {error}")
            except (WebSocketException, OSError, TimeoutError) as error:
                self.trouble = repr(error)
            self._socket = None
            self.online.clear()
            pause = 0.05 if self.connections > before else min(2.0, pause * 2)
            await asyncio.sleep(self.away or pause * random.uniform(0.5, 1))
            self.away = 0.0

    async def _connect(self) -> None:
        """One connection from its token to its end."""
        async with self.door:
            token = await self.client.start(self.account)
            since = f"&since={self.log.applied}" if self.connections else ""
            socket = await connect(
                f"{self.address}?session={token.session_token}{since}",
                compression=None, ping_interval=None, proxy=None, close_timeout=2, max_queue=256,
            )  # fmt: skip
        self._socket = socket
        self.log.connect()
        try:
            async for text in socket:
                await self._receive(FRAME.decode(text))
        finally:
            await socket.close()
            self._blame(socket.close_code, socket.close_reason)

    def _blame(self, code: int | None, reason: str | None) -> None:
        if code in BLAMED:
            self.faults.add("wrong", f"A socket of {self.account.username} was closed: {code} {reason}.")

    async def _receive(self, frame: Frame) -> None:
        if frame.seq and frame.type not in ("hello", "resync"):
            if self.log.take(frame):
                await self._apply(frame)
        elif frame.type == "typing":
            self.typing.append(frame)
        else:
            await self._control(frame)

    async def _control(self, frame: Frame) -> None:
        if frame.type == "hello":
            self._greeted(frame)
        elif frame.type == "resumed":
            await self._resumed(frame)
        elif frame.type in ("resync", "error"):
            self.faults.add("wrong", f"{self.account.username} was told: {frame}.")

    def _greeted(self, frame: Frame) -> None:
        """The first `hello` sets where this person's numbers begin; later ones wait for `resumed`."""
        self.connections += 1
        self.process = frame.conn.partition(".")[0]
        if self.connections == 1:
            self.log.applied = frame.seq
            self._sit()

    async def _resumed(self, frame: Frame) -> None:
        self.resumes += 1
        if self.log.applied < frame.to:
            self.faults.add("disordered", f"Resumed up to {frame.to}, but {self.log.applied} was the last event.")
        self._sit()
        for chat_id in list(self.owed):
            await self.receipt(chat_id)

    async def _apply(self, frame: Frame) -> None:
        for key in (("seq", frame.seq), *_keys(frame)):
            self.heard.setdefault(key, time.monotonic())
            if (future := self._waiting.pop(key, None)) and not future.done():
                future.set_result(None)
        if frame.type == "message" and frame.kind != "system" and frame.user_id != self.account.user_id:
            self.owed[frame.chat_id] = max(frame.id, self.owed.get(frame.chat_id, 0))
            await self.receipt(frame.chat_id)


def _keys(frame: Frame) -> tuple[Key, ...]:
    """The names under which somebody may wait for this event."""
    if frame.type == "match":
        return (("match", frame.chat_id),)
    if frame.type == "message":
        return (("message", frame.id),)
    if frame.type == "delivered":
        return (("delivered", frame.chat_id, frame.message_id),)
    if frame.type in ("read_chat", "read_messages"):
        return ((*read_key(frame.chat_id, frame.message_ids), frame.user_id),)
    return ()
