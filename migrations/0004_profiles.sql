-- Profiles, preferences, settings and places. Times are microseconds since the epoch, UTC; days are numbered from 1970-01-01.

-- Every H3 cell (resolution 7) that somebody has ever lived in, with the coarser cells around it and the unit vector of its center.
-- Names nobody. Nearest-first search walks these instead of people.
CREATE TABLE cells (
    cell BIGINT PRIMARY KEY,
    area BIGINT NOT NULL,
    region BIGINT NOT NULL,
    land BIGINT NOT NULL,
    x DOUBLE PRECISION NOT NULL,
    y DOUBLE PRECISION NOT NULL,
    z DOUBLE PRECISION NOT NULL
);
CREATE INDEX cells_area ON cells (area, cell, x, y, z);
CREATE INDEX cells_region ON cells (region, cell, x, y, z);
CREATE INDEX cells_land ON cells (land, cell, x, y, z);

-- Genders are bits: male 1, female 2, nonbinary 4, not said 8; `seeks` is a set of them (15: no rule). Ages 18 to 120 are no rule.
-- The exact point is not kept: `cell` is the sticky cell, and x, y, z repeat its center. `reach` is the cosine of the angle of
-- `max_distance_km` (NULL: no rule), so that "within reach" is a dot product.
CREATE TABLE profiles (
    user_id BIGINT PRIMARY KEY REFERENCES users (id),
    name TEXT CHECK (length(name) <= 100),
    gender INTEGER NOT NULL DEFAULT 8 CHECK (gender IN (1, 2, 4, 8)),
    born INTEGER,
    bio TEXT CHECK (length(bio) <= 500),
    photo_url TEXT CHECK (length(photo_url) <= 500),
    has_photo BOOLEAN NOT NULL DEFAULT FALSE,
    location TEXT CHECK (length(location) <= 200),
    website TEXT CHECK (length(website) <= 200),
    interests TEXT NOT NULL DEFAULT '[]',
    prompts TEXT NOT NULL DEFAULT '[]',
    seeks INTEGER NOT NULL DEFAULT 15 CHECK (seeks BETWEEN 1 AND 15),
    min_age INTEGER NOT NULL DEFAULT 18 CHECK (min_age >= 18),
    max_age INTEGER NOT NULL DEFAULT 120 CHECK (max_age <= 120),
    max_distance_km INTEGER CHECK (max_distance_km BETWEEN 1 AND 40000),
    reach DOUBLE PRECISION,
    cell BIGINT REFERENCES cells (cell),
    x DOUBLE PRECISION,
    y DOUBLE PRECISION,
    z DOUBLE PRECISION,
    near_lane BIGINT NOT NULL,
    area_lane BIGINT NOT NULL,
    region_lane BIGINT NOT NULL,
    discoverable BOOLEAN NOT NULL DEFAULT TRUE,
    show_distance BOOLEAN NOT NULL DEFAULT TRUE,
    show_last_active BOOLEAN NOT NULL DEFAULT TRUE,
    read_receipts BOOLEAN NOT NULL DEFAULT TRUE,
    messages_from TEXT NOT NULL DEFAULT 'matches' CHECK (messages_from IN ('matches', 'followed', 'everyone')),
    notify_matches BOOLEAN NOT NULL DEFAULT TRUE,
    notify_messages BOOLEAN NOT NULL DEFAULT TRUE,
    notify_likes BOOLEAN NOT NULL DEFAULT TRUE,
    last_active BIGINT NOT NULL,
    recency BIGINT NOT NULL,
    CHECK (min_age <= max_age),
    CHECK ((max_distance_km IS NULL) = (reach IS NULL)),
    CHECK ((cell IS NULL) = (x IS NULL))
);

-- The search. A lane is a cell with a gender in its four lowest bits (which H3 leaves unused at these resolutions): everybody of one
-- gender in one cell, most recent first; whoever has no cell is in the lane of cell 0. The finest lane for small circles, coarser ones
-- for wide circles, the gender alone for the whole earth. The indexes hold every column that the rules look at, so that only the people
-- of the page are read from the table.
-- `recency` is `last_active` to the hour (to the day where it is not shown), which also keeps these indexes still for an hour.
CREATE INDEX profiles_near ON profiles
    (near_lane, recency, user_id, born, seeks, min_age, max_age, reach, x, y, z, has_photo, show_last_active) WHERE discoverable;
CREATE INDEX profiles_area ON profiles
    (area_lane, recency, user_id, born, seeks, min_age, max_age, reach, x, y, z, has_photo, show_last_active) WHERE discoverable;
CREATE INDEX profiles_region ON profiles
    (region_lane, recency, user_id, born, seeks, min_age, max_age, reach, x, y, z, has_photo, show_last_active) WHERE discoverable;
CREATE INDEX profiles_gender ON profiles
    (gender, recency, user_id, born, seeks, min_age, max_age, reach, x, y, z, has_photo, show_last_active) WHERE discoverable;
