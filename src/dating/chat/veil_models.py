"""What is kept of messages that somebody is not to see."""

import msgspec


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
