"""The SQL of who was shown to whom."""

from collections.abc import Sequence

import msgspec

from dating.clock import DAY, SECOND
from dating.database import Transaction

HOUR = 3600 * SECOND
ERASED = 5000  # viewers' rows that one transaction of the sweep looks at

# A row for the pair and the day. The same deck again (a repeated request) changes nothing, a list (deck 0) counts once a day.
RECORD = """
INSERT INTO exposures (day, viewer_id, shown_id, shown_at, deck_at, kind, propensity)
WITH given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:slots AS TEXT)))
SELECT CAST(:day AS BIGINT), CAST(:me_id AS BIGINT), CAST(v ->> 0 AS BIGINT), CAST(:now AS BIGINT), CAST(:deck_at AS BIGINT),
       CAST(v ->> 1 AS SMALLINT), CAST(v ->> 2 AS REAL)
FROM given WHERE TRUE
ON CONFLICT (day, viewer_id, shown_id) DO UPDATE SET times = exposures.times + 1, deck_at = excluded.deck_at
WHERE excluded.deck_at <> 0 AND exposures.deck_at <> excluded.deck_at
RETURNING shown_id, times
"""
SPEND = """
INSERT INTO reveals (user_id, day, in_day, hour, in_hour)
VALUES (:me_id, :day, CAST(:count AS BIGINT), :hour, CAST(:count AS BIGINT))
ON CONFLICT (user_id) DO UPDATE SET
    in_day = excluded.in_day + CASE WHEN reveals.day = excluded.day THEN reveals.in_day ELSE 0 END,
    in_hour = excluded.in_hour + CASE WHEN reveals.hour = excluded.hour THEN reveals.in_hour ELSE 0 END,
    day = excluded.day,
    hour = excluded.hour
RETURNING in_day, in_hour
"""
# The session in which I was shown somebody today or yesterday, how many people were shown in it, whether anybody is boosted, and
# what I have spent today.
OPENING = """
SELECT o.deck_at, (
    SELECT COUNT(*) FROM exposures s
    WHERE s.day IN (:today, CAST(:today AS BIGINT) - 1) AND s.viewer_id = :me_id AND s.deck_at = o.deck_at
) AS shown, EXISTS (SELECT 1 FROM boosts b WHERE b.ends_at > :now) AS boosting,
    (SELECT l.used FROM likes_used l WHERE l.user_id = :me_id AND l.day = :today) AS likes,
    (SELECT s.used FROM spent s WHERE s.user_id = :me_id AND s.kind = 'superlike' AND s.day = :today) AS superlikes,
    (SELECT s.used FROM spent s WHERE s.user_id = :me_id AND s.kind = 'rewind' AND s.day = :today) AS rewinds,
    (SELECT s.used FROM spent s WHERE s.user_id = :me_id AND s.kind = 'boost' AND s.day = :today) AS boosts
FROM (SELECT (
    SELECT deck_at FROM exposures
    WHERE day IN (:today, CAST(:today AS BIGINT) - 1) AND viewer_id = :me_id AND shown_id = :shown_id AND deck_at <> 0
    ORDER BY day DESC LIMIT 1
) AS deck_at) o
"""
SHOWN = """
SELECT shown_id FROM exposures
WHERE day IN (:today, CAST(:today AS BIGINT) - 1) AND viewer_id = :me_id AND deck_at = :deck_at
ORDER BY shown_at, shown_id
"""
EARLIEST = "SELECT MIN(day) FROM exposures"
FORGET = f"""
DELETE FROM exposures WHERE day = :day AND viewer_id <= (
    SELECT MAX(v.viewer_id) FROM (SELECT viewer_id FROM exposures WHERE day = :day ORDER BY viewer_id LIMIT {ERASED}) v
)
"""


class Shown(msgspec.Struct, frozen=True):
    """Somebody who was shown, and how many times today."""

    shown_id: int
    times: int


class Opening(msgspec.Struct, frozen=True):
    """When the session began that a page goes on with, and how many were shown in it; and whether anybody is boosted.

    Then how many I have used today of what is limited by the day; None for none.
    """

    deck_at: int | None
    shown: int
    boosting: bool
    likes: int | None = None
    superlikes: int | None = None
    rewinds: int | None = None
    boosts: int | None = None

    @property
    def used(self) -> dict[str, int]:
        """The same by kind, as `limit_queries.used` says it."""
        return {
            "like": self.likes or 0,
            "superlike": self.superlikes or 0,
            "rewind": self.rewinds or 0,
            "boost": self.boosts or 0,
        }


class Spent(msgspec.Struct, frozen=True):
    """How many different people an account was shown this day and this hour (UTC)."""

    in_day: int
    in_hour: int


async def record(tx: Transaction, me_id: int, slots: Sequence[tuple[int, int, float]], deck_at: int) -> list[Shown]:
    """Write that these people (with why, and the chance of it) are shown to me now; those for whom that is news."""
    given = msgspec.json.encode(slots).decode()
    return await tx.all(Shown, RECORD, day=tx.now // DAY, me_id=me_id, slots=given, now=tx.now, deck_at=deck_at)


async def spend(tx: Transaction, me_id: int, count: int) -> Spent:
    """Count people whom I had not seen today."""
    found = await tx.one(Spent, SPEND, me_id=me_id, day=tx.now // DAY, hour=tx.now // HOUR, count=count)
    assert found is not None
    return found


async def opening(tx: Transaction, me_id: int, shown_id: int | None) -> Opening:
    """What a page begins with, after somebody whom I was shown or from the top."""
    found = await tx.one(Opening, OPENING, today=tx.now // DAY, now=tx.now, me_id=me_id, shown_id=shown_id or 0)
    assert found is not None
    return found


async def shown(tx: Transaction, me_id: int, deck_at: int) -> list[int]:
    """Who was shown to me in a session, in that order."""
    return await tx.all(int, SHOWN, today=tx.now // DAY, me_id=me_id, deck_at=deck_at)


async def forget(tx: Transaction, before_day: int) -> bool:
    """Drop some of what is older; whether there may be more."""
    day = await tx.one(int, EARLIEST)
    if day is None or day >= before_day:
        return False
    await tx.run(FORGET, day=day)
    return True
