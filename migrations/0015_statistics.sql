-- Statistics that a job makes and everybody may read: the answer as it goes out. Times are microseconds since the epoch, UTC.

CREATE TABLE statistics (
    name TEXT PRIMARY KEY,
    made_at BIGINT NOT NULL,
    body TEXT NOT NULL
);
