"""The SQL of chats themselves: how they begin and end, and the list of them."""

import json

from dating.chat.conditions import GHOSTLY, GHOSTS, IS_READ, LIFTED, OPEN, RECEIPTS, RECEIVED, SEEN, TAKES
from dating.chat.models import ChatRow, Unread
from dating.database import Transaction

SHORT = 8  # members of a group that the list shows

ADD_NOTE = (
    "INSERT INTO messages (chat_id, sender_id, kind, content, created_at) VALUES (:chat_id, NULL, 'system', :content, :now)"
)


# --- chats ------------------------------------------------------------------------------------------------------------------

OPEN_PAIR = """
INSERT INTO chats (kind, low_id, high_id, message_count, last_at, created_at)
VALUES ('direct', :low_id, :high_id, 1, :now, :now)
ON CONFLICT (low_id, high_id) DO UPDATE SET message_count = chats.message_count + 1, last_at = excluded.last_at, closed_at = NULL,
    request = NULL
RETURNING id
"""
MAKE_PAIR = """
INSERT INTO chats (kind, low_id, high_id, asker_id, request, last_at, created_at)
VALUES ('direct', :low_id, :high_id, :me, 'waiting', :now, :now)
ON CONFLICT (low_id, high_id) DO NOTHING RETURNING id
"""
SEAT_PAIR = """
INSERT INTO members (chat_id, user_id, read_count, joined_at)
SELECT CAST(:chat_id AS BIGINT), CAST(value AS BIGINT), CAST(:notes AS BIGINT), CAST(:now AS BIGINT)
FROM json_each(CAST(:people AS TEXT)) WHERE TRUE
ON CONFLICT (chat_id, user_id) DO UPDATE SET read_count = members.read_count + excluded.read_count, left_at = NULL
"""
CLOSE_PAIR = """
UPDATE chats SET closed_at = :now WHERE low_id = :low_id AND high_id = :high_id AND closed_at IS NULL RETURNING id
"""
FIND_PAIR = "SELECT id FROM chats WHERE low_id = :low_id AND high_id = :high_id AND closed_at IS NULL"
WAS_CLOSED = "SELECT id FROM chats WHERE low_id = :low_id AND high_id = :high_id AND closed_at IS NOT NULL"
TAKES_MESSAGES = f"SELECT 1 FROM profiles AS p WHERE p.user_id = :other_id AND {TAKES}"


def order(one_id: int, other_id: int) -> dict[str, int]:
    """The pair's ids as the tables keep them."""
    return {"low_id": min(one_id, other_id), "high_id": max(one_id, other_id)}


async def open_pair(tx: Transaction, one_id: int, other_id: int, note: str) -> int:
    """Make or reopen the pair's chat, with a system message that both have read at once; its id."""
    chat_id = await tx.one(int, OPEN_PAIR, **order(one_id, other_id), now=tx.now)
    assert chat_id is not None
    await seat_pair(tx, chat_id, one_id, other_id, 1)
    await tx.run(ADD_NOTE, chat_id=chat_id, content=note, now=tx.now)
    return chat_id


async def make_pair(tx: Transaction, me: int, other_id: int) -> int | None:
    """Make the pair's chat, empty and a request of mine; its id, or None when there is one already."""
    chat_id = await tx.one(int, MAKE_PAIR, **order(me, other_id), me=me, now=tx.now)
    if chat_id is not None:
        await seat_pair(tx, chat_id, me, other_id, 0)
    return chat_id


async def seat_pair(tx: Transaction, chat_id: int, one_id: int, other_id: int, notes: int) -> None:
    """Make the two members, who have read the notes that come with it."""
    await tx.run(SEAT_PAIR, chat_id=chat_id, people=json.dumps([one_id, other_id]), notes=notes, now=tx.now)


async def close_pair(tx: Transaction, one_id: int, other_id: int) -> int | None:
    """Close the pair's chat; its id, or None when there is no open one."""
    return await tx.one(int, CLOSE_PAIR, **order(one_id, other_id), now=tx.now)


async def find_pair(tx: Transaction, one_id: int, other_id: int) -> int | None:
    """The id of the pair's open chat."""
    return await tx.one(int, FIND_PAIR, **order(one_id, other_id))


async def was_closed(tx: Transaction, one_id: int, other_id: int) -> bool:
    """Whether the pair had a chat that was closed."""
    return await tx.one(int, WAS_CLOSED, **order(one_id, other_id)) is not None


async def takes_messages(tx: Transaction, me: int, other_id: int) -> bool:
    """Whether the person takes messages from me without a match."""
    return await tx.one(int, TAKES_MESSAGES, me=me, other_id=other_id) is not None


# Only the page (my seats in its chats) is sorted and cut; what is shown is looked up for the page alone, one row per member.
ROOMS = f"""
{GHOSTS}, rooms AS MATERIALIZED (
    SELECT mine.*, {GHOSTLY} AS ghosts,
           (SELECT COUNT(*) FROM members AS f WHERE f.chat_id = mine.chat_id AND f.left_at IS NULL) AS member_count, (
        SELECT m.id FROM messages AS m WHERE m.chat_id = mine.chat_id AND {SEEN} ORDER BY m.id DESC LIMIT 1) AS last_id
    FROM page AS mine)
"""
SHOWN = f"""c.id, c.kind, c.name AS chat_name, c.low_id, c.high_id, c.created_at,
       c.message_count - mine.read_count - mine.ghosts AS unread_count,
       mine.muted, mine.archived, mine.pinned_at IS NOT NULL AS pinned,
       m.id AS last_id, m.content AS last_content, m.created_at AS last_at, m.sender_id AS last_sender,
       m.id IS NULL OR {IS_READ} AS last_read, c.photo_url AS picture, mine.role AS my_role,
       mine.member_count, mine.marked_unread,
       CASE WHEN c.request IS NULL THEN NULL WHEN c.asker_id = :me THEN 'sent' ELSE 'received' END AS request,
       u.id AS user_id, u.username, COALESCE(p.name, u.username) AS name, p.photo_url, r.role,
       CASE WHEN r.user_id = :me OR c.request IS NULL THEN r.delivered_id ELSE 0 END AS delivered_id,
       CASE WHEN r.user_id = :me OR (c.request IS NULL AND {RECEIPTS}) THEN r.read_id ELSE 0 END AS read_id
FROM rooms AS mine
JOIN chats AS c ON c.id = mine.chat_id
LEFT JOIN messages AS m ON m.id = mine.last_id
JOIN members AS r ON r.chat_id = c.id AND r.left_at IS NULL
JOIN people AS u ON u.id = r.user_id
LEFT JOIN profiles AS p ON p.user_id = u.id
WHERE NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.viewer_id = :me AND h.other_id = r.user_id)
"""
FIRST = f"""(c.kind = 'direct' OR r.user_id IN (
      SELECT f.user_id FROM members AS f WHERE f.chat_id = c.id AND f.left_at IS NULL ORDER BY f.user_id LIMIT {SHORT}))"""
ORDERED = f"ORDER BY {LIFTED} DESC, c.id DESC, r.user_id"
AFTER = f"""(CAST(:before_id AS BIGINT) = 0 OR ({LIFTED}, c.id) < (
          SELECT CASE WHEN o.sunk_at = b.last_at THEN o.lifted_at ELSE b.last_at END, b.id
          FROM chats AS b JOIN members AS o ON o.chat_id = b.id
          WHERE b.id = :before_id AND o.user_id = :me))"""
LIST = f"""
WITH page AS (
    SELECT mine.* FROM members AS mine JOIN chats AS c ON c.id = mine.chat_id
    WHERE mine.user_id = :me AND mine.left_at IS NULL AND {OPEN} AND NOT {RECEIVED} AND {AFTER}
    ORDER BY {LIFTED} DESC, c.id DESC LIMIT :limit OFFSET :offset),
{ROOMS} SELECT {SHOWN} AND {FIRST}
{ORDERED}
"""
THESE = f"""
WITH page AS (
    SELECT mine.* FROM chats AS c JOIN members AS mine ON mine.chat_id = c.id AND mine.user_id = :me
    WHERE c.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))) AND mine.left_at IS NULL AND {OPEN}),
{ROOMS} SELECT {SHOWN} AND {FIRST}
{ORDERED}
"""
# A request of which I may see nothing is none: nothing was said yet, or my hidden words keep it away.
ASKED = f"{RECEIVED} AND EXISTS (SELECT 1 FROM messages AS m WHERE m.chat_id = c.id AND {SEEN})"
REQUESTS = f"""
WITH page AS (
    SELECT mine.* FROM members AS mine JOIN chats AS c ON c.id = mine.chat_id
    WHERE mine.user_id = :me AND mine.left_at IS NULL AND {OPEN} AND {ASKED} AND {AFTER}
    ORDER BY {LIFTED} DESC, c.id DESC LIMIT :limit OFFSET :offset),
{ROOMS} SELECT {SHOWN} {ORDERED}
"""
UNREAD = f"""
WITH {GHOSTS}
SELECT CAST(COALESCE(SUM(CASE WHEN w.request IS NULL THEN w.unread ELSE 0 END), 0) AS BIGINT) AS messages,
       COUNT(CASE WHEN w.request IS NULL AND (w.unread > 0 OR w.marked) THEN 1 END) AS chats,
       COUNT(CASE WHEN w.request IS NOT NULL AND w.unread > 0 THEN 1 END) AS requests
FROM (
    SELECT CASE WHEN {RECEIVED} THEN c.request END AS request, mine.marked_unread AS marked,
           c.message_count - mine.read_count - {GHOSTLY} AS unread
    FROM members AS mine JOIN chats AS c ON c.id = mine.chat_id
    WHERE mine.user_id = :me AND mine.left_at IS NULL AND {OPEN}
      AND (c.message_count > mine.read_count OR mine.marked_unread)) AS w
"""
ONE = f"""
WITH page AS (
    SELECT mine.* FROM chats AS c JOIN members AS mine ON mine.chat_id = c.id AND mine.user_id = :me
    WHERE c.id = :chat_id AND mine.left_at IS NULL AND {OPEN}),
{ROOMS} SELECT {SHOWN} {ORDERED}
"""


async def list_chats(tx: Transaction, me: int, limit: int, offset: int, before_id: int) -> list[ChatRow]:
    """My open chats, newest activity first, one row per member; after the chat `before_id` when that is not 0."""
    return await tx.all(ChatRow, LIST, me=me, limit=limit, offset=offset, before_id=before_id, now=tx.now)


async def these_chats(tx: Transaction, me: int, ids: list[int]) -> list[ChatRow]:
    """The same of those of the chats that are open to me."""
    return await tx.all(ChatRow, THESE, me=me, ids=json.dumps(ids), now=tx.now)


async def list_requests(tx: Transaction, me: int, limit: int, offset: int, before_id: int) -> list[ChatRow]:
    """The requests to me that wait, in the same way."""
    return await tx.all(ChatRow, REQUESTS, me=me, limit=limit, offset=offset, before_id=before_id, now=tx.now)


async def count_unread(tx: Transaction, me: int) -> Unread:
    """How much I have not read."""
    found = await tx.one(Unread, UNREAD, me=me, now=tx.now)
    assert found is not None
    return found


async def one_chat(tx: Transaction, me: int, chat_id: int) -> list[ChatRow]:
    """One open chat of mine, a row per member; nothing when it is not open to me."""
    return await tx.all(ChatRow, ONE, me=me, chat_id=chat_id, now=tx.now)
