"""The log of what moderators do: numbers only, sealed row by row, and refused every change by triggers of the database.

A row's seal is SHA-256 over the seal before it and the row's own numbers, so that a row changed or taken out past
the triggers shows.
"""

import hashlib
from itertools import pairwise

from dating.database import Transaction
from dating.safety import report_queries as queries
from dating.safety.report_models import AuditRow

BEGINNING = "0" * 64


async def record(
    tx: Transaction, moderator_id: int, action: str, *, report_id: int | None = None, person_id: int | None = None
) -> None:
    """Write down who did what, in the transaction that does it."""
    previous = await queries.take_seal(tx, BEGINNING)
    seal = close(previous, tx.now, moderator_id, action, report_id, person_id)
    await queries.log(tx, moderator_id, action, report_id, person_id, previous, seal)
    await queries.put_seal(tx, seal)


def close(previous: str, at: int, moderator_id: int, action: str, report_id: int | None, person_id: int | None) -> str:
    """The seal of a row."""
    written = f"{previous} {at} {moderator_id} {action} {report_id} {person_id}"
    return hashlib.sha256(written.encode()).hexdigest()


async def read(tx: Transaction, limit: int, offset: int, before_id: int) -> tuple[list[AuditRow], bool]:
    """A page of the log, the latest first, and whether it is whole: also where it meets the next page, and at both ends."""
    rows = await queries.read_log(tx, limit + 1, offset, before_id)
    begins = len(rows) > limit or not rows or rows[-1].previous == BEGINNING
    return rows[:limit], begins and is_whole(rows[::-1]) and await queries.is_sealed(tx)


def is_whole(rows: list[AuditRow]) -> bool:
    """Whether rows that follow each other, ascending, are as they were written and none is missing between them."""
    sealed = all(
        row.seal == close(row.previous, row.at, row.moderator_id, row.action, row.report_id, row.person_id) for row in rows
    )
    return sealed and all(one.seal == next_one.previous for one, next_one in pairwise(rows))
