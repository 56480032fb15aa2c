-- People's archives of their own data: asked for, being made by whoever has claimed them, ready until they die. One for a person.
-- Times are microseconds since the epoch, UTC. `archive` is a ZIP in Base64; of its link only the hash is kept.

CREATE TABLE exports (
    user_id BIGINT PRIMARY KEY REFERENCES users (id),
    asked_at BIGINT NOT NULL,
    claimed_at BIGINT NOT NULL DEFAULT 0,
    ready_at BIGINT,
    dies_at BIGINT NOT NULL,
    hash TEXT,
    archive TEXT
);
CREATE INDEX exports_waiting ON exports (asked_at) WHERE ready_at IS NULL;
CREATE INDEX exports_age ON exports (dies_at);
