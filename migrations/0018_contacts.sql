-- Whom somebody knows from elsewhere and does not want to meet here: hashes of addresses and telephone numbers out of their address
-- book, sealed with the server's secret (see safety/contacts.py), and those of the accounts to compare them with.
-- `key` names the secret by which a handle is sealed: one row for each that the server knows. Phones come when accounts have them.

CREATE TABLE contacts (
    owner_id BIGINT NOT NULL REFERENCES users (id),
    sealed TEXT NOT NULL,
    PRIMARY KEY (owner_id, sealed)
);
CREATE INDEX contacts_sealed ON contacts (sealed, owner_id);

CREATE TABLE handles (
    user_id BIGINT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL CHECK (kind IN ('mail', 'phone')),
    key TEXT NOT NULL,
    sealed TEXT NOT NULL,
    PRIMARY KEY (user_id, kind, key)
);
CREATE INDEX handles_sealed ON handles (sealed, user_id);

-- Who knows whom is not written down anywhere: it follows from the two tables, both ways, at the moment of asking.
DROP VIEW unwanted;
CREATE VIEW unwanted (viewer_id, other_id) AS
    SELECT viewer_id, other_id FROM hidden
    UNION ALL
    SELECT hider_id, hidden_id FROM hides
    UNION ALL
    SELECT c.owner_id, h.user_id FROM handles h JOIN contacts c ON c.sealed = h.sealed
    UNION ALL
    SELECT h.user_id, c.owner_id FROM handles h JOIN contacts c ON c.sealed = h.sealed;
