-- What two people think of each other is one row, so that two likes at the same moment meet in it. Times are microseconds since the
-- epoch, UTC.

-- An action is NULL while that side has not swiped; 'unmatch' on both sides when a match was ended by either of them.
CREATE TABLE pairs (
    low_id BIGINT NOT NULL REFERENCES users (id),
    high_id BIGINT NOT NULL REFERENCES users (id),
    low_action TEXT CHECK (low_action IN ('like', 'superlike', 'dislike', 'unmatch')),
    high_action TEXT CHECK (high_action IN ('like', 'superlike', 'dislike', 'unmatch')),
    low_at BIGINT,
    high_at BIGINT,
    matched_at BIGINT,
    unmatched_at BIGINT,
    PRIMARY KEY (low_id, high_id),
    CHECK (low_id < high_id),
    CHECK ((low_action IS NULL) = (low_at IS NULL)),
    CHECK ((high_action IS NULL) = (high_at IS NULL)),
    -- No match without both likes.
    CHECK (
        matched_at IS NULL
        OR (COALESCE(low_action, '') IN ('like', 'superlike') AND COALESCE(high_action, '') IN ('like', 'superlike'))
    )
);

-- My swipes, the last one first.
CREATE INDEX pairs_low_recent ON pairs (low_id, low_at);
CREATE INDEX pairs_high_recent ON pairs (high_id, high_at);

-- Who likes me and awaits my swipe.
CREATE INDEX pairs_low_awaited ON pairs (low_id, high_at, high_id) WHERE low_action IS NULL AND high_action IN ('like', 'superlike');
CREATE INDEX pairs_high_awaited ON pairs (high_id, low_at, low_id) WHERE high_action IS NULL AND low_action IN ('like', 'superlike');

-- My matches.
CREATE INDEX pairs_low_matched ON pairs (low_id, matched_at, high_id) WHERE matched_at IS NOT NULL;
CREATE INDEX pairs_high_matched ON pairs (high_id, matched_at, low_id) WHERE matched_at IS NOT NULL;

-- The same from one person's side, for reading: what I did (NULL: nothing yet) and what they did.
CREATE VIEW swipes (user_id, other_id, action, acted_at, other_action, other_acted_at, matched_at, unmatched_at) AS
    SELECT low_id, high_id, low_action, low_at, high_action, high_at, matched_at, unmatched_at FROM pairs
    UNION ALL
    SELECT high_id, low_id, high_action, high_at, low_action, low_at, matched_at, unmatched_at FROM pairs;

-- How many likes a person has spent on the latest day (days since 1970-01-01, UTC) on which any was spent.
CREATE TABLE likes_used (
    user_id BIGINT PRIMARY KEY REFERENCES users (id),
    day BIGINT NOT NULL,
    used BIGINT NOT NULL CHECK (used > 0)
);
