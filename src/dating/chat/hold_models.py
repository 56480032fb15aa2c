"""What is kept of messages that are held or judged by the classifier."""

import msgspec


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
