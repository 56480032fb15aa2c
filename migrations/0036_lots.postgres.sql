-- What one statement has said is noted as one lot, no longer as a row of `unindexed` for each message; that keeps what changes later.
-- The file for SQLite makes the same table; there each message is a lot.
CREATE TABLE lots (
    id BIGSERIAL PRIMARY KEY,
    messages TEXT NOT NULL
);
CREATE OR REPLACE FUNCTION note_messages() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO lots (messages) SELECT json_agg(id) FROM fresh WHERE kind = 'text' HAVING COUNT(*) > 0;
    RETURN NULL;
END $$;

-- Whoever takes lots waits for those who are just changing messages, and they for him: what he reads after that is as it will be,
-- and what he has written is there to be removed by the next who changes it.
CREATE FUNCTION take_lots() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_advisory_xact_lock(20201125);
    RETURN NULL;
END $$;
CREATE TRIGGER lots_taken BEFORE DELETE ON lots FOR EACH STATEMENT EXECUTE FUNCTION take_lots();
CREATE OR REPLACE FUNCTION note_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_advisory_xact_lock_shared(20201125);
    INSERT INTO unindexed (kind, id) VALUES ('message', NEW.id) ON CONFLICT (kind, id) DO UPDATE SET kind = excluded.kind;
    DELETE FROM message_words WHERE message_id = NEW.id;
    RETURN NULL;
END $$;
