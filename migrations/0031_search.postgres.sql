-- What messages, people and chats are found by. The words are made by dating.search.words, so both databases find the same. The
-- file for SQLite makes the same tables; only the index of the words differs.

-- The words of a message, divided by blanks, each with the scopes in which it can be found: see dating.search.words.
CREATE TABLE message_words (
    message_id BIGINT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    words TEXT NOT NULL
);
CREATE INDEX message_words_fts ON message_words USING gin (array_to_tsvector(string_to_array(words, ' '))) WITH (fastupdate = off);

-- The messages that fit a query of FTS5's kind: quoted words without quotes in them, `*` for a beginning, AND, OR, parentheses.
-- The setting keeps the planner from reading everything, whatever its statistics say, and the function a function: what is asked
-- of its rows does not change how they are found.
CREATE FUNCTION message_fts(query TEXT) RETURNS TABLE (rowid BIGINT) LANGUAGE sql STABLE ROWS 100
SET enable_seqscan = off SET enable_indexscan = off AS $$
    SELECT message_id FROM message_words WHERE array_to_tsvector(string_to_array(words, ' ')) @@ CAST(
        replace(replace(replace(replace(query, '"*', ''':*'), '"', ''''), ' AND ', ' & '), ' OR ', ' | ') AS tsquery)
$$;

-- Nothing to do here: vacuum clears the index of words that are removed.
CREATE VIEW merging (pages) AS SELECT CAST(0 AS BIGINT);
CREATE FUNCTION merge_nothing() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER merge_words INSTEAD OF UPDATE ON merging FOR EACH ROW EXECUTE FUNCTION merge_nothing();

-- The words by which people (`person`) and groups (`chat`) are found.
CREATE TABLE names (
    kind TEXT NOT NULL CHECK (kind IN ('person', 'chat')),
    word TEXT COLLATE "C" NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (kind, word, id)
);
CREATE INDEX names_id ON names (kind, id, word);

-- What is to be indexed anew, noted by the database itself: an older version of the code that still runs knows nothing of it. What
-- is noted already is written again, so that whoever is just indexing it is waited for.
CREATE TABLE unindexed (
    kind TEXT NOT NULL CHECK (kind IN ('message', 'person', 'chat')),
    id BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE FUNCTION note_messages() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO unindexed (kind, id) SELECT 'message', id FROM fresh WHERE kind = 'text'
    ON CONFLICT (kind, id) DO UPDATE SET kind = excluded.kind;
    RETURN NULL;
END $$;
CREATE FUNCTION note_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO unindexed (kind, id) VALUES ('message', NEW.id) ON CONFLICT (kind, id) DO UPDATE SET kind = excluded.kind;
    DELETE FROM message_words WHERE message_id = NEW.id;
    RETURN NULL;
END $$;
CREATE FUNCTION note_gone_messages() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM unindexed WHERE kind = 'message' AND id IN (SELECT id FROM gone);
    RETURN NULL;
END $$;
CREATE FUNCTION note_person() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO unindexed (kind, id) VALUES ('person', NEW.user_id) ON CONFLICT (kind, id) DO UPDATE SET kind = excluded.kind;
    RETURN NULL;
END $$;
CREATE FUNCTION forget_person() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM unindexed WHERE kind = 'person' AND id = OLD.user_id;
    DELETE FROM names WHERE kind = 'person' AND id = OLD.user_id;
    RETURN NULL;
END $$;
CREATE FUNCTION note_chat() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO unindexed (kind, id) VALUES ('chat', NEW.id) ON CONFLICT (kind, id) DO UPDATE SET kind = excluded.kind;
    RETURN NULL;
END $$;
CREATE FUNCTION forget_chat() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM unindexed WHERE kind = 'chat' AND id = OLD.id;
    DELETE FROM names WHERE kind = 'chat' AND id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER message_said AFTER INSERT ON messages REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT
    EXECUTE FUNCTION note_messages();
CREATE TRIGGER message_changed AFTER UPDATE OF content ON messages FOR EACH ROW WHEN (NEW.content <> OLD.content)
    EXECUTE FUNCTION note_change();
CREATE TRIGGER message_gone AFTER DELETE ON messages REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE FUNCTION note_gone_messages();
CREATE TRIGGER person_named AFTER INSERT ON profiles FOR EACH ROW EXECUTE FUNCTION note_person();
CREATE TRIGGER person_renamed AFTER UPDATE OF name ON profiles FOR EACH ROW WHEN (NEW.name IS DISTINCT FROM OLD.name)
    EXECUTE FUNCTION note_person();
CREATE TRIGGER person_gone AFTER DELETE ON profiles FOR EACH ROW EXECUTE FUNCTION forget_person();
CREATE TRIGGER chat_named AFTER INSERT ON chats FOR EACH ROW WHEN (NEW.kind = 'group') EXECUTE FUNCTION note_chat();
CREATE TRIGGER chat_renamed AFTER UPDATE OF name ON chats FOR EACH ROW WHEN (NEW.name IS DISTINCT FROM OLD.name)
    EXECUTE FUNCTION note_chat();
CREATE TRIGGER chat_gone AFTER DELETE ON chats FOR EACH ROW EXECUTE FUNCTION forget_chat();

-- What was there before this migration: a job goes down from `before_id` and puts ids into `unindexed`.
CREATE TABLE backfills (
    kind TEXT PRIMARY KEY,
    before_id BIGINT NOT NULL
);
INSERT INTO backfills (kind, before_id) SELECT 'message', MAX(id) + 1 FROM messages HAVING MAX(id) > 0;
INSERT INTO backfills (kind, before_id) SELECT 'person', MAX(id) + 1 FROM users HAVING MAX(id) > 0;
INSERT INTO backfills (kind, before_id) SELECT 'chat', MAX(id) + 1 FROM chats HAVING MAX(id) > 0;
