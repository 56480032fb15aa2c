-- The daily picks. Times are microseconds since the epoch, UTC; days are numbered from 1970-01-01.

-- Two people who were matched to each other for a day; each is shown to the other. `value` is the probability that both say yes.
CREATE TABLE picks (
    day BIGINT NOT NULL,
    low_id BIGINT NOT NULL REFERENCES users (id),
    high_id BIGINT NOT NULL REFERENCES users (id),
    value DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (day, low_id, high_id),
    CHECK (low_id < high_id)
);
CREATE INDEX picks_low ON picks (low_id, day);
CREATE INDEX picks_high ON picks (high_id, day);

-- Which process makes the picks of a day in a region, since when, and when they were there; region -1 is the whole of the day.
CREATE TABLE pick_rounds (
    day BIGINT NOT NULL,
    region BIGINT NOT NULL,
    claimed_at BIGINT NOT NULL,
    done_at BIGINT,
    PRIMARY KEY (day, region)
);
