"""The SQL of address books, and of the sealed addresses of accounts."""

import msgspec

from dating.database import Transaction

ADD = """
INSERT INTO contacts (owner_id, sealed) SELECT :me_id, CAST(value AS TEXT) FROM json_each(CAST(:sealed AS TEXT)) WHERE TRUE
ON CONFLICT (owner_id, sealed) DO NOTHING
"""
COUNT = "SELECT COUNT(*) FROM contacts WHERE owner_id = :me_id"
CLEAR = "DELETE FROM contacts WHERE owner_id = :me_id"
PUT_HANDLE = "INSERT INTO handles (user_id, kind, key, sealed) VALUES (:user_id, :kind, :key, :sealed)"
DROP_HANDLES = "DELETE FROM handles WHERE user_id = :user_id AND kind = :kind"
ERASE_HANDLES = "DELETE FROM handles WHERE user_id = :user_id"


async def add(tx: Transaction, me_id: int, sealed: list[str]) -> None:
    """Write those that are not there."""
    await tx.run(ADD, me_id=me_id, sealed=msgspec.json.encode(sealed).decode())


async def count(tx: Transaction, me_id: int) -> int:
    """How many there are."""
    return await tx.one(int, COUNT, me_id=me_id) or 0


async def clear(tx: Transaction, me_id: int) -> None:
    """Remove them all."""
    await tx.run(CLEAR, me_id=me_id)


async def put_handle(tx: Transaction, user_id: int, kind: str, key: str, sealed: str) -> None:
    """Write how the person can be reached, sealed by the secret that `key` names."""
    await tx.run(PUT_HANDLE, user_id=user_id, kind=kind, key=key, sealed=sealed)


async def drop_handles(tx: Transaction, user_id: int, kind: str) -> None:
    """Remove the person's handles of this kind."""
    await tx.run(DROP_HANDLES, user_id=user_id, kind=kind)


async def erase(tx: Transaction, user_id: int) -> None:
    """Remove the person's address book and handles."""
    await tx.run(CLEAR, me_id=user_id)
    await tx.run(ERASE_HANDLES, user_id=user_id)
