-- What is spent a day besides likes, and the words that come with a superlike. Times are microseconds since the epoch, UTC.

-- As `likes_used`, for everything else that is limited by the day: how many on the latest day on which any was spent.
CREATE TABLE spent (
    user_id BIGINT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL CHECK (kind IN ('superlike', 'rewind', 'boost')),
    day BIGINT NOT NULL,
    used BIGINT NOT NULL CHECK (used > 0),
    PRIMARY KEY (user_id, kind)
);

-- A row holds good while the pair says that the sender's action is a superlike.
CREATE TABLE superlikes (
    sender_id BIGINT NOT NULL REFERENCES users (id),
    receiver_id BIGINT NOT NULL REFERENCES users (id),
    note TEXT CHECK (length(note) <= 140),
    sent_at BIGINT NOT NULL,
    PRIMARY KEY (sender_id, receiver_id)
);
CREATE INDEX superlikes_receiver ON superlikes (receiver_id, sender_id);
