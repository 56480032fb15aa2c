-- Each person's inbox: a dense, numbered log of what the server has told that person.

CREATE TABLE inbox_heads (
    user_id BIGINT PRIMARY KEY REFERENCES users (id),
    seq BIGINT NOT NULL
);

CREATE TABLE inbox (
    user_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    actor_id BIGINT, -- whose deed the event is: it is not told while they are hidden from the reader
    event TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, seq)
);

-- Facts about this database as a whole; `epoch` tells a client that numbers began anew.
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
