-- Chats, their members and messages. Times are microseconds since the epoch, UTC.

-- A direct chat has the pair's ids in ascending order; a group has neither. A send updates this row first, so that the ids of messages
-- in one chat follow the order of their commits.
CREATE TABLE chats (
    id BIGSERIAL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('direct', 'group')),
    name TEXT CHECK (length(name) <= 100),
    low_id BIGINT REFERENCES users (id),
    high_id BIGINT REFERENCES users (id),
    message_count BIGINT NOT NULL DEFAULT 0,
    last_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    closed_at BIGINT,
    UNIQUE (low_id, high_id),
    CHECK (low_id < high_id),
    CHECK ((kind = 'direct') = (low_id IS NOT NULL) AND (low_id IS NULL) = (high_id IS NULL))
);
CREATE INDEX chats_high ON chats (high_id);

-- What a member has read: every message up to `read_id`, and the later ones listed in `reads`. `read_count` is how many of the chat's
-- messages that is, the member's own and the system's included, so that chats.message_count - read_count is exactly what is unread.
CREATE TABLE members (
    chat_id BIGINT NOT NULL REFERENCES chats (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL DEFAULT 'member' CHECK (role IN ('owner', 'admin', 'member')),
    read_id BIGINT NOT NULL DEFAULT 0,
    read_count BIGINT NOT NULL DEFAULT 0 CHECK (read_count >= 0),
    delivered_id BIGINT NOT NULL DEFAULT 0,
    muted BOOLEAN NOT NULL DEFAULT FALSE,
    archived BOOLEAN NOT NULL DEFAULT FALSE,
    pinned_at BIGINT,
    joined_at BIGINT NOT NULL,
    left_at BIGINT,
    PRIMARY KEY (chat_id, user_id)
);
CREATE INDEX members_user ON members (user_id) WHERE left_at IS NULL;

CREATE TABLE messages (
    id BIGSERIAL PRIMARY KEY,
    chat_id BIGINT NOT NULL REFERENCES chats (id),
    sender_id BIGINT REFERENCES users (id),
    kind TEXT NOT NULL DEFAULT 'text' CHECK (kind IN ('text', 'system')),
    content TEXT NOT NULL CHECK (length(content) <= 4000),
    reply_to_id BIGINT REFERENCES messages (id),
    client_id TEXT CHECK (length(client_id) <= 255),
    created_at BIGINT NOT NULL,
    CHECK ((kind = 'system') = (sender_id IS NULL))
);
CREATE UNIQUE INDEX messages_client ON messages (sender_id, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX messages_chat ON messages (chat_id, id);
CREATE INDEX messages_replies ON messages (reply_to_id) WHERE reply_to_id IS NOT NULL;

CREATE TABLE reads (
    chat_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    message_id BIGINT NOT NULL,
    PRIMARY KEY (chat_id, user_id, message_id),
    FOREIGN KEY (chat_id, user_id) REFERENCES members (chat_id, user_id)
);
