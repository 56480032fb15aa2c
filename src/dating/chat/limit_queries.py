"""The SQL of what newcomers have sent."""

import json
from collections.abc import Iterable, Sequence

from dating.chat.limit_models import Newcomer, OwnSending, Sending
from dating.chat.post_queries import encode
from dating.database import SWEPT, Transaction

SENDINGS = """
given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:sendings AS TEXT))),
d AS MATERIALIZED (
    SELECT CAST(v ->> 'n' AS BIGINT) AS n, CAST(v ->> 'user_id' AS BIGINT) AS user_id,
           CAST(v ->> 'chat_id' AS BIGINT) AS chat_id, v ->> 'digest' AS digest, CAST(v ->> 'links' AS BIGINT) AS links
    FROM given)
"""
LOOK_BACK = f"""
WITH {SENDINGS}
SELECT d.n, COUNT(CASE WHEN s.sent_at > :hour THEN 1 END) AS messages,
       MIN(CASE WHEN s.sent_at > :hour THEN s.sent_at END) AS first_at,
       CAST(COALESCE(SUM(s.links), 0) AS BIGINT) AS links, MIN(CASE WHEN s.links > 0 THEN s.sent_at END) AS first_link_at,
       COUNT(DISTINCT CASE WHEN s.digest = d.digest AND s.chat_id <> d.chat_id THEN s.chat_id END) AS chats,
       MIN(CASE WHEN s.digest = d.digest THEN s.sent_at END) AS first_same_at
FROM d LEFT JOIN newcomer_sends AS s ON s.user_id = d.user_id AND s.sent_at > :day
GROUP BY d.n
"""
KEEP = f"""
INSERT INTO newcomer_sends (user_id, chat_id, digest, links, sent_at)
WITH {SENDINGS}
SELECT d.user_id, d.chat_id, d.digest, d.links, CAST(:now AS BIGINT) FROM d
"""
# In the order of their ids, as everybody else takes them.
HOLD = """
INSERT INTO newcomers (user_id)
SELECT CAST(value AS BIGINT) FROM json_each(CAST(:people AS TEXT)) WHERE TRUE ORDER BY 1
ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id
"""
JOINED = "SELECT created_at FROM users WHERE id = :me"
FORGET = """
DELETE FROM newcomer_sends
WHERE id IN (SELECT id FROM newcomer_sends WHERE sent_at <= :before ORDER BY sent_at LIMIT :most)
"""
EXPORT = "SELECT digest, links, sent_at FROM newcomer_sends WHERE user_id = :user_id ORDER BY id"
FORGET_NEWCOMERS = "DELETE FROM newcomers WHERE user_id NOT IN (SELECT user_id FROM newcomer_sends)"
ERASE = "DELETE FROM newcomer_sends WHERE user_id = :user_id"
ERASE_NEWCOMER = "DELETE FROM newcomers WHERE user_id = :user_id"


async def hold(tx: Transaction, people: Iterable[int]) -> None:
    """Let nobody else count what these people send until this transaction ends."""
    await tx.run(HOLD, people=json.dumps(sorted(people)))


async def look_back(tx: Transaction, sendings: Sequence[Sending], hour: int, day: int) -> dict[int, Newcomer]:
    """What the senders have sent since these moments, by the place of their message."""
    rows = await tx.all(Newcomer, LOOK_BACK, sendings=encode(sendings), hour=hour, day=day)
    return {row.n: row for row in rows}


async def keep(tx: Transaction, sendings: Sequence[Sending]) -> None:
    """Note what is sent now."""
    await tx.run(KEEP, sendings=encode(sendings), now=tx.now)


async def read_joined(tx: Transaction, me: int) -> int:
    """When I registered, in microseconds."""
    return await tx.one(int, JOINED, me=me) or 0


async def forget(tx: Transaction, before: int) -> int:
    """Drop the oldest of what was sent until a moment; how many."""
    forgotten = await tx.run(FORGET, before=before, most=SWEPT)
    if forgotten < SWEPT:
        await tx.run(FORGET_NEWCOMERS)
    return forgotten


async def own(tx: Transaction, user_id: int) -> list[OwnSending]:
    """What is kept of a person."""
    return await tx.all(OwnSending, EXPORT, user_id=user_id)


async def erase(tx: Transaction, user_id: int) -> None:
    """Drop what a person has sent."""
    await tx.run(ERASE, user_id=user_id)
    await tx.run(ERASE_NEWCOMER, user_id=user_id)
