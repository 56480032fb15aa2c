-- `CAST(value AS json_text) ->> 'key'` reads JSON text on both databases: SQLite sees TEXT in the type's name and keeps the text, on which its
-- `->>` works; here the text is parsed once, however many keys are read.
CREATE DOMAIN json_text AS JSONB;
