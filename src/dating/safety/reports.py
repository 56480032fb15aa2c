"""Reporting messages and people, and what the person hears who was reported.

The evidence is copied when the report is made, so that an edit, a deletion or another profile changes nothing about it. Who
received a message may report it even when the chat is closed to them by now; a person whom I can see or have blocked, too.
The one who was reported learns of a decision, never of a report or of who made it.
"""

import msgspec

from dating.clock import rfc3339
from dating.database import Transaction
from dating.errors import Conflict, Malformed, NotFound
from dating.realtime import events, inbox
from dating.safety import queries as safety_queries
from dating.safety import report_queries as queries
from dating.safety.report_models import Action, NewReport, Reported, Statement, StatementRow, Statements

END_OF_IDS = 2**53


class ReportSelf(Malformed):
    """400: nobody can report themselves."""

    code = "report_self"
    detail = "You cannot report yourself."


class NothingToReport(NotFound):
    """404: absent, or not visible to me and never sent to me."""

    code = "target_not_found"
    detail = "There is no such message or person."


class NoSuchStatement(NotFound):
    """404: no decision about me has this id."""

    code = "statement_not_found"
    detail = "There is no such statement."


class AppealedBefore(Conflict):
    """409: a decision can be appealed once."""

    code = "appealed_before"
    detail = "This decision was appealed before."


async def report(tx: Transaction, me_id: int, form: NewReport) -> Reported:
    """Report a message or a person, with the evidence as it is now. Raises ReportSelf or NothingToReport."""
    if form.target_kind == "person":
        accused_id, evidence = await gather_person(tx, me_id, form.target_id)
    else:
        accused_id, evidence = await gather_message(tx, me_id, form.target_id)
    reported = Reported(await queries.report(tx, me_id, accused_id, form, msgspec.json.encode(evidence).decode()))
    # Asked again at the end: a deletion that came first is committed by now, one that comes later takes the report along.
    if not await safety_queries.is_there(tx, accused_id):
        raise NothingToReport
    return reported


async def gather_person(tx: Transaction, me_id: int, person_id: int) -> tuple[int, msgspec.Struct]:
    """The accused and what they say of themselves."""
    if person_id == me_id:
        raise ReportSelf
    person = await queries.find_person(tx, me_id, person_id)
    if person is None:
        raise NothingToReport
    return person_id, person


async def gather_message(tx: Transaction, me_id: int, message_id: int) -> tuple[int, msgspec.Struct]:
    """The accused and the message, with what it said earlier and what was said before it."""
    message = await queries.find_message(tx, me_id, message_id)
    if message is None:
        raise NothingToReport
    versions = await queries.list_versions(tx, message_id)
    before = await queries.list_before(tx, me_id, message.chat_id, message_id)
    return message.sender_id, msgspec.structs.replace(message, versions=versions, before=before)


# --- statements of reasons --------------------------------------------------------------------------------------------------


async def state(
    tx: Transaction, moderator_id: int, user_id: int, action: Action, reason: str, explanation: str, until_at: int | None
) -> int:
    """Tell somebody what was decided about them, and why; the statement's id."""
    statement_id = await queries.state(tx, moderator_id, user_id, action, reason, explanation, until_at)
    await inbox.tell(tx, [user_id], events.Statement(statement_id, action))
    return statement_id


async def list_statements(tx: Transaction, me_id: int, limit: int, offset: int, cursor: int | None) -> Statements:
    """What was decided about me, the latest first; after the one whose id is the cursor."""
    rows = await queries.list_statements(tx, me_id, limit, offset, cursor or END_OF_IDS)
    return Statements([show(row) for row in rows], limit, offset, str(rows[-1].id) if len(rows) == limit else None)


async def appeal(tx: Transaction, me_id: int, statement_id: int, text: str) -> Statement:
    """Ask for a second look at a decision about me, once. Raises NoSuchStatement or AppealedBefore."""
    found = await queries.find_statement(tx, statement_id)
    if found is None or found.user_id != me_id:
        raise NoSuchStatement
    if not await queries.appeal(tx, me_id, statement_id, text):
        raise AppealedBefore
    now = await queries.find_statement(tx, statement_id)
    assert now is not None
    return show(now)


def show(row: StatementRow) -> Statement:
    """A decision as the person reads it."""
    return Statement(
        id=row.id,
        action=row.action,
        reason=row.reason,
        explanation=row.explanation,
        created_at=rfc3339(row.created_at),
        until=spell(row.until_at),
        appeal=row.appeal,
        appealed_at=spell(row.appealed_at),
        answer=row.answer,
        answered_at=spell(row.answered_at),
        overturned=row.overturned,
    )


def spell(moment: int | None) -> str | None:
    """A moment in words, if there is one."""
    return None if moment is None else rfc3339(moment)


async def erase(tx: Transaction, user_id: int) -> None:
    """Forget what a person reported and what was reported and decided about them. The log keeps numbers."""
    await queries.erase(tx, user_id)


async def forget(tx: Transaction, before: int) -> int:
    """Drop closed reports and their evidence, closed before a moment in microseconds; how many."""
    return await queries.forget(tx, before)
