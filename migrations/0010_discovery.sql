-- What the discovery of people knows beside their profiles. Times are microseconds since the epoch, UTC; days are numbered from
-- 1970-01-01, weeks are seven of them.

-- Whom a listing never shows to whom. Every query that lists people asks
--     NOT EXISTS (SELECT 1 FROM unwanted WHERE viewer_id = :me AND other_id = x.id)
-- `hidden` (safety) is about who may know of whom at all; this adds who is merely not wanted in lists.
CREATE VIEW unwanted (viewer_id, other_id) AS
    SELECT viewer_id, other_id FROM hidden;

-- `discoverable` stays what the indexes of the search hold: neither paused nor incognito. `paused` counts only for those who are
-- incognito (seen by those whom they like); for the others it says nothing that `discoverable` does not.
-- Who travels is found at `cell` (and x, y, z, the lanes), and `home_cell` is where they live; NULL: they are at home.
-- `dealbreakers` are bits: rules of my own that a deck never widens; 1 ages, 2 distance.
ALTER TABLE profiles ADD COLUMN incognito BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE profiles ADD COLUMN paused BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE profiles ADD COLUMN home_cell BIGINT REFERENCES cells (cell);
ALTER TABLE profiles ADD COLUMN dealbreakers INTEGER NOT NULL DEFAULT 0 CHECK (dealbreakers BETWEEN 0 AND 3);

-- What that side thought before its last change of mind.
ALTER TABLE pairs ADD COLUMN low_before TEXT;
ALTER TABLE pairs ADD COLUMN high_before TEXT;

-- What the ranking keeps of a person; no row says what the defaults say. `choosiness` and `appeal` are log-odds, each with its
-- precision. Counts of seven days are those of the running week and a share of the week before (`..._before`); a row of an older
-- `week` has not been rolled yet. `unanswered` are likes received that await a swipe, `ever_shown` all impressions.
CREATE TABLE standings (
    user_id BIGINT PRIMARY KEY REFERENCES users (id),
    choosiness DOUBLE PRECISION NOT NULL DEFAULT 0,
    choosiness_precision DOUBLE PRECISION NOT NULL DEFAULT 1,
    appeal DOUBLE PRECISION NOT NULL DEFAULT 0,
    appeal_precision DOUBLE PRECISION NOT NULL DEFAULT 1,
    unanswered BIGINT NOT NULL DEFAULT 0,
    ever_shown BIGINT NOT NULL DEFAULT 0,
    week BIGINT NOT NULL DEFAULT 0,
    shown BIGINT NOT NULL DEFAULT 0,
    shown_before BIGINT NOT NULL DEFAULT 0,
    swipes BIGINT NOT NULL DEFAULT 0,
    swipes_before BIGINT NOT NULL DEFAULT 0,
    matches BIGINT NOT NULL DEFAULT 0,
    matches_before BIGINT NOT NULL DEFAULT 0
);

-- What a swipe added to the numbers of the two, so that taking it back takes that back; kept for a day.
CREATE TABLE lessons (
    viewer_id BIGINT NOT NULL REFERENCES users (id),
    shown_id BIGINT NOT NULL REFERENCES users (id),
    day BIGINT NOT NULL,
    choosiness DOUBLE PRECISION NOT NULL,
    appeal DOUBLE PRECISION NOT NULL,
    information DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (viewer_id, shown_id)
);
CREATE INDEX lessons_age ON lessons (day);
CREATE INDEX lessons_shown ON lessons (shown_id);

-- Who was shown to whom: one row for a day, of the first time, and how many times there were. `deck_at` is when the session began
-- in which it was last, `kind` why: 0 ranked, 1 by chance, 2 newcomer, 3 boosted; `propensity` the chance of it if by chance, else 1.
CREATE TABLE exposures (
    day BIGINT NOT NULL,
    viewer_id BIGINT NOT NULL REFERENCES users (id),
    shown_id BIGINT NOT NULL REFERENCES users (id),
    shown_at BIGINT NOT NULL,
    deck_at BIGINT NOT NULL,
    kind SMALLINT NOT NULL DEFAULT 0,
    propensity REAL NOT NULL DEFAULT 1,
    times INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (day, viewer_id, shown_id)
);

CREATE INDEX exposures_shown ON exposures (shown_id, day);

-- How many different people an account was shown on its latest day, and in its latest hour (numbered like days).
CREATE TABLE reveals (
    user_id BIGINT PRIMARY KEY REFERENCES users (id),
    day BIGINT NOT NULL,
    in_day BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    in_hour BIGINT NOT NULL
);
