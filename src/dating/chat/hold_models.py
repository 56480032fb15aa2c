"""What is kept of messages that are held or judged by the classifier."""

import msgspec


class HeldRow(msgspec.Struct, frozen=True):
    """A held message; `draft` is JSON, `created_at` in microseconds, `n` the place of a post that repeats it."""

    message_id: int
    draft: str
    created_at: int
    n: int = 0


class Screened(msgspec.Struct, frozen=True):
    """A message whose screening has ended; without a draft it was delivered before. `edit`: what it was to say instead."""

    message_id: int
    sender_id: int
    draft: str | None
    edit: str | None
    created_at: int


class HeldEdit(msgspec.Struct, frozen=True):
    """What a delivered message of mine is to say; `created_at` in microseconds."""

    message_id: int
    edit: str
    created_at: int


class Due(msgspec.Struct, frozen=True):
    """A message, or an `edit` of one, that the classifier is to be asked about, for the `attempts`th time.

    `due_at` is the claim (microseconds): whoever has lost it by now settles nothing.
    """

    message_id: int
    attempts: int
    due_at: int
    draft: str | None
    edit: str | None
    text: str = ""

    @property
    def is_held(self) -> bool:
        """Whether the text is nowhere to be read yet."""
        return self.draft is not None or self.edit is not None

    def give(self, text: str) -> "Due":
        """The same with its text."""
        return msgspec.structs.replace(self, text=text)


class OwnHeld(msgspec.Struct, frozen=True):
    """A message of mine that is held; `created_at` in microseconds."""

    id: int
    content: str
    created_at: int
