"""What a message is made of on its way into the database."""

from typing import Annotated

import msgspec
from msgspec import Meta

from dating.chat.message_models import ClientId, Content
from dating.chat.poll_models import NewPoll
from dating.realtime.events import Id

LONGEST_LIFE = 365 * 86_400


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

    @property
    def text(self) -> str:
        """Everything that it says, in a poll the answers, too."""
        return self.content if self.poll is None else "\n".join([self.content, *self.poll.options])

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
    has_original: bool = True
    first_id: int | None = None
    first_chat_id: int | None = None
    first_content: str | None = None
    first_reply_to_id: int | None = None
    first_at: int | None = None
    request: str | None = None
    asker_id: int | None = None
    message_count: int = 0
    joined_at: int = 0
    is_wary: bool = False

    @classmethod
    def of_plain(cls, one: Post, both_ids: int | None, members: int, is_wary: bool) -> "Verdict":
        """Of a post of which is known that nothing is special about it; `both_ids`: the sum of a pair's ids."""
        return cls(one.n, None if both_ids is None else both_ids - one.me, members, is_wary=bool(is_wary))

    def asks(self, user_id: int) -> bool:
        """Whether the chat is a request of this person."""
        return self.request is not None and self.asker_id == user_id


class Source(msgspec.Struct, frozen=True):
    """A message that is to be forwarded."""

    chat_id: int
    content: str
    forwardable: bool
