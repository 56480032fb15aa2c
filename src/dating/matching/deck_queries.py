"""The SQL of what the ranking looks at."""

import msgspec

from dating.database import Transaction

FACTS = """
SELECT q.user_id, q.gender, q.born, q.interests, u.created_at,
       COALESCE(s.choosiness, 0) AS choosiness, COALESCE(s.appeal, 0) AS appeal,
       COALESCE(s.appeal_precision, 1) AS appeal_precision, COALESCE(s.unanswered, 0) AS unanswered,
       COALESCE(s.ever_shown, 0) AS ever_shown, COALESCE(s.week, 0) AS week,
       COALESCE(s.shown, 0) AS shown, COALESCE(s.shown_before, 0) AS shown_before,
       COALESCE(s.swipes, 0) AS swipes, COALESCE(s.swipes_before, 0) AS swipes_before,
       COALESCE(s.matches, 0) AS matches, COALESCE(s.matches_before, 0) AS matches_before
FROM profiles q JOIN users u ON u.id = q.user_id LEFT JOIN standings s ON s.user_id = q.user_id
WHERE q.user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
"""


class Facts(msgspec.Struct, frozen=True):
    """What is known of somebody; counts of a week are to be read by `week`."""

    user_id: int
    gender: int
    born: int | None
    interests: str
    created_at: int
    choosiness: float
    appeal: float
    appeal_precision: float
    unanswered: int
    ever_shown: int
    week: int
    shown: int
    shown_before: int
    swipes: int
    swipes_before: int
    matches: int
    matches_before: int


async def facts(tx: Transaction, ids: list[int]) -> list[Facts]:
    """What is known of these people, in any order."""
    return await tx.all(Facts, FACTS, ids=msgspec.json.encode(ids).decode())
