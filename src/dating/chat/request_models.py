"""What requests are made of: a chat that one asks the other for."""

import msgspec


class Request(msgspec.Struct, frozen=True):
    """A chat that one asks the other for; `request` is how far that has come, None when it is settled."""

    id: int
    asker_id: int
    asked_id: int
    message_count: int
    request: str | None
