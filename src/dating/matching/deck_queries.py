"""The SQL of what the ranking looks at."""

from typing import Any

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
ORDER BY q.user_id
"""


COLUMNS = (
    "user_id", "gender", "born", "interests", "created_at", "choosiness", "appeal", "appeal_precision", "unanswered",
    "ever_shown", "week", "shown", "shown_before", "swipes", "swipes_before", "matches", "matches_before",
)  # fmt: skip
Facts = dict[str, tuple[Any, ...]]
"""What is known of people, a tuple of each column; counts of a week are to be read by `week`."""


async def facts(tx: Transaction, ids: list[int]) -> Facts:
    """What is known of these people, by id; nothing when there is nobody. Hundreds of structs would cost more than the query."""
    rows = await tx.all(tuple, FACTS, ids=msgspec.json.encode(ids).decode())
    return dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)) if rows else {}
