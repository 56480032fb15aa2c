"""What messages are made of, once they are written: what comes in, what goes out, what a row is."""

from typing import Annotated

import msgspec
from msgspec import Meta

from dating.chat.models import Moment
from dating.chat.poll_models import Poll

Content = Annotated[str, Meta(max_length=4000, description="the text; blanks inside and around it stay", examples=["Привет! 👋"])]

ClientId = Annotated[str, Meta(min_length=1, max_length=100, description="my name for this message", examples=["phone-1-42"])]


class Emoji(msgspec.Struct, frozen=True):
    """One emoji of mine for a message; the same again takes it back."""

    emoji: Annotated[str, Meta(min_length=1, max_length=40, description="exactly one emoji, of any kind", examples=["❤️"])]


class Edit(msgspec.Struct, frozen=True):
    """What my message is to say from now on."""

    content: Content


class Deletion(msgspec.Struct, frozen=True):
    """Whom a message is to be deleted for."""

    for_all: Annotated[bool, Meta(description="false: for me alone", examples=[True])] = True


class Reaction(msgspec.Struct, frozen=True):
    """One emoji under a message, and who gave it."""

    emoji: Annotated[str, Meta(examples=["❤️"])]
    user_ids: Annotated[list[int], Meta(examples=[[7]])]


class Version(msgspec.Struct, frozen=True):
    """What a message said from a moment on."""

    content: Annotated[str, Meta(examples=["Превет! 👋"])]
    written_at: Moment


class Message(msgspec.Struct, frozen=True):
    """One message. `is_read`: the other has read mine (in a group: somebody), I have read theirs. A `system` one has no sender.

    One deleted for all says nothing any more. One that expires is gone at that moment, everywhere.
    """

    id: Annotated[int, Meta(examples=[1001])]
    chat_id: Annotated[int, Meta(examples=[42])]
    sender_id: Annotated[int | None, Meta(examples=[5])]
    receiver_id: Annotated[int | None, Meta(examples=[7])]
    content: Annotated[str, Meta(examples=["Привет! 👋"])]
    kind: Annotated[str, Meta(examples=["text"])]
    is_read: bool
    created_at: Moment
    client_id: Annotated[str | None, Meta(examples=["phone-1-42"])]
    reply_to_id: Annotated[int | None, Meta(examples=[None])]
    edited_at: Moment | None = None
    deleted: bool = False
    forwarded: bool = False
    expires_at: Annotated[str | None, Meta(description="RFC 3339 in UTC", examples=[None])] = None
    links: Annotated[list[str], Meta(description="addresses in the text; nobody has looked at them", examples=[[]])] = []
    reactions: list[Reaction] = []
    poll: Poll | None = None
    waiting_content: Annotated[
        str | None,
        Meta(description="what mine is to say, until a classifier has judged that", examples=[None]),
    ] = None


class Target(msgspec.Struct, frozen=True):
    """A message that something is to be done with; moments in microseconds."""

    id: int
    chat_id: int
    sender_id: int | None
    content: str
    kind: str
    forwarded: bool
    created_at: int
    edited_at: int | None
    deleted_at: int | None
    client_id: str | None
    reply_to_id: int | None
    expires_at: int | None


class ReactionRow(msgspec.Struct, frozen=True):
    """One person's emoji under one message."""

    message_id: int
    user_id: int
    emoji: str


class VersionRow(msgspec.Struct, frozen=True):
    """What a message said before; `written_at` in microseconds."""

    content: str
    written_at: int


class MessageRow(msgspec.Struct, frozen=True):
    """A message in the database, and whether it is read as the one who asks sees it."""

    id: int
    chat_id: int
    sender_id: int | None
    receiver_id: int | None
    content: str
    kind: str
    is_read: bool
    created_at: int
    client_id: str | None
    reply_to_id: int | None
    edited_at: int | None
    deleted: bool
    forwarded: bool
    expires_at: int | None
    links: str
