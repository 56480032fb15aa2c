"""The SQL of hidden words."""

import msgspec

from dating.database import Transaction

READ = "SELECT words FROM hidden_words WHERE user_id = :me"
KEEP = """
INSERT INTO hidden_words (user_id, words) VALUES (:me, :words)
ON CONFLICT (user_id) DO UPDATE SET words = excluded.words
"""
CLEAR = "DELETE FROM hidden_words WHERE user_id = :me"


async def read(tx: Transaction, me: int) -> list[str]:
    """My words."""
    found = await tx.one(str, READ, me=me)
    return [] if found is None else msgspec.json.decode(found, type=list[str])


async def keep(tx: Transaction, me: int, words: list[str]) -> None:
    """These and no others; nobody without any has a row."""
    if words:
        await tx.run(KEEP, me=me, words=msgspec.json.encode(words).decode())
    else:
        await tx.run(CLEAR, me=me)
