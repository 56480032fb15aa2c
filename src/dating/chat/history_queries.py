"""The SQL of a chat's history: its messages as one member sees them, with what hangs on them."""

import json

from dating.chat.conditions import IS_READ, SEEN
from dating.chat.message_models import MessageRow, ReactionRow, VersionRow
from dating.chat.poll_models import PollRow, VoteRow
from dating.database import Transaction

# Messages `m` as I see them; `mine` is my seat. Whoever adds a condition has asked whether the chat is open to me.
SHOWN = f"""m.id, m.chat_id, m.sender_id, c.low_id + c.high_id - m.sender_id AS receiver_id, m.content,
       COALESCE(m.form, m.kind) AS kind, {IS_READ} AS is_read, m.created_at, m.client_id, m.reply_to_id, m.edited_at,
       m.deleted_at IS NOT NULL AS deleted, m.forwarded, m.expires_at, m.links"""
MESSAGES = f"""
SELECT {SHOWN}
FROM messages AS m
JOIN chats AS c ON c.id = m.chat_id
JOIN members AS mine ON mine.chat_id = m.chat_id AND mine.user_id = :me AND mine.left_at IS NULL
"""
OLDER = f"{MESSAGES} WHERE m.chat_id = :chat_id AND m.id < :before_id AND {SEEN} ORDER BY m.id DESC LIMIT :limit"
NEWER = f"""
{MESSAGES} WHERE m.chat_id = :chat_id AND m.id > :after_id AND m.id < :before_id AND {SEEN} ORDER BY m.id LIMIT :limit
"""
ONE = f"{MESSAGES} WHERE m.id = :message_id AND {SEEN}"
PINNED = f"""
{MESSAGES} JOIN pins AS p ON p.chat_id = m.chat_id AND p.message_id = m.id
WHERE m.chat_id = :chat_id AND {SEEN} ORDER BY p.pinned_at DESC, m.id DESC
"""
REACTIONS = """
SELECT r.message_id, r.user_id, r.emoji FROM reactions AS r
WHERE r.message_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
  AND NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.viewer_id = :me AND h.other_id = r.user_id)
ORDER BY r.message_id, r.created_at, r.user_id
"""
POLLS = """
SELECT message_id, options, multiple FROM polls
WHERE message_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
"""
VOTES = """
SELECT v.message_id, v.user_id, v.choice FROM votes AS v
WHERE v.message_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
  AND NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.viewer_id = :me AND h.other_id = v.user_id)
ORDER BY v.message_id, v.user_id, v.choice
"""
VERSIONS = "SELECT content, written_at FROM edits WHERE message_id = :message_id ORDER BY written_at"


async def list_older(tx: Transaction, me: int, chat_id: int, before_id: int, limit: int) -> list[MessageRow]:
    """The last messages before an id, ascending."""
    rows = await tx.all(MessageRow, OLDER, me=me, chat_id=chat_id, before_id=before_id, limit=limit, now=tx.now)
    return rows[::-1]


async def list_newer(tx: Transaction, me: int, chat_id: int, after_id: int, before_id: int, limit: int) -> list[MessageRow]:
    """The first messages between two ids, ascending."""
    return await tx.all(
        MessageRow, NEWER, me=me, chat_id=chat_id, after_id=after_id, before_id=before_id, limit=limit, now=tx.now
    )


async def find(tx: Transaction, me: int, message_id: int) -> MessageRow | None:
    """One message of a chat of mine."""
    return await tx.one(MessageRow, ONE, me=me, message_id=message_id, now=tx.now)


async def list_pinned(tx: Transaction, me: int, chat_id: int) -> list[MessageRow]:
    """The pinned messages of a chat, the latest pinned first."""
    return await tx.all(MessageRow, PINNED, me=me, chat_id=chat_id, now=tx.now)


async def list_reactions(tx: Transaction, me: int, ids: list[int]) -> list[ReactionRow]:
    """The reactions to these messages by people who are not hidden from me, the first given first."""
    return await tx.all(ReactionRow, REACTIONS, me=me, ids=json.dumps(ids))


async def list_polls(tx: Transaction, ids: list[int]) -> list[PollRow]:
    """What these messages ask."""
    return await tx.all(PollRow, POLLS, ids=json.dumps(ids))


async def list_votes(tx: Transaction, me: int, ids: list[int]) -> list[VoteRow]:
    """The votes in these polls of people who are not hidden from me."""
    return await tx.all(VoteRow, VOTES, me=me, ids=json.dumps(ids))


async def list_versions(tx: Transaction, message_id: int) -> list[VersionRow]:
    """What a message said before its edits, the oldest first."""
    return await tx.all(VersionRow, VERSIONS, message_id=message_id)
