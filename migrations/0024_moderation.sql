-- Reports, what is decided on them, and the log of who did what. Times are microseconds since the epoch, UTC.

-- Until when a banned person is only suspended; NULL: for good.
ALTER TABLE users ADD COLUMN suspended_until BIGINT;

-- `evidence` is a JSON object: the thing as it was when it was reported, whatever becomes of it.
CREATE TABLE reports (
    id BIGSERIAL PRIMARY KEY,
    reporter_id BIGINT NOT NULL REFERENCES users (id),
    accused_id BIGINT NOT NULL REFERENCES users (id),
    target_kind TEXT NOT NULL CHECK (target_kind IN ('message', 'person')),
    target_id BIGINT NOT NULL,
    reason TEXT NOT NULL CHECK (length(reason) <= 20),
    comment TEXT CHECK (length(comment) <= 1000),
    evidence TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    assignee_id BIGINT REFERENCES users (id),
    closed_at BIGINT,
    outcome TEXT CHECK (outcome IN ('dismiss', 'remove', 'warn', 'suspend', 'ban')),
    CHECK (reporter_id <> accused_id),
    CHECK ((closed_at IS NULL) = (outcome IS NULL))
);
CREATE UNIQUE INDEX reports_open ON reports (reporter_id, target_kind, target_id) WHERE closed_at IS NULL;
CREATE INDEX reports_target ON reports (target_kind, target_id) WHERE closed_at IS NULL;
CREATE INDEX reports_accused ON reports (accused_id);
CREATE INDEX reports_closed ON reports (closed_at) WHERE closed_at IS NOT NULL;

-- What was decided about somebody, for them to read, with their appeal and its answer.
CREATE TABLE statements (
    id BIGSERIAL PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    decided_by BIGINT NOT NULL REFERENCES users (id),
    action TEXT NOT NULL CHECK (action IN ('remove', 'warn', 'suspend', 'ban')),
    reason TEXT NOT NULL CHECK (length(reason) <= 20),
    explanation TEXT NOT NULL CHECK (length(explanation) <= 1000),
    created_at BIGINT NOT NULL,
    until_at BIGINT,
    appeal TEXT CHECK (length(appeal) <= 1000),
    appealed_at BIGINT,
    answer TEXT CHECK (length(answer) <= 1000),
    answered_at BIGINT,
    overturned BOOLEAN NOT NULL DEFAULT FALSE,
    CHECK ((appeal IS NULL) = (appealed_at IS NULL)),
    CHECK ((answer IS NULL) = (answered_at IS NULL))
);
CREATE INDEX statements_user ON statements (user_id, id);
CREATE INDEX statements_appealed ON statements (id) WHERE appealed_at IS NOT NULL AND answered_at IS NULL;

-- Who did what about whom: numbers only. Each row is sealed together with the one before it.
CREATE TABLE audit (
    id BIGSERIAL PRIMARY KEY,
    at BIGINT NOT NULL,
    moderator_id BIGINT NOT NULL,
    action TEXT NOT NULL,
    report_id BIGINT,
    person_id BIGINT,
    previous TEXT NOT NULL UNIQUE,
    seal TEXT NOT NULL UNIQUE
);

-- The seal of the last row; whoever adds one takes this first.
CREATE TABLE audit_head (
    name TEXT PRIMARY KEY,
    seal TEXT NOT NULL
);
