-- What messages ask, and what people answer. Times are microseconds since the epoch, UTC.

-- A poll is the message that asks; `options` is a list of texts, a vote names one by its place in it.
CREATE TABLE polls (
    message_id BIGINT PRIMARY KEY REFERENCES messages (id),
    options TEXT NOT NULL,
    multiple BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE TABLE votes (
    message_id BIGINT NOT NULL REFERENCES polls (message_id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    choice INTEGER NOT NULL CHECK (choice >= 0),
    PRIMARY KEY (message_id, user_id, choice)
);
CREATE INDEX votes_user ON votes (user_id);
