"""The SQL of what the ranking keeps of people: learned numbers, counts of the running week, and what each swipe taught.

Changes are sums (`x = x + step`), so that two transactions that learn about one person at the same moment both count.
"""

import msgspec

from dating.clock import DAY
from dating.database import Transaction

WEEK = 7 * DAY
LESSONS_KEPT = 1  # days


# A clock that goes back by less than a week opens no new one; of weeks that are farther ahead it was wrong, and they are over.
RUNNING = "standings.week BETWEEN excluded.week AND excluded.week + 1"


def rolling(name: str) -> str:
    """Assignments that add to a count of the running week, after the week before has been put aside if a new one has begun."""
    return f"""
    {name} = excluded.{name} + CASE WHEN {RUNNING} THEN standings.{name} ELSE 0 END,
    {name}_before = CASE
        WHEN {RUNNING} THEN standings.{name}_before
        WHEN standings.week = excluded.week - 1 THEN standings.{name} ELSE 0
    END"""


ROLLED = f"""{rolling("shown")},{rolling("swipes")},{rolling("matches")},
    week = CASE WHEN {RUNNING} THEN standings.week ELSE excluded.week END"""

LEARN = f"""
INSERT INTO standings (user_id, choosiness, choosiness_precision, appeal, appeal_precision, unanswered, week, swipes, matches)
VALUES (
    :user_id, CAST(:choosiness AS DOUBLE PRECISION), 1 + CAST(:choosiness_precision AS DOUBLE PRECISION),
    CAST(:appeal AS DOUBLE PRECISION), 1 + CAST(:appeal_precision AS DOUBLE PRECISION),
    CASE WHEN CAST(:unanswered AS BIGINT) > 0 THEN CAST(:unanswered AS BIGINT) ELSE 0 END, :week, :swipes, :matches
)
ON CONFLICT (user_id) DO UPDATE SET
    choosiness = standings.choosiness + excluded.choosiness,
    choosiness_precision = standings.choosiness_precision + excluded.choosiness_precision - 1,
    appeal = standings.appeal + excluded.appeal,
    appeal_precision = standings.appeal_precision + excluded.appeal_precision - 1,
    unanswered = CASE
        WHEN standings.unanswered + CAST(:unanswered AS BIGINT) < 0 THEN 0
        ELSE standings.unanswered + CAST(:unanswered AS BIGINT)
    END,{ROLLED}
"""
COUNT_SHOWN = f"""
INSERT INTO standings (user_id, ever_shown, week, shown)
SELECT CAST(value AS BIGINT), 1, CAST(:week AS BIGINT), 1 FROM json_each(CAST(:ids AS TEXT)) WHERE TRUE
ON CONFLICT (user_id) DO UPDATE SET ever_shown = standings.ever_shown + 1,{ROLLED}
"""
# Each side by its own index: through the view, SQLite would read all pairs.
RECOUNT = """
UPDATE standings SET unanswered = (
    SELECT COUNT(*) FROM pairs
    WHERE low_id = standings.user_id AND low_action IS NULL AND high_action IN ('like', 'superlike')
) + (
    SELECT COUNT(*) FROM pairs
    WHERE high_id = standings.user_id AND high_action IS NULL AND low_action IN ('like', 'superlike')
)
WHERE user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
"""
AWAITED = """
SELECT other_id FROM swipes
WHERE user_id = :me_id AND action IN ('like', 'superlike') AND other_action IS NULL ORDER BY other_id
"""
SUBJECT = """
SELECT m.gender AS my_gender, m.born AS my_born, m.interests AS my_interests,
       t.gender AS their_gender, t.born AS their_born, t.interests AS their_interests,
       COALESCE(ms.choosiness, 0) AS choosiness, COALESCE(ms.choosiness_precision, 1) AS choosiness_precision,
       COALESCE(ts.appeal, 0) AS appeal, COALESCE(ts.appeal_precision, 1) AS appeal_precision
FROM profiles m JOIN profiles t ON t.user_id = :other_id
LEFT JOIN standings ms ON ms.user_id = m.user_id LEFT JOIN standings ts ON ts.user_id = t.user_id
WHERE m.user_id = :me_id
"""
KEEP_LESSON = """
INSERT INTO lessons (viewer_id, shown_id, day, choosiness, appeal, information)
VALUES (:me_id, :other_id, :day, :choosiness, :appeal, :information)
ON CONFLICT (viewer_id, shown_id) DO UPDATE SET
    day = excluded.day, choosiness = excluded.choosiness, appeal = excluded.appeal, information = excluded.information
"""
TAKE_LESSON = """
DELETE FROM lessons WHERE viewer_id = :me_id AND shown_id = :other_id RETURNING choosiness, appeal, information
"""
FORGET_LESSONS = "DELETE FROM lessons WHERE day < :before"


class Subject(msgspec.Struct, frozen=True):
    """What is known of a viewer and a shown person before the swipe."""

    my_gender: int
    my_born: int | None
    my_interests: str
    their_gender: int
    their_born: int | None
    their_interests: str
    choosiness: float
    choosiness_precision: float
    appeal: float
    appeal_precision: float


class Taught(msgspec.Struct, frozen=True):
    """What a swipe added: to the viewer's choosiness, to the shown person's appeal, and to the precision of both."""

    choosiness: float = 0.0
    appeal: float = 0.0
    information: float = 0.0


class Change(msgspec.Struct, frozen=True):
    """What to add to somebody's standing."""

    choosiness: float = 0.0
    choosiness_precision: float = 0.0
    appeal: float = 0.0
    appeal_precision: float = 0.0
    unanswered: int = 0
    swipes: int = 0
    matches: int = 0


async def subject(tx: Transaction, me_id: int, other_id: int) -> Subject | None:
    """What the lesson of a swipe starts from; None where one of the two has no profile."""
    return await tx.one(Subject, SUBJECT, me_id=me_id, other_id=other_id)


async def change(tx: Transaction, changes: dict[int, Change]) -> None:
    """Add to the standings of people, in the order in which everybody locks them."""
    rows = [
        {"user_id": user_id, "week": tx.now // WEEK, **msgspec.structs.asdict(changes[user_id])} for user_id in sorted(changes)
    ]
    await tx.many(LEARN, rows)


async def count_shown(tx: Transaction, ids: list[int]) -> None:
    """One impression more for each of these people."""
    await tx.run(COUNT_SHOWN, week=tx.now // WEEK, ids=msgspec.json.encode(sorted(ids)).decode())


async def keep_lesson(tx: Transaction, me_id: int, other_id: int, taught: Taught) -> None:
    """Remember what a swipe taught."""
    await tx.run(KEEP_LESSON, me_id=me_id, other_id=other_id, day=tx.now // DAY, **msgspec.structs.asdict(taught))


async def take_lesson(tx: Transaction, me_id: int, other_id: int) -> Taught | None:
    """Forget what a swipe taught; None if that is forgotten already."""
    return await tx.one(Taught, TAKE_LESSON, me_id=me_id, other_id=other_id)


async def forget_lessons(tx: Transaction) -> None:
    """Drop the lessons of swipes that nobody takes back any more."""
    await tx.run(FORGET_LESSONS, before=tx.now // DAY - LESSONS_KEPT)


async def awaited(tx: Transaction, me_id: int) -> list[int]:
    """Whose answer to my like is open."""
    return await tx.all(int, AWAITED, me_id=me_id)


async def recount(tx: Transaction, ids: list[int]) -> None:
    """Count anew how many likes await the answer of each."""
    await tx.run(RECOUNT, ids=msgspec.json.encode(sorted(ids)).decode())
