"""What chats are made of: what comes in, what goes out, what a row is."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dating.profiles.models import Picture
from dating.realtime.events import Id

Moment = Annotated[str, Meta(description="RFC 3339 in UTC", examples=["2026-11-20T09:00:00.000Z"])]


# --- in ---------------------------------------------------------------------------------------------------------------------


class NewChat(msgspec.Struct, frozen=True):
    """A chat to be opened: `direct` with exactly one other person, or a `group` of mine with a name."""

    member_ids: Annotated[list[Id], Meta(min_length=1, max_length=255, description="the other people", examples=[[7]])]
    kind: Literal["direct", "group"] = "direct"
    name: Annotated[str, Meta(max_length=100, description="of a group", examples=[None])] | None = None
    photo_url: Annotated[Picture, Meta(description="of a group", examples=[None])] | None = None


class Switch(msgspec.Struct, frozen=True):
    """On or off."""

    on: Annotated[bool, Meta(examples=[True])] = True


# --- out --------------------------------------------------------------------------------------------------------------------


class Member(msgspec.Struct, frozen=True):
    """A member of a chat, with how far messages have reached their devices and how far they have read without a hole."""

    user_id: Annotated[int, Meta(examples=[7])]
    username: Annotated[str, Meta(examples=["anna"])]
    name: Annotated[str, Meta(examples=["Anna"])]
    photo_url: Annotated[str | None, Meta(examples=[None])]
    role: Annotated[str, Meta(examples=["member"])]
    delivered_id: Annotated[int, Meta(examples=[1001])]
    read_id: Annotated[int, Meta(examples=[1000])]


class Chat(msgspec.Struct, frozen=True):
    """A chat of mine. `is_read` is about its last message, `last_message_user` is that one's sender; `role` is mine.

    A list shows the first members of a group only; the chat itself has them all.
    """

    id: Annotated[int, Meta(examples=[42])]
    kind: Annotated[str, Meta(examples=["direct"])]
    name: Annotated[str | None, Meta(examples=["Anna"])]
    user1_id: Annotated[int | None, Meta(examples=[5])]
    user2_id: Annotated[int | None, Meta(examples=[7])]
    members: list[Member]
    last_message: Annotated[str | None, Meta(examples=["Привет! 👋"])]
    last_message_id: Annotated[int | None, Meta(examples=[1001])]
    last_message_time: Moment | None
    last_message_user: Annotated[int | None, Meta(examples=[7])]
    is_read: bool
    unread_count: Annotated[int, Meta(examples=[0])]
    muted: bool
    archived: bool
    pinned: bool
    created_at: Moment
    photo_url: Annotated[str | None, Meta(examples=["https://example.org/maria.jpg"])] = None
    role: Annotated[str, Meta(examples=["member"])] = "member"
    member_count: Annotated[int, Meta(examples=[2])] = 2
    marked_unread: bool = False
    request: Annotated[
        str | None,
        Meta(description="`sent` or `received` while it waits for the answer of the one who was asked", examples=[None]),
    ] = None


class Unread(msgspec.Struct, frozen=True):
    """What waits for me: messages and the chats that they are in, without requests; and requests that I have not read."""

    messages: Annotated[int, Meta(examples=[3])]
    chats: Annotated[int, Meta(examples=[2])]
    requests: Annotated[int, Meta(examples=[1])]


class Opened(msgspec.Struct, frozen=True):
    """A chat that somebody asked for, and whether it is new. Its id alone: this answer is kept, what a chat shows is not."""

    chat_id: int
    created: bool


class Done(msgspec.Struct, frozen=True):
    """It is done, or was already."""

    status: Annotated[str, Meta(examples=["ok"])] = "ok"


# --- rows -------------------------------------------------------------------------------------------------------------------


class Room(msgspec.Struct, frozen=True):
    """A chat that is open to me, and my role in it. A group has no pair of ids; a request names who asks.

    `was_screened`: a classifier was asked about messages of mine there, so some may be held.
    """

    id: int
    kind: str
    role: str
    low_id: int | None
    high_id: int | None
    asker_id: int | None = None
    was_screened: bool = False

    def other(self, me: int) -> int | None:
        """The other person of a direct chat."""
        return None if self.low_id is None or self.high_id is None else self.low_id + self.high_id - me


class ChatRow(msgspec.Struct, frozen=True):
    """One member of one chat of mine: the chat's columns repeat for each member."""

    id: int
    kind: str
    chat_name: str | None
    low_id: int | None
    high_id: int | None
    created_at: int
    unread_count: int
    muted: bool
    archived: bool
    pinned: bool
    last_id: int | None
    last_content: str | None
    last_at: int | None
    last_sender: int | None
    last_read: bool
    picture: str | None
    my_role: str
    member_count: int
    marked_unread: bool
    request: str | None
    user_id: int
    username: str
    name: str
    photo_url: str | None
    role: str
    delivered_id: int
    read_id: int


# --- posts: messages on their way into the database -------------------------------------------------------------------------
