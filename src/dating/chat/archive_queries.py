"""The SQL of a person's own archive, and of forgetting a person."""

from dating.chat.archive_models import (
    Dismissal,
    LostMessage,
    OwnInvite,
    OwnPin,
    OwnReaction,
    OwnVersion,
    OwnVote,
    ReadMark,
    Seat,
)
from dating.chat.conditions import OPEN, SEEN
from dating.chat.history_queries import MESSAGES
from dating.chat.message_models import MessageRow
from dating.database import Transaction

OPEN_CHATS = f"""
SELECT c.id FROM members AS seat JOIN chats AS c ON c.id = seat.chat_id
WHERE seat.user_id = :me AND seat.left_at IS NULL AND {OPEN}
"""
EXPORT_MESSAGES = f"""
{MESSAGES} WHERE m.chat_id IN ({OPEN_CHATS}) AND {SEEN} AND m.id > :after_id ORDER BY m.id LIMIT :limit
"""
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


async def open_messages(tx: Transaction, me: int, after_id: int, limit: int) -> list[MessageRow]:
    """The next messages of the chats that are open to me, in the order of their ids."""
    return await tx.all(MessageRow, EXPORT_MESSAGES, me=me, now=tx.now, after_id=after_id, limit=limit)


async def lost_messages(tx: Transaction, me: int) -> list[LostMessage]:
    """What I wrote in my other chats."""
    return await tx.all(LostMessage, EXPORT_LOST, me=me)


async def seats(tx: Transaction, me: int) -> list[Seat]:
    """What every chat of mine keeps about me."""
    return await tx.all(Seat, EXPORT_SEATS, me=me)


async def read_marks(tx: Transaction, me: int) -> list[ReadMark]:
    """What I have read before earlier messages."""
    return await tx.all(ReadMark, EXPORT_READS, me=me)


EXPORT_VERSIONS = """
SELECT e.message_id, e.content, e.written_at FROM edits AS e JOIN messages AS m ON m.id = e.message_id
WHERE m.sender_id = :me ORDER BY e.message_id, e.written_at
"""
EXPORT_REACTIONS = "SELECT message_id, emoji, created_at FROM reactions WHERE user_id = :me ORDER BY message_id"
EXPORT_DISMISSALS = "SELECT message_id FROM dismissals WHERE user_id = :me ORDER BY message_id"
EXPORT_PINS = "SELECT message_id, pinned_at FROM pins WHERE user_id = :me ORDER BY message_id"
EXPORT_VOTES = "SELECT message_id, choice FROM votes WHERE user_id = :me ORDER BY message_id, choice"
EXPORT_INVITES = "SELECT id, uses, max_uses, created_at, expires_at FROM invites WHERE creator_id = :me ORDER BY id"


async def versions(tx: Transaction, me: int) -> list[OwnVersion]:
    """What my messages said before I edited them."""
    return await tx.all(OwnVersion, EXPORT_VERSIONS, me=me)


async def reactions(tx: Transaction, me: int) -> list[OwnReaction]:
    """My reactions."""
    return await tx.all(OwnReaction, EXPORT_REACTIONS, me=me)


async def dismissals(tx: Transaction, me: int) -> list[Dismissal]:
    """What I have deleted for myself."""
    return await tx.all(Dismissal, EXPORT_DISMISSALS, me=me)


async def pins(tx: Transaction, me: int) -> list[OwnPin]:
    """What I have pinned."""
    return await tx.all(OwnPin, EXPORT_PINS, me=me)


async def votes(tx: Transaction, me: int) -> list[OwnVote]:
    """How I voted."""
    return await tx.all(OwnVote, EXPORT_VOTES, me=me)


async def invites(tx: Transaction, me: int) -> list[OwnInvite]:
    """The links into groups that I have made."""
    return await tx.all(OwnInvite, EXPORT_INVITES, me=me)


# --- deletion of a person ---------------------------------------------------------------------------------------------------

GROUPS = """
SELECT c.id FROM members AS s JOIN chats AS c ON c.id = s.chat_id
WHERE s.user_id = :me AND s.left_at IS NULL AND c.kind = 'group' ORDER BY c.id
"""
# The chats first, as in sending, so that whoever is at it there has finished.
PAIRS = "SELECT id FROM chats WHERE low_id = :me OR high_id = :me"
ERASE = [
    "UPDATE chats SET closed_at = :now WHERE low_id = :me OR high_id = :me",
    "UPDATE screenings SET assignee_id = NULL WHERE assignee_id = :me",
    "DELETE FROM screenings WHERE sender_id = :me",
    f"DELETE FROM screenings WHERE chat_id IN ({PAIRS})",
    *[
        f"DELETE FROM {table} WHERE message_id IN (SELECT id FROM messages WHERE chat_id IN ({PAIRS}) OR sender_id = :me)"
        for table in ("votes", "polls", "edits", "reactions", "pins")
    ],
    f"DELETE FROM dismissals WHERE message_id IN (SELECT id FROM messages WHERE chat_id IN ({PAIRS}))",
    *[
        f"DELETE FROM {table} WHERE {column} IN ({PAIRS})"
        for table, column in (("reads", "chat_id"), ("messages", "chat_id"), ("members", "chat_id"), ("chats", "id"))
    ],
    """UPDATE messages SET content = '', links = '[]', form = NULL, forwarded = FALSE, client_id = NULL, edited_at = NULL,
        deleted_at = COALESCE(deleted_at, :now) WHERE sender_id = :me""",
    *[f"DELETE FROM {table} WHERE user_id = :me" for table in ("votes", "reactions", "pins", "dismissals", "reads", "members")],
    "DELETE FROM invites WHERE creator_id = :me",
]


async def list_groups(tx: Transaction, me: int) -> list[int]:
    """The groups that I am in."""
    return await tx.all(int, GROUPS, me=me)


async def erase(tx: Transaction, me: int) -> None:
    """Remove the person's direct chats, which nobody can see any more, and empty what they said elsewhere."""
    for statement in ERASE:
        await tx.run(statement, me=me, now=tx.now)
