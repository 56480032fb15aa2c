"""The sockets of this process: order, gaps, slow readers, several devices, revocation, drain.

A `Session` is one socket's place in its person's inbox: `last` is the number it was sent, `top` the highest it has heard of. It
is *live* while both are equal and the socket keeps up; otherwise it is *behind*, and one task reads the inbox for it until it is
live again. There is no second way to catch up: a fresh connection, a hole in the numbers, a lost hint and a slow reader are all
"behind".

Registering comes before reading, so an event that commits during the read raises `top` and is read in the next round: no hole,
and, because `last` only grows, no repeat.

The hub reaches a connection through `write` and `close` alone and never waits for it. The connection says of each frame whether
the kernel has taken it; of those that had to wait, it reports back with `sent_frames`. While none has to, `Session.direct` takes
what is live without asking the connection.
"""

import asyncio
import contextlib
import heapq
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from weakref import ref

from dating.database import Database, Transaction
from dating.errors import Refusal, Unavailable
from dating.realtime import inbox
from dating.realtime.bus import Bus
from dating.realtime.events import Drain, Event, Hello, Resumed, Resync
from dating.realtime.inbox import Missed, Passing, Revoked, Told, number
from dating.realtime.intake import Intake
from dating.realtime.protocol import Bucket, Close, encode
from dating.realtime.session import Connection, Session
from dating.realtime.wire import Press
from dating.settings import Settings
from dating.tokens import Identity

logger = logging.getLogger(__name__)

PAGE = 100  # inbox rows read at once for a session that is behind
CROWD = 2000  # people whose tops one query compares
SPACING = 0.2  # seconds between two comparisons, however often hints are missed


class Leaving(Unavailable):
    """503: this process is going away."""

    code = "draining"
    detail = "This server is restarting; connect again in a moment."


Living = Callable[[Transaction, list[int]], Awaitable[set[int]]]


class Hub:
    """Every session of this process, by person.

    `living` says which of some sessions are not over; `heard` is told every notice that comes, before the sockets are. Both are
    set by the composition root, as are the handlers of the `intake`.
    """

    def __init__(self, settings: Settings, db: Database, bus: Bus) -> None:
        self.intake = Intake(settings, self)
        self.living: Living | None = None
        self.heard: Callable[[list[object]], None] = lambda notices: None
        self.draining = False
        self.epoch = ""
        self.name = secrets.token_hex(4)
        self.sent: dict[str, int] = {"durable": 0, "passing": 0, "repaired": 0}
        self._settings = settings
        self._db = db
        self._bus = bus
        self._people: dict[int, list[Session]] = {}
        self._behind: set[Session] = set()
        self._expiries: list[tuple[float, int, ref[Session]]] = []
        self._turn = 0
        self._missed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    # --- life of the hub

    async def start(self) -> None:
        """Learn the epoch and begin the rounds."""
        self.epoch = await inbox.keep_epoch(self._db)
        await self._bus.start(self.deliver, self.epoch)
        self._tasks = [asyncio.create_task(self._watch_clock()), asyncio.create_task(self._compare_tops())]

    async def close(self) -> None:
        """End the rounds and every socket that is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for session in self.sessions():
            self.end(session, Close.RESTART)
        await self._bus.close()

    async def drain(self) -> None:
        """Send everybody away, spread over `drain_seconds`, each told how long it has."""
        self.draining = True
        spread = self._settings.drain_seconds
        leaving = [(random.uniform(0, spread), session) for session in self.sessions()]
        for delay, session in leaving:
            self.say(session, Drain(round(delay * 1000)))
        started = time.monotonic()
        for delay, session in sorted(leaving, key=lambda one: one[0]):
            await asyncio.sleep(max(0.0, started + delay - time.monotonic()))
            self.end(session, Close.RESTART)

    # --- sessions

    def sessions(self) -> list[Session]:
        """Every session of this process."""
        return [session for sessions in self._people.values() for session in sessions]

    def count(self) -> int:
        """How many sockets are here."""
        return sum(map(len, self._people.values()))

    def lag(self) -> int:
        """The most events that any session here is behind."""
        return max((session.top - session.last for session in self._behind), default=0)

    def connect(self, identity: Identity, connection: Connection, since: int | None, epoch: str | None) -> Session:
        """Admit a socket; it is told what it missed after `since`, or nothing when there is no `since`. Raises Leaving."""
        if self.draining:
            raise Leaving(retry_after=1)
        bucket = Bucket(self._settings.socket_frames_per_second, self._settings.socket_burst)
        session = Session(identity, connection, bucket)
        sessions = self._people.setdefault(identity.user_id, [])
        sessions.append(session)
        if len(sessions) == 1:
            self._bus.follow(identity.user_id)
        elif len(sessions) > self._settings.sockets_per_user:
            self.end(sessions[0], Close.REPLACED)
        self.watch_expiry(session)
        self._behind.add(session)
        session.progress = time.monotonic()
        session.reading = asyncio.create_task(self._greet(session, since, epoch))
        return session

    def disconnect(self, session: Session) -> None:
        """The socket is gone. Other sockets of the person stay as they are."""
        if session.closed:
            return
        session.closed = True
        self._behind.discard(session)
        for task in (session.reading, session.working):
            if task is not None:
                task.cancel()
        sessions = self._people[session.identity.user_id]
        sessions.remove(session)
        if not sessions:
            del self._people[session.identity.user_id]
            self._bus.unfollow(session.identity.user_id)

    def end(self, session: Session, code: Close) -> None:
        """Close a socket, saying why."""
        if not session.closed:
            self.disconnect(session)
            session.connection.close(code)

    # --- out: from the bus to the sockets

    def deliver(self, notices: list[object]) -> None:
        """What commits have to tell, to those who are here."""
        self.heard(notices)
        press = Press()
        for notice in notices:
            if isinstance(notice, Told):
                self._tell(notice, press)
            elif isinstance(notice, Passing):
                self._pass(notice)
            elif isinstance(notice, Revoked):
                self._revoke(notice)
            elif isinstance(notice, Missed):
                self._missed.set()

    def send(self, people: list[int], event: Event) -> None:
        """Send an ephemeral event to those of the people who are connected, here or elsewhere."""
        self._bus.publish([Passing(people, encode(event))])

    def _tell(self, notice: Told, press: Press) -> None:
        sessions = self._people.get(notice.user_id)
        if sessions is None:
            return
        seq = notice.seq
        ready = press.frame(notice.event, seq)
        for session in sessions:
            is_next = session.reading is None and seq == session.last + 1
            if is_next and session.direct is not None and session.direct(ready):
                session.last = session.top = seq
                self.sent["durable"] += 1
            elif is_next and session.unsent < self._settings.socket_queue_frames:
                session.last = session.top = seq
                self._write(session, number(notice.event, seq))
                self.sent["durable"] += 1
            elif session.reading is not None:
                session.top = max(session.top, seq)
            elif seq > session.last:
                session.top = max(session.top, seq)
                self._fall_behind(session)

    def _pass(self, notice: Passing) -> None:
        for user_id in notice.people:
            for session in self._people.get(user_id, ()):
                if session.unsent < self._settings.socket_queue_frames and not session.greeting:
                    self._write(session, notice.event)
                    self.sent["passing"] += 1

    def _revoke(self, notice: Revoked) -> None:
        for session in list(self._people.get(notice.user_id, ())):
            mine = session.identity.session_id
            if mine == notice.session_id or (notice.session_id is None and mine != notice.spare):
                self.end(session, Close(notice.code))

    def _write(self, session: Session, text: bytes) -> None:
        if session.connection.write(text):
            session.progress = time.monotonic()
        else:
            session.unsent += 1

    def say(self, session: Session, event: Event) -> None:
        """Tell one socket something about itself."""
        self._write(session, encode(event))

    def sent_frames(self, session: Session, count: int) -> None:
        """The connection has handed this many frames to the kernel."""
        session.unsent -= count
        session.progress = time.monotonic()
        if session in self._behind and session.reading is None and session.unsent * 2 <= self._settings.socket_queue_frames:
            self._fall_behind(session)

    # --- behind: the one way to catch up

    def _fall_behind(self, session: Session) -> None:
        if session not in self._behind:
            self._behind.add(session)
            session.progress = time.monotonic()
        if session.unsent * 2 <= self._settings.socket_queue_frames and session.reading is None and not session.closed:
            self.sent["repaired"] += 1
            session.reading = asyncio.create_task(self._catch_up(session))

    async def _greet(self, session: Session, since: int | None, epoch: str | None) -> None:
        """hello, then what was missed and `resumed`, or `resync` when that cannot be whole; then live."""
        try:
            await self._bus.settled()
            place = await self._db.read(self._find_place, session.identity, since or 0)
        except Refusal:
            logger.warning("inbox unreadable at connect", extra={"user_id": session.identity.user_id})
            self.end(session, Close.RESTART)
            return
        if place is None:
            self.end(session, Close.REVOKED)
            return
        expires = max(0, round(session.identity.expires_at - time.time()))
        conn = f"{self.name}.{secrets.token_hex(6)}"
        self.say(session, Hello(conn, self.epoch, place.top, self._settings.heartbeat_seconds, expires))
        session.greeting = False
        self.intake.resume(session)
        session.top = max(session.top, place.top)
        session.last = place.top
        if since is not None and epoch in (None, self.epoch) and place.whole():
            session.last = session.resuming = since
        elif since is not None:
            self.say(session, Resync(self._gap(since, epoch, place), self.epoch, place.top))
        await self._catch_up(session)

    async def _find_place(self, tx: Transaction, identity: Identity, since: int) -> inbox.Position | None:
        """Where the person's inbox stands; None when the session has ended since the socket's token was given out."""
        if self.living is not None and not await self.living(tx, [identity.session_id]):
            return None
        return await inbox.position(tx, identity.user_id, since)

    def _gap(self, since: int, epoch: str | None, place: inbox.Position) -> str:
        if epoch not in (None, self.epoch):
            return "epoch"
        return "ahead" if since > place.top else "trimmed"

    async def _catch_up(self, session: Session) -> None:
        """Read on until the session is live again, or its queue is full: then `sent_frames` begins the next round."""
        try:
            while session.last < session.top and session.unsent < self._settings.socket_queue_frames:
                await self._read_patiently(session)
        finally:
            session.reading = None
        if session.last >= session.top:
            self._behind.discard(session)
            self._say_resumed(session)

    def _say_resumed(self, session: Session) -> None:
        if session.resuming is not None:
            self.say(session, Resumed(start=session.resuming, to=session.last))
            session.resuming = None

    async def _read_patiently(self, session: Session) -> None:
        try:
            await self._read_page(session)
        except Refusal:
            logger.warning("inbox unreadable", extra={"user_id": session.identity.user_id})
            await asyncio.sleep(1)

    async def _read_page(self, session: Session) -> None:
        room = min(PAGE, self._settings.socket_queue_frames - session.unsent)
        entries = await self._db.read(inbox.since, session.identity.user_id, session.last, room)
        dense = [entry for seq, entry in enumerate(entries, session.last + 1) if entry.seq == seq]
        if not dense:
            await self._look_again(session)
        for entry in dense:
            self._write(session, number(entry.event.encode(), entry.seq))
            session.last = entry.seq
        session.top = max(session.top, session.last)

    async def _look_again(self, session: Session) -> None:
        """A hint ran ahead of what this reader sees, or the rows were trimmed meanwhile: then only a reload helps."""
        place = await self._db.read(inbox.position, session.identity.user_id, session.last)
        if place.whole():
            await asyncio.sleep(0.01)
        else:
            session.last = session.top = place.top
            self.say(session, Resync("trimmed", self.epoch, place.top))

    # --- rounds

    def watch_expiry(self, session: Session) -> None:
        """Close the socket when its token has expired, unless it has got a newer one by then."""
        self._turn += 1
        heapq.heappush(self._expiries, (session.identity.expires_at, self._turn, ref(session)))

    async def _watch_clock(self) -> None:
        """Every second: close what has expired, and what has taken nothing for too long."""
        while True:
            await asyncio.sleep(1)
            now = time.time()
            while self._expiries and self._expiries[0][0] <= now:
                session = heapq.heappop(self._expiries)[2]()
                if session is not None and session.identity.expires_at <= now:
                    self.end(session, Close.EXPIRED)
            deadline = time.monotonic() - self._settings.socket_stall_seconds
            for session in [one for one in self._behind if one.unsent and one.progress < deadline]:
                self.end(session, Close.SLOW)

    async def _compare_tops(self) -> None:
        """Now and then, and whenever hints may have been lost, compare everybody's place with the tops of their inboxes."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.tops_seconds * random.uniform(0.7, 1.3)):
                    await self._missed.wait()
            self._missed.clear()
            try:
                await self.weed()  # first: with the hints, it may be a revocation that was lost
                await self.compare_tops()
            except Refusal:
                logger.warning("tops unreadable")
                self._missed.set()
                await asyncio.sleep(1)
            await asyncio.sleep(SPACING)

    async def compare_tops(self) -> None:
        """Make everybody who is behind catch up, by one query for each `CROWD`."""
        people = list(self._people)
        for start in range(0, len(people), CROWD):
            tops = await self._db.read(inbox.tops, people[start : start + CROWD])
            for user_id, top in tops.items():
                for session in self._people.get(user_id, ()):
                    if top > session.last:
                        session.top = max(session.top, top)
                        self._fall_behind(session)

    async def weed(self) -> None:
        """Close the sockets of sessions that are over: heals a revocation that was lost."""
        if self.living is None:
            return
        sessions = self.sessions()
        for start in range(0, len(sessions), CROWD):
            crowd = sessions[start : start + CROWD]
            living = await self._db.read(self.living, [session.identity.session_id for session in crowd])
            for session in crowd:
                if session.identity.session_id not in living:
                    self.end(session, Close.REVOKED)
