-- phase: expand
-- The field that an error is about, beside the column: a required field that no column feeds has none.
ALTER TABLE {{schema}}.operation_error ADD COLUMN field text NOT NULL DEFAULT '';
