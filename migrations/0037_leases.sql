-- Work that one process at a time does: who, and until when (microseconds) unless they go on. It saves work; nothing relies on it.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    ends_at BIGINT NOT NULL
);
