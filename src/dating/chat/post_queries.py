"""The SQL of sending: each statement is for a whole batch of posts, given as JSON."""

from collections.abc import Sequence

import msgspec

from dating.chat.conditions import OPEN, SEEN
from dating.chat.poll_models import NewPoll
from dating.chat.post_models import Addition, Asked, Place, Post, Source, Verdict
from dating.chat.veil_models import Unseen
from dating.clock import SECOND
from dating.database import Overtaken, Transaction

# Posts `d`, each by its place in the batch. Rows come as arrays, which PostgreSQL reads twice as fast as objects.
POSTS = """
given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:posts AS TEXT))),
d AS MATERIALIZED (
    SELECT CAST(v ->> 0 AS BIGINT) AS n, CAST(v ->> 1 AS BIGINT) AS chat_id, CAST(v ->> 2 AS BIGINT) AS me,
           CAST(v ->> 3 AS BIGINT) AS reply_to_id, v ->> 4 AS client_id
    FROM given)
"""
# How many posts go into which chat, and by whom.
PLACES = """
given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:places AS TEXT))),
d AS MATERIALIZED (
    SELECT CAST(v ->> 0 AS BIGINT) AS chat_id, CAST(v ->> 1 AS BIGINT) AS me, CAST(v ->> 2 AS BIGINT) AS posts FROM given)
"""
# The chat `c` is open to the sender: everybody may write into a group of theirs, a pair needs both to be there and unhidden.
# Whoever has declined a request does not see it any more.
OPEN_TO_SENDER = """c.closed_at IS NULL AND s.left_at IS NULL
    AND (c.request IS NULL OR c.request = 'waiting' OR c.asker_id = d.me)
    AND NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = d.me AND other_id = c.low_id + c.high_id - d.me)
    AND NOT EXISTS (SELECT 1 FROM users AS g WHERE g.id IN (c.low_id, c.high_id)
                    AND (g.banned_at IS NOT NULL OR g.deleted_at IS NOT NULL))"""
# What most posts are: into a chat that is no request, by somebody who is no newcomer, and neither a repeat nor an answer to what
# is not there. When all of the posts are, their chats are taken and counted up; else none is, and each has to be looked at.
TAKE_PLAIN = f"""
INSERT INTO chats (id, kind, low_id, high_id, message_count, last_at, created_at)
WITH {POSTS},
fit AS MATERIALIZED (
    SELECT d.chat_id FROM d
    JOIN chats AS c ON c.id = d.chat_id
    JOIN members AS s ON s.chat_id = d.chat_id AND s.user_id = d.me
    JOIN users AS u ON u.id = d.me
    LEFT JOIN messages AS o ON o.id = d.reply_to_id AND o.chat_id = d.chat_id
    LEFT JOIN messages AS f ON f.sender_id = d.me AND f.client_id = d.client_id
    WHERE {OPEN_TO_SENDER} AND c.request IS NULL AND u.created_at <= :established AND f.id IS NULL
      AND (d.reply_to_id IS NULL OR o.id IS NOT NULL))
SELECT fit.chat_id, 'direct', -2, -1, COUNT(*), CAST(:now AS BIGINT), CAST(:now AS BIGINT)
FROM fit WHERE (SELECT COUNT(*) FROM fit) = :count GROUP BY fit.chat_id ORDER BY fit.chat_id
ON CONFLICT (id) DO UPDATE
SET message_count = chats.message_count + excluded.message_count, before_at = chats.last_at, last_at = excluded.last_at
WHERE chats.closed_at IS NULL AND chats.request IS NULL
RETURNING id, low_id + high_id AS both_ids, CASE WHEN kind = 'direct' THEN 2
              ELSE (SELECT COUNT(*) FROM members AS r WHERE r.chat_id = chats.id AND r.left_at IS NULL) END AS members,
          CASE WHEN kind = 'direct' THEN EXISTS (SELECT 1 FROM hidden_words AS w WHERE w.user_id IN (low_id, high_id))
              ELSE EXISTS (SELECT 1 FROM members AS r JOIN hidden_words AS w ON w.user_id = r.user_id
                           WHERE r.chat_id = chats.id AND r.left_at IS NULL) END AS is_wary
"""
LOOK = f"""
WITH {POSTS}
SELECT d.n, c.low_id + c.high_id - d.me AS other_id, CASE WHEN c.kind = 'direct' THEN 2
           ELSE (SELECT COUNT(*) FROM members AS r WHERE r.chat_id = c.id AND r.left_at IS NULL) END AS members,
       d.reply_to_id IS NULL OR EXISTS (SELECT 1 FROM messages AS o WHERE o.id = d.reply_to_id AND o.chat_id = d.chat_id)
           AS has_original,
       f.id AS first_id, f.chat_id AS first_chat_id, CASE WHEN f.deleted_at IS NULL THEN COALESCE(
           (SELECT e.content FROM edits AS e WHERE e.message_id = f.id ORDER BY e.written_at LIMIT 1), f.content)
       END AS first_content,
       f.reply_to_id AS first_reply_to_id,
       f.created_at AS first_at,
       c.request, c.asker_id, c.message_count, (SELECT u.created_at FROM users AS u WHERE u.id = d.me) AS joined_at,
       EXISTS (SELECT 1 FROM members AS r JOIN hidden_words AS w ON w.user_id = r.user_id
               WHERE r.chat_id = d.chat_id AND r.left_at IS NULL AND r.user_id <> d.me) AS is_wary
FROM d
JOIN chats AS c ON c.id = d.chat_id
JOIN members AS s ON s.chat_id = d.chat_id AND s.user_id = d.me
LEFT JOIN messages AS f ON f.sender_id = d.me AND f.client_id = d.client_id
WHERE {OPEN_TO_SENDER}
"""
# An upsert, because it takes the rows in a given order: two batches never wait for each other crosswise. A chat that is gone by
# now would be inserted, as that of two people who never are: a foreign key refuses it.
COUNT_MESSAGES = f"""
INSERT INTO chats (id, kind, low_id, high_id, message_count, last_at, created_at)
WITH {PLACES}
SELECT d.chat_id, 'direct', -2, -1, SUM(d.posts), CAST(:now AS BIGINT), CAST(:now AS BIGINT)
FROM d WHERE TRUE GROUP BY d.chat_id ORDER BY d.chat_id
ON CONFLICT (id) DO UPDATE
SET message_count = chats.message_count + excluded.message_count, before_at = chats.last_at, last_at = excluded.last_at
WHERE chats.closed_at IS NULL
"""
ADD_MESSAGES = """
INSERT INTO messages
    (chat_id, sender_id, kind, form, content, reply_to_id, client_id, forwarded, links, expires_at, created_at)
WITH given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:posts AS TEXT)))
SELECT CAST(v ->> 1 AS BIGINT), CAST(v ->> 2 AS BIGINT), 'text', v ->> 6, v ->> 3, CAST(v ->> 4 AS BIGINT), v ->> 5,
       CAST(v ->> 7 AS BIGINT) = 1, v ->> 8, CAST(v ->> 9 AS BIGINT), CAST(:now AS BIGINT)
FROM given ORDER BY CAST(v ->> 0 AS BIGINT)
RETURNING id
"""
COUNT_OWN = f"""
UPDATE members AS s SET read_count = read_count + d.posts
FROM (WITH {PLACES} SELECT d.chat_id, d.me, d.posts FROM d) AS d JOIN chats AS c ON c.id = d.chat_id
WHERE s.chat_id = d.chat_id AND s.user_id = d.me AND {OPEN_TO_SENDER}
"""


UNMAKE = "DELETE FROM messages WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))"
ADD_POLL = "INSERT INTO polls (message_id, options, multiple) VALUES (:message_id, :options, :multiple)"
UNSEEN = """
SELECT DISTINCT m.chat_id, r.user_id, m.id AS message_id
FROM messages AS m JOIN members AS r ON r.chat_id = m.chat_id AND r.left_at IS NULL
WHERE m.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
  AND EXISTS (SELECT 1 FROM hidden WHERE viewer_id = m.sender_id AND other_id = r.user_id)
"""
UNSEEN_ROWS = """
given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:unseen AS TEXT))),
d AS MATERIALIZED (
    SELECT CAST(v ->> 'chat_id' AS BIGINT) AS chat_id, CAST(v ->> 'user_id' AS BIGINT) AS user_id,
           CAST(v ->> 'message_id' AS BIGINT) AS message_id
    FROM given)
"""
READ_UNSEEN = f"""
INSERT INTO reads (chat_id, user_id, message_id)
WITH {UNSEEN_ROWS}
SELECT d.chat_id, d.user_id, d.message_id FROM d
"""
COUNT_UNSEEN = f"""
UPDATE members SET read_count = read_count + one.messages
FROM (WITH {UNSEEN_ROWS} SELECT d.chat_id, d.user_id, COUNT(*) AS messages FROM d GROUP BY d.chat_id, d.user_id) AS one
WHERE members.chat_id = one.chat_id AND members.user_id = one.user_id
"""
SOURCE = f"""
SELECT m.chat_id, m.content,
       m.deleted_at IS NULL AND m.kind = 'text' AND m.form IS NULL AND m.expires_at IS NULL AS forwardable
FROM messages AS m
JOIN chats AS c ON c.id = m.chat_id
JOIN members AS mine ON mine.chat_id = m.chat_id AND mine.user_id = :me AND mine.left_at IS NULL
WHERE m.id = :message_id AND {OPEN} AND {SEEN}
"""


def encode(rows: Sequence[msgspec.Struct]) -> str:
    """Rows as a parameter."""
    return msgspec.json.encode(rows).decode()


def encode_asked(posts: Sequence[Post]) -> str:
    """Posts as the parameter of `POSTS`."""
    return encode([Asked(one.n, one.chat_id, one.me, one.reply_to_id, one.client_id) for one in posts])


def place(posts: Sequence[Post]) -> list[Place]:
    """How many of the posts are whose, and where."""
    places: dict[tuple[int, int], Place] = {}
    for one in posts:
        places.setdefault((one.chat_id, one.me), Place(one.chat_id, one.me)).count += 1
    return list(places.values())


async def take_plain(tx: Transaction, posts: Sequence[Post], established: int) -> dict[int, Verdict]:
    """Take the chats of posts that are plain, all of them, and what is known of each post; nothing when any is not.

    `established`: whoever has registered by then is no newcomer. Raises Overtaken when a chat was closed meanwhile.
    """
    rows = await tx.all(tuple, TAKE_PLAIN, posts=encode_asked(posts), established=established, count=len(posts), now=tx.now)
    chats = {row[0]: row[1:] for row in rows}
    if chats and len(chats) < len({one.chat_id for one in posts}):
        raise Overtaken
    return {one.n: Verdict.of_plain(one, *chats[one.chat_id]) for one in posts} if chats else {}


async def look(tx: Transaction, posts: Sequence[Post]) -> dict[int, Verdict]:
    """What is known of each post, by its place; nothing of those whose chat is not open to the sender."""
    rows = await tx.all(tuple, LOOK, posts=encode_asked(posts))  # its columns are the struct's: by names would cost 4 µs a post
    return {row[0]: Verdict(*row) for row in rows}


async def count_messages(tx: Transaction, posts: Sequence[Post]) -> bool:
    """Take the chats for so many more messages; whether they are all open still."""
    chats = {one.chat_id for one in posts}
    return await tx.run(COUNT_MESSAGES, places=encode(place(posts)), now=tx.now) == len(chats)


async def add_messages(tx: Transaction, posts: Sequence[Post]) -> list[int]:
    """The new messages' ids, in the order of the posts. A client id that was used meanwhile lets the transaction run again."""
    additions = [
        Addition(
            one.n, one.chat_id, one.me, one.content, one.reply_to_id, one.client_id, None if one.poll is None else "poll",
            int(one.forwarded), one.links, None if one.expires_in is None else tx.now + one.expires_in * SECOND,
        )
        for one in posts
    ]  # fmt: skip
    return sorted(await tx.all(int, ADD_MESSAGES, posts=encode(additions), now=tx.now))


async def unmake(tx: Transaction, ids: Sequence[int]) -> None:
    """Take new messages out again; nobody else gets their ids."""
    await tx.run(UNMAKE, ids=msgspec.json.encode(ids).decode())


async def add_polls(tx: Transaction, polls: Sequence[tuple[int, NewPoll]]) -> None:
    """What these messages ask."""
    rows = [
        {"message_id": message_id, "options": msgspec.json.encode(poll.options).decode(), "multiple": poll.multiple}
        for message_id, poll in polls
    ]
    await tx.many(ADD_POLL, rows)


async def list_unseen(tx: Transaction, ids: Sequence[int]) -> list[Unseen]:
    """Of these new messages of groups, the members from whom their senders are hidden: they do not see them."""
    return await tx.all(Unseen, UNSEEN, ids=msgspec.json.encode(ids).decode())


async def count_as_read(tx: Transaction, unseen: Sequence[Unseen]) -> None:
    """Count these new messages as read by those who do not see them."""
    if unseen:
        await tx.run(READ_UNSEEN, unseen=encode(unseen))
        await tx.run(COUNT_UNSEEN, unseen=encode(unseen))


async def find_source(tx: Transaction, me: int, message_id: int) -> Source | None:
    """A message of a chat of mine that I may see, to be forwarded."""
    return await tx.one(Source, SOURCE, me=me, message_id=message_id, now=tx.now)


async def count_own(tx: Transaction, posts: Sequence[Post]) -> bool:
    """What people send they have read; whether every sender may still write there."""
    places = place(posts)
    return await tx.run(COUNT_OWN, places=encode(places)) == len(places)
