-- The parts of FTS5's storage are merged when words were removed, and also when there are many: a question looks into each of them.
DROP VIEW merging;
CREATE VIEW merging (pages) AS
    SELECT CASE WHEN EXISTS (SELECT 1 FROM facts WHERE name = 'stale_words') OR (SELECT COUNT(DISTINCT segid) FROM message_fts_idx) > 4
        THEN (SELECT COUNT(*) FROM message_fts_data) ELSE 0 END;
CREATE TRIGGER merge_words INSTEAD OF UPDATE ON merging BEGIN
    DELETE FROM facts WHERE name = 'stale_words' AND NEW.pages < 0;
    INSERT INTO message_fts (message_fts, rank) VALUES ('merge', NEW.pages);
END;
