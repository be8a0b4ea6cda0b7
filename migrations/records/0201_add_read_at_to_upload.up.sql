-- phase: expand
-- When another service has last read an upload for an import of its own: until a while after that it is kept.
ALTER TABLE records.upload ADD COLUMN read_at timestamptz;
