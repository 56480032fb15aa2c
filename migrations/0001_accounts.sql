-- Accounts and sessions. Times are microseconds since the epoch, UTC.

-- A deleted person's row stays as a tombstone without a name, an address or a password, so that the id is never used again.
CREATE TABLE users (
    id BIGSERIAL PRIMARY KEY,
    username TEXT NOT NULL CHECK (length(username) <= 50),
    username_key TEXT NOT NULL UNIQUE,
    email TEXT,
    email_key TEXT UNIQUE,
    email_verified_at BIGINT,
    password TEXT NOT NULL,
    role TEXT NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'moderator', 'admin')),
    created_at BIGINT NOT NULL,
    banned_at BIGINT,
    deleted_at BIGINT
);

-- One row per device, gone when the session ends. Secrets are stored hashed: the name that all refresh tokens of the session share,
-- the token that is good now, and the one before it, which is answered once more within the grace window. Any other token of the same
-- family is an old one that somebody uses again.
CREATE TABLE sessions (
    id BIGSERIAL PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    device TEXT,
    name TEXT NOT NULL,
    family TEXT NOT NULL UNIQUE,
    refresh TEXT NOT NULL,
    previous TEXT,
    rotated_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX sessions_device ON sessions (user_id, device);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Mailed codes: one per address and purpose. Both the address and the code are keyed hashes, and an address that nobody has gets a row
-- too, so that asking for a code takes the same work for known and unknown.
CREATE TABLE codes (
    subject TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('verify', 'reset')),
    code TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (subject, purpose)
);

-- First answers to requests that carried an Idempotency-Key.
CREATE TABLE answers (
    user_id BIGINT NOT NULL REFERENCES users (id),
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX answers_age ON answers (created_at);
