"""What clients say: frames in, bounded, queued, and handed to the features. Nobody's socket waits for another's."""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from dating.errors import Forbidden, Refusal, Throttled, Unavailable
from dating.realtime.events import Ack, Inbound, Ping, Pong, Refresh, SendTyping
from dating.realtime.protocol import BadFrame, Close, decode, refuse
from dating.realtime.session import Session
from dating.settings import Settings
from dating.tokens import Identity

if TYPE_CHECKING:
    from dating.realtime.hub import Hub

logger = logging.getLogger(__name__)

FORGIVEN = 40  # frames over the limit, or without sense, before a socket is closed
QUEUE = 64  # inbound frames that wait while earlier ones are worked on

Handler = Callable[[Session, Any], Awaitable[None]]
Authenticate = Callable[[str], Awaitable[Identity]]


class TooManyFrames(Throttled):
    """The socket speaks too fast; this frame was dropped."""

    code = "too_many_frames"
    detail = "Too many frames; this one was dropped."


class LongFrame(BadFrame):
    """The frame is longer than `socket_frame_bytes`. One twice as long ends the connection (1009) before it is read."""

    code = "frame_too_large"
    detail = "The frame is too large."


class ForeignToken(Forbidden):
    """The token of a `refresh` belongs to another person or session."""

    code = "foreign_token"
    detail = "The token belongs to another session."


class Intake:
    """The ears of a hub.

    `handlers` maps the types of frames to what the features do with them; `authenticate` judges the tokens of `refresh` frames.
    Both are set by the composition root.
    """

    def __init__(self, settings: Settings, hub: "Hub") -> None:
        self.handlers: dict[type[Any], Handler] = {}
        self.authenticate: Authenticate | None = None
        self._settings = settings
        self._hub = hub
        self._typed: OrderedDict[tuple[int, int], float] = OrderedDict()

    def receive(self, session: Session, data: str | bytes | None) -> None:
        """A frame came. Cheap ones are answered at once, the others queue; the reader is never kept waiting."""
        try:
            if not session.bucket.take():
                raise TooManyFrames
            if data is not None and len(data) > self._settings.socket_frame_bytes:
                raise LongFrame
            self._accept(session, decode(data))
        except Refusal as refusal:
            self._hub.say(session, refuse(refusal))
            session.nonsense += isinstance(refusal, BadFrame)
            if session.bucket.debt > FORGIVEN:
                self._hub.end(session, Close.FLOOD)
            elif session.nonsense > FORGIVEN:
                self._hub.end(session, Close.MALFORMED)

    def _accept(self, session: Session, frame: Inbound) -> None:
        match frame:
            case Ping():
                self._hub.say(session, Pong())
            case Ack(seq) if session.frames and isinstance(waiting := session.frames[-1], Ack):
                session.frames[-1] = Ack(max(waiting.seq, seq))
            case SendTyping(chat_id) if not self._may_type(session.identity.user_id, chat_id):
                pass
            case _:
                self._enqueue(session, frame)

    def _may_type(self, user_id: int, chat_id: int) -> bool:
        """Whether the person's last typing in this chat is long enough ago; if so, this is the last one now."""
        now = time.monotonic()
        while self._typed and next(iter(self._typed.values())) <= now - self._settings.typing_seconds:
            self._typed.popitem(last=False)
        if (user_id, chat_id) in self._typed:
            return False
        self._typed[user_id, chat_id] = now
        return True

    def _enqueue(self, session: Session, frame: Inbound) -> None:
        if session.frames is None:
            session.frames = deque()
        if len(session.frames) >= QUEUE:
            raise TooManyFrames
        session.frames.append(frame)
        self.resume(session)

    def resume(self, session: Session) -> None:
        """Work on what waits. Nothing is done before the greeting: only that looks whether the session is still one."""
        if session.frames and session.working is None and not session.greeting:
            session.working = asyncio.create_task(self._work(session, session.frames))

    async def _work(self, session: Session, frames: deque[Inbound]) -> None:
        try:
            while frames:
                await self._handle(session, frames.popleft())
        finally:
            session.working = None

    async def _handle(self, session: Session, frame: Inbound) -> None:
        try:
            if isinstance(frame, Refresh):
                await self._refresh(session, frame)
            else:
                await self.handlers[type(frame)](session, frame)
        except Refusal as refusal:
            self._hub.say(session, refuse(refusal))
        except Exception:
            logger.exception("frame failed", extra={"user_id": session.identity.user_id})
            self._hub.say(session, refuse(Unavailable()))

    async def _refresh(self, session: Session, frame: Refresh) -> None:
        assert self.authenticate is not None
        newer = await self.authenticate(frame.access_token)
        if (newer.user_id, newer.session_id) != (session.identity.user_id, session.identity.session_id):
            raise ForeignToken
        session.identity = newer
        self._hub.watch_expiry(session)
