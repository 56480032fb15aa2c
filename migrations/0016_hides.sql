-- Whom somebody does not want to see in lists of people, without blocking them: it can be taken back, changes nothing else, and the
-- other does not notice. Times are microseconds since the epoch, UTC.

CREATE TABLE hides (
    hider_id BIGINT NOT NULL REFERENCES users (id),
    hidden_id BIGINT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (hider_id, hidden_id),
    CHECK (hider_id <> hidden_id)
);
CREATE INDEX hides_hidden ON hides (hidden_id);

DROP VIEW unwanted;
CREATE VIEW unwanted (viewer_id, other_id) AS
    SELECT viewer_id, other_id FROM hidden
    UNION ALL
    SELECT hider_id, hidden_id FROM hides;
