-- Messages that a classifier is asked about, until that is settled. Times are microseconds since the epoch, UTC.

-- `draft` is a message that is held: it is nowhere else, and `message_id` is an id that no other message gets. Without one the message
-- was delivered. `due_at`: when the classifier is asked next; NULL: it waits for a moderator.
CREATE TABLE screenings (
    message_id BIGINT PRIMARY KEY,
    chat_id BIGINT NOT NULL REFERENCES chats (id),
    sender_id BIGINT NOT NULL REFERENCES users (id),
    draft TEXT,
    client_id TEXT,
    attempts BIGINT NOT NULL DEFAULT 0,
    due_at BIGINT,
    score DOUBLE PRECISION,
    reason TEXT CHECK (length(reason) <= 20),
    assignee_id BIGINT REFERENCES users (id),
    created_at BIGINT NOT NULL
);
CREATE INDEX screenings_due ON screenings (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX screenings_sender ON screenings (sender_id, chat_id, message_id);
CREATE INDEX screenings_chat ON screenings (chat_id);
CREATE INDEX screenings_assignee ON screenings (assignee_id) WHERE assignee_id IS NOT NULL;
