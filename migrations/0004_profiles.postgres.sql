-- SQLite has json_group_array(text); the same aggregate on PostgreSQL, so that a correlated subquery can answer with a short list in
-- one SQL text (where PostgreSQL alone would use a lateral join).
CREATE FUNCTION json_of_texts(items TEXT[]) RETURNS TEXT
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT array_to_json(items)::text $$;
CREATE AGGREGATE json_group_array(TEXT) (SFUNC = array_append, STYPE = TEXT[], INITCOND = '{}', FINALFUNC = json_of_texts);
