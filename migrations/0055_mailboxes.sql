-- The mailbox that an account's address leads to, in one spelling for all that lead there, sealed like `handles` (see
-- accounts/mailboxes.py): one row for each secret that the server knows. By it whoever is kept out is known when they come again.

CREATE TABLE mailboxes (
    user_id BIGINT NOT NULL REFERENCES users (id),
    key TEXT NOT NULL,
    sealed TEXT NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX mailboxes_sealed ON mailboxes (sealed, user_id);
