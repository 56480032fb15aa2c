-- Where a chat stands in somebody's list, when what was said last is not for them to see. Times are microseconds since the epoch, UTC.

-- `before_at`: what `last_at` was before the last messages came.
ALTER TABLE chats ADD COLUMN before_at BIGINT;

-- While the chat's `last_at` is `sunk_at`, it stands in this member's list as if it were `lifted_at`.
ALTER TABLE members ADD COLUMN sunk_at BIGINT;
ALTER TABLE members ADD COLUMN lifted_at BIGINT;
