"""What chats are made of: what comes in, what goes out, what a row is."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dating.realtime.events import Id

Moment = Annotated[str, Meta(description="RFC 3339 in UTC", examples=["2026-11-20T09:00:00.000Z"])]
Content = Annotated[str, Meta(max_length=4000, description="the text; blanks inside and around it stay", examples=["Привет! 👋"])]
ClientId = Annotated[str, Meta(min_length=1, max_length=100, description="my name for this message", examples=["phone-1-42"])]

# --- in ---------------------------------------------------------------------------------------------------------------------


class Draft(msgspec.Struct, frozen=True):
    """A message to be sent. A `receiver_id` may come along and is not looked at: the chat says who receives."""

    chat_id: Annotated[Id, Meta(examples=[42])]
    content: Content | None = None
    media_ids: (
        Annotated[
            list[Annotated[str, Meta(max_length=100)]], Meta(max_length=10, description="media cannot be sent yet", examples=[[]])
        ]
        | None
    ) = None
    reply_to_id: Annotated[Id, Meta(description="a message of the same chat", examples=[1000])] | None = None
    client_id: ClientId | None = None
    expires_in: Annotated[int, Meta(ge=1, lt=2**31, description="disappearing messages are not available yet")] | None = None


class ChatToRead(msgspec.Struct, frozen=True):
    """The chat that I have read to its end."""

    chat_id: Annotated[Id, Meta(examples=[42])]


class MessagesToRead(msgspec.Struct, frozen=True):
    """Messages that I have read."""

    chat_id: Annotated[Id, Meta(examples=[42])]
    message_ids: Annotated[list[Id], Meta(max_length=500, examples=[[1001, 1002]])]


class NewChat(msgspec.Struct, frozen=True):
    """A chat to be opened: `direct` with exactly one other person."""

    member_ids: Annotated[list[Id], Meta(min_length=1, max_length=255, description="the other people", examples=[[7]])]
    kind: Literal["direct", "group"] = "direct"
    name: Annotated[str, Meta(max_length=100, description="of a group", examples=[None])] | None = None


# --- out --------------------------------------------------------------------------------------------------------------------


class Message(msgspec.Struct, frozen=True):
    """One message. `is_read`: the other has read mine, I have read theirs. A `system` message has no sender."""

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
    """A chat of mine. `is_read` is about its last message, `last_message_user` is that one's sender."""

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


class Opened(msgspec.Struct, frozen=True):
    """A chat that somebody asked for, and whether it is new. Its id alone: this answer is kept, what a chat shows is not."""

    chat_id: int
    created: bool


class Done(msgspec.Struct, frozen=True):
    """It is done, or was already."""

    status: Annotated[str, Meta(examples=["ok"])] = "ok"


# --- rows -------------------------------------------------------------------------------------------------------------------


class Pair(msgspec.Struct, frozen=True):
    """The two members of an open direct chat."""

    low_id: int
    high_id: int

    @property
    def people(self) -> tuple[int, int]:
        """Who is to be told."""
        return (self.low_id, self.high_id)

    def others(self, me: int) -> list[int]:
        """Who is to be told of what I know already."""
        return [user_id for user_id in self.people if user_id != me]


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
    user_id: int
    username: str
    name: str
    photo_url: str | None
    role: str
    delivered_id: int
    read_id: int


class LostMessage(msgspec.Struct, frozen=True):
    """A message of mine in a chat that is not open to me any more; `created_at` in microseconds."""

    id: int
    content: str
    client_id: str | None
    created_at: int


class Seat(msgspec.Struct, frozen=True):
    """What a chat keeps about me, moments in microseconds; `chat_id` is None while the chat is not open to me."""

    chat_id: int | None
    role: str
    read_id: int
    read_count: int
    delivered_id: int
    muted: bool
    archived: bool
    pinned_at: int | None
    joined_at: int
    left_at: int | None


class ReadMark(msgspec.Struct, frozen=True):
    """A message that I have read before earlier ones; `chat_id` is None while the chat is not open to me."""

    chat_id: int | None
    message_id: int


# --- posts: messages on their way into the database -------------------------------------------------------------------------


class Post(msgspec.Struct):
    """A message that somebody wants to send; `n` is its place in the batch that it is written with."""

    me: int
    chat_id: int
    content: str
    reply_to_id: int | None
    client_id: str | None
    n: int = 0


class Place(msgspec.Struct):
    """How many messages somebody sends into a chat."""

    chat_id: int
    me: int
    count: int = 0


class Verdict(msgspec.Struct, frozen=True):
    """A post into a chat that is open to the sender.

    `other_id`: the other member of a pair. `has_original`: it answers nothing, or a message of the same chat. `first_…`: the
    message that the sender has sent before under the same client id.
    """

    n: int
    other_id: int | None
    has_original: bool
    first_id: int | None
    first_chat_id: int | None
    first_content: str | None
    first_reply_to_id: int | None
    first_at: int | None
