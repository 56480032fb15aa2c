"""The SQL of the daily picks."""

from collections.abc import Sequence

import msgspec

from dating.database import Transaction

WHOLE_DAY = -1

IS_DONE = "SELECT 1 FROM pick_rounds WHERE day = :day AND region = :region AND done_at IS NOT NULL"
CLAIM = """
INSERT INTO pick_rounds (day, region, claimed_at) VALUES (:day, :region, :now)
ON CONFLICT (day, region) DO UPDATE SET claimed_at = excluded.claimed_at
WHERE pick_rounds.done_at IS NULL AND pick_rounds.claimed_at < :stale
"""
FINISH = """
UPDATE pick_rounds SET done_at = :now
WHERE day = :day AND region = :region AND claimed_at = :claimed_at AND done_at IS NULL
"""
HOLD = """
UPDATE pick_rounds SET claimed_at = claimed_at
WHERE day = :day AND region = :region AND claimed_at = :claimed_at AND done_at IS NULL
"""
REGIONS = """
SELECT COALESCE(c.region, 0) AS region, COALESCE(c.land, 0) AS land, COUNT(*) AS people
FROM profiles p LEFT JOIN cells c ON c.cell = p.cell
WHERE p.discoverable AND p.recency >= :since
GROUP BY COALESCE(c.region, 0), COALESCE(c.land, 0) ORDER BY 1
"""
PEOPLE = """
SELECT p.user_id, p.gender, p.seeks, p.born, p.min_age, p.max_age, p.x, p.y, p.z, p.reach, p.interests,
       COALESCE(c.area, 0) AS area, COALESCE(s.choosiness, 0) AS choosiness, COALESCE(s.appeal, 0) AS appeal,
       EXISTS (SELECT 1 FROM picks k WHERE k.low_id = p.user_id AND k.day >= :week AND k.value >= :good)
       OR EXISTS (SELECT 1 FROM picks k WHERE k.high_id = p.user_id AND k.day >= :week AND k.value >= :good) AS content
FROM profiles p
JOIN people n ON n.id = p.user_id
LEFT JOIN cells c ON c.cell = p.cell
LEFT JOIN standings s ON s.user_id = p.user_id
WHERE p.discoverable AND p.recency >= :since
  AND p.region_lane IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:lanes AS TEXT)))
  AND p.user_id > :after
ORDER BY p.user_id LIMIT :limit
"""
# One text, to be read outside of the loop: there may be hundreds of thousands. The view is asked for one person at a time:
# PostgreSQL finds rows of a view with joins in it by an index only for given values, and the LIMIT stops SQLite reading all.
APART = """
WITH pool (id) AS (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
SELECT json_group_array(CAST(e.one AS TEXT) || ' ' || CAST(e.other AS TEXT)) FROM (
SELECT low_id AS one, high_id AS other FROM pairs
WHERE (low_action IS NOT NULL OR high_action IS NOT NULL)
  AND low_id IN (SELECT id FROM pool) AND high_id IN (SELECT id FROM pool)
UNION
SELECT low_id, high_id FROM picks
WHERE day >= :week AND day < :day AND low_id IN (SELECT id FROM pool) AND high_id IN (SELECT id FROM pool)
UNION
SELECT p.id, CAST(o.value AS BIGINT) FROM pool p, json_each((
    SELECT json_group_array(u.other) FROM (
        SELECT CAST(other_id AS TEXT) AS other FROM unwanted WHERE viewer_id = p.id LIMIT 1000000
    ) u
)) o
WHERE CAST(o.value AS BIGINT) IN (SELECT id FROM pool)
) e
"""
KEEP = """
INSERT INTO picks (day, low_id, high_id, value) VALUES (:day, :low_id, :high_id, :value)
ON CONFLICT (day, low_id, high_id) DO NOTHING
"""
COUNTS = """
SELECT k.user_id, COUNT(*) AS picks FROM (
    SELECT low_id AS user_id FROM picks
    WHERE day = :day AND low_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
    UNION ALL
    SELECT high_id FROM picks
    WHERE day = :day AND high_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
) k GROUP BY k.user_id
"""
MINE = """
SELECT k.other_id FROM (
    SELECT high_id AS other_id, value FROM picks WHERE low_id = :me_id AND day = :day
    UNION ALL
    SELECT low_id, value FROM picks WHERE high_id = :me_id AND day = :day
) k
JOIN profiles p ON p.user_id = k.other_id AND p.discoverable
WHERE EXISTS (SELECT 1 FROM people WHERE id = k.other_id)
  AND NOT EXISTS (SELECT 1 FROM unwanted WHERE viewer_id = :me_id AND other_id = k.other_id)
  AND NOT EXISTS (
      SELECT 1 FROM swipes w WHERE w.user_id = :me_id AND w.other_id = k.other_id
      AND (w.action IS NOT NULL OR w.other_action = 'dislike')
  )
ORDER BY k.value DESC, k.other_id
"""
FORGET = "DELETE FROM picks WHERE day < :before"
FORGET_ROUNDS = "DELETE FROM pick_rounds WHERE day < :before"
ERASE = "DELETE FROM picks WHERE low_id = :user_id OR high_id = :user_id"


class Region(msgspec.Struct, frozen=True):
    """A coarse cell (0: no place), the still coarser one around it, and how many active people live there."""

    region: int
    land: int
    people: int


class Candidate(msgspec.Struct, frozen=True):
    """Somebody who may be a pick; `content`: had a good one in the week before."""

    user_id: int
    gender: int
    seeks: int
    born: int | None
    min_age: int
    max_age: int
    x: float | None
    y: float | None
    z: float | None
    reach: float | None
    interests: str
    area: int
    choosiness: float
    appeal: float
    content: bool


class Row(msgspec.Struct, frozen=True):
    """A pick: two people for a day, and the probability that both say yes."""

    day: int
    low_id: int
    high_id: int
    value: float


class Count(msgspec.Struct, frozen=True):
    """How many picks somebody has."""

    user_id: int
    picks: int


async def is_done(tx: Transaction, day: int, region: int = WHOLE_DAY) -> bool:
    """Whether the picks of the day are there, in a region or everywhere."""
    return await tx.one(int, IS_DONE, day=day, region=region) is not None


async def claim(tx: Transaction, day: int, region: int, stale: int) -> int | None:
    """Take a region of the day, unless it is done or somebody took it after `stale`; the moment of the claim."""
    claimed = await tx.run(CLAIM, day=day, region=region, now=tx.now, stale=stale)
    return tx.now if claimed else None


async def finish(tx: Transaction, day: int, region: int, claimed_at: int) -> bool:
    """Note that a region is done; False if it was somebody else's meanwhile."""
    return await tx.run(FINISH, day=day, region=region, claimed_at=claimed_at, now=tx.now) == 1


async def hold(tx: Transaction, day: int, region: int, claimed_at: int) -> bool:
    """Let nobody else take a region until the transaction ends; False if it was somebody else's already, or is done."""
    return await tx.run(HOLD, day=day, region=region, claimed_at=claimed_at) == 1


async def counts(tx: Transaction, day: int, ids: list[int]) -> dict[int, int]:
    """How many picks of the day each of these people has, who has any."""
    rows = await tx.all(Count, COUNTS, day=day, ids=msgspec.json.encode(sorted(set(ids))).decode())
    return {row.user_id: row.picks for row in rows}


async def regions(tx: Transaction, since: int) -> list[Region]:
    """Where people who were active since then live."""
    return await tx.all(Region, REGIONS, since=since)


async def people(
    tx: Transaction, lanes: Sequence[int], since: int, week: int, good: float, after: int, limit: int
) -> list[Candidate]:
    """The first people by id, after an id, who are active in these lanes of regions."""
    listed = msgspec.json.encode(lanes).decode()
    return await tx.all(Candidate, PEOPLE, lanes=listed, since=since, week=week, good=good, after=after, limit=limit)


async def apart(tx: Transaction, ids: list[int], week: int, day: int) -> str:
    """Pairs of these people who have swiped, were each other's picks of the week before, or are unwanted: JSON, `["1 2"]`."""
    return await tx.one(str, APART, ids=msgspec.json.encode(ids).decode(), week=week, day=day) or "[]"


async def keep(tx: Transaction, rows: list[Row]) -> None:
    """Write picks."""
    await tx.many(KEEP, [msgspec.structs.asdict(row) for row in rows])


async def mine(tx: Transaction, me_id: int, day: int) -> list[int]:
    """My picks of the day whom I may see and have not swiped, the best first."""
    return await tx.all(int, MINE, me_id=me_id, day=day)


async def forget(tx: Transaction, before: int) -> None:
    """Drop the picks of the days before."""
    await tx.run(FORGET, before=before)
    await tx.run(FORGET_ROUNDS, before=before)


async def erase(tx: Transaction, user_id: int) -> None:
    """Drop every pick of and for the person."""
    await tx.run(ERASE, user_id=user_id)
