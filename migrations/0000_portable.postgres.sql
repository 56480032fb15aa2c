-- SQLite has json_each(text); the same call on PostgreSQL, so that list parameters are one SQL text: an array of numbers or strings
-- passed as JSON text, one row per element.
CREATE FUNCTION json_each(document TEXT) RETURNS TABLE (value TEXT)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE ROWS 50
AS $$ SELECT json_array_elements_text(document::json) $$;
