"""Moderators and the messages that a classifier wants looked at: held ones, and delivered ones with a high score.

As with reports, words are shown only to the moderator who has taken the message, and each look is logged.
"""

from typing import get_args

from dating.chat import hold_queries, releases
from dating.chat.hold_models import HeldRow
from dating.chat.holds import read_draft
from dating.clock import rfc3339
from dating.database import Transaction
from dating.moderation import held_queries as queries
from dating.moderation.held_models import HeldCase, HeldQueue, HeldSummary, Ruled, Ruling, ScreeningRow
from dating.moderation.service import CaseTaken, ExplanationMissing, NoSuchCase, judge_rank_over, require_moderator
from dating.safety import audit, reports
from dating.safety.report_models import Reason
from dating.tokens import Identity


async def list_held(tx: Transaction, me: Identity, limit: int, offset: int, cursor: int | None) -> HeldQueue:
    """One page of the queue, the oldest first; without words. Raises NotFound."""
    require_moderator(me)
    rows = await queries.list_waiting(tx, me.user_id, limit, offset, cursor or 0)
    shown = [
        HeldSummary(row.message_id, row.sender_id, row.is_held, row.score, row.reason, row.assignee_id, rfc3339(row.created_at))
        for row in rows
    ]
    return HeldQueue(shown, limit, offset, str(rows[-1].message_id) if len(rows) == limit else None)


async def take(tx: Transaction, me: Identity, message_id: int) -> HeldCase:
    """Make a message my case, which opens its words to me. Raises NotFound, NoSuchCase or CaseTaken."""
    require_moderator(me)
    row = await queries.find(tx, me.user_id, message_id)
    if row is None:
        raise NoSuchCase
    if not await hold_queries.assign(tx, me.user_id, message_id):
        raise CaseTaken
    await audit.record(tx, me.user_id, "view held", person_id=row.sender_id)
    return HeldCase(row.message_id, row.sender_id, row.is_held, row.score, row.reason, read_content(row), rfc3339(row.created_at))


def read_content(row: ScreeningRow) -> str:
    """What the message says, or is to say; nothing when it was deleted since."""
    if row.edit is not None:
        return row.edit
    return row.content or "" if row.draft is None else read_draft(HeldRow(row.message_id, row.draft, row.created_at)).text


async def rule(tx: Transaction, me: Identity, message_id: int, ruling: Ruling) -> Ruled:
    """Deliver a message of my case, or remove it and tell its sender why: once, however many decide at once.

    Raises NotFound, NoSuchCase, ExplanationMissing or AdminNeeded.
    """
    require_moderator(me)
    row = await queries.find(tx, me.user_id, message_id)
    if row is None or row.assignee_id != me.user_id:
        raise NoSuchCase
    if ruling.action == "remove" and ruling.explanation is None:
        raise ExplanationMissing
    if ruling.action == "remove":
        await judge_rank_over(tx, me, row.sender_id)
    ended = releases.settle(tx, message_id, None) if ruling.action == "release" else releases.discard(tx, message_id)
    if not await ended:
        raise NoSuchCase
    await audit.record(tx, me.user_id, f"{ruling.action} held", person_id=row.sender_id)
    if ruling.action == "release":
        return Ruled(message_id, ruling.action, None)
    reason = row.reason if row.reason in get_args(Reason) else "other"
    statement_id = await reports.state(tx, me.user_id, row.sender_id, "remove", reason or "other", ruling.explanation or "", None)
    return Ruled(message_id, ruling.action, statement_id)
