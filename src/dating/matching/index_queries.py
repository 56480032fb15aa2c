"""The SQL that feeds the candidate index."""

from typing import Any

import msgspec

from dating.database import Transaction

# The columns of `columns.COLUMNS`, in their order.
SEEN = """
SELECT q.user_id, q.recency, COALESCE(q.born, -2147483648), COALESCE(q.cell, 0), COALESCE(q.max_distance_km, 0), q.gender,
       q.seeks, q.min_age, q.max_age, q.has_photo, q.show_last_active, u.created_at, q.interests
FROM profiles q JOIN people n ON n.id = q.user_id JOIN users u ON u.id = n.id
"""
# All begin after the last one: else PostgreSQL, which goes through them in order, reads all accounts before that each time.
EVERYBODY = (
    f"{SEEN} WHERE q.discoverable AND q.user_id > :after AND n.id > :after AND u.id > :after ORDER BY q.user_id LIMIT :limit"
)
SOME = f"{SEEN} WHERE q.discoverable AND q.user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))"
HOMES = "SELECT cell, area, region, x, y, z FROM cells WHERE cell > :after ORDER BY cell LIMIT :limit"
LAST = "SELECT COALESCE(MAX(user_id), 0) FROM profiles"

Row = tuple[Any, ...]


async def everybody(tx: Transaction, after_id: int, limit: int) -> list[Row]:
    """The next people who may be shown, by id."""
    return await tx.all(tuple, EVERYBODY, after=after_id, limit=limit)


async def some(tx: Transaction, ids: list[int]) -> list[Row]:
    """Those of the people who may be shown."""
    return await tx.all(tuple, SOME, ids=msgspec.json.encode(ids).decode())


async def homes(tx: Transaction, after: int, limit: int) -> list[Row]:
    """The next cells in which somebody has ever lived."""
    return await tx.all(tuple, HOMES, after=after, limit=limit)


async def last(tx: Transaction) -> int:
    """The highest id that has a profile."""
    return await tx.one(int, LAST) or 0
