"""Who looks at whom on this process, and the rounds in which they hear what has changed.

Nobody's coming or going is told at once: every `presence_seconds` one question to the bus covers everybody who is looked at, and
one to the database asks whether those who changed may still be seen. So a restarted server is no storm of reconnects,
a person of whom nobody has a chat on screen costs nothing, and what was lost on the way is healed by the next round.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dating.database import Database
from dating.errors import Unavailable
from dating.presence import service
from dating.presence.models import Look, Sight
from dating.realtime.bus import Bus
from dating.realtime.events import Event
from dating.realtime.session import Session
from dating.settings import Settings

logger = logging.getLogger(__name__)

ASKED = 2000  # people whom one question to the bus covers
LOOKS = 500  # looks whose rights one query checks
LARGEST = 300  # people whom one session watches at most
LINGER = 3  # rounds for which somebody who has gone still counts as here: a reconnect is no going


@dataclass
class View:
    """What one session looks at: its chats, and whether each person in them was online when it was last told."""

    chat_ids: list[int]
    people: dict[int, bool] = field(default_factory=dict)


class Watcher:
    """The looks of this process's sessions. `say` sends an event to one of them."""

    def __init__(self, settings: Settings, db: Database, bus: Bus, say: Callable[[Session, Event], None]) -> None:
        self._period = settings.presence_seconds
        self._db = db
        self._bus = bus
        self._say = say
        self._views: dict[Session, View] = {}
        self._met: dict[int, float] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin the rounds."""
        self._task = asyncio.create_task(self._repeat())

    async def close(self) -> None:
        """End them."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def watch(self, session: Session, chat_ids: list[int]) -> None:
        """From now on the session looks at these chats, and is told at once how things stand. Raises ChatNotFound."""
        wanted = list(dict.fromkeys(chat_ids))
        sights = (await self._db.read(service.look, session.identity.user_id, wanted))[:LARGEST]
        await self._meet([sight.user_id for sight in sights])
        if session.closed:
            return
        view = self._views[session] = View(wanted)
        self._tell(session, view, sights)
        if not view.people:
            del self._views[session]

    def _tell(self, session: Session, view: View, sights: list[Sight]) -> None:
        """Say what the session does not know yet; whom it does not see any more is forgotten."""
        known, view.people = view.people, {}
        for sight in sights:
            online = view.people[sight.user_id] = self._is_here(sight.user_id)
            if known.get(sight.user_id) is not online:
                self._say(session, sight.describe(online))

    def _is_here(self, user_id: int) -> bool:
        return user_id in self._met

    async def _meet(self, people: list[int]) -> None:
        """Ask the bus who of these people is here, and note when."""
        now = time.monotonic()
        for first in range(0, len(people), ASKED):
            for user_id in await self._bus.online(people[first : first + ASKED]):
                self._met[user_id] = now

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(self._period * random.uniform(0.8, 1.2))
            try:
                await self._go_round()
            except Unavailable:
                logger.warning("presence was put off: the database is away")
            except Exception:  # the next round must come whatever it was
                logger.exception("presence was put off")

    async def _go_round(self) -> None:
        """Tell every session what has changed of the people whom it looks at."""
        self._views = {session: view for session, view in self._views.items() if not session.closed}
        await self._meet(sorted(self._list_people()))
        oldest, people = time.monotonic() - LINGER * self._period, self._list_people()
        self._met = {user_id: met for user_id, met in self._met.items() if met >= oldest and user_id in people}
        changed = [session for session, view in self._views.items() if self._has_changed(view)]
        for first in range(0, len(changed), LOOKS):
            await self._refresh(changed[first : first + LOOKS])

    def _list_people(self) -> set[int]:
        return {user_id for view in self._views.values() for user_id in view.people}

    def _has_changed(self, view: View) -> bool:
        return any(online is not self._is_here(user_id) for user_id, online in view.people.items())

    async def _refresh(self, sessions: list[Session]) -> None:
        """Tell these sessions, after asking whether they may still see whom they look at."""
        views = {session: self._views[session] for session in sessions if session in self._views}
        looks = [
            Look(n, session.identity.user_id, chat_id)
            for n, (session, view) in enumerate(views.items())
            for chat_id in view.chat_ids
        ]
        seen = await self._db.read(service.look_again, looks)
        for n, (session, view) in enumerate(views.items()):
            if self._views.get(session) is view and not session.closed:
                self._tell(session, view, seen.get(n, [])[:LARGEST])
