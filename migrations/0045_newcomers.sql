-- Whose sending is counted: whoever counts takes the person's row first, so that no two count at once.
CREATE TABLE newcomers (
    user_id BIGINT PRIMARY KEY REFERENCES users (id)
);
