"""Reports, statements of reasons and appeals: what comes in, what goes out, what a row is."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from dating.realtime.events import Id

TargetKind = Literal["message", "person"]
Reason = Literal["spam", "scam", "harassment", "hate", "sexual", "underage", "impersonation", "danger", "other"]
Action = Literal["dismiss", "remove", "warn", "suspend", "ban"]
Moment = Annotated[str, Meta(examples=["2026-11-20T09:00:00.000Z"])]
Words = Annotated[str, Meta(min_length=1, max_length=1000)]


class NewReport(msgspec.Struct, frozen=True):
    """What I report, and why."""

    target_kind: Annotated[TargetKind, Meta(examples=["message"])]
    target_id: Annotated[Id, Meta(description="the id of the message or the person", examples=[1001])]
    reason: Annotated[Reason, Meta(examples=["harassment"])]
    comment: Annotated[str, Meta(max_length=1000, examples=["He will not stop."])] | None = None


class Reported(msgspec.Struct, frozen=True):
    """The report has been received. A second one about the same, while the first is open, is the first."""

    id: Annotated[int, Meta(examples=[12])]
    status: Literal["received"] = "received"


class Appeal(msgspec.Struct, frozen=True):
    """Why a decision should be looked at again."""

    text: Annotated[Words, Meta(examples=["This was a quotation."])]


class Statement(msgspec.Struct, frozen=True):
    """What was decided about me and why; who decided is not said. `until` is the end of a suspension."""

    id: Annotated[int, Meta(examples=[3])]
    action: Annotated[str, Meta(examples=["warn"])]
    reason: Annotated[str, Meta(examples=["harassment"])]
    explanation: Annotated[str, Meta(examples=["Please leave people alone who do not answer."])]
    created_at: Moment
    until: Annotated[str | None, Meta(examples=[None])]
    appeal: Annotated[str | None, Meta(examples=[None])]
    appealed_at: Annotated[str | None, Meta(examples=[None])]
    answer: Annotated[str | None, Meta(examples=[None])]
    answered_at: Annotated[str | None, Meta(examples=[None])]
    overturned: Annotated[bool, Meta(examples=[False])]


class Statements(msgspec.Struct, frozen=True):
    """One page of the decisions about me, the latest first."""

    statements: list[Statement]
    limit: Annotated[int, Meta(examples=[20])]
    offset: Annotated[int, Meta(examples=[0])]
    next_cursor: Annotated[str | None, Meta(examples=[None])]


# --- rows: moments in microseconds ------------------------------------------------------------------------------------------


class StatementRow(msgspec.Struct, frozen=True):
    """A decision about somebody."""

    id: int
    user_id: int
    decided_by: int
    action: str
    reason: str
    explanation: str
    created_at: int
    until_at: int | None
    appeal: str | None
    appealed_at: int | None
    answer: str | None
    answered_at: int | None
    overturned: bool


class ReportRow(msgspec.Struct, frozen=True):
    """A report with its evidence."""

    id: int
    reporter_id: int
    accused_id: int
    target_kind: str
    target_id: int
    reason: str
    comment: str | None
    evidence: str
    created_at: int
    assignee_id: int | None
    closed_at: int | None
    outcome: str | None


class OwnReport(msgspec.Struct, frozen=True):
    """A report of mine, for my archive."""

    id: int
    target_kind: str
    reason: str
    comment: str | None
    created_at: int


class MessageEvidence(msgspec.Struct, frozen=True):
    """A message as it was when it was reported, with what it said earlier and what came before it in the chat."""

    message_id: int
    chat_id: int
    sender_id: int
    content: str
    created_at: int
    versions: list[str] = []
    before: list["Line"] = []


class Line(msgspec.Struct, frozen=True):
    """One message of the conversation before the reported one."""

    sender_id: int | None
    content: str
    created_at: int


class PersonEvidence(msgspec.Struct, frozen=True):
    """What a person said of themselves when they were reported."""

    user_id: int
    username: str
    name: str | None
    bio: str | None
    photo_url: str | None
    location: str | None
    website: str | None
    interests: str | None
    prompts: str | None


class AuditRow(msgspec.Struct, frozen=True):
    """A row of the moderators' log, with its seal and the one before."""

    id: Annotated[int, Meta(examples=[1])]
    at: Annotated[int, Meta(description="microseconds since the epoch", examples=[1_795_000_000_000_000])]
    moderator_id: Annotated[int, Meta(examples=[2])]
    action: Annotated[str, Meta(examples=["assign"])]
    report_id: Annotated[int | None, Meta(examples=[12])]
    person_id: Annotated[int | None, Meta(examples=[7])]
    previous: Annotated[str, Meta(examples=["0" * 64])]
    seal: Annotated[str, Meta(examples=["0" * 64])]


def read_evidence(text: str) -> dict[str, Any]:
    """The evidence as it goes to the moderator whose case it is."""
    return dict(msgspec.json.decode(text))
