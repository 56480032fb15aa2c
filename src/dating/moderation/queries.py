"""What moderators read; what they change is written by `safety`, `chat` and `accounts`."""

from dating.database import Transaction
from dating.moderation.models import Count, SummaryRow, Totals
from dating.safety.report_models import ReportRow, StatementRow

# Nobody sees a case that they are a party to.
QUEUE = """
SELECT r.id, r.target_kind, r.reason, r.created_at, r.accused_id, r.assignee_id, r.outcome,
       (SELECT COUNT(DISTINCT o.reporter_id) FROM reports AS o
        WHERE o.accused_id = r.accused_id AND o.closed_at IS NULL) AS reporters
FROM reports AS r
WHERE r.id > :after_id AND (r.closed_at IS NULL) = CAST(:is_open AS BOOLEAN)
  AND r.reporter_id <> :me_id AND r.accused_id <> :me_id
  AND (CAST(:reason AS TEXT) IS NULL OR r.reason = CAST(:reason AS TEXT))
  AND (CAST(:target_kind AS TEXT) IS NULL OR r.target_kind = CAST(:target_kind AS TEXT))
  AND (:assignee = 'any' OR (:assignee = 'me' AND r.assignee_id = :me_id) OR (:assignee = 'none' AND r.assignee_id IS NULL))
ORDER BY r.id LIMIT :limit OFFSET :offset
"""
REPORT = """
SELECT id, reporter_id, accused_id, target_kind, target_id, reason, comment, evidence, created_at, assignee_id, closed_at, outcome
FROM reports WHERE id = :report_id AND reporter_id <> :me_id AND accused_id <> :me_id
"""
APPEALS = """
SELECT s.id, s.user_id, s.decided_by, s.action, s.reason, s.explanation, s.created_at, s.until_at, s.appeal, s.appealed_at,
       s.answer, s.answered_at, s.overturned
FROM statements AS s
WHERE s.appealed_at IS NOT NULL AND s.answered_at IS NULL AND s.id > :after_id AND s.user_id <> :me_id
ORDER BY s.id LIMIT :limit OFFSET :offset
"""
# Who else may answer an appeal: about a moderator or an administrator, administrators alone.
OTHERS = """
SELECT COUNT(*) FROM users
WHERE role IN ('moderator', 'admin') AND banned_at IS NULL AND deleted_at IS NULL AND id NOT IN (:me_id, :user_id)
  AND (role = 'admin' OR 'user' = (SELECT a.role FROM users AS a WHERE a.id = :user_id))
"""
ROLE = "SELECT role FROM users WHERE id = :user_id AND deleted_at IS NULL"
BY_REASON = "SELECT reason AS name, COUNT(*) AS count FROM reports WHERE created_at >= :since GROUP BY reason ORDER BY reason"
BY_OUTCOME = """
SELECT outcome AS name, COUNT(*) AS count FROM reports WHERE closed_at >= :since GROUP BY outcome ORDER BY outcome
"""
BY_ACTION = "SELECT action AS name, COUNT(*) AS count FROM statements WHERE created_at >= :since GROUP BY action ORDER BY action"
TOTALS = """
SELECT COUNT(*) AS appeals, COALESCE(SUM(CASE WHEN overturned THEN 1 ELSE 0 END), 0) AS overturned
FROM statements WHERE appealed_at >= :since
"""


async def list_reports(
    tx: Transaction,
    me_id: int,
    is_open: bool,
    reason: str | None,
    target_kind: str | None,
    assignee: str,
    limit: int,
    offset: int,
    after_id: int,
) -> list[SummaryRow]:
    """One page of the queue."""
    return await tx.all(
        SummaryRow,
        QUEUE,
        me_id=me_id,
        is_open=is_open,
        reason=reason,
        target_kind=target_kind,
        assignee=assignee,
        limit=limit,
        offset=offset,
        after_id=after_id,
    )


async def find_report(tx: Transaction, me_id: int, report_id: int) -> ReportRow | None:
    """A report to which I am no party."""
    return await tx.one(ReportRow, REPORT, me_id=me_id, report_id=report_id)


async def list_appeals(tx: Transaction, me_id: int, limit: int, offset: int, after_id: int) -> list[StatementRow]:
    """Appeals of others that await an answer."""
    return await tx.all(StatementRow, APPEALS, me_id=me_id, limit=limit, offset=offset, after_id=after_id)


async def count_others(tx: Transaction, me_id: int, user_id: int) -> int:
    """How many there are besides me who may answer the person's appeal."""
    return await tx.one(int, OTHERS, me_id=me_id, user_id=user_id) or 0


async def find_role(tx: Transaction, user_id: int) -> str | None:
    """Somebody's role; None when there is no such account."""
    return await tx.one(str, ROLE, user_id=user_id)


async def count_reasons(tx: Transaction, since: int) -> list[Count]:
    """Reports by reason."""
    return await tx.all(Count, BY_REASON, since=since)


async def count_outcomes(tx: Transaction, since: int) -> list[Count]:
    """Closed reports by outcome."""
    return await tx.all(Count, BY_OUTCOME, since=since)


async def count_actions(tx: Transaction, since: int) -> list[Count]:
    """Statements by action."""
    return await tx.all(Count, BY_ACTION, since=since)


async def count_appeals(tx: Transaction, since: int) -> Totals:
    """Appeals and how many were right."""
    found = await tx.one(Totals, TOTALS, since=since)
    assert found is not None
    return found
