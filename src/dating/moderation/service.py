"""The rules of moderation.

Words of people are shown only to the moderator who has taken the case, and each look at them is logged in the same transaction.
Whoever is no moderator, and whoever has not taken a case, is answered as if there were none. Nobody handles a case to which they
are a party; only administrators decide about moderators and administrators, and give roles.

There is no judging machine of the server's own: reports by people, and people who decide. An operator's classifier (`screening`)
may ask moderators to look at a message (`held`), and holds it back at most.
"""

from dating.accounts import exclusions, guessing
from dating.accounts import service as accounts
from dating.accounts.passwords import Passwords
from dating.chat import changes, hold_queries
from dating.chat.limits import Screening
from dating.clock import DAY, rfc3339
from dating.database import Database, Transaction
from dating.errors import Conflict, Forbidden, Malformed, NotFound
from dating.moderation import held_queries, queries
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
    Summary,
    Transparency,
)
from dating.realtime import events, inbox
from dating.safety import audit, report_queries, reports
from dating.safety.report_models import ReportRow, Statement, StatementRow, read_evidence
from dating.throttle import Throttle
from dating.tokens import Identity

END_OF_IDS = 2**53
STATEMENTS_SHOWN = 20
MODERATORS = ("moderator", "admin")
EXCLUSIONS = ("suspend", "ban")


class NoSuchCase(NotFound):
    """404: there is no such report, or it is not my case."""

    code = "case_not_found"
    detail = "There is no such case."


class CaseTaken(Conflict):
    """409: another moderator has taken it, or it is closed."""

    code = "case_taken"
    detail = "The case is closed, or another moderator has it."


class ExplanationMissing(Malformed):
    """400: what is decided about a person is explained to them."""

    code = "explanation_missing"
    detail = "The person must be told why: give an explanation."


class DaysMissing(Malformed):
    """400: a suspension lasts for some days, and nothing else does."""

    code = "days_misplaced"
    detail = "Give days for a suspension, and for nothing else."


class NothingToRemove(Malformed):
    """400: only messages can be removed."""

    code = "nothing_to_remove"
    detail = "Only a message can be removed."


class AdminNeeded(Forbidden):
    """403: about moderators and administrators, administrators decide."""

    code = "admin_needed"
    detail = "Only an administrator may decide about this person."


class NoSuchAppeal(NotFound):
    """404: no appeal of this number awaits an answer, or it is mine."""

    code = "appeal_not_found"
    detail = "There is no such appeal."


class AnotherNeeded(Conflict):
    """409: somebody else than the one who decided answers, while there is somebody else."""

    code = "another_moderator_needed"
    detail = "Another moderator must answer this appeal."


class RoleOfMine(Malformed):
    """400: nobody changes their own role."""

    code = "own_role"
    detail = "You cannot change your own role."


def require_moderator(me: Identity) -> None:
    """Raises NotFound for everybody else."""
    if me.role not in MODERATORS:
        raise NotFound


def require_admin(me: Identity) -> None:
    """Raises NotFound for everybody else."""
    if me.role != "admin":
        raise NotFound


# --- cases ------------------------------------------------------------------------------------------------------------------


async def list_reports(
    tx: Transaction,
    me: Identity,
    is_open: bool,
    reason: str | None,
    target_kind: str | None,
    assignee: str,
    limit: int,
    offset: int,
    cursor: int | None,
) -> Queue:
    """One page of the queue, the oldest first; without words of anybody. Raises NotFound."""
    require_moderator(me)
    rows = await queries.list_reports(tx, me.user_id, is_open, reason, target_kind, assignee, limit, offset, cursor or 0)
    shown = [
        Summary(
            row.id,
            row.target_kind,
            row.reason,
            rfc3339(row.created_at),
            row.accused_id,
            row.reporters,
            row.assignee_id,
            row.outcome,
        )
        for row in rows
    ]
    return Queue(shown, limit, offset, str(rows[-1].id) if len(rows) == limit else None)


async def take_case(tx: Transaction, me: Identity, report_id: int) -> Case:
    """Make a report my case, which opens its evidence to me. Raises NotFound, NoSuchCase or CaseTaken."""
    require_moderator(me)
    report = await queries.find_report(tx, me.user_id, report_id)
    if report is None:
        raise NoSuchCase
    if not await report_queries.assign(tx, me.user_id, report_id):
        raise CaseTaken
    await audit.record(tx, me.user_id, "assign", report_id=report_id, person_id=report.accused_id)
    return await describe(tx, report)


async def show_case(tx: Transaction, me: Identity, report_id: int) -> Case:
    """A case of mine; the look is logged. Raises NotFound or NoSuchCase."""
    report = await find_case(tx, me, report_id)
    await audit.record(tx, me.user_id, "view", report_id=report_id, person_id=report.accused_id)
    return await describe(tx, report)


async def find_case(tx: Transaction, me: Identity, report_id: int) -> ReportRow:
    """A report that I have taken. Raises NotFound or NoSuchCase."""
    require_moderator(me)
    report = await queries.find_report(tx, me.user_id, report_id)
    if report is None or report.assignee_id != me.user_id:
        raise NoSuchCase
    return report


async def describe(tx: Transaction, report: ReportRow) -> Case:
    """A report with its evidence."""
    before = await report_queries.list_statements(tx, report.accused_id, STATEMENTS_SHOWN, 0, END_OF_IDS)
    return Case(
        id=report.id,
        target_kind=report.target_kind,
        target_id=report.target_id,
        accused_id=report.accused_id,
        reason=report.reason,
        comment=report.comment,
        evidence=read_evidence(report.evidence),
        created_at=rfc3339(report.created_at),
        outcome=report.outcome,
        statements=[reports.show(row) for row in before],
    )


async def decide(tx: Transaction, me: Identity, report_id: int, decision: Decision) -> Decided:
    """Close a case of mine, and every open report about the same. The accused hears of all but a dismissal.

    Raises NotFound, NoSuchCase, CaseTaken, ExplanationMissing, DaysMissing, NothingToRemove or AdminNeeded.
    """
    report = await find_case(tx, me, report_id)
    judge(decision, report)
    if report.closed_at is not None:
        raise CaseTaken
    closed = await report_queries.close(tx, me.user_id, report, decision.action)
    if not closed:  # somebody else has closed it since it was read
        raise CaseTaken
    statement_id = None
    if decision.action != "dismiss":
        statement_id = await sanction(tx, me, report, decision)
    await audit.record(tx, me.user_id, decision.action, report_id=report_id, person_id=report.accused_id)
    return Decided(report_id, decision.action, closed, statement_id)


def judge(decision: Decision, report: ReportRow) -> None:
    """Whether a decision is whole. Raises what `decide` says of decisions."""
    if decision.action != "dismiss" and decision.explanation is None:
        raise ExplanationMissing
    if (decision.action == "suspend") != (decision.days is not None):
        raise DaysMissing
    if decision.action == "remove" and report.target_kind != "message":
        raise NothingToRemove


async def sanction(tx: Transaction, me: Identity, report: ReportRow, decision: Decision) -> int:
    """Do what was decided about the accused, and tell them; the statement's id. Raises AdminNeeded."""
    await judge_rank_over(tx, me, report.accused_id)
    await exclusions.hold(tx, report.accused_id)
    until_at = tx.now + decision.days * DAY if decision.days else None
    statement_id = await reports.state(
        tx, me.user_id, report.accused_id, decision.action, report.reason, decision.explanation or "", until_at
    )
    if decision.action == "remove":
        await changes.remove(tx, report.target_id)
    if decision.action in EXCLUSIONS:
        await enforce(tx, report.accused_id)
        await release(tx, report.accused_id)
    return statement_id


async def judge_rank_over(tx: Transaction, me: Identity, user_id: int) -> None:
    """Whether I may decide about this person. Raises AdminNeeded."""
    if me.role != "admin" and await queries.find_role(tx, user_id) in MODERATORS:
        raise AdminNeeded


async def enforce(tx: Transaction, user_id: int) -> None:
    """Keep somebody out for as long as any decision about them says that was not overturned, or let them in."""
    exclusion = await report_queries.find_exclusion(tx, user_id)
    if exclusion is None:
        await exclusions.lift(tx, user_id)
    else:
        await exclusions.ban(tx, user_id, exclusion.until_at)


async def release(tx: Transaction, user_id: int) -> None:
    """Let others take the cases of somebody who is no moderator any more, or kept out."""
    await report_queries.release(tx, user_id)
    await hold_queries.release(tx, user_id)


# --- appeals ----------------------------------------------------------------------------------------------------------------


async def list_appeals(tx: Transaction, me: Identity, limit: int, offset: int, cursor: int | None) -> Appeals:
    """Appeals that await an answer, the oldest first. Raises NotFound."""
    require_moderator(me)
    rows = await queries.list_appeals(tx, me.user_id, limit, offset, cursor or 0)
    return Appeals([reports.show(row) for row in rows], limit, offset, str(rows[-1].id) if len(rows) == limit else None)


async def answer_appeal(tx: Transaction, me: Identity, statement_id: int, answer: AppealAnswer) -> Statement:
    """Answer an appeal, and take the decision back if it was wrong; the person is told.

    A removed message does not come back: nothing of it was kept but the evidence. Raises NotFound, NoSuchAppeal, AnotherNeeded
    or AdminNeeded.
    """
    require_moderator(me)
    statement = await report_queries.find_statement(tx, statement_id)
    if statement is None or statement.user_id == me.user_id:
        raise NoSuchAppeal
    await judge_answerer(tx, me, statement)
    await exclusions.hold(tx, statement.user_id)
    if not await report_queries.answer(tx, statement_id, answer.text, answer.overturned):
        raise NoSuchAppeal
    if answer.overturned and statement.action in EXCLUSIONS:
        await enforce(tx, statement.user_id)
    await inbox.tell(tx, [statement.user_id], events.Statement(statement_id, statement.action))
    await audit.record(tx, me.user_id, "overturn" if answer.overturned else "uphold", person_id=statement.user_id)
    answered = await report_queries.find_statement(tx, statement_id)
    assert answered is not None
    return reports.show(answered)


async def judge_answerer(tx: Transaction, me: Identity, statement: StatementRow) -> None:
    """Whether I may answer. Raises AnotherNeeded or AdminNeeded."""
    await judge_rank_over(tx, me, statement.user_id)
    if statement.decided_by == me.user_id and await queries.count_others(tx, me.user_id, statement.user_id):
        raise AnotherNeeded


async def appeal_from_outside(
    db: Database, passwords: Passwords, throttle: Throttle, form: ExcludedAppeal, address: str
) -> Statement:
    """What keeps me out, for somebody who cannot sign in because of it; with a text, my appeal against it.

    Raises WrongCredentials (also for whoever is not kept out), NoSuchStatement, AppealedBefore, RateLimited or Busy.
    """
    user_id = await exclusions.confirm_excluded(db, passwords, throttle, form.username, form.password, address)
    return await db.write(appeal_exclusion, user_id, form.text)


async def appeal_exclusion(tx: Transaction, user_id: int, text: str | None) -> Statement:
    """The decision that keeps somebody out, appealed if there is a text. Raises NoSuchStatement or AppealedBefore."""
    statement = await report_queries.find_exclusion(tx, user_id)
    if statement is None:
        raise reports.NoSuchStatement
    return reports.show(statement) if text is None else await reports.appeal(tx, user_id, statement.id, text)


# --- what administrators do -------------------------------------------------------------------------------------------------


async def give_role(db: Database, passwords: Passwords, throttle: Throttle, me: Identity, user_id: int, form: NewRole) -> Role:
    """Make somebody a moderator, an administrator, or neither.

    Raises NotFound, RoleOfMine, WrongPassword, RateLimited or Busy.
    """
    require_admin(me)
    if user_id == me.user_id:
        raise RoleOfMine
    await guessing.confirm(db, passwords, throttle, me, form.password)
    return await db.write(write_role, me, user_id, form)


async def write_role(tx: Transaction, me: Identity, user_id: int, form: NewRole) -> Role:
    """The database work of `give_role`. Raises NotFound."""
    if await queries.find_role(tx, user_id) is None:
        raise NotFound
    await accounts.grant_role(tx, user_id, form.role)
    if form.role not in MODERATORS:
        await release(tx, user_id)
    await audit.record(tx, me.user_id, f"role {form.role}", person_id=user_id)
    return Role(user_id, form.role)


async def read_log(tx: Transaction, me: Identity, limit: int, offset: int, cursor: int | None) -> Log:
    """The log, the latest first, with a word on whether this page is whole. Raises NotFound."""
    require_admin(me)
    rows, whole = await audit.read(tx, limit, offset, cursor or END_OF_IDS)
    return Log(rows, whole, limit, offset, str(rows[-1].id) if len(rows) == limit else None)


async def count(tx: Transaction, me: Identity, days: int, screening: Screening) -> Transparency:
    """What the last days looked like. Raises NotFound."""
    require_moderator(me)
    since = tx.now - days * DAY
    totals = await queries.count_appeals(tx, since)
    return Transparency(
        days=days,
        reports=await queries.count_reasons(tx, since),
        outcomes=await queries.count_outcomes(tx, since),
        decisions=await queries.count_actions(tx, since),
        appeals=totals.appeals,
        overturned=totals.overturned,
        screening=screening,
        waiting=await held_queries.count(tx),
    )
