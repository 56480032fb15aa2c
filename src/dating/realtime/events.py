"""Everything that the server may say on the socket, and everything that it listens to: the public contract on one screen.

Durable events get a `seq` when they enter a person's inbox; ephemeral ones have none and may be dropped. `user_id` is the one who
acted: the sender, the typist, the reader; in `match` the other person.
"""

from typing import Annotated, Literal

import msgspec

Id = Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
Composing = Literal["text", "voice"]
"""What somebody is making: a text, or a voice note."""
Media = Literal["audio", "video"]
CallState = Literal["ringing", "answered", "ended"]
Ending = Literal["hung_up", "cancelled", "declined", "missed", "lost"]
"""How a call ended: by either after the answer, by the caller or the callee before it, by nobody's answer, or after hours."""
SignalKind = Literal["offer", "answer", "ice"]


class Event(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """The root of what goes out."""


# --- durable: through the inbox ---------------------------------------------------------------------------------------------


class Question(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a poll offers."""

    options: list[str]
    multiple: bool = False


class Message(Event, frozen=True, tag="message"):
    """A message was sent in a chat of mine, by somebody else or from another device of mine.

    From the moment `expires_at` on it is gone everywhere; nothing more is said of that. `request`: the chat is a request that
    waits for an answer.
    """

    id: int
    chat_id: int
    user_id: int | None
    content: str
    created_at: str
    kind: str = "text"
    client_id: str | None = None
    reply_to_id: int | None = None
    forwarded: bool = False
    expires_at: str | None = None
    links: list[str] = []
    poll: Question | None = None
    request: bool = False


class Delivered(Event, frozen=True, tag="delivered"):
    """A device of `user_id` has received everything in the chat up to `message_id`."""

    chat_id: int
    user_id: int
    message_id: int


class ReadChat(Event, frozen=True, tag="read_chat"):
    """`user_id` has read the whole chat, up to `message_id`."""

    chat_id: int
    user_id: int
    message_id: int | None = None


class ReadMessages(Event, frozen=True, tag="read_messages"):
    """`user_id` has read these messages."""

    chat_id: int
    user_id: int
    message_ids: list[int]


class MessageEdited(Event, frozen=True, tag="message_edited"):
    """`user_id` has changed what a message of theirs says."""

    message_id: int
    chat_id: int
    user_id: int
    content: str
    edited_at: str
    links: list[str] = []


class MessageDeleted(Event, frozen=True, tag="message_deleted"):
    """`user_id` has deleted a message of theirs: for all, or (told to their own devices only) for themselves.

    Without a `user_id`: somebody who manages the group has deleted it, or a moderator.
    """

    chat_id: int
    message_id: int
    user_id: int | None
    for_all: bool


class Reaction(Event, frozen=True, tag="reaction"):
    """`user_id` has put this emoji under a message, in place of an earlier one; without one: has taken it back."""

    chat_id: int
    message_id: int
    user_id: int
    emoji: str | None = None


class Vote(Event, frozen=True, tag="vote"):
    """`user_id` has chosen these options of a poll, and none else any more."""

    chat_id: int
    message_id: int
    user_id: int
    choices: list[int]


class Pinned(Event, frozen=True, tag="pinned"):
    """A message is pinned for everybody in the chat, or (`on` is false) is not any more. In a group nobody is named."""

    chat_id: int
    message_id: int
    user_id: int | None
    on: bool


class Match(Event, frozen=True, tag="match"):
    """`user_id` and I like each other; `chat_id` is open for both."""

    content: str
    chat_id: int
    user_id: int


class Superlike(Event, frozen=True, tag="superlike"):
    """`user_id` superlikes me; the note, if there is one, is with them among those who like me."""

    user_id: int


class Chat(Event, frozen=True, tag="chat"):
    """`user_id` has opened a chat with me (or I have, on another device); with a `change`: something about the chat is different.

    `described`: its name and picture are these, whoever gave them. `role`: `user_id` has this `role` now. `settings`: what I have
    switched for myself, told to my own devices. `accepted`: `user_id` has accepted the request that the chat was. `declined`: I
    have declined it, told to my own devices. A request that I open is told to mine as well; the other hears its first message.
    """

    chat_id: int
    user_id: int | None
    change: Literal["opened", "described", "role", "settings", "accepted", "declined"] = "opened"
    name: str | None = None
    photo_url: str | None = None
    role: str | None = None
    muted: bool | None = None
    archived: bool | None = None
    pinned: bool | None = None
    marked_unread: bool | None = None


class MemberJoined(Event, frozen=True, tag="member_joined"):
    """`user_id` is now a member of the group, brought in or come by a link. If it is me, the group is new to me."""

    chat_id: int
    user_id: int
    by_link: bool


class MemberLeft(Event, frozen=True, tag="member_left"):
    """`user_id` is no member of the group any more: gone, or put out. If it is me, the group is not mine to see any more."""

    chat_id: int
    user_id: int
    removed: bool = False


class Unmatch(Event, frozen=True, tag="unmatch"):
    """The match with `user_id` has ended and its chat is closed."""

    chat_id: int
    user_id: int


class Call(Event, frozen=True, tag="call"):
    """`user_id` calls, has answered or has ended the call (`reason`). Every device of both hears it: the others stop ringing."""

    call_id: int
    chat_id: int
    user_id: int
    state: CallState
    media: Media
    reason: Ending | None = None


class Statement(Event, frozen=True, tag="statement"):
    """Moderators have decided something about me, or answered my appeal: GET /me/statements has the words."""

    statement_id: int
    action: str


class Exported(Event, frozen=True, tag="export"):
    """The archive of my data is ready until `expires_at`: POST /me/export has its link."""

    expires_at: str


class Hidden(Event, frozen=True, tag="hidden"):
    """Not for me, being about somebody hidden by a block since, or holding a hidden word of mine: only its number is left."""


# --- ephemeral --------------------------------------------------------------------------------------------------------------


class Typing(Event, frozen=True, tag="typing"):
    """`user_id` is typing in the chat, or recording a voice note."""

    chat_id: int
    user_id: int
    what: Composing = "text"


class Presence(Event, frozen=True, tag="presence"):
    """`user_id`, whom I `watch`, is connected or not; `last_seen` is coarse, and given of those who are not.

    It is said when I begin to watch and whenever it changes, at most once in a few seconds for each person.
    """

    user_id: int
    online: bool
    last_seen: str | None = None


class Signal(Event, frozen=True, tag="signal"):
    """What the other device of a call says to mine. `n` counts those of both: after a hole, read the call."""

    call_id: int
    user_id: int
    n: int
    kind: SignalKind
    payload: str


# --- about the connection itself --------------------------------------------------------------------------------------------


class Hello(Event, frozen=True, tag="hello"):
    """The first frame. `seq` is the top of my inbox, `epoch` names its numbering; `heartbeat` and `expires_in` are seconds.

    `conn` names the connection, and up to its dot the server process that holds it.
    """

    conn: str
    epoch: str
    seq: int
    heartbeat: float
    expires_in: int


class Resumed(Event, frozen=True, kw_only=True, tag="resumed"):
    """Everything after `from` up to `to` has been sent; what follows is live."""

    start: int = msgspec.field(name="from")
    to: int


class Resync(Event, frozen=True, tag="resync"):
    """The inbox cannot fill the gap: reload by HTTP, then go on from `seq`."""

    reason: str
    epoch: str
    seq: int


class Drain(Event, frozen=True, tag="drain"):
    """This process is going away: reconnect after `after_ms` milliseconds or when the socket closes."""

    after_ms: int


class Error(Event, frozen=True, tag="error"):
    """A frame of mine was refused; the connection goes on."""

    code: str
    detail: str


class Pong(Event, frozen=True, tag="pong"):
    """The answer to `ping`."""


# --- what clients say -------------------------------------------------------------------------------------------------------


class Frame(msgspec.Struct, frozen=True, tag_field="type"):
    """The root of what comes in. Unknown keys, `receiver_id` among them, are ignored."""


class SendTyping(Frame, frozen=True, tag="typing"):
    """I am typing, or recording a voice note."""

    chat_id: Id
    what: Composing = "text"


class SendDelivered(Frame, frozen=True, tag="delivered"):
    """I have received everything in the chat up to this message."""

    chat_id: Id
    message_id: Id


class Watch(Frame, frozen=True, tag="watch"):
    """These chats are on my screen (instead of those before): tell me the `presence` of the others in them."""

    chat_ids: Annotated[list[Id], msgspec.Meta(max_length=50)]


class Ack(Frame, frozen=True, tag="ack"):
    """I have applied every event up to `seq` (optional, cumulative)."""

    seq: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class Refresh(Frame, frozen=True, tag="refresh"):
    """A newer access token of the same session: keeps this socket past the old one."""

    access_token: str


class Ping(Frame, frozen=True, tag="ping"):
    """Are you there?"""


Inbound = SendTyping | SendDelivered | Watch | Ack | Refresh | Ping
