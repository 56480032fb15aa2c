"""What is counted of those who have joined lately."""

import msgspec


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


class OwnSending(msgspec.Struct, frozen=True):
    """What is kept for a day of a message that I have sent; `sent_at` in microseconds."""

    digest: str | None
    links: int
    sent_at: int
