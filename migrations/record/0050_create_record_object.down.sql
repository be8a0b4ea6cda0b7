-- phase: expand
DROP FUNCTION {{schema}}.drop_record_table(text);
DROP FUNCTION {{schema}}.record_table(text, integer, text);
DROP TABLE {{schema}}.record_object;
