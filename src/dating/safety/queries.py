"""The SQL of blocks, and of who is visible to whom."""

from dating.database import Transaction
from dating.safety.models import BlockRow, HideRow

IS_VISIBLE = """
SELECT 1 FROM people
WHERE id = :other_id AND NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = :viewer_id AND other_id = :other_id)
"""
IS_THERE = "SELECT 1 FROM people WHERE id = :user_id"
BLOCK = """
INSERT INTO blocks (blocker_id, blocked_id, created_at) VALUES (:blocker_id, :blocked_id, :now)
ON CONFLICT (blocker_id, blocked_id) DO NOTHING
"""
UNBLOCK = "DELETE FROM blocks WHERE blocker_id = :blocker_id AND blocked_id = :blocked_id"
BLOCKED = """
SELECT b.blocked_id AS id, u.username, p.name, b.created_at AS blocked_at
FROM blocks b
JOIN people u ON u.id = b.blocked_id
LEFT JOIN profiles p ON p.user_id = b.blocked_id
WHERE b.blocker_id = :me_id
  AND (CAST(:last_seen_id AS BIGINT) IS NULL
       OR (b.created_at, b.blocked_id)
          < (SELECT l.created_at, l.blocked_id FROM blocks l WHERE l.blocker_id = :me_id AND l.blocked_id = :last_seen_id))
ORDER BY b.created_at DESC, b.blocked_id DESC
LIMIT :limit OFFSET :offset
"""
ERASE = "DELETE FROM blocks WHERE blocker_id = :user_id OR blocked_id = :user_id"
HIDE = """
INSERT INTO hides (hider_id, hidden_id, created_at) VALUES (:me_id, :other_id, :now)
ON CONFLICT (hider_id, hidden_id) DO NOTHING
"""
UNHIDE = "DELETE FROM hides WHERE hider_id = :me_id AND hidden_id = :other_id"
HIDES = """
SELECT h.hidden_id AS id, u.username, p.name, h.created_at AS hidden_at
FROM hides h
JOIN people u ON u.id = h.hidden_id
LEFT JOIN profiles p ON p.user_id = h.hidden_id
WHERE h.hider_id = :me_id
  AND NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = :me_id AND other_id = h.hidden_id)
  AND (CAST(:last_seen_id AS BIGINT) IS NULL
       OR (h.created_at, h.hidden_id)
          < (SELECT l.created_at, l.hidden_id FROM hides l WHERE l.hider_id = :me_id AND l.hidden_id = :last_seen_id))
ORDER BY h.created_at DESC, h.hidden_id DESC
LIMIT :limit OFFSET :offset
"""
ERASE_HIDES = "DELETE FROM hides WHERE hider_id = :user_id OR hidden_id = :user_id"


async def is_visible(tx: Transaction, viewer_id: int, other_id: int) -> bool:
    """Whether the other is there and no block lies between the two."""
    return await tx.one(int, IS_VISIBLE, viewer_id=viewer_id, other_id=other_id) is not None


async def is_there(tx: Transaction, user_id: int) -> bool:
    """Whether the person exists, neither banned nor deleted."""
    return await tx.one(int, IS_THERE, user_id=user_id) is not None


async def block(tx: Transaction, blocker_id: int, blocked_id: int) -> None:
    """Write the block, unless it is there."""
    await tx.run(BLOCK, blocker_id=blocker_id, blocked_id=blocked_id, now=tx.now)


async def unblock(tx: Transaction, blocker_id: int, blocked_id: int) -> None:
    """Remove the block, if it is there."""
    await tx.run(UNBLOCK, blocker_id=blocker_id, blocked_id=blocked_id)


async def blocked(tx: Transaction, me_id: int, limit: int, offset: int, last_seen_id: int | None) -> list[BlockRow]:
    """Whom I have blocked, the latest first, after the one seen last."""
    return await tx.all(BlockRow, BLOCKED, me_id=me_id, limit=limit, offset=offset, last_seen_id=last_seen_id)


async def hide(tx: Transaction, me_id: int, other_id: int) -> None:
    """Write that I do not want to see the other, unless it is there."""
    await tx.run(HIDE, me_id=me_id, other_id=other_id, now=tx.now)


async def unhide(tx: Transaction, me_id: int, other_id: int) -> None:
    """Remove that, if it is there."""
    await tx.run(UNHIDE, me_id=me_id, other_id=other_id)


async def hides(tx: Transaction, me_id: int, limit: int, offset: int, last_seen_id: int | None) -> list[HideRow]:
    """Whom I have hidden and may know of, the latest first, after the one seen last."""
    return await tx.all(HideRow, HIDES, me_id=me_id, limit=limit, offset=offset, last_seen_id=last_seen_id)


async def erase(tx: Transaction, user_id: int) -> None:
    """Remove every block and hide by and of the person."""
    await tx.run(ERASE, user_id=user_id)
    await tx.run(ERASE_HIDES, user_id=user_id)
