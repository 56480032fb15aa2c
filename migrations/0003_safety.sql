-- Who has blocked whom, and the two views by which every feature decides whom a person may see. Times are microseconds since the
-- epoch, UTC.

CREATE TABLE blocks (
    blocker_id BIGINT NOT NULL REFERENCES users (id),
    blocked_id BIGINT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (blocker_id, blocked_id),
    CHECK (blocker_id <> blocked_id)
);
CREATE INDEX blocks_blocked ON blocks (blocked_id, blocker_id);

-- A block hides both from each other: add to every query that shows `x` to `:me`
--     NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = :me AND other_id = x.id)
CREATE VIEW hidden (viewer_id, other_id) AS
    SELECT blocker_id, blocked_id FROM blocks
    UNION ALL
    SELECT blocked_id, blocker_id FROM blocks;

-- Everybody who is there: neither banned nor deleted.
CREATE VIEW people (id, username) AS
    SELECT id, username FROM users WHERE banned_at IS NULL AND deleted_at IS NULL;
