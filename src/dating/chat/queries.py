"""All SQL of chats but sending (post_queries.py). The pieces in capitals without a verb are what several statements share."""

import json

from dating.chat.models import ChatRow, LostMessage, MessageRow, Pair, ReadMark, Seat
from dating.database import Transaction

# A chat `c` is open to me: nobody has closed it, and the other person of a direct chat is there and not hidden from me.
OPEN = """c.closed_at IS NULL AND (c.kind = 'group' OR (
    NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = :me AND other_id = c.low_id + c.high_id - :me)
    AND 2 = (SELECT COUNT(*) FROM people WHERE id IN (c.low_id, c.high_id))))"""
MINE = "EXISTS (SELECT 1 FROM members WHERE chat_id = c.id AND user_id = :me AND left_at IS NULL)"

# A message `m` is read: mine by the other, theirs by me, the system's by everybody.
IS_READ = """(m.sender_id IS NULL OR EXISTS (
    SELECT 1 FROM members AS r
    WHERE r.chat_id = m.chat_id AND (r.user_id = :me) <> (m.sender_id = :me) AND (r.read_id >= m.id OR EXISTS (
        SELECT 1 FROM reads AS e WHERE e.chat_id = r.chat_id AND e.user_id = r.user_id AND e.message_id = m.id))))"""
# A message `m` that the member `r` has not read.
UNREAD = """m.chat_id = r.chat_id AND m.id > r.read_id AND m.sender_id <> r.user_id AND NOT EXISTS (
    SELECT 1 FROM reads AS e WHERE e.chat_id = r.chat_id AND e.user_id = r.user_id AND e.message_id = m.id)"""

ADD_NOTE = (
    "INSERT INTO messages (chat_id, sender_id, kind, content, created_at) VALUES (:chat_id, NULL, 'system', :content, :now)"
)
IN_CHAT = "SELECT id FROM messages WHERE id = :message_id AND chat_id = :chat_id"


async def is_in_chat(tx: Transaction, message_id: int, chat_id: int) -> bool:
    """Whether the message is one of this chat's."""
    return await tx.one(int, IN_CHAT, message_id=message_id, chat_id=chat_id) is not None


# --- chats ------------------------------------------------------------------------------------------------------------------

OPEN_PAIR = """
INSERT INTO chats (kind, low_id, high_id, message_count, last_at, created_at)
VALUES ('direct', :low_id, :high_id, 1, :now, :now)
ON CONFLICT (low_id, high_id) DO UPDATE SET message_count = chats.message_count + 1, last_at = excluded.last_at, closed_at = NULL
RETURNING id
"""
MAKE_PAIR = """
INSERT INTO chats (kind, low_id, high_id, last_at, created_at) VALUES ('direct', :low_id, :high_id, :now, :now)
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
TAKES_MESSAGES = "SELECT 1 FROM profiles WHERE user_id = :other_id AND messages_from = 'everyone'"


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


async def make_pair(tx: Transaction, one_id: int, other_id: int) -> int | None:
    """Make the pair's chat, empty; its id, or None when there is one already."""
    chat_id = await tx.one(int, MAKE_PAIR, **order(one_id, other_id), now=tx.now)
    if chat_id is not None:
        await seat_pair(tx, chat_id, one_id, other_id, 0)
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


async def takes_messages(tx: Transaction, other_id: int) -> bool:
    """Whether the person takes messages from everyone."""
    return await tx.one(int, TAKES_MESSAGES, other_id=other_id) is not None


# Only the page is sorted and cut; what is shown of each chat is looked up for the page alone, one row per member.
SHOWN = f"""
SELECT c.id, c.kind, c.name AS chat_name, c.low_id, c.high_id, c.created_at,
       c.message_count - mine.read_count AS unread_count, mine.muted, mine.archived, mine.pinned_at IS NOT NULL AS pinned,
       m.id AS last_id, m.content AS last_content, m.created_at AS last_at, m.sender_id AS last_sender,
       m.id IS NULL OR {IS_READ} AS last_read,
       u.id AS user_id, u.username, COALESCE(p.name, u.username) AS name, p.photo_url, s.role, s.delivered_id, s.read_id
FROM page
JOIN chats AS c ON c.id = page.id
JOIN members AS mine ON mine.chat_id = c.id AND mine.user_id = :me
LEFT JOIN messages AS m ON m.id = (SELECT MAX(x.id) FROM messages AS x WHERE x.chat_id = c.id)
JOIN members AS s ON s.chat_id = c.id AND s.left_at IS NULL
JOIN people AS u ON u.id = s.user_id
LEFT JOIN profiles AS p ON p.user_id = u.id
ORDER BY c.last_at DESC, c.id DESC, u.id
"""
LIST = f"""
WITH page AS (
    SELECT c.id FROM members AS seat JOIN chats AS c ON c.id = seat.chat_id
    WHERE seat.user_id = :me AND seat.left_at IS NULL AND {OPEN}
      AND (CAST(:before_id AS BIGINT) = 0 OR (c.last_at, c.id) < (
          SELECT b.last_at, b.id FROM chats AS b JOIN members AS o ON o.chat_id = b.id
          WHERE b.id = :before_id AND o.user_id = :me))
    ORDER BY c.last_at DESC, c.id DESC LIMIT :limit OFFSET :offset)
{SHOWN}"""
ONE = f"WITH page AS (SELECT c.id FROM chats AS c WHERE c.id = :chat_id AND {MINE} AND {OPEN}) {SHOWN}"


async def list_chats(tx: Transaction, me: int, limit: int, offset: int, before_id: int) -> list[ChatRow]:
    """My open chats, newest activity first, one row per member; after the chat `before_id` when that is not 0."""
    return await tx.all(ChatRow, LIST, me=me, limit=limit, offset=offset, before_id=before_id)


async def one_chat(tx: Transaction, me: int, chat_id: int) -> list[ChatRow]:
    """One open chat of mine, a row per member; nothing when it is not open to me."""
    return await tx.all(ChatRow, ONE, me=me, chat_id=chat_id)


# --- messages ---------------------------------------------------------------------------------------------------------------

OPEN_TO_ME = f"SELECT c.low_id, c.high_id FROM chats AS c WHERE c.id = :chat_id AND {MINE} AND {OPEN}"
MESSAGES = f"""
SELECT m.id, m.chat_id, m.sender_id, c.low_id + c.high_id - m.sender_id AS receiver_id, m.content, m.kind, {IS_READ} AS is_read,
       m.created_at, m.client_id, m.reply_to_id
FROM messages AS m JOIN chats AS c ON c.id = m.chat_id
"""
OLDER = f"{MESSAGES} WHERE m.chat_id = :chat_id AND m.id < :before_id ORDER BY m.id DESC LIMIT :limit"
NEWER = f"{MESSAGES} WHERE m.chat_id = :chat_id AND m.id > :after_id AND m.id < :before_id ORDER BY m.id LIMIT :limit"


async def see(tx: Transaction, me: int, chat_id: int) -> Pair | None:
    """The chat if it is open to me."""
    return await tx.one(Pair, OPEN_TO_ME, me=me, chat_id=chat_id)


async def list_older(tx: Transaction, me: int, chat_id: int, before_id: int, limit: int) -> list[MessageRow]:
    """The last messages before an id, ascending."""
    rows = await tx.all(MessageRow, OLDER, me=me, chat_id=chat_id, before_id=before_id, limit=limit)
    return rows[::-1]


async def list_newer(tx: Transaction, me: int, chat_id: int, after_id: int, before_id: int, limit: int) -> list[MessageRow]:
    """The first messages between two ids, ascending."""
    return await tx.all(MessageRow, NEWER, me=me, chat_id=chat_id, after_id=after_id, before_id=before_id, limit=limit)


# --- receipts ---------------------------------------------------------------------------------------------------------------

# The chat's row is taken before a member's, as in sending: so counts never pass each other.
TAKE = f"UPDATE chats AS c SET last_at = last_at WHERE c.id = :chat_id AND {MINE} AND {OPEN} RETURNING low_id, high_id"
# A statement of its own after the row is taken: a subquery beside the taking would still see the time before the wait.
HEAD = "SELECT COALESCE(MAX(id), 0) FROM messages WHERE chat_id = :chat_id"
READ_ALL = """
UPDATE members SET read_id = :head, read_count = (SELECT message_count FROM chats WHERE id = :chat_id)
WHERE chat_id = :chat_id AND user_id = :me AND read_count < (SELECT message_count FROM chats WHERE id = :chat_id)
"""
FORGET_READS = """
DELETE FROM reads
WHERE chat_id = :chat_id AND user_id = :me
  AND message_id <= (SELECT read_id FROM members WHERE chat_id = :chat_id AND user_id = :me)
"""
UNREAD_OF = f"""
SELECT m.id FROM members AS r JOIN messages AS m ON {UNREAD}
WHERE r.chat_id = :chat_id AND r.user_id = :me AND m.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
ORDER BY m.id
"""
ADD_READS = """
INSERT INTO reads (chat_id, user_id, message_id)
SELECT CAST(:chat_id AS BIGINT), CAST(:me AS BIGINT), CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))
"""
ADVANCE = f"""
UPDATE members AS r SET read_count = read_count + CAST(:count AS BIGINT),
    read_id = COALESCE((SELECT m.id - 1 FROM messages AS m WHERE {UNREAD} ORDER BY m.id LIMIT 1), :head)
WHERE r.chat_id = :chat_id AND r.user_id = :me
"""
DELIVER = """
UPDATE members SET delivered_id = :message_id
WHERE chat_id = :chat_id AND user_id = :me AND delivered_id < :message_id
  AND EXISTS (SELECT 1 FROM messages WHERE id = :message_id AND chat_id = :chat_id AND sender_id <> :me)
"""


async def take(tx: Transaction, me: int, chat_id: int) -> Pair | None:
    """The chat if it is open to me, held until this transaction ends."""
    return await tx.one(Pair, TAKE, me=me, chat_id=chat_id)


async def head(tx: Transaction, chat_id: int) -> int:
    """The id of the chat's last message; 0 when there is none."""
    return await tx.one(int, HEAD, chat_id=chat_id) or 0


async def read_all(tx: Transaction, me: int, chat_id: int, last_id: int) -> bool:
    """I have read the whole chat, up to its last message; whether any of it was new to me. The chat must be taken."""
    changed = await tx.run(READ_ALL, me=me, chat_id=chat_id, head=last_id)
    if changed:
        await tx.run(FORGET_READS, me=me, chat_id=chat_id)
    return changed == 1


async def read_some(tx: Transaction, me: int, chat_id: int, message_ids: list[int]) -> list[int]:
    """I have read these messages: those that others sent here and that were new to me, ascending. The chat must be taken."""
    fresh = await tx.all(int, UNREAD_OF, me=me, chat_id=chat_id, ids=json.dumps(message_ids))
    if fresh:
        await tx.run(ADD_READS, me=me, chat_id=chat_id, ids=json.dumps(fresh))
        await tx.run(ADVANCE, me=me, chat_id=chat_id, count=len(fresh), head=await head(tx, chat_id))
        await tx.run(FORGET_READS, me=me, chat_id=chat_id)
    return fresh


async def deliver(tx: Transaction, me: int, chat_id: int, message_id: int) -> bool:
    """A device of mine has everything up to this message of another member; whether that is news."""
    return await tx.run(DELIVER, me=me, chat_id=chat_id, message_id=message_id) == 1


# --- a person's own archive ---------------------------------------------------------------------------------------------------

OPEN_CHATS = f"""
SELECT c.id FROM members AS seat JOIN chats AS c ON c.id = seat.chat_id
WHERE seat.user_id = :me AND seat.left_at IS NULL AND {OPEN}
"""
EXPORT_MESSAGES = f"{MESSAGES} WHERE m.chat_id IN ({OPEN_CHATS}) ORDER BY m.id"
EXPORT_LOST = f"""
SELECT m.id, m.content, m.client_id, m.created_at FROM members AS r JOIN messages AS m ON m.chat_id = r.chat_id
WHERE r.user_id = :me AND r.left_at IS NULL AND m.sender_id = :me AND m.chat_id NOT IN ({OPEN_CHATS}) ORDER BY m.id
"""
EXPORT_SEATS = f"""
SELECT CASE WHEN r.chat_id IN ({OPEN_CHATS}) THEN r.chat_id END AS chat_id, r.role, r.read_id, r.read_count, r.delivered_id,
       r.muted, r.archived, r.pinned_at, r.joined_at, r.left_at
FROM members AS r WHERE r.user_id = :me AND r.left_at IS NULL ORDER BY r.chat_id
"""
EXPORT_READS = f"""
SELECT CASE WHEN r.chat_id IN ({OPEN_CHATS}) THEN r.chat_id END AS chat_id, e.message_id
FROM members AS r JOIN reads AS e ON e.chat_id = r.chat_id AND e.user_id = r.user_id
WHERE r.user_id = :me AND r.left_at IS NULL ORDER BY e.message_id
"""


async def open_messages(tx: Transaction, me: int) -> list[MessageRow]:
    """Every message of the chats that are open to me, in the order of their ids."""
    return await tx.all(MessageRow, EXPORT_MESSAGES, me=me)


async def lost_messages(tx: Transaction, me: int) -> list[LostMessage]:
    """What I wrote in my other chats."""
    return await tx.all(LostMessage, EXPORT_LOST, me=me)


async def seats(tx: Transaction, me: int) -> list[Seat]:
    """What every chat of mine keeps about me."""
    return await tx.all(Seat, EXPORT_SEATS, me=me)


async def read_marks(tx: Transaction, me: int) -> list[ReadMark]:
    """What I have read before earlier messages."""
    return await tx.all(ReadMark, EXPORT_READS, me=me)


# --- deletion of a person ---------------------------------------------------------------------------------------------------

# The chats first, as in sending, so that whoever is at it there has finished.
ERASE = [
    "UPDATE chats SET closed_at = :now WHERE low_id = :me OR high_id = :me",
    *[
        f"DELETE FROM {table} WHERE {column} IN (SELECT id FROM chats WHERE low_id = :me OR high_id = :me)"
        for table, column in (("reads", "chat_id"), ("messages", "chat_id"), ("members", "chat_id"), ("chats", "id"))
    ],
]


async def erase(tx: Transaction, me: int) -> None:
    """Remove the person's direct chats: nobody can see them any more."""
    for statement in ERASE:
        await tx.run(statement, me=me, now=tx.now)
