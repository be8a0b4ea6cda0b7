-- phase: expand
-- The assignment of the slot that an index is filled for; after_id says how far that one is.
ALTER TABLE records.operation ADD COLUMN slot_assignment bigint;
