-- What a messenger has beyond sending and reading. Times are microseconds since the epoch, UTC.

ALTER TABLE chats ADD COLUMN photo_url TEXT CHECK (length(photo_url) <= 500);

-- `since_id` is the last message before the member came: older ones are not theirs to read. `removed` keeps somebody whom an
-- administrator has removed from coming back by a link.
ALTER TABLE members ADD COLUMN since_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN marked_unread BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE members ADD COLUMN removed BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX members_chat ON members (chat_id, user_id) WHERE left_at IS NULL;

-- `form` is the kind of a message that is not plain text. A message deleted for all keeps its row, with no content.
ALTER TABLE messages ADD COLUMN form TEXT CHECK (length(form) BETWEEN 1 AND 20);
ALTER TABLE messages ADD COLUMN forwarded BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE messages ADD COLUMN links TEXT NOT NULL DEFAULT '[]';
ALTER TABLE messages ADD COLUMN edited_at BIGINT;
ALTER TABLE messages ADD COLUMN deleted_at BIGINT;
ALTER TABLE messages ADD COLUMN expires_at BIGINT;
CREATE INDEX messages_expiry ON messages (expires_at) WHERE expires_at IS NOT NULL;

-- Who has read a message before earlier ones.
CREATE INDEX reads_message ON reads (chat_id, message_id);

-- What a message said before it was edited, and since when.
CREATE TABLE edits (
    message_id BIGINT NOT NULL REFERENCES messages (id),
    written_at BIGINT NOT NULL,
    content TEXT NOT NULL CHECK (length(content) <= 4000),
    PRIMARY KEY (message_id, written_at)
);

-- Messages that somebody has deleted for themselves.
CREATE TABLE dismissals (
    user_id BIGINT NOT NULL REFERENCES users (id),
    message_id BIGINT NOT NULL REFERENCES messages (id),
    PRIMARY KEY (user_id, message_id)
);
CREATE INDEX dismissals_message ON dismissals (message_id);

CREATE TABLE reactions (
    message_id BIGINT NOT NULL REFERENCES messages (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    emoji TEXT NOT NULL CHECK (length(emoji) BETWEEN 1 AND 40),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (message_id, user_id)
);
CREATE INDEX reactions_user ON reactions (user_id);

CREATE TABLE pins (
    chat_id BIGINT NOT NULL REFERENCES chats (id),
    message_id BIGINT NOT NULL REFERENCES messages (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    pinned_at BIGINT NOT NULL,
    PRIMARY KEY (chat_id, message_id)
);
CREATE INDEX pins_message ON pins (message_id);

-- Links into a group: the token itself is not kept, only its hash.
CREATE TABLE invites (
    id BIGSERIAL PRIMARY KEY,
    chat_id BIGINT NOT NULL REFERENCES chats (id),
    creator_id BIGINT NOT NULL REFERENCES users (id),
    hash TEXT NOT NULL UNIQUE,
    uses BIGINT NOT NULL DEFAULT 0 CHECK (uses >= 0),
    max_uses BIGINT CHECK (max_uses > 0),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    CHECK (uses <= max_uses)
);
CREATE INDEX invites_chat ON invites (chat_id);
CREATE INDEX invites_creator ON invites (creator_id);

-- Up to where a person's devices have acknowledged the inbox; and the way to what was told of one message, whose time it has.
ALTER TABLE inbox_heads ADD COLUMN acked BIGINT NOT NULL DEFAULT 0;
CREATE INDEX inbox_age ON inbox (created_at);
