"""The SQL of mailboxes."""

from dating.database import Transaction

PUT = "INSERT INTO mailboxes (user_id, key, sealed) VALUES (:user_id, :key, :sealed)"
ERASE = "DELETE FROM mailboxes WHERE user_id = :user_id"
IS_KEPT_OUT = """
SELECT 1 FROM mailboxes m JOIN users u ON u.id = m.user_id
WHERE m.sealed = :sealed AND u.banned_at IS NOT NULL LIMIT 1
"""


async def put(tx: Transaction, user_id: int, key: str, sealed: str) -> None:
    """Write the person's mailbox, sealed by the secret that `key` names."""
    await tx.run(PUT, user_id=user_id, key=key, sealed=sealed)


async def erase(tx: Transaction, user_id: int) -> None:
    """Remove what is written of the person's mailbox."""
    await tx.run(ERASE, user_id=user_id)


async def is_kept_out(tx: Transaction, sealed: str) -> bool:
    """Whether this is the mailbox of somebody who is kept out."""
    return await tx.one(int, IS_KEPT_OUT, sealed=sealed) is not None
