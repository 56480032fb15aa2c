"""What comes in and goes out when moderators work."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from dating.safety.report_models import Action, AuditRow, Statement, Words

Moment = Annotated[str, Meta(examples=["2026-11-20T09:00:00.000Z"])]
Cursor = Annotated[str | None, Meta(examples=[None])]


# --- in ---------------------------------------------------------------------------------------------------------------------


class Decision(msgspec.Struct, frozen=True):
    """What is decided on a case. `explanation` is for the person (not for `dismiss`); `days` are for `suspend` only."""

    action: Annotated[Action, Meta(examples=["warn"])]
    explanation: Annotated[Words, Meta(examples=["Please leave people alone who do not answer."])] | None = None
    days: Annotated[int, Meta(ge=1, le=365, examples=[None])] | None = None


class AppealAnswer(msgspec.Struct, frozen=True):
    """The answer to an appeal; `overturned` takes the decision back."""

    overturned: Annotated[bool, Meta(examples=[False])]
    text: Annotated[Words, Meta(examples=["We have read it again; the decision stands."])]


class NewRole(msgspec.Struct, frozen=True):
    """The role somebody gets, and my own password once more."""

    role: Annotated[Literal["user", "moderator", "admin"], Meta(examples=["moderator"])]
    password: Annotated[str, Meta(min_length=1, max_length=256, examples=["correct horse battery"])]


class ExcludedAppeal(msgspec.Struct, frozen=True):
    """The name (or address) and password of somebody who is kept out; with a `text` they appeal."""

    username: Annotated[str, Meta(max_length=1000, examples=["Мария_93"])]
    password: Annotated[str, Meta(min_length=1, max_length=256, examples=["correct horse battery"])]
    text: Annotated[Words, Meta(examples=["This was a quotation."])] | None = None


# --- out --------------------------------------------------------------------------------------------------------------------


class Summary(msgspec.Struct, frozen=True):
    """A report in the queue: no words of anybody. `reporters` is how many people have open reports about the accused."""

    id: Annotated[int, Meta(examples=[12])]
    target_kind: Annotated[str, Meta(examples=["message"])]
    reason: Annotated[str, Meta(examples=["harassment"])]
    created_at: Moment
    accused_id: Annotated[int, Meta(examples=[7])]
    reporters: Annotated[int, Meta(examples=[1])]
    assignee_id: Annotated[int | None, Meta(examples=[None])]
    outcome: Annotated[str | None, Meta(examples=[None])]


class Queue(msgspec.Struct, frozen=True):
    """One page of reports, the oldest first."""

    reports: list[Summary]
    limit: Annotated[int, Meta(examples=[20])]
    offset: Annotated[int, Meta(examples=[0])]
    next_cursor: Cursor


class Case(msgspec.Struct, frozen=True):
    """A report with its evidence, as it was when it was made, and what was decided about the accused before."""

    id: Annotated[int, Meta(examples=[12])]
    target_kind: Annotated[str, Meta(examples=["message"])]
    target_id: Annotated[int, Meta(examples=[1001])]
    accused_id: Annotated[int, Meta(examples=[7])]
    reason: Annotated[str, Meta(examples=["harassment"])]
    comment: Annotated[str | None, Meta(examples=["He will not stop."])]
    evidence: Annotated[dict[str, Any], Meta(examples=[{"message_id": 1001, "content": "…"}])]
    created_at: Moment
    outcome: Annotated[str | None, Meta(examples=[None])]
    statements: list[Statement]


class Decided(msgspec.Struct, frozen=True):
    """The case is closed, with every open report about the same. `statement_id` is what the person reads."""

    id: Annotated[int, Meta(examples=[12])]
    outcome: Annotated[str, Meta(examples=["warn"])]
    closed: Annotated[int, Meta(description="reports closed by it", examples=[1])]
    statement_id: Annotated[int | None, Meta(examples=[3])]


class Appeals(msgspec.Struct, frozen=True):
    """One page of the appeals that await an answer, the oldest first."""

    appeals: list[Statement]
    limit: Annotated[int, Meta(examples=[20])]
    offset: Annotated[int, Meta(examples=[0])]
    next_cursor: Cursor


class Role(msgspec.Struct, frozen=True):
    """The role that somebody has now."""

    user_id: Annotated[int, Meta(examples=[7])]
    role: Annotated[str, Meta(examples=["moderator"])]


class Count(msgspec.Struct, frozen=True):
    """How often something happened."""

    name: Annotated[str, Meta(examples=["spam"])]
    count: Annotated[int, Meta(examples=[2])]


class Transparency(msgspec.Struct, frozen=True):
    """Counts for a transparency report; names nobody. Reports are kept for a time, statements while the account is."""

    days: Annotated[int, Meta(examples=[180])]
    reports: Annotated[list[Count], Meta(description="by reason")]
    outcomes: Annotated[list[Count], Meta(description="closed reports by outcome")]
    decisions: Annotated[list[Count], Meta(description="statements of reasons by action")]
    appeals: Annotated[int, Meta(examples=[1])]
    overturned: Annotated[int, Meta(examples=[0])]
    screening: Annotated[
        Literal["rules", "hold", "score"],
        Meta(description="what judges by itself: rules alone, or a classifier of the operator's, before or after delivery"),
    ]
    waiting: Annotated[int, Meta(description="messages of the classifier's that wait for a moderator", examples=[0])]


class Log(msgspec.Struct, frozen=True):
    """One page of the moderators' log, the latest first; `whole` says that its seals fit."""

    rows: list[AuditRow]
    whole: Annotated[bool, Meta(examples=[True])]
    limit: Annotated[int, Meta(examples=[20])]
    offset: Annotated[int, Meta(examples=[0])]
    next_cursor: Cursor


# --- rows -------------------------------------------------------------------------------------------------------------------


class SummaryRow(msgspec.Struct, frozen=True):
    """A report in the queue; `created_at` in microseconds."""

    id: int
    target_kind: str
    reason: str
    created_at: int
    accused_id: int
    reporters: int
    assignee_id: int | None
    outcome: str | None


class Totals(msgspec.Struct, frozen=True):
    """Appeals, and those that were right."""

    appeals: int
    overturned: int
