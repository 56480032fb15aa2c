"""The SQL of reports, statements of reasons and the moderators' log."""

from dating.database import SWEPT, Transaction
from dating.safety.report_models import (
    Action,
    AuditRow,
    Line,
    MessageEvidence,
    NewReport,
    OwnReport,
    PersonEvidence,
    ReportRow,
    StatementRow,
)

# --- evidence: whoever got a message may report it, also after the chat was closed or somebody blocked somebody -------------

MESSAGE = """
SELECT m.id AS message_id, m.chat_id, m.sender_id, m.content, m.created_at
FROM messages AS m
JOIN members AS mine ON mine.chat_id = m.chat_id AND mine.user_id = :me_id
JOIN people AS author ON author.id = m.sender_id
WHERE m.id = :target_id AND m.sender_id <> :me_id AND m.id > mine.since_id AND m.deleted_at IS NULL
  AND (mine.left_at IS NULL OR m.created_at <= mine.left_at)
"""
VERSIONS = "SELECT content FROM edits WHERE message_id = :message_id ORDER BY written_at"
# The last five, before it is asked from where on I may see them: joined, PostgreSQL may read all that was said there.
BEFORE = """
SELECT m.sender_id, m.content, m.created_at
FROM (SELECT * FROM messages WHERE chat_id = :chat_id AND id < :message_id ORDER BY id DESC LIMIT 5) AS m
JOIN members AS mine ON mine.chat_id = m.chat_id AND mine.user_id = :me_id
WHERE m.id > mine.since_id ORDER BY m.id DESC
"""
PERSON = """
SELECT u.id AS user_id, u.username, p.name, p.bio, p.photo_url, p.location, p.website, p.interests, p.prompts
FROM people AS u LEFT JOIN profiles AS p ON p.user_id = u.id
WHERE u.id = :target_id AND (
    NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = :me_id AND other_id = u.id)
    OR EXISTS (SELECT 1 FROM blocks WHERE blocker_id = :me_id AND blocked_id = u.id))
"""
REPORT = """
INSERT INTO reports (reporter_id, accused_id, target_kind, target_id, reason, comment, evidence, created_at)
VALUES (:me_id, :accused_id, :target_kind, :target_id, :reason, CAST(:comment AS TEXT), :evidence, :now)
ON CONFLICT (reporter_id, target_kind, target_id) WHERE closed_at IS NULL DO UPDATE SET reason = reports.reason
RETURNING id
"""
UNREACHABLE = "SELECT 1 FROM profiles WHERE user_id = :user_id AND NOT discoverable AND (paused OR NOT incognito)"


async def find_message(tx: Transaction, me_id: int, message_id: int) -> MessageEvidence | None:
    """A message that somebody else sent to me."""
    return await tx.one(MessageEvidence, MESSAGE, me_id=me_id, target_id=message_id)


async def list_versions(tx: Transaction, message_id: int) -> list[str]:
    """What a message said before its edits."""
    return await tx.all(str, VERSIONS, message_id=message_id)


async def list_before(tx: Transaction, me_id: int, chat_id: int, message_id: int) -> list[Line]:
    """The last of what I could read in a chat before a message, ascending."""
    rows = await tx.all(Line, BEFORE, me_id=me_id, chat_id=chat_id, message_id=message_id)
    return rows[::-1]


async def find_person(tx: Transaction, me_id: int, person_id: int) -> PersonEvidence | None:
    """What somebody says of themselves whom I may see, or have blocked."""
    return await tx.one(PersonEvidence, PERSON, me_id=me_id, target_id=person_id)


async def is_unreachable(tx: Transaction, user_id: int) -> bool:
    """Whether somebody is paused, and so shown to nobody who does not know them already."""
    return await tx.one(int, UNREACHABLE, user_id=user_id) is not None


async def report(tx: Transaction, me_id: int, accused_id: int, form: NewReport, evidence: str) -> int:
    """Keep a report; its id, or that of my open one about the same."""
    found = await tx.one(
        int,
        REPORT,
        me_id=me_id,
        accused_id=accused_id,
        target_kind=form.target_kind,
        target_id=form.target_id,
        reason=form.reason,
        comment=form.comment,
        evidence=evidence,
        now=tx.now,
    )
    assert found is not None
    return found


# --- cases ------------------------------------------------------------------------------------------------------------------

ASSIGN = """
UPDATE reports SET assignee_id = :moderator_id
WHERE id = :report_id AND closed_at IS NULL AND (assignee_id IS NULL OR assignee_id = :moderator_id)
"""
CLOSE = """
UPDATE reports SET closed_at = :now, outcome = :outcome, assignee_id = :moderator_id
WHERE target_kind = :target_kind AND target_id = :target_id AND closed_at IS NULL
"""
RELEASE = "UPDATE reports SET assignee_id = NULL WHERE assignee_id = :user_id AND closed_at IS NULL"


async def assign(tx: Transaction, moderator_id: int, report_id: int) -> bool:
    """Give an open report to a moderator; False when another has it."""
    return await tx.run(ASSIGN, moderator_id=moderator_id, report_id=report_id) == 1


async def release(tx: Transaction, user_id: int) -> None:
    """Give the open cases of somebody who handles them no more back to the others."""
    await tx.run(RELEASE, user_id=user_id)


async def close(tx: Transaction, moderator_id: int, report: ReportRow, outcome: Action) -> int:
    """Close every open report about the same thing; how many."""
    return await tx.run(
        CLOSE,
        moderator_id=moderator_id,
        target_kind=report.target_kind,
        target_id=report.target_id,
        outcome=outcome,
        now=tx.now,
    )


# --- statements -------------------------------------------------------------------------------------------------------------

STATE = """
INSERT INTO statements (user_id, decided_by, action, reason, explanation, created_at, until_at)
VALUES (:user_id, :moderator_id, :action, :reason, :explanation, :now, CAST(:until_at AS BIGINT))
RETURNING id
"""
STATEMENT = """
SELECT id, user_id, decided_by, action, reason, explanation, created_at, until_at, appeal, appealed_at, answer, answered_at,
       overturned
FROM statements
"""
MINE = f"{STATEMENT} WHERE user_id = :user_id AND id < :before_id ORDER BY id DESC LIMIT :limit OFFSET :offset"
ONE = f"{STATEMENT} WHERE id = :statement_id"
# What keeps somebody out longest. Moments have no end that comes after "for good".
EXCLUSION = f"""
{STATEMENT} WHERE user_id = :user_id AND action IN ('suspend', 'ban') AND NOT overturned
  AND (until_at IS NULL OR until_at > :now)
ORDER BY until_at IS NOT NULL, until_at DESC, id DESC LIMIT 1
"""
APPEAL = """
UPDATE statements SET appeal = :text, appealed_at = :now
WHERE id = :statement_id AND user_id = :user_id AND appealed_at IS NULL
"""
ANSWER = """
UPDATE statements SET answer = :text, answered_at = :now, overturned = :overturned
WHERE id = :statement_id AND appealed_at IS NOT NULL AND answered_at IS NULL
"""


async def state(
    tx: Transaction, moderator_id: int, user_id: int, action: Action, reason: str, explanation: str, until_at: int | None
) -> int:
    """Write down a decision about somebody; its id."""
    found = await tx.one(
        int,
        STATE,
        user_id=user_id,
        moderator_id=moderator_id,
        action=action,
        reason=reason,
        explanation=explanation,
        until_at=until_at,
        now=tx.now,
    )
    assert found is not None
    return found


async def list_statements(tx: Transaction, user_id: int, limit: int, offset: int, before_id: int) -> list[StatementRow]:
    """What was decided about somebody, the latest first."""
    return await tx.all(StatementRow, MINE, user_id=user_id, limit=limit, offset=offset, before_id=before_id)


async def find_statement(tx: Transaction, statement_id: int) -> StatementRow | None:
    """One decision."""
    return await tx.one(StatementRow, ONE, statement_id=statement_id)


async def find_exclusion(tx: Transaction, user_id: int) -> StatementRow | None:
    """The decision that keeps somebody out, of several the one that does so longest."""
    return await tx.one(StatementRow, EXCLUSION, user_id=user_id, now=tx.now)


async def appeal(tx: Transaction, user_id: int, statement_id: int, text: str) -> bool:
    """Keep an appeal; False when it is not theirs or was appealed before."""
    return await tx.run(APPEAL, user_id=user_id, statement_id=statement_id, text=text, now=tx.now) == 1


async def answer(tx: Transaction, statement_id: int, text: str, overturned: bool) -> bool:
    """Answer an appeal; False when none is open."""
    return await tx.run(ANSWER, statement_id=statement_id, text=text, overturned=overturned, now=tx.now) == 1


# --- the log ----------------------------------------------------------------------------------------------------------------

TAKE_SEAL = """
INSERT INTO audit_head (name, seal) VALUES ('head', :beginning)
ON CONFLICT (name) DO UPDATE SET seal = audit_head.seal RETURNING seal
"""
PUT_SEAL = "UPDATE audit_head SET seal = :seal WHERE name = 'head'"
LOG = """
INSERT INTO audit (at, moderator_id, action, report_id, person_id, previous, seal)
VALUES (:now, :moderator_id, :action, CAST(:report_id AS BIGINT), CAST(:person_id AS BIGINT), :previous, :seal)
"""
READ_LOG = """
SELECT id, at, moderator_id, action, report_id, person_id, previous, seal FROM audit
WHERE id < :before_id ORDER BY id DESC LIMIT :limit OFFSET :offset
"""

IS_SEALED = """
SELECT COALESCE((SELECT seal FROM audit_head WHERE name = 'head'), '')
     = COALESCE((SELECT seal FROM audit ORDER BY id DESC LIMIT 1), '')
"""


async def is_sealed(tx: Transaction) -> bool:
    """Whether the last row is the one that was written last."""
    return bool(await tx.one(bool, IS_SEALED))


async def take_seal(tx: Transaction, beginning: str) -> str:
    """The seal of the last row, held until the transaction ends."""
    return await tx.one(str, TAKE_SEAL, beginning=beginning) or beginning


async def put_seal(tx: Transaction, seal: str) -> None:
    """The seal of the row that was just written."""
    await tx.run(PUT_SEAL, seal=seal)


async def log(
    tx: Transaction, moderator_id: int, action: str, report_id: int | None, person_id: int | None, previous: str, seal: str
) -> None:
    """Add a row."""
    await tx.run(
        LOG,
        moderator_id=moderator_id,
        action=action,
        report_id=report_id,
        person_id=person_id,
        previous=previous,
        seal=seal,
        now=tx.now,
    )


async def read_log(tx: Transaction, limit: int, offset: int, before_id: int) -> list[AuditRow]:
    """The log, the latest first."""
    return await tx.all(AuditRow, READ_LOG, limit=limit, offset=offset, before_id=before_id)


# --- forgetting -------------------------------------------------------------------------------------------------------------

ERASE_REPORTS = "DELETE FROM reports WHERE reporter_id = :user_id OR accused_id = :user_id"
ERASE_STATEMENTS = "DELETE FROM statements WHERE user_id = :user_id"
FORGET = "DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE closed_at < :before ORDER BY closed_at LIMIT :most)"
EXPORT_REPORTS = "SELECT id, target_kind, reason, comment, created_at FROM reports WHERE reporter_id = :user_id ORDER BY id"


async def erase(tx: Transaction, user_id: int) -> None:
    """Remove what a person reported, what was reported and decided about them, and give their open cases back."""
    await tx.run(ERASE_REPORTS, user_id=user_id)
    await tx.run(ERASE_STATEMENTS, user_id=user_id)
    await release(tx, user_id)


async def forget(tx: Transaction, before: int) -> int:
    """Drop the first reports that were closed before a moment, with their evidence; how many."""
    return await tx.run(FORGET, before=before, most=SWEPT)


async def own_reports(tx: Transaction, user_id: int) -> list[OwnReport]:
    """What somebody has reported; whom is not said again."""
    return await tx.all(OwnReport, EXPORT_REPORTS, user_id=user_id)
