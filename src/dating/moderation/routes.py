"""Moderation over HTTP. Whoever is no moderator finds nothing here: 404."""

from typing import Annotated, Literal

from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from dating.accounts.passwords import Passwords
from dating.chat.limits import Rules
from dating.database import Database
from dating.idempotency import Commit
from dating.moderation import held_routes, service
from dating.moderation.models import (
    AppealAnswer,
    Appeals,
    Case,
    Decided,
    Decision,
    ExcludedAppeal,
    Log,
    NewRole,
    Queue,
    Role,
    Transparency,
)
from dating.parameters import Cursor, Limit, Offset
from dating.safety.report_models import Reason, Statement, TargetKind
from dating.throttle import Throttle
from dating.tokens import Identity

TAGS = ["Moderation"]
Days = Annotated[int, QueryParameter(ge=1, le=3650, description="How many days back.")]


@get(
    "/api/moderation/reports",
    summary="The queue of reports",
    description="The oldest first, without words of anybody: those are in the case, for whoever has taken it. `cursor` is the "
    "`next_cursor` before.",
    tags=TAGS,
)
async def list_reports(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    status: FromQuery[Literal["open", "closed"]] = "open",
    reason: FromQuery[Reason | None] = None,
    target_kind: FromQuery[TargetKind | None] = None,
    assignee: FromQuery[Literal["any", "me", "none"]] = "any",
    limit: Limit = 20,
    offset: Offset = 0,
    cursor: Cursor = None,
) -> Queue:
    """One page of the queue."""
    return await db.read(service.list_reports, me, status == "open", reason, target_kind, assignee, limit, offset, cursor)


@post(
    "/api/moderation/reports/{report_id:int}/assign",
    status_code=200,
    summary="Take a case",
    description="Opens the evidence to me, and to nobody else. 409 when another moderator has it.",
    tags=TAGS,
)
async def take_case(report_id: FromPath[int], me: NamedDependency[Identity], db: NamedDependency[Database]) -> Case:
    """Make it mine."""
    return await db.write(service.take_case, me, report_id)


@get(
    "/api/moderation/reports/{report_id:int}",
    summary="A case of mine",
    description="The evidence as it was when it was reported. Each look is logged.",
    tags=TAGS,
)
async def show_case(report_id: FromPath[int], me: NamedDependency[Identity], db: NamedDependency[Database]) -> Case:
    """Look at it."""
    return await db.write(service.show_case, me, report_id)


@post(
    "/api/moderation/reports/{report_id:int}/resolve",
    status_code=200,
    summary="Decide a case of mine",
    description="`dismiss`, `remove` the message, `warn`, `suspend` for some days, or `ban`. All but a dismissal come with an "
    "explanation, which the person reads and may appeal. Closes every open report about the same.",
    tags=TAGS,
)
async def decide(
    report_id: FromPath[int], data: JSONBody[Decision], me: NamedDependency[Identity], commit: NamedDependency[Commit]
) -> Decided:
    """Close it."""
    return await commit(service.decide, me, report_id, data)


@get(
    "/api/moderation/appeals",
    summary="Appeals that await an answer",
    description="The oldest first. `cursor` is the `next_cursor` before.",
    tags=TAGS,
)
async def list_appeals(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    limit: Limit = 20,
    offset: Offset = 0,
    cursor: Cursor = None,
) -> Appeals:
    """One page of them."""
    return await db.read(service.list_appeals, me, limit, offset, cursor)


@post(
    "/api/moderation/appeals/{statement_id:int}",
    status_code=200,
    summary="Answer an appeal",
    description="By another moderator than the one who decided, if there is one. `overturned` lets a suspended or banned person "
    "in again.",
    tags=TAGS,
)
async def answer_appeal(
    statement_id: FromPath[int], data: JSONBody[AppealAnswer], me: NamedDependency[Identity], commit: NamedDependency[Commit]
) -> Statement:
    """Answer it."""
    return await commit(service.answer_appeal, me, statement_id, data)


@post(
    "/api/auth/appeal",
    status_code=200,
    summary="What keeps me out, and my appeal",
    description="For somebody suspended or banned, who cannot sign in: the statement of reasons, and with a `text` an appeal. "
    "Whoever is not kept out is answered like a wrong password.",
    tags=["Accounts"],
    opt={"access": "public", "limit": "login"},
)
async def appeal(
    data: JSONBody[ExcludedAppeal],
    db: NamedDependency[Database],
    passwords: NamedDependency[Passwords],
    throttle: NamedDependency[Throttle],
    address: NamedDependency[str],
) -> Statement:
    """Say why, and ask for a second look."""
    return await service.appeal_from_outside(db, passwords, throttle, data, address)


@get(
    "/api/moderation/transparency",
    summary="Counts for a transparency report",
    description="Reports, outcomes, decisions and appeals of the last days; names nobody.",
    tags=TAGS,
)
async def count(
    me: NamedDependency[Identity], db: NamedDependency[Database], rules: NamedDependency[Rules], days: Days = 180
) -> Transparency:
    """Count."""
    return await db.read(service.count, me, days, rules.screening)


@get(
    "/api/moderation/audit",
    summary="The moderators' log",
    description="For administrators: who did what about whom, the latest first. `cursor` is the `next_cursor` before.",
    tags=TAGS,
)
async def read_log(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    limit: Limit = 20,
    offset: Offset = 0,
    cursor: Cursor = None,
) -> Log:
    """One page of it."""
    return await db.read(service.read_log, me, limit, offset, cursor)


@put(
    "/api/moderation/users/{user_id:int}/role",
    summary="Give somebody a role",
    description="For administrators, with their own password once more. The person's sockets close and come back with it.",
    tags=TAGS,
)
async def give_role(
    user_id: FromPath[int],
    data: JSONBody[NewRole],
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    passwords: NamedDependency[Passwords],
    throttle: NamedDependency[Throttle],
) -> Role:
    """Give it."""
    return await service.give_role(db, passwords, throttle, me, user_id, data)


handlers = [
    list_reports,
    take_case,
    show_case,
    decide,
    list_appeals,
    answer_appeal,
    appeal,
    count,
    read_log,
    give_role,
    *held_routes.handlers,
]
