-- What one statement has said is noted as one lot, no longer as a row of `unindexed` for each message; that keeps what changes later.
-- Here a trigger sees one row at a time, so each message is a lot. The file for PostgreSQL makes the same table.
CREATE TABLE lots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    messages TEXT NOT NULL
);
DROP TRIGGER message_said;
CREATE TRIGGER message_said AFTER INSERT ON messages WHEN NEW.kind = 'text' BEGIN
    INSERT INTO lots (messages) VALUES (json_array(NEW.id));
END;
