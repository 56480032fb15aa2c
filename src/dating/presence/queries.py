"""All SQL of presence."""

import msgspec

from dating.database import Transaction
from dating.presence.models import Look, Sight

# Both must be in the chat still, see each other, and the one looked at must show when they are active. `profiles.last_active` is
# kept in steps of ten minutes.
SIGHTS = """
WITH given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:looks AS TEXT))),
looks AS MATERIALIZED (
    SELECT CAST(v ->> 'n' AS BIGINT) AS n, CAST(v ->> 'me' AS BIGINT) AS me, CAST(v ->> 'chat_id' AS BIGINT) AS chat_id
    FROM given)
SELECT l.n, o.user_id, MAX(CASE
    WHEN EXISTS (SELECT 1 FROM swipes AS s WHERE s.user_id = l.me AND s.other_id = o.user_id AND s.matched_at IS NOT NULL)
    THEN p.last_active ELSE p.last_active - p.last_active % 3600000000
END) AS last_active
FROM looks AS l
JOIN members AS mine ON mine.chat_id = l.chat_id AND mine.user_id = l.me AND mine.left_at IS NULL
JOIN chats AS c ON c.id = l.chat_id AND c.closed_at IS NULL AND c.request IS NULL
JOIN members AS o ON o.chat_id = l.chat_id AND o.user_id <> l.me AND o.left_at IS NULL
JOIN profiles AS p ON p.user_id = o.user_id AND p.show_last_active
JOIN people AS u ON u.id = o.user_id
WHERE NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.viewer_id = l.me AND h.other_id = o.user_id)
GROUP BY l.n, o.user_id ORDER BY l.n, o.user_id
"""


async def sights(tx: Transaction, looks: list[Look]) -> list[Sight]:
    """Whom these looks may show now."""
    return await tx.all(Sight, SIGHTS, looks=msgspec.json.encode(looks).decode())
