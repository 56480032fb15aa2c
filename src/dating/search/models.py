"""What the search answers, and its rows."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dating.chat.message_models import Message
from dating.chat.models import Chat
from dating.profiles.models import User

Kind = Literal["all", "messages", "chats", "users"]
Next = Annotated[str | None, Meta(description="`cursor` of the next page; null at the end", examples=[None])]


class Segment(msgspec.Struct, frozen=True):
    """A piece of a text as it was written; `hit` when it is what was asked for."""

    text: Annotated[str, Meta(examples=["Привет"])]
    hit: bool


class Finding(msgspec.Struct, frozen=True):
    """A message that was found, and what it says around the first hit: at most some 200 characters, in pieces."""

    message: Message
    snippet: list[Segment]


class Findings(msgspec.Struct, frozen=True):
    """What was found, the newest messages and the liveliest chats first, people by their names. A page may be shorter than
    `limit` though there is more."""

    limit: Annotated[int, Meta(examples=[20])]
    messages: list[Finding] = []
    chats: list[Chat] = []
    users: list[User] = []
    next_cursor: Next = None


class FoundPeople(msgspec.Struct, frozen=True):
    """People whose names or usernames have all the words, by the word that was found."""

    users: list[User]
    limit: Annotated[int, Meta(examples=[20])]
    next_cursor: Next = None


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where the next page of people begins: after this word of this person; `seen` have been answered so far."""

    word: str
    id: int
    seen: int


class NameRow(msgspec.Struct, frozen=True):
    """A word of somebody's name."""

    word: str
    id: int


class Reach(msgspec.Struct, frozen=True):
    """Where my messages are: in direct chats and in these groups, those of late first, so many in all. And the newest of all."""

    groups: list[int]
    said: int
    newest_id: int


class Look(msgspec.Struct, frozen=True):
    """Messages with all the words, the newest first, among so many that were looked through, down to this id."""

    hits: list[int]
    looked: int
    lowest_id: int


class Text(msgspec.Struct, frozen=True):
    """A message that is to be indexed, as it is now."""

    id: int
    chat_id: int
    low_id: int | None
    high_id: int | None
    content: str
    edited_at: int | None

    def scopes(self) -> list[str]:
        """In which parts of the index it can be found."""
        return [f"g{self.chat_id}"] if self.low_id is None else [str(self.low_id), str(self.high_id)]


class Lot(msgspec.Struct, frozen=True):
    """The ids of the messages that one statement has written, as a JSON list."""

    id: int
    messages: str


class Noted(msgspec.Struct, frozen=True):
    """Messages that are to be indexed: new ones in lots, and the ids of those that were noted singly, most for a change."""

    lots: dict[int, list[int]]
    single: list[int]

    def ids(self) -> list[int]:
        """All of them."""
        return [*self.single, *(id_ for lot in self.lots.values() for id_ in lot)]


class Due(msgspec.Struct, frozen=True):
    """What there is to index, unless another process is at it."""

    messages: bool
    people: bool
    chats: bool
    older: bool

    def is_any(self) -> bool:
        """Whether there is anything."""
        return self.messages or self.people or self.chats or self.older


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """The words of a message as it was at `edited_at`."""

    id: int
    edited_at: int | None
    words: str


class Called(msgspec.Struct, frozen=True):
    """What somebody, or a group, is called."""

    id: int
    name: str


class Backfill(msgspec.Struct, frozen=True):
    """How far down what was there before the search came is noted."""

    kind: str
    before_id: int
