"""What chats are made of: what comes in, what goes out, what a row is."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dating.profiles.models import Picture
from dating.realtime.events import Id

Moment = Annotated[str, Meta(description="RFC 3339 in UTC", examples=["2026-11-20T09:00:00.000Z"])]
Content = Annotated[str, Meta(max_length=4000, description="the text; blanks inside and around it stay", examples=["Привет! 👋"])]
ClientId = Annotated[str, Meta(min_length=1, max_length=100, description="my name for this message", examples=["phone-1-42"])]

LONGEST_LIFE = 365 * 86_400

# --- in ---------------------------------------------------------------------------------------------------------------------


class NewPoll(msgspec.Struct, frozen=True):
    """What a message asks: its `content` is the question, these are the answers. Everybody sees who chose what."""

    options: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(min_length=2, max_length=12, examples=[["Горы", "Море"]])
    ]
    multiple: Annotated[bool, Meta(description="whether several may be chosen", examples=[False])] = False


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
    expires_in: (
        Annotated[int, Meta(ge=1, le=LONGEST_LIFE, description="seconds after which it is gone", examples=[3600])] | None
    ) = None
    forward_of_id: (
        Annotated[Id, Meta(description="a message of any chat of mine, whose content is sent", examples=[1001])] | None
    ) = None
    poll: NewPoll | None = None


class ChatToRead(msgspec.Struct, frozen=True):
    """The chat that I have read to its end."""

    chat_id: Annotated[Id, Meta(examples=[42])]


class MessagesToRead(msgspec.Struct, frozen=True):
    """Messages that I have read."""

    chat_id: Annotated[Id, Meta(examples=[42])]
    message_ids: Annotated[list[Id], Meta(max_length=500, examples=[[1001, 1002]])]


class NewChat(msgspec.Struct, frozen=True):
    """A chat to be opened: `direct` with exactly one other person, or a `group` of mine with a name."""

    member_ids: Annotated[list[Id], Meta(min_length=1, max_length=255, description="the other people", examples=[[7]])]
    kind: Literal["direct", "group"] = "direct"
    name: Annotated[str, Meta(max_length=100, description="of a group", examples=[None])] | None = None
    photo_url: Annotated[Picture, Meta(description="of a group", examples=[None])] | None = None


class Emoji(msgspec.Struct, frozen=True):
    """One emoji of mine for a message; the same again takes it back."""

    emoji: Annotated[str, Meta(min_length=1, max_length=40, description="exactly one emoji, of any kind", examples=["❤️"])]


class Choices(msgspec.Struct, frozen=True):
    """My vote: the places of options, from 0. It takes the place of an earlier one; none takes that back."""

    choices: Annotated[list[Annotated[int, Meta(ge=0, le=11)]], Meta(max_length=12, examples=[[0]])]


class Edit(msgspec.Struct, frozen=True):
    """What my message is to say from now on."""

    content: Content


class Deletion(msgspec.Struct, frozen=True):
    """Whom a message is to be deleted for."""

    for_all: Annotated[bool, Meta(description="false: for me alone", examples=[True])] = True


class Description(msgspec.Struct, frozen=True):
    """What is to be different about a group: what is not given stays."""

    name: Annotated[str, Meta(max_length=100, examples=["Походы 🏔️"])] | UnsetType = UNSET
    photo_url: Picture | UnsetType | None = UNSET


class NewMembers(msgspec.Struct, frozen=True):
    """People to be brought into a group."""

    user_ids: Annotated[list[Id], Meta(min_length=1, max_length=255, examples=[[9]])]


class NewRole(msgspec.Struct, frozen=True):
    """What a member is to be. There is one owner: making one hands the group over."""

    role: Annotated[Literal["owner", "admin", "member"], Meta(examples=["admin"])]


class NewInvite(msgspec.Struct, frozen=True):
    """A link into a group. `expires_in` in seconds, at most 30 days."""

    expires_in: Annotated[int, Meta(ge=60, le=30 * 86_400, examples=[86_400])] = 7 * 86_400
    max_uses: Annotated[int, Meta(ge=1, le=1000, examples=[10])] | None = None


class Token(msgspec.Struct, frozen=True):
    """What a link into a group ends with."""

    token: Annotated[str, Meta(min_length=1, max_length=100, examples=["kX3vQ0mZ7sYw2nB5tR8uJ1aLcE4dF6gH9iKpNqVxTyU"])]


class Switch(msgspec.Struct, frozen=True):
    """On or off."""

    on: Annotated[bool, Meta(examples=[True])] = True


# --- out --------------------------------------------------------------------------------------------------------------------


class Reaction(msgspec.Struct, frozen=True):
    """One emoji under a message, and who gave it."""

    emoji: Annotated[str, Meta(examples=["❤️"])]
    user_ids: Annotated[list[int], Meta(examples=[[7]])]


class Option(msgspec.Struct, frozen=True):
    """One answer of a poll, and who chose it."""

    text: Annotated[str, Meta(examples=["Горы"])]
    user_ids: Annotated[list[int], Meta(examples=[[7]])]


class Poll(msgspec.Struct, frozen=True):
    """What a message asks."""

    options: list[Option]
    multiple: bool


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


class Invite(msgspec.Struct, frozen=True):
    """A link into a group. The `token` is shown once, to whoever made it."""

    id: Annotated[int, Meta(examples=[3])]
    chat_id: Annotated[int, Meta(examples=[43])]
    uses: Annotated[int, Meta(examples=[0])]
    max_uses: Annotated[int | None, Meta(examples=[10])]
    expires_at: Moment
    token: Annotated[str | None, Meta(examples=["kX3vQ0mZ7sYw2nB5tR8uJ1aLcE4dF6gH9iKpNqVxTyU"])] = None


class Opened(msgspec.Struct, frozen=True):
    """A chat that somebody asked for, and whether it is new. Its id alone: this answer is kept, what a chat shows is not."""

    chat_id: int
    created: bool


class Done(msgspec.Struct, frozen=True):
    """It is done, or was already."""

    status: Annotated[str, Meta(examples=["ok"])] = "ok"


# --- rows -------------------------------------------------------------------------------------------------------------------


class Room(msgspec.Struct, frozen=True):
    """A chat that is open to me, and my role in it. A group has no pair of ids; a request names who asks."""

    id: int
    kind: str
    role: str
    low_id: int | None
    high_id: int | None
    asker_id: int | None = None

    def other(self, me: int) -> int | None:
        """The other person of a direct chat."""
        return None if self.low_id is None or self.high_id is None else self.low_id + self.high_id - me


class Request(msgspec.Struct, frozen=True):
    """A chat that one asks the other for; `request` is how far that has come, None when it is settled."""

    id: int
    asker_id: int
    asked_id: int
    message_count: int
    request: str | None


class Marks(msgspec.Struct, frozen=True):
    """How far a member has received and read."""

    delivered_id: int
    read_id: int


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


class InviteRow(msgspec.Struct, frozen=True):
    """A link that leads into a group; `expires_at` in microseconds."""

    id: int
    chat_id: int
    uses: int
    max_uses: int | None
    expires_at: int


class Reachable(msgspec.Struct, frozen=True):
    """Somebody whom I may see, and whether I may write to them."""

    id: int
    reachable: bool


class ReactionRow(msgspec.Struct, frozen=True):
    """One person's emoji under one message."""

    message_id: int
    user_id: int
    emoji: str


class PollRow(msgspec.Struct, frozen=True):
    """What a message asks; `options` is JSON."""

    message_id: int
    options: str
    multiple: bool


class VoteRow(msgspec.Struct, frozen=True):
    """One person's choice in one poll."""

    message_id: int
    user_id: int
    choice: int


class Source(msgspec.Struct, frozen=True):
    """A message that is to be forwarded."""

    chat_id: int
    content: str
    forwardable: bool


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


class Face(msgspec.Struct, frozen=True):
    """How a group shows itself."""

    name: str | None
    photo_url: str | None


# --- posts: messages on their way into the database -------------------------------------------------------------------------


class Post(msgspec.Struct):
    """A message that somebody wants to send; `n` is its place in the batch that it is written with."""

    me: int
    chat_id: int
    content: str
    reply_to_id: int | None
    client_id: str | None
    links: list[str] = []
    expires_in: int | None = None
    forwarded: bool = False
    poll: NewPoll | None = None
    n: int = 0

    @property
    def kind(self) -> str:
        """What kind of message it is to be."""
        return "text" if self.poll is None else "poll"

    def is_repeat_of(self, chat_id: int | None, content: str | None, reply_to_id: int | None) -> bool:
        """Whether it says again what was said under its client id; of what was deleted since, the content is not known."""
        return (chat_id, reply_to_id) == (self.chat_id, self.reply_to_id) and content in (None, self.content)


class Asked(msgspec.Struct, array_like=True):
    """What of a post the database is asked about."""

    n: int
    chat_id: int
    me: int
    reply_to_id: int | None
    client_id: str | None


class Addition(msgspec.Struct, array_like=True):
    """A message about to be written; `expires_at` in microseconds, `forwarded` is 0 or 1."""

    n: int
    chat_id: int
    me: int
    content: str
    reply_to_id: int | None
    client_id: str | None
    form: str | None
    forwarded: int
    links: list[str]
    expires_at: int | None


class Unseen(msgspec.Struct, frozen=True):
    """A message that a member is not to see, its sender being hidden from them."""

    chat_id: int
    user_id: int
    message_id: int


class Wary(msgspec.Struct, frozen=True):
    """A member who has hidden words; `words` is JSON."""

    chat_id: int
    user_id: int
    words: str


class Place(msgspec.Struct, array_like=True):
    """How many messages somebody sends into a chat."""

    chat_id: int
    me: int
    count: int = 0


class Verdict(msgspec.Struct, frozen=True):
    """A post into a chat that is open to the sender.

    `other_id`: the other member of a pair. `members`: how many will be told. `has_original`: it answers nothing, or a message of
    the same chat. `first_…`: the message that the sender has sent before under the same client id, as it was then; without
    content if it was deleted since. `message_count` is that of the chat; `joined_at` (microseconds) is when the sender
    registered; `is_wary`: somebody there has hidden words.
    """

    n: int
    other_id: int | None
    members: int
    has_original: bool
    first_id: int | None
    first_chat_id: int | None
    first_content: str | None
    first_reply_to_id: int | None
    first_at: int | None
    request: str | None
    asker_id: int | None
    message_count: int
    joined_at: int
    is_wary: bool

    def asks(self, user_id: int) -> bool:
        """Whether the chat is a request of this person."""
        return self.request is not None and self.asker_id == user_id


class Sending(msgspec.Struct, frozen=True):
    """What somebody who has joined lately sends: where, a hash of the text (None: too short), how many links."""

    n: int
    user_id: int
    chat_id: int
    digest: str | None
    links: int


class Newcomer(msgspec.Struct, frozen=True):
    """What somebody has sent: messages of the last hour, links of the last day, other chats that got the same text in it.

    With each, when the first of them was sent, in microseconds.
    """

    n: int
    messages: int
    first_at: int | None
    links: int
    first_link_at: int | None
    chats: int
    first_same_at: int | None


class HeldRow(msgspec.Struct, frozen=True):
    """A held message; `draft` is JSON, `created_at` in microseconds, `n` the place of a post that repeats it."""

    message_id: int
    draft: str
    created_at: int
    n: int = 0


class Screened(msgspec.Struct, frozen=True):
    """A message whose screening has ended; without a draft it was delivered before."""

    message_id: int
    draft: str | None
    created_at: int


class Due(msgspec.Struct, frozen=True):
    """A message that the classifier is to be asked about, for the `attempts`th time."""

    message_id: int
    attempts: int
    draft: str | None
    text: str = ""

    def give(self, text: str) -> "Due":
        """The same with its text."""
        return msgspec.structs.replace(self, text=text)


class OwnHeld(msgspec.Struct, frozen=True):
    """A message of mine that is held; `created_at` in microseconds."""

    id: int
    content: str
    created_at: int


class OwnSending(msgspec.Struct, frozen=True):
    """What is kept for a day of a message that I have sent; `sent_at` in microseconds."""

    digest: str | None
    links: int
    sent_at: int
