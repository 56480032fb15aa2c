-- Message requests, hidden words, and what newcomers send. Times are microseconds since the epoch, UTC.

-- A direct chat that `asker_id` opened without a match is a request until the other answers; NULL: it is a chat like any other.
ALTER TABLE chats ADD COLUMN asker_id BIGINT REFERENCES users (id);
ALTER TABLE chats ADD COLUMN request TEXT CHECK (request IN ('waiting', 'declined'));
CREATE INDEX chats_asked ON chats (asker_id, created_at) WHERE asker_id IS NOT NULL;

-- Whom somebody follows: those whom they like.
CREATE VIEW followed (user_id, other_id) AS SELECT user_id, other_id FROM swipes WHERE action IN ('like', 'superlike');

-- Words that somebody does not want to read: a JSON list, as they wrote them.
CREATE TABLE hidden_words (
    user_id BIGINT PRIMARY KEY REFERENCES users (id),
    words TEXT NOT NULL
);

-- Whether a message is kept away from somebody by their hidden words, not by their own hand.
ALTER TABLE dismissals ADD COLUMN by_words BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX dismissals_by_words ON dismissals (user_id, message_id) WHERE by_words;

-- What people have sent in their first hours, for a day: a hash of the text, and how many links it had.
CREATE TABLE newcomer_sends (
    id BIGSERIAL PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    chat_id BIGINT NOT NULL,
    digest TEXT,
    links BIGINT NOT NULL,
    sent_at BIGINT NOT NULL
);
CREATE INDEX newcomer_sends_user ON newcomer_sends (user_id, sent_at);
CREATE INDEX newcomer_sends_age ON newcomer_sends (sent_at);
