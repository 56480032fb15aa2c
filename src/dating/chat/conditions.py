"""What statements about chats have in common: conditions on a chat `c`, a member's seat and a message `m`, as `:me` sees them."""

# A chat `c` is open to me: nobody has closed it, and the other person of a direct chat is there and not hidden from me. A request
# that was declined is open to the one who asked alone, who does not notice.
OPEN = """c.closed_at IS NULL AND (c.request IS NULL OR c.request = 'waiting' OR c.asker_id = :me) AND (c.kind = 'group' OR (
    NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = :me AND other_id = c.low_id + c.high_id - :me)
    AND EXISTS (SELECT 1 FROM people WHERE id = c.low_id + c.high_id - :me)
    AND EXISTS (SELECT 1 FROM people WHERE id = :me)))"""
MINE = "EXISTS (SELECT 1 FROM members WHERE chat_id = c.id AND user_id = :me AND left_at IS NULL)"

# A chat `c` is a request to me that waits for my answer.
RECEIVED = "(c.request IS NOT NULL AND c.asker_id <> :me)"

# The person of the profile `p` takes messages from me though we have not matched. Whom somebody likes they follow.
TAKES = """(p.messages_from = 'everyone' OR (p.messages_from = 'followed' AND EXISTS (
    SELECT 1 FROM followed AS f WHERE f.user_id = p.user_id AND f.other_id = :me)))"""

# When something happened last in the chat `c` that I could see, `mine` being my seat: so far up it stands in my list.
LIFTED = "CASE WHEN mine.sunk_at = c.last_at THEN mine.lifted_at ELSE c.last_at END"

# A message `m` is for me to see; `mine` is my seat in its chat.
SEEN = """m.id > mine.since_id AND (m.expires_at IS NULL OR m.expires_at > :now)
    AND NOT EXISTS (SELECT 1 FROM dismissals AS d WHERE d.user_id = :me AND d.message_id = m.id)
    AND NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.viewer_id = :me AND h.other_id = m.sender_id)"""

# I and the member `r` both send and see read receipts.
RECEIPTS = "NOT EXISTS (SELECT 1 FROM profiles AS q WHERE q.user_id IN (:me, r.user_id) AND NOT q.read_receipts)"

# A message `m` of the chat `c` is read: mine by another member (not by who came later), theirs by me, the system's by everybody.
# Of a request nobody learns whether it was read; what somebody's hidden words keep away is not read until what comes after it is.
IS_READ = f"""(m.sender_id IS NULL
    OR (m.sender_id <> :me AND (m.id <= mine.read_id OR EXISTS (
        SELECT 1 FROM reads AS e WHERE e.chat_id = m.chat_id AND e.user_id = :me AND e.message_id = m.id)))
    OR (m.sender_id = :me AND c.request IS NULL AND EXISTS (
        SELECT 1 FROM members AS r
        WHERE r.chat_id = m.chat_id AND r.user_id <> :me AND r.left_at IS NULL AND r.since_id < m.id
          AND (r.read_id >= m.id OR EXISTS (
            SELECT 1 FROM reads AS e WHERE e.chat_id = r.chat_id AND e.user_id = r.user_id AND e.message_id = m.id
              AND NOT EXISTS (SELECT 1 FROM dismissals AS w WHERE w.user_id = r.user_id AND w.message_id = m.id AND w.by_words)))
          AND {RECEIPTS} AND NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.viewer_id = :me AND h.other_id = r.user_id))))"""

# A message `m` that the member `r` has not read.
UNREAD = """m.chat_id = r.chat_id AND m.id > r.read_id AND m.sender_id <> r.user_id AND NOT EXISTS (
    SELECT 1 FROM reads AS e WHERE e.chat_id = r.chat_id AND e.user_id = r.user_id AND e.message_id = m.id)"""

# Messages that count as unread by me in the chats' own counters, although I see them no more: such as have expired and are not
# swept up yet, and those of people hidden from me since. Nearly always none, so it costs a list two looks; the joins are crossed,
# the counts stand by themselves and whom I met is looked up first, because either database would else begin at my many chats.
# What has expired lies between two moments: of all before one moment, PostgreSQL expects a third of what there is, and then it
# plans each list anew, which takes as long as the list.
GHOSTS = f"""
met AS MATERIALIZED (
    SELECT o.chat_id, h.other_id FROM hidden AS h CROSS JOIN members AS o WHERE h.viewer_id = :me AND o.user_id = h.other_id),
ghosts AS MATERIALIZED (
    SELECT m.chat_id, 1 AS messages FROM messages AS m
    WHERE m.expires_at BETWEEN 0 AND :now
      AND 1 = (SELECT COUNT(*) FROM members AS r WHERE {UNREAD} AND r.user_id = :me AND r.left_at IS NULL)
    UNION ALL
    SELECT r.chat_id, (
        SELECT COUNT(*) FROM messages AS m
        WHERE {UNREAD} AND m.sender_id = met.other_id AND (m.expires_at IS NULL OR m.expires_at > :now))
    FROM met CROSS JOIN members AS r
    WHERE r.chat_id = met.chat_id AND r.user_id = :me AND r.left_at IS NULL)
"""
GHOSTLY = "COALESCE((SELECT CAST(SUM(g.messages) AS BIGINT) FROM ghosts AS g WHERE g.chat_id = mine.chat_id), 0)"
