"""The SQL of groups: their members and the links into them."""

import json

from dating.chat.group_models import Face, InviteRow, Reachable
from dating.database import SWEPT, Transaction

# --- members ----------------------------------------------------------------------------------------------------------------

MAKE = """
INSERT INTO chats (kind, name, photo_url, last_at, created_at)
VALUES ('group', :name, CAST(:photo_url AS TEXT), :now, :now) RETURNING id
"""
# Of these people, those whom I may see; whether they are in the group, or have a chat with me and have not left it themselves.
REACHABLE = """
SELECT u.id, CASE WHEN r.user_id IS NULL OR r.removed THEN EXISTS (
    SELECT 1 FROM chats AS c
    WHERE c.closed_at IS NULL AND c.request IS NULL
      AND ((c.low_id = :me AND c.high_id = u.id) OR (c.low_id = u.id AND c.high_id = :me)))
    ELSE r.left_at IS NULL END AS reachable
FROM people AS u LEFT JOIN members AS r ON r.chat_id = :chat_id AND r.user_id = u.id
WHERE u.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:people AS TEXT)))
  AND NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.viewer_id = :me AND h.other_id = u.id)
"""
# Who comes begins with the next message: earlier ones are neither seen nor counted.
SEAT = """
INSERT INTO members (chat_id, user_id, since_id, read_id, delivered_id, read_count, joined_at)
SELECT c.id, CAST(j.value AS BIGINT), CAST(:head AS BIGINT), CAST(:head AS BIGINT), CAST(:head AS BIGINT), c.message_count,
       CAST(:now AS BIGINT)
FROM chats AS c, json_each(CAST(:people AS TEXT)) AS j WHERE c.id = :chat_id
ON CONFLICT (chat_id, user_id) DO UPDATE SET since_id = excluded.since_id, read_id = excluded.read_id,
    delivered_id = excluded.delivered_id, read_count = excluded.read_count, joined_at = excluded.joined_at, role = 'member',
    marked_unread = FALSE, removed = FALSE, left_at = NULL
WHERE members.left_at IS NOT NULL
RETURNING user_id
"""
FORGET_READS = """
DELETE FROM reads
WHERE chat_id = :chat_id AND user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:people AS TEXT)))
"""
SIZE = "SELECT COUNT(*) FROM members WHERE chat_id = :chat_id AND left_at IS NULL"
ROLE = """
SELECT r.role FROM members AS r JOIN people AS u ON u.id = r.user_id
WHERE r.chat_id = :chat_id AND r.user_id = :user_id AND r.left_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.viewer_id = :me AND h.other_id = r.user_id)
"""
APPOINT = "UPDATE members SET role = :role WHERE chat_id = :chat_id AND user_id = :user_id"
UNSEAT = """
UPDATE members SET left_at = :now, removed = :removed, role = 'member', pinned_at = NULL, archived = FALSE, muted = FALSE
WHERE chat_id = :chat_id AND user_id = :user_id
"""
HEIR = """
SELECT r.user_id FROM members AS r JOIN people AS u ON u.id = r.user_id WHERE r.chat_id = :chat_id AND r.left_at IS NULL
ORDER BY CASE r.role WHEN 'admin' THEN 0 ELSE 1 END, r.joined_at, r.user_id LIMIT 1
"""
CLOSE = "UPDATE chats SET closed_at = :now WHERE id = :chat_id"
DESCRIBE = "UPDATE chats SET name = :name, photo_url = CAST(:photo_url AS TEXT) WHERE id = :chat_id"
FACE = "SELECT name, photo_url FROM chats WHERE id = :chat_id"


async def make(tx: Transaction, name: str, photo_url: str | None) -> int:
    """A new group without members; its id."""
    chat_id = await tx.one(int, MAKE, name=name, photo_url=photo_url, now=tx.now)
    assert chat_id is not None
    return chat_id


async def list_reachable(tx: Transaction, me: int, chat_id: int, people: list[int]) -> list[Reachable]:
    """Of these people, those whom I may see, and whether I may bring them into the group."""
    return await tx.all(Reachable, REACHABLE, me=me, chat_id=chat_id, people=json.dumps(people))


async def seat(tx: Transaction, chat_id: int, people: list[int], head: int) -> list[int]:
    """Make these people members from the message after `head` on; those who were none. The chat must be taken."""
    ids = json.dumps(people)
    seated = await tx.all(int, SEAT, chat_id=chat_id, people=ids, head=head, now=tx.now)
    await tx.run(FORGET_READS, chat_id=chat_id, people=json.dumps(seated))
    return sorted(seated)


async def count_members(tx: Transaction, chat_id: int) -> int:
    """How many members a group has."""
    return await tx.one(int, SIZE, chat_id=chat_id) or 0


async def find_role(tx: Transaction, me: int, chat_id: int, user_id: int) -> str | None:
    """The role of a member whom I may see."""
    return await tx.one(str, ROLE, me=me, chat_id=chat_id, user_id=user_id)


async def appoint(tx: Transaction, chat_id: int, user_id: int, role: str) -> None:
    """Give a member another role."""
    await tx.run(APPOINT, chat_id=chat_id, user_id=user_id, role=role)


async def unseat(tx: Transaction, chat_id: int, user_id: int, removed: bool) -> None:
    """End a membership; whoever was removed does not come back by a link."""
    await tx.run(UNSEAT, chat_id=chat_id, user_id=user_id, removed=removed, now=tx.now)


async def find_heir(tx: Transaction, chat_id: int) -> int | None:
    """Who is to own a group without an owner: the longest-standing administrator, else member."""
    return await tx.one(int, HEIR, chat_id=chat_id)


async def close(tx: Transaction, chat_id: int) -> None:
    """End a group."""
    await tx.run(CLOSE, chat_id=chat_id, now=tx.now)


async def read_face(tx: Transaction, chat_id: int) -> Face:
    """The group's name and picture."""
    face = await tx.one(Face, FACE, chat_id=chat_id)
    assert face is not None
    return face


async def describe(tx: Transaction, chat_id: int, face: Face) -> None:
    """Give a group this name and this picture."""
    await tx.run(DESCRIBE, chat_id=chat_id, name=face.name, photo_url=face.photo_url)


# --- invites ----------------------------------------------------------------------------------------------------------------

INVITE = """
INSERT INTO invites (chat_id, creator_id, hash, max_uses, created_at, expires_at)
VALUES (:chat_id, :me, :hash, CAST(:max_uses AS BIGINT), :now, :expires_at) RETURNING id
"""
INVITES = """
SELECT id, chat_id, uses, max_uses, expires_at FROM invites
WHERE chat_id = :chat_id AND expires_at > :now AND (max_uses IS NULL OR uses < max_uses) ORDER BY id
"""
FIND_INVITE = """
SELECT i.chat_id FROM invites AS i JOIN chats AS c ON c.id = i.chat_id
WHERE i.hash = :hash AND i.expires_at > :now AND c.closed_at IS NULL
"""
TAKE_GROUP = "UPDATE chats SET last_at = last_at WHERE id = :chat_id AND closed_at IS NULL"
USE = """
UPDATE invites SET uses = uses + 1
WHERE hash = :hash AND expires_at > :now AND (max_uses IS NULL OR uses < max_uses)
"""
IS_MEMBER = "SELECT 1 FROM members WHERE chat_id = :chat_id AND user_id = :me AND left_at IS NULL"
WAS_REMOVED = "SELECT 1 FROM members WHERE chat_id = :chat_id AND user_id = :me AND removed"
REVOKE = "DELETE FROM invites WHERE id = :invite_id AND chat_id = :chat_id"
SWEEP = """
DELETE FROM invites
WHERE id IN (SELECT id FROM invites WHERE expires_at <= :now OR uses >= max_uses ORDER BY id LIMIT :most)
"""


async def invite(tx: Transaction, me: int, chat_id: int, token_hash: str, max_uses: int | None, expires_at: int) -> int:
    """A new link into the group; its id."""
    invite_id = await tx.one(
        int, INVITE, chat_id=chat_id, me=me, hash=token_hash, max_uses=max_uses, expires_at=expires_at, now=tx.now
    )
    assert invite_id is not None
    return invite_id


async def list_invites(tx: Transaction, chat_id: int) -> list[InviteRow]:
    """The links that still lead into the group."""
    return await tx.all(InviteRow, INVITES, chat_id=chat_id, now=tx.now)


async def find_invite(tx: Transaction, token_hash: str) -> int | None:
    """The group that a link leads into."""
    return await tx.one(int, FIND_INVITE, hash=token_hash, now=tx.now)


async def take_group(tx: Transaction, chat_id: int) -> bool:
    """Hold a group until this transaction ends; False when it has ended itself."""
    return await tx.run(TAKE_GROUP, chat_id=chat_id) == 1


async def use(tx: Transaction, token_hash: str) -> bool:
    """Count one use of a link; False when it leads nowhere any more."""
    return await tx.run(USE, hash=token_hash, now=tx.now) == 1


async def is_member(tx: Transaction, me: int, chat_id: int) -> bool:
    """Whether I am in the group."""
    return await tx.one(int, IS_MEMBER, me=me, chat_id=chat_id) is not None


async def was_removed(tx: Transaction, me: int, chat_id: int) -> bool:
    """Whether somebody has put me out of the group."""
    return await tx.one(int, WAS_REMOVED, me=me, chat_id=chat_id) is not None


async def revoke(tx: Transaction, chat_id: int, invite_id: int) -> bool:
    """End a link; False when there is none."""
    return await tx.run(REVOKE, chat_id=chat_id, invite_id=invite_id) == 1


async def sweep(tx: Transaction) -> int:
    """Drop the first links that lead nowhere any more; how many."""
    return await tx.run(SWEEP, now=tx.now, most=SWEPT)
