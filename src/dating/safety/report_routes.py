"""Reports and statements of reasons over HTTP."""

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from dating.database import Database
from dating.idempotency import Commit
from dating.parameters import Cursor, Limit, Offset
from dating.safety import reports
from dating.safety.report_models import Appeal, NewReport, Reported, Statement, Statements
from dating.tokens import Identity

TAGS = ["Safety"]


@post(
    "/api/reports",
    status_code=201,
    summary="Report a message or a person",
    description="What is reported is copied as it is now; later edits and deletions change nothing about it. Nobody but the "
    "moderators learns of it. One report of mine about the same thing is open at a time.",
    tags=TAGS,
    opt={"limit": "report"},
)
async def report(data: JSONBody[NewReport], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> Reported:
    """Report it."""
    return await commit(reports.report, me.user_id, data)


@get(
    "/me/statements",
    summary="What was decided about me",
    description="Statements of reasons, the latest first, with my appeals and the answers. `cursor` is the `next_cursor` before.",
    tags=TAGS,
)
async def list_statements(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    limit: Limit = 20,
    offset: Offset = 0,
    cursor: Cursor = None,
) -> Statements:
    """One page of the decisions about me."""
    return await db.read(reports.list_statements, me.user_id, limit, offset, cursor)


@post(
    "/me/statements/{statement_id:int}/appeal",
    status_code=200,
    summary="Appeal a decision about me",
    description="Once; another moderator answers if there is one, and the event `statement` tells that there is an answer.",
    tags=TAGS,
    opt={"limit": "report"},
)
async def appeal(
    statement_id: FromPath[int], data: JSONBody[Appeal], me: NamedDependency[Identity], commit: NamedDependency[Commit]
) -> Statement:
    """Ask for a second look."""
    return await commit(reports.appeal, me.user_id, statement_id, data.text)


handlers = [report, list_statements, appeal]
