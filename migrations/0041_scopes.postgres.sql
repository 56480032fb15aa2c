-- The messages that fit a query, as before, but each scope is looked up by itself: GIN compares each message that it finds with all
-- terms of a query, so one for fifty scopes costs up to ten times what fifty cost. A query is the scopes, each in parentheses, with
-- OR between them, and has these two nowhere else side by side: see dating.search.words.
CREATE OR REPLACE FUNCTION message_fts(query TEXT) RETURNS TABLE (rowid BIGINT) LANGUAGE sql STABLE ROWS 100
SET enable_seqscan = off SET enable_indexscan = off AS $$
    SELECT w.message_id
    FROM unnest(string_to_array(substring(query FROM 2 FOR length(query) - 2), ') OR (')) AS one
    JOIN message_words AS w ON array_to_tsvector(string_to_array(w.words, ' ')) @@ CAST(
        replace(replace(replace(replace(one, '"*', ''':*'), '"', ''''), ' AND ', ' & '), ' OR ', ' | ') AS tsquery)
$$;
