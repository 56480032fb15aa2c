-- One-time socket tokens issued while Redis is away; each lives for seconds and is deleted by its use.

CREATE TABLE tickets (
    hash TEXT PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    identity TEXT NOT NULL,
    dies_at BIGINT NOT NULL
);
CREATE INDEX tickets_age ON tickets (dies_at);
