-- What messages, people and chats are found by. The words are made by dating.search.words, so both databases find the same. The
-- file for PostgreSQL makes the same tables; only the index of the words differs.

-- The words of a message, divided by blanks, each with the scopes in which it can be found: see dating.search.words.
CREATE TABLE message_words (
    message_id INTEGER PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    words TEXT NOT NULL
);

-- Only which message has a word, not where and how often. `message_fts(query)` names the messages that fit a query.
CREATE VIRTUAL TABLE message_fts USING fts5 (
    words, content = 'message_words', content_rowid = 'message_id', detail = 'none', columnsize = 0,
    tokenize = "ascii tokenchars '_='"
);
CREATE TRIGGER message_words_added AFTER INSERT ON message_words BEGIN
    INSERT INTO message_fts (rowid, words) VALUES (NEW.message_id, NEW.words);
END;
CREATE TRIGGER message_words_changed AFTER UPDATE ON message_words BEGIN
    INSERT INTO message_fts (message_fts, rowid, words) VALUES ('delete', OLD.message_id, OLD.words);
    INSERT INTO message_fts (rowid, words) VALUES (NEW.message_id, NEW.words);
    INSERT INTO facts (name, value) VALUES ('stale_words', '') ON CONFLICT (name) DO NOTHING;
END;
CREATE TRIGGER message_words_removed AFTER DELETE ON message_words BEGIN
    INSERT INTO message_fts (message_fts, rowid, words) VALUES ('delete', OLD.message_id, OLD.words);
    INSERT INTO facts (name, value) VALUES ('stale_words', '') ON CONFLICT (name) DO NOTHING;
END;

-- A word that is removed leaves FTS5's storage when its parts are merged. `pages`: how many there are to merge, 0 when nothing was
-- removed. Setting it merges so many at most; the first time, when it is below 0, everything is put up for it.
CREATE VIEW merging (pages) AS
    SELECT CASE WHEN EXISTS (SELECT 1 FROM facts WHERE name = 'stale_words') THEN (SELECT COUNT(*) FROM message_fts_data) ELSE 0 END;
CREATE TRIGGER merge_words INSTEAD OF UPDATE ON merging BEGIN
    DELETE FROM facts WHERE name = 'stale_words' AND NEW.pages < 0;
    INSERT INTO message_fts (message_fts, rank) VALUES ('merge', NEW.pages);
END;

-- The words by which people (`person`) and groups (`chat`) are found.
CREATE TABLE names (
    kind TEXT NOT NULL CHECK (kind IN ('person', 'chat')),
    word TEXT NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (kind, word, id)
);
CREATE INDEX names_id ON names (kind, id, word);

-- What is to be indexed anew, noted by the database itself: an older version of the code that still runs knows nothing of it.
CREATE TABLE unindexed (
    kind TEXT NOT NULL CHECK (kind IN ('message', 'person', 'chat')),
    id BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE TRIGGER message_said AFTER INSERT ON messages WHEN NEW.kind = 'text' BEGIN
    INSERT INTO unindexed (kind, id) VALUES ('message', NEW.id) ON CONFLICT (kind, id) DO NOTHING;
END;
CREATE TRIGGER message_changed AFTER UPDATE OF content ON messages WHEN NEW.content <> OLD.content BEGIN
    INSERT INTO unindexed (kind, id) VALUES ('message', NEW.id) ON CONFLICT (kind, id) DO NOTHING;
    DELETE FROM message_words WHERE message_id = NEW.id;
END;
CREATE TRIGGER message_gone AFTER DELETE ON messages BEGIN
    DELETE FROM unindexed WHERE kind = 'message' AND id = OLD.id;
END;
CREATE TRIGGER person_named AFTER INSERT ON profiles BEGIN
    INSERT INTO unindexed (kind, id) VALUES ('person', NEW.user_id) ON CONFLICT (kind, id) DO NOTHING;
END;
CREATE TRIGGER person_renamed AFTER UPDATE OF name ON profiles WHEN NEW.name IS NOT OLD.name BEGIN
    INSERT INTO unindexed (kind, id) VALUES ('person', NEW.user_id) ON CONFLICT (kind, id) DO NOTHING;
END;
CREATE TRIGGER person_gone AFTER DELETE ON profiles BEGIN
    DELETE FROM unindexed WHERE kind = 'person' AND id = OLD.user_id;
    DELETE FROM names WHERE kind = 'person' AND id = OLD.user_id;
END;
CREATE TRIGGER chat_named AFTER INSERT ON chats WHEN NEW.kind = 'group' BEGIN
    INSERT INTO unindexed (kind, id) VALUES ('chat', NEW.id) ON CONFLICT (kind, id) DO NOTHING;
END;
CREATE TRIGGER chat_renamed AFTER UPDATE OF name ON chats WHEN NEW.name IS NOT OLD.name BEGIN
    INSERT INTO unindexed (kind, id) VALUES ('chat', NEW.id) ON CONFLICT (kind, id) DO NOTHING;
END;
CREATE TRIGGER chat_gone AFTER DELETE ON chats BEGIN
    DELETE FROM unindexed WHERE kind = 'chat' AND id = OLD.id;
    DELETE FROM names WHERE kind = 'chat' AND id = OLD.id;
END;

-- What was there before this migration: a job goes down from `before_id` and puts ids into `unindexed`.
CREATE TABLE backfills (
    kind TEXT PRIMARY KEY,
    before_id BIGINT NOT NULL
);
INSERT INTO backfills (kind, before_id) SELECT 'message', MAX(id) + 1 FROM messages HAVING MAX(id) > 0;
INSERT INTO backfills (kind, before_id) SELECT 'person', MAX(id) + 1 FROM users HAVING MAX(id) > 0;
INSERT INTO backfills (kind, before_id) SELECT 'chat', MAX(id) + 1 FROM chats HAVING MAX(id) > 0;
