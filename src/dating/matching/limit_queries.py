"""The SQL of what is limited by the day. A day is a UTC day, counted from 1970-01-01."""

import msgspec

from dating.database import Transaction

SPEND_LIKE = """
INSERT INTO likes_used (user_id, day, used) VALUES (:user_id, :day, 1)
ON CONFLICT (user_id) DO UPDATE SET
    day = excluded.day, used = CASE WHEN likes_used.day = excluded.day THEN likes_used.used + 1 ELSE 1 END
WHERE likes_used.day <> excluded.day OR likes_used.used < :most
"""
SPEND = """
INSERT INTO spent (user_id, kind, day, used) VALUES (:user_id, :kind, :day, 1)
ON CONFLICT (user_id, kind) DO UPDATE SET
    day = excluded.day, used = CASE WHEN spent.day = excluded.day THEN spent.used + 1 ELSE 1 END
WHERE spent.day <> excluded.day OR spent.used < :most
"""
USED = """
SELECT 'like' AS kind, used FROM likes_used WHERE user_id = :user_id AND day = :day
UNION ALL
SELECT kind, used FROM spent WHERE user_id = :user_id AND day = :day
"""
OWN = "SELECT kind, day, used FROM spent WHERE user_id = :user_id ORDER BY kind"
ERASE = "DELETE FROM spent WHERE user_id = :user_id"


class Used(msgspec.Struct, frozen=True):
    """How many of a kind were spent on a day."""

    kind: str
    used: int


class OwnUsed(msgspec.Struct, frozen=True):
    """The same for the person's archive, of the latest day on which any was spent."""

    kind: str
    day: int
    used: int


async def spend(tx: Transaction, user_id: int, kind: str, day: int, most: int) -> bool:
    """Count one more of a kind, unless `most` are spent on that day."""
    if kind == "like":
        return await tx.run(SPEND_LIKE, user_id=user_id, day=day, most=most) == 1
    return await tx.run(SPEND, user_id=user_id, kind=kind, day=day, most=most) == 1


async def used(tx: Transaction, user_id: int, day: int) -> dict[str, int]:
    """How many of each kind are spent on that day."""
    return {row.kind: row.used for row in await tx.all(Used, USED, user_id=user_id, day=day)}


async def own(tx: Transaction, user_id: int) -> list[OwnUsed]:
    """What the person has spent, but for likes."""
    return await tx.all(OwnUsed, OWN, user_id=user_id)


async def erase(tx: Transaction, user_id: int) -> None:
    """Forget what the person has spent, but for likes."""
    await tx.run(ERASE, user_id=user_id)
