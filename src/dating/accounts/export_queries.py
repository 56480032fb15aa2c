"""The SQL of archives: asked for, made, fetched once, gone."""

from dating.accounts.models import ExportRow
from dating.database import Transaction

FIND = "SELECT ready_at IS NOT NULL AS ready, dies_at FROM exports WHERE user_id = :user_id AND dies_at > :now"
ASK = """
INSERT INTO exports (user_id, asked_at, dies_at) VALUES (:user_id, :now, :dies_at)
ON CONFLICT (user_id) DO UPDATE
SET asked_at = excluded.asked_at, claimed_at = 0, ready_at = NULL, dies_at = excluded.dies_at, hash = NULL, archive = NULL
WHERE exports.dies_at <= excluded.asked_at
"""
LINK = """
UPDATE exports SET hash = :hash WHERE user_id = :user_id AND ready_at IS NOT NULL AND dies_at > :now RETURNING dies_at
"""
TAKE = "DELETE FROM exports WHERE user_id = :user_id AND hash = :hash AND dies_at > :now RETURNING archive"
NEXT = """
SELECT user_id FROM exports WHERE ready_at IS NULL AND claimed_at <= :stale AND dies_at > :now ORDER BY asked_at, user_id LIMIT 1
"""
CLAIM = """
UPDATE exports SET claimed_at = :now WHERE user_id = :user_id AND ready_at IS NULL AND claimed_at <= :stale RETURNING claimed_at
"""
STORE = """
UPDATE exports SET archive = :archive, ready_at = :now, dies_at = :dies_at
WHERE user_id = :user_id AND claimed_at = :claimed_at AND ready_at IS NULL
"""
FORGET = "DELETE FROM exports WHERE user_id IN (SELECT user_id FROM exports WHERE dies_at <= :now ORDER BY dies_at LIMIT :most)"
ERASE = "DELETE FROM exports WHERE user_id = :user_id"


async def find(tx: Transaction, user_id: int) -> ExportRow | None:
    """The person's archive, ready or not, that is not too old."""
    return await tx.one(ExportRow, FIND, user_id=user_id, now=tx.now)


async def ask(tx: Transaction, user_id: int, dies_at: int) -> bool:
    """Put the person's wish into the queue; False when it is there."""
    return await tx.run(ASK, user_id=user_id, now=tx.now, dies_at=dies_at) == 1


async def link(tx: Transaction, user_id: int, link_hash: str) -> int | None:
    """Let this link, and none before it, lead to the person's archive; until when. None when there is none that is ready."""
    return await tx.one(int, LINK, user_id=user_id, hash=link_hash, now=tx.now)


async def take(tx: Transaction, user_id: int, link_hash: str) -> str | None:
    """The archive, which is gone then."""
    return await tx.one(str, TAKE, user_id=user_id, hash=link_hash, now=tx.now)


async def find_next(tx: Transaction, stale: int) -> int | None:
    """Who waits longest and was not claimed after `stale`."""
    return await tx.one(int, NEXT, stale=stale, now=tx.now)


async def claim(tx: Transaction, user_id: int, stale: int) -> int | None:
    """Take the making of this archive upon oneself; the claim, or None when somebody else has."""
    return await tx.one(int, CLAIM, user_id=user_id, stale=stale, now=tx.now)


async def store(tx: Transaction, user_id: int, claimed_at: int, archive: str, dies_at: int) -> bool:
    """Keep the archive; False when the claim has lapsed, or the person has left."""
    given = {"user_id": user_id, "claimed_at": claimed_at, "archive": archive, "dies_at": dies_at}
    return await tx.run(STORE, now=tx.now, **given) == 1


async def forget(tx: Transaction, most: int) -> int:
    """Drop archives whose time is over, `most` at a time; how many went."""
    return await tx.run(FORGET, now=tx.now, most=most)


async def erase(tx: Transaction, user_id: int) -> None:
    """Drop the archive of a person who is being deleted; one that is being made will not be kept."""
    await tx.run(ERASE, user_id=user_id)
