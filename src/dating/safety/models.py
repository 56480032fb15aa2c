"""What comes in and goes out when people block each other."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dating.realtime.events import Id


class Blocked(msgspec.Struct, frozen=True):
    """The person is hidden from me, and I from the person."""

    status: Literal["blocked"] = "blocked"


class Unblocked(msgspec.Struct, frozen=True):
    """My block is gone; one of the other side's would still hide us from each other."""

    status: Literal["unblocked"] = "unblocked"


class BlockedPerson(msgspec.Struct, frozen=True):
    """Somebody whom I have blocked, and when (RFC 3339, UTC)."""

    id: Annotated[Id, Meta(examples=[7])]
    username: Annotated[str, Meta(examples=["maria"])]
    name: Annotated[str | None, Meta(examples=["Мария"])]
    blocked_at: Annotated[str, Meta(examples=["2026-11-20T09:00:00.000Z"])]


class Hidden(msgspec.Struct, frozen=True):
    """The person does not come up for me any more, and does not notice."""

    status: Literal["hidden"] = "hidden"


class Unhidden(msgspec.Struct, frozen=True):
    """The person may come up for me again."""

    status: Literal["unhidden"] = "unhidden"


class HiddenPerson(msgspec.Struct, frozen=True):
    """Somebody whom I have hidden, and when (RFC 3339, UTC)."""

    id: Annotated[Id, Meta(examples=[7])]
    username: Annotated[str, Meta(examples=["maria"])]
    name: Annotated[str | None, Meta(examples=["Мария"])]
    hidden_at: Annotated[str, Meta(examples=["2026-11-20T09:00:00.000Z"])]


class HideRow(msgspec.Struct, frozen=True):
    """The same from the database; `hidden_at` in microseconds."""

    id: int
    username: str
    name: str | None
    hidden_at: int


class BlockRow(msgspec.Struct, frozen=True):
    """The same from the database; `blocked_at` in microseconds."""

    id: int
    username: str
    name: str | None
    blocked_at: int
