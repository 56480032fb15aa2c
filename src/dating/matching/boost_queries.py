"""The SQL of boosts."""

import msgspec

from dating.database import Transaction
from dating.matching.candidate_queries import FITS, LIKES_ME, Parameters

START = """
INSERT INTO boosts (user_id, started_at, ends_at) VALUES (:me_id, :now, :ends_at)
ON CONFLICT (user_id) DO UPDATE SET started_at = excluded.started_at, ends_at = excluded.ends_at, impressions = 0
WHERE boosts.ends_at <= excluded.started_at
"""
# Whoever got least out of their boost comes first, in case that more fit than are looked at. A CROSS JOIN is read in its order by
# SQLite, which would begin with all profiles otherwise.
BOOSTED = f"""
SELECT q.user_id, {LIKES_ME} AS likes_me FROM boosts b CROSS JOIN profiles q
WHERE q.user_id = b.user_id AND b.ends_at > :now AND b.impressions < :most AND q.gender & :seeks <> 0 AND {FITS}
ORDER BY b.impressions, b.user_id LIMIT :limit
"""
CLAIM = """
UPDATE boosts SET impressions = impressions + 1 WHERE user_id = :user_id AND ends_at > :now AND impressions < :most
"""
FORGET = "DELETE FROM boosts WHERE ends_at <= :now"
OWN = "SELECT started_at, ends_at, impressions FROM boosts WHERE user_id = :user_id"
ERASE = "DELETE FROM boosts WHERE user_id = :user_id"


class Boosted(msgspec.Struct, frozen=True):
    """Somebody boosted who fits, and whether they like me."""

    user_id: int
    likes_me: bool


class OwnBoost(msgspec.Struct, frozen=True):
    """A boost for the person's archive: from when until when (microseconds), and how many times it showed them."""

    started_at: int
    ends_at: int
    impressions: int


async def start(tx: Transaction, me_id: int, ends_at: int) -> bool:
    """Boost me from now on, unless I am boosted."""
    return await tx.run(START, me_id=me_id, now=tx.now, ends_at=ends_at) == 1


async def boosted(tx: Transaction, most: int, seeks: int, limit: int, rules: Parameters) -> dict[int, bool]:
    """Who is boosted, was shown less than `most` times for it, and fits; each with whether they like me."""
    rows = await tx.all(Boosted, BOOSTED, now=tx.now, most=most, limit=limit, **rules | {"seeks": seeks})
    return {row.user_id: row.likes_me for row in rows}


async def claim(tx: Transaction, user_id: int, most: int) -> bool:
    """Count one more impression of a boost, unless it is over or there are `most`."""
    return await tx.run(CLAIM, user_id=user_id, now=tx.now, most=most) == 1


async def forget(tx: Transaction) -> None:
    """Drop the boosts that are over."""
    await tx.run(FORGET, now=tx.now)


async def own(tx: Transaction, user_id: int) -> list[OwnBoost]:
    """The person's boost, if it is still written down."""
    return await tx.all(OwnBoost, OWN, user_id=user_id)


async def erase(tx: Transaction, user_id: int) -> None:
    """Forget that the person is boosted."""
    await tx.run(ERASE, user_id=user_id)
