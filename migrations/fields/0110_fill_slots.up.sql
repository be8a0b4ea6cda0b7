-- phase: expand
-- A field that gets its index later has a slot that records do not have yet: it is written, and not read before all of them have it.
ALTER TABLE fields.field_definition ADD COLUMN is_filling boolean NOT NULL DEFAULT false;
