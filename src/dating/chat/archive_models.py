"""What a person's own archive holds of chats."""

import msgspec


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


class OwnVersion(msgspec.Struct, frozen=True):
    """What a message of mine said before; `written_at` in microseconds."""

    message_id: int
    content: str
    written_at: int


class OwnReaction(msgspec.Struct, frozen=True):
    """My emoji under a message; `created_at` in microseconds."""

    message_id: int
    emoji: str
    created_at: int


class Dismissal(msgspec.Struct, frozen=True):
    """A message that I have deleted for myself."""

    message_id: int


class OwnPin(msgspec.Struct, frozen=True):
    """A message that I have pinned; `pinned_at` in microseconds."""

    message_id: int
    pinned_at: int


class OwnVote(msgspec.Struct, frozen=True):
    """My vote in a poll: the place of an option."""

    message_id: int
    choice: int


class OwnInvite(msgspec.Struct, frozen=True):
    """A link that I have made; moments in microseconds."""

    id: int
    uses: int
    max_uses: int | None
    created_at: int
    expires_at: int
