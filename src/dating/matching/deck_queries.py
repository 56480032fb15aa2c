"""The SQL of what the ranking looks at."""

from typing import Any

import msgspec

from dating.database import Transaction

PERSONS = """
SELECT q.user_id, q.gender, q.born, u.created_at, q.interests FROM profiles q JOIN users u ON u.id = q.user_id
WHERE q.user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
"""
STANDINGS = """
SELECT user_id, choosiness, appeal, appeal_precision, unanswered, ever_shown, week, shown, shown_before, swipes, swipes_before,
       matches, matches_before
FROM standings WHERE user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
"""
STANDING = {
    "choosiness": 0, "appeal": 0, "appeal_precision": 1, "unanswered": 0, "ever_shown": 0, "week": 0,
    "shown": 0, "shown_before": 0, "swipes": 0, "swipes_before": 0, "matches": 0, "matches_before": 0,
}  # fmt: skip
"""The columns of a standing after the id, and what they are where there is none; counts of a week are to be read by `week`."""

Row = tuple[Any, ...]  # hundreds of structs would cost more than the query


async def persons(tx: Transaction, ids: list[int]) -> list[Row]:
    """Id, gender, day of birth, moment of registration and interests of these people, in any order."""
    return await tx.all(tuple, PERSONS, ids=msgspec.json.encode(ids).decode()) if ids else []


async def standings(tx: Transaction, ids: list[int]) -> list[Row]:
    """What the ranking keeps of these people, as far as it keeps something, in any order."""
    return await tx.all(tuple, STANDINGS, ids=msgspec.json.encode(ids).decode())
