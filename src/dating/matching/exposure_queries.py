"""The SQL of who was shown to whom."""

import msgspec

from dating.clock import DAY, SECOND
from dating.database import Transaction

HOUR = 3600 * SECOND
ERASED = 5000  # viewers' rows that one transaction of the sweep looks at

# A row for the pair and the day. The same deck again (a repeated request) changes nothing, a list (deck 0) counts once a day.
RECORD = """
INSERT INTO exposures (day, viewer_id, shown_id, shown_at, deck_at, kind, propensity)
SELECT CAST(:day AS BIGINT), CAST(:me_id AS BIGINT), CAST(value AS BIGINT), CAST(:now AS BIGINT), CAST(:deck_at AS BIGINT),
       CAST(:kind AS SMALLINT), CAST(:propensity AS REAL)
FROM json_each(CAST(:ids AS TEXT)) WHERE TRUE
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
SESSION = """
SELECT deck_at FROM exposures
WHERE day IN (:today, CAST(:today AS BIGINT) - 1) AND viewer_id = :me_id AND shown_id = :shown_id AND deck_at <> 0
ORDER BY day DESC LIMIT 1
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


class Spent(msgspec.Struct, frozen=True):
    """How many different people an account was shown this day and this hour (UTC)."""

    in_day: int
    in_hour: int


async def record(tx: Transaction, me_id: int, ids: list[int], deck_at: int, kind: int, propensity: float) -> list[Shown]:
    """Write that these people are shown to me now; those for whom that is news."""
    return await tx.all(
        Shown,
        RECORD,
        day=tx.now // DAY,
        me_id=me_id,
        ids=msgspec.json.encode(ids).decode(),
        now=tx.now,
        deck_at=deck_at,
        kind=kind,
        propensity=propensity,
    )


async def spend(tx: Transaction, me_id: int, count: int) -> Spent:
    """Count people whom I had not seen today."""
    found = await tx.one(Spent, SPEND, me_id=me_id, day=tx.now // DAY, hour=tx.now // HOUR, count=count)
    assert found is not None
    return found


async def session(tx: Transaction, me_id: int, shown_id: int) -> int | None:
    """When the session began in which I was shown somebody today or yesterday."""
    return await tx.one(int, SESSION, today=tx.now // DAY, me_id=me_id, shown_id=shown_id)


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
