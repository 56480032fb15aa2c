"""One socket's place in its person's inbox, and the wire under it."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from dating.realtime.events import Inbound
from dating.realtime.protocol import Bucket
from dating.tokens import Identity


class Connection(Protocol):
    """The wire under a session. Neither call ever waits."""

    def write(self, data: bytes, /) -> bool:
        """Send this text frame after those before it. False when it has to wait: then `Hub.sent_frames` will hear of it."""

    def close(self, code: int, /) -> None:
        """Close after what was written before."""


class Session:
    """One socket of one person.

    `direct`, where it is set, takes a finished frame (`wire.frame`) past the connection, or says that it does not. Nothing waits
    in the connection then, so `unsent` is 0.
    """

    __slots__ = (
        "__weakref__",
        "bucket",
        "closed",
        "connection",
        "direct",
        "frames",
        "greeting",
        "identity",
        "last",
        "nonsense",
        "progress",
        "reading",
        "resuming",
        "top",
        "unsent",
        "working",
    )

    def __init__(self, identity: Identity, connection: Connection, bucket: Bucket) -> None:
        self.identity = identity
        self.connection = connection
        self.bucket = bucket
        self.last = 0
        self.top = 0
        self.unsent = 0
        self.nonsense = 0
        self.progress = 0.0
        self.greeting = True
        self.closed = False
        self.direct: Callable[[bytes], bool] | None = None
        self.resuming: int | None = None
        self.reading: asyncio.Task[None] | None = None
        self.working: asyncio.Task[None] | None = None
        self.frames: deque[Inbound] | None = None
