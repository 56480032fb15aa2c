-- Who is boosted until when, and how many times they were shown because of it. Times are microseconds since the epoch, UTC.

CREATE TABLE boosts (
    user_id BIGINT PRIMARY KEY REFERENCES users (id),
    started_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    impressions BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX boosts_end ON boosts (ends_at);
