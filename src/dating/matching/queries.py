"""The SQL of swipes and matches.

A person's side of a pair is `low` or `high`, by id. What a swipe changes is written once, for "mine" and "theirs", and becomes
two statements; what only reads goes through the view `swipes`, which has a row for either side.
"""

import msgspec

from dating.database import Transaction
from dating.matching.models import Changed, LikesUsed, MatchRow, MySwipe, OwnSuperlike, OwnSwipe, Superlike, TakenBack


def swiping(mine: str, theirs: str) -> str:
    """The upsert of one side.

    It answers a row only if it changed my opinion of somebody visible with whom I had no match: a `matched_at` in that row is
    therefore of this very swipe, whatever the clock says. No row: look why. PostgreSQL holds the pair's row in both cases.
    """
    return f"""
INSERT INTO pairs (low_id, high_id, {mine}_action, {mine}_at)
SELECT CAST(:low_id AS BIGINT), CAST(:high_id AS BIGINT), CAST(:action AS TEXT), CAST(:now AS BIGINT)
FROM people
WHERE id = :other_id AND NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = :me_id AND other_id = :other_id)
ON CONFLICT (low_id, high_id) DO UPDATE SET
    {mine}_action = excluded.{mine}_action,
    {mine}_at = excluded.{mine}_at,
    {mine}_before = pairs.{mine}_action,
    matched_at = CASE
        WHEN excluded.{mine}_action <> 'dislike' AND pairs.{theirs}_action IN ('like', 'superlike') THEN excluded.{mine}_at
    END
WHERE pairs.matched_at IS NULL AND (
    pairs.{mine}_action IS NULL
    OR pairs.{mine}_action = 'unmatch'
    OR (pairs.{mine}_action = 'dislike') <> (excluded.{mine}_action = 'dislike')
)
RETURNING matched_at, {mine}_before AS before, {theirs}_action AS theirs
"""


def taking_back(mine: str, theirs: str) -> str:
    """Undo of one side's swipe, unless it changed or became a match meanwhile. Those who had a match before stay apart."""
    return f"""
UPDATE pairs SET
    {mine}_action = CASE WHEN unmatched_at IS NOT NULL THEN 'unmatch' END,
    {mine}_at = unmatched_at
WHERE low_id = :low_id AND high_id = :high_id AND {mine}_at = :acted_at AND matched_at IS NULL
RETURNING {mine}_action AS action, {theirs}_action AS theirs
"""


SWIPE_LOW = swiping("low", "high")
SWIPE_HIGH = swiping("high", "low")
TAKE_BACK_LOW = taking_back("low", "high")
TAKE_BACK_HIGH = taking_back("high", "low")
SUPERLIKE = """
UPDATE pairs SET
    low_action = CASE WHEN low_id = :me_id THEN :action ELSE low_action END,
    high_action = CASE WHEN high_id = :me_id THEN :action ELSE high_action END
WHERE low_id = :low_id AND high_id = :high_id
"""
MINE = "SELECT other_id, action, acted_at, matched_at FROM swipes WHERE user_id = :me_id AND other_id = :other_id"
LAST = """
SELECT * FROM (
    SELECT high_id AS other_id, low_action AS action, low_at AS acted_at, matched_at FROM pairs
    WHERE low_id = :me_id AND low_at IS NOT NULL AND low_action <> 'unmatch' ORDER BY low_at DESC LIMIT 1
) AS as_low
UNION ALL
SELECT * FROM (
    SELECT low_id AS other_id, high_action AS action, high_at AS acted_at, matched_at FROM pairs
    WHERE high_id = :me_id AND high_at IS NOT NULL AND high_action <> 'unmatch' ORDER BY high_at DESC LIMIT 1
) AS as_high
ORDER BY acted_at DESC LIMIT 1
"""
# The cursor is somebody who was on the list: anybody else must look alike, or pages would tell who has disliked me.
FOLLOWERS = """
SELECT s.other_id
FROM swipes s
WHERE s.user_id = :me_id AND s.action IS NULL AND s.other_action IN ('like', 'superlike')
  AND EXISTS (SELECT 1 FROM people WHERE id = s.other_id)
  AND NOT EXISTS (SELECT 1 FROM unwanted WHERE viewer_id = :me_id AND other_id = s.other_id)
  AND (CAST(:last_seen_id AS BIGINT) IS NULL
       OR (s.other_acted_at, s.other_id)
          < (SELECT l.other_acted_at, l.other_id FROM swipes l WHERE l.user_id = :me_id AND l.other_id = :last_seen_id
             AND l.other_action IN ('like', 'superlike') AND (l.action IS NULL OR l.other_acted_at <= l.acted_at)
             AND NOT EXISTS (SELECT 1 FROM unwanted WHERE viewer_id = :me_id AND other_id = l.other_id)))
ORDER BY s.other_acted_at DESC, s.other_id DESC
LIMIT :limit OFFSET :offset
"""
# The chat is looked up in the answer, not joined: for the rows of the page alone.
MATCHES = """
SELECT s.other_id AS user_id, s.matched_at, (
    SELECT id FROM chats
    WHERE low_id = CASE WHEN s.user_id < s.other_id THEN s.user_id ELSE s.other_id END
      AND high_id = CASE WHEN s.user_id < s.other_id THEN s.other_id ELSE s.user_id END
) AS chat_id
FROM swipes s
WHERE s.user_id = :me_id AND s.matched_at IS NOT NULL
  AND EXISTS (SELECT 1 FROM people WHERE id = s.other_id)
  AND NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = :me_id AND other_id = s.other_id)
  AND (CAST(:last_seen_id AS BIGINT) IS NULL
       OR (s.matched_at, s.other_id)
          < (SELECT l.matched_at, l.other_id FROM swipes l WHERE l.user_id = :me_id AND l.other_id = :last_seen_id))
ORDER BY s.matched_at DESC, s.other_id DESC
LIMIT :limit OFFSET :offset
"""
CHAT = "SELECT id FROM chats WHERE low_id = :low_id AND high_id = :high_id"
UNMATCH = """
UPDATE pairs SET
    low_action = 'unmatch', high_action = 'unmatch', low_at = :now, high_at = :now, matched_at = NULL, unmatched_at = :now
WHERE low_id = :low_id AND high_id = :high_id AND matched_at IS NOT NULL
"""
TAKE = "UPDATE pairs SET low_id = low_id WHERE low_id = :me_id OR high_id = :me_id"
MATCHED = "SELECT other_id FROM swipes WHERE user_id = :me_id AND matched_at IS NOT NULL ORDER BY other_id"
CLEAR_LOW = "UPDATE pairs SET low_action = NULL, low_at = NULL, matched_at = NULL, unmatched_at = NULL WHERE low_id = :me_id"
CLEAR_HIGH = "UPDATE pairs SET high_action = NULL, high_at = NULL, matched_at = NULL, unmatched_at = NULL WHERE high_id = :me_id"
ERASE_PAIRS = "DELETE FROM pairs WHERE low_id = :user_id OR high_id = :user_id"
ERASE_LIKES = "DELETE FROM likes_used WHERE user_id = :user_id"
ERASE_STANDING = "DELETE FROM standings WHERE user_id = :user_id"
ERASE_LESSONS = "DELETE FROM lessons WHERE viewer_id = :user_id OR shown_id = :user_id"
ERASE_EXPOSURES = "DELETE FROM exposures WHERE viewer_id = :user_id OR shown_id = :user_id"
ERASE_REVEALS = "DELETE FROM reveals WHERE user_id = :user_id"
ERASE_SUPERLIKES = "DELETE FROM superlikes WHERE sender_id = :user_id OR receiver_id = :user_id"
ERASURES = (ERASE_PAIRS, ERASE_LIKES, ERASE_SUPERLIKES, ERASE_STANDING, ERASE_LESSONS, ERASE_EXPOSURES, ERASE_REVEALS)
EXPORT_SWIPES = """
SELECT (
    SELECT id FROM people WHERE id = s.other_id
    AND NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = :me_id AND hidden.other_id = s.other_id)
) AS user_id, s.action, s.acted_at, s.matched_at, s.unmatched_at
FROM swipes s WHERE s.user_id = :me_id AND s.action IS NOT NULL ORDER BY s.acted_at, s.other_id
"""
EXPORT_LIKES = "SELECT day, used FROM likes_used WHERE user_id = :me_id"
SEND_SUPERLIKE = """
INSERT INTO superlikes (sender_id, receiver_id, note, sent_at) VALUES (:me_id, :other_id, CAST(:note AS TEXT), :now)
ON CONFLICT (sender_id, receiver_id) DO UPDATE SET note = excluded.note, sent_at = excluded.sent_at
"""
SUPERLIKES = """
SELECT s.sender_id, s.note FROM superlikes s
JOIN swipes w ON w.user_id = s.receiver_id AND w.other_id = s.sender_id AND w.other_action = 'superlike'
WHERE s.receiver_id = :me_id AND s.sender_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
"""
EXPORT_SUPERLIKES = """
SELECT (
    SELECT id FROM people WHERE id = s.receiver_id
    AND NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = :me_id AND other_id = s.receiver_id)
) AS user_id, s.note, s.sent_at FROM superlikes s WHERE s.sender_id = :me_id ORDER BY s.sent_at, s.receiver_id
"""


async def swipe(tx: Transaction, me_id: int, other_id: int, action: str) -> Changed | None:
    """Write my opinion of a visible person; None if that changed nothing."""
    sql = SWIPE_LOW if me_id < other_id else SWIPE_HIGH
    return await tx.one(Changed, sql, me_id=me_id, other_id=other_id, action=action, now=tx.now, **pair(me_id, other_id))


async def mine(tx: Transaction, me_id: int, other_id: int) -> MySwipe | None:
    """My side of the pair."""
    return await tx.one(MySwipe, MINE, me_id=me_id, other_id=other_id)


async def strengthen(tx: Transaction, me_id: int, other_id: int, action: str) -> None:
    """Make a like of mine a superlike."""
    await tx.run(SUPERLIKE, me_id=me_id, action=action, **pair(me_id, other_id))


async def send_superlike(tx: Transaction, me_id: int, other_id: int, note: str | None) -> None:
    """Keep what my superlike says."""
    await tx.run(SEND_SUPERLIKE, me_id=me_id, other_id=other_id, note=note, now=tx.now)


async def superlikes(tx: Transaction, me_id: int, sender_ids: list[int]) -> dict[int, str | None]:
    """Which of these people superlike me, each with their note."""
    ids = msgspec.json.encode(sender_ids).decode()
    return {row.sender_id: row.note for row in await tx.all(Superlike, SUPERLIKES, me_id=me_id, ids=ids)}


async def own_superlikes(tx: Transaction, me_id: int) -> list[OwnSuperlike]:
    """What my superlikes say, the earliest first."""
    return await tx.all(OwnSuperlike, EXPORT_SUPERLIKES, me_id=me_id)


async def last(tx: Transaction, me_id: int) -> MySwipe | None:
    """My latest swipe."""
    return await tx.one(MySwipe, LAST, me_id=me_id)


async def take_back(tx: Transaction, me_id: int, swipe: MySwipe) -> TakenBack | None:
    """Undo a swipe of mine; None if it changed meanwhile."""
    sql = TAKE_BACK_LOW if me_id < swipe.other_id else TAKE_BACK_HIGH
    return await tx.one(TakenBack, sql, acted_at=swipe.acted_at, **pair(me_id, swipe.other_id))


async def followers(tx: Transaction, me_id: int, limit: int, offset: int, last_seen_id: int | None) -> list[int]:
    """Who likes me and awaits my swipe, the latest first."""
    return await tx.all(int, FOLLOWERS, me_id=me_id, limit=limit, offset=offset, last_seen_id=last_seen_id)


async def matches(tx: Transaction, me_id: int, limit: int, offset: int, last_seen_id: int | None) -> list[MatchRow]:
    """My matches with visible people, the latest first."""
    return await tx.all(MatchRow, MATCHES, me_id=me_id, limit=limit, offset=offset, last_seen_id=last_seen_id)


async def chat(tx: Transaction, me_id: int, other_id: int) -> int | None:
    """The chat of the two."""
    return await tx.one(int, CHAT, **pair(me_id, other_id))


async def unmatch(tx: Transaction, me_id: int, other_id: int) -> bool:
    """End the match of the two; False if there is none."""
    return await tx.run(UNMATCH, now=tx.now, **pair(me_id, other_id)) == 1


async def take_matches(tx: Transaction, me_id: int) -> list[int]:
    """Let nobody else change my pairs until the transaction ends; the people with whom I have a match."""
    await tx.run(TAKE, me_id=me_id)
    return await tx.all(int, MATCHED, me_id=me_id)


async def clear(tx: Transaction, me_id: int) -> None:
    """Forget every swipe of mine, and that there were matches."""
    await tx.run(CLEAR_LOW, me_id=me_id)
    await tx.run(CLEAR_HIGH, me_id=me_id)


async def own_swipes(tx: Transaction, me_id: int) -> list[OwnSwipe]:
    """Every swipe of mine as it stands, the earliest first."""
    return await tx.all(OwnSwipe, EXPORT_SWIPES, me_id=me_id)


async def likes_used(tx: Transaction, me_id: int) -> list[LikesUsed]:
    """How many likes I have spent."""
    return await tx.all(LikesUsed, EXPORT_LIKES, me_id=me_id)


async def erase(tx: Transaction, user_id: int) -> None:
    """Remove every row of the person, the other sides' swipes included."""
    for statement in ERASURES:
        await tx.run(statement, user_id=user_id)


def pair(one_id: int, other_id: int) -> dict[str, int]:
    """The key of a pair's row."""
    return {"low_id": min(one_id, other_id), "high_id": max(one_id, other_id)}
