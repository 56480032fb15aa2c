"""Messages that a classifier wants looked at: what comes in, what goes out, what a row is."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dating.safety.report_models import Words

Moment = Annotated[str, Meta(examples=["2026-11-20T09:00:00.000Z"])]


class Ruling(msgspec.Struct, frozen=True):
    """What becomes of the message. `explanation` is for its sender, when it is removed."""

    action: Annotated[Literal["release", "remove"], Meta(examples=["release"])]
    explanation: Annotated[Words, Meta(examples=["Please do not advertise here."])] | None = None


class HeldSummary(msgspec.Struct, frozen=True):
    """A message, or an edit of one, in the queue, without its words. `held`: only its sender has it.

    No `score`: the classifier was silent.
    """

    message_id: Annotated[int, Meta(examples=[1001])]
    sender_id: Annotated[int, Meta(examples=[7])]
    held: bool
    score: Annotated[float | None, Meta(examples=[0.93])]
    reason: Annotated[str | None, Meta(examples=["spam"])]
    assignee_id: Annotated[int | None, Meta(examples=[None])]
    created_at: Moment


class HeldQueue(msgspec.Struct, frozen=True):
    """One page of them, the oldest first."""

    messages: list[HeldSummary]
    limit: Annotated[int, Meta(examples=[20])]
    offset: Annotated[int, Meta(examples=[0])]
    next_cursor: Annotated[str | None, Meta(examples=[None])]


class HeldCase(msgspec.Struct, frozen=True):
    """A message with its words, for the moderator who has taken it."""

    message_id: Annotated[int, Meta(examples=[1001])]
    sender_id: Annotated[int, Meta(examples=[7])]
    held: bool
    score: Annotated[float | None, Meta(examples=[0.93])]
    reason: Annotated[str | None, Meta(examples=["spam"])]
    content: Annotated[str, Meta(examples=["Invest now!"])]
    created_at: Moment


class Ruled(msgspec.Struct, frozen=True):
    """It is done. `statement_id` is what the sender reads."""

    message_id: Annotated[int, Meta(examples=[1001])]
    action: Annotated[str, Meta(examples=["release"])]
    statement_id: Annotated[int | None, Meta(examples=[None])]


class ScreeningRow(msgspec.Struct, frozen=True):
    """A message that waits for a moderator; `content` is None when it is gone, `created_at` in microseconds."""

    message_id: int
    sender_id: int
    draft: str | None
    edit: str | None
    score: float | None
    reason: str | None
    assignee_id: int | None
    content: str | None
    created_at: int

    @property
    def is_held(self) -> bool:
        """Whether its sender alone has it."""
        return self.draft is not None or self.edit is not None
