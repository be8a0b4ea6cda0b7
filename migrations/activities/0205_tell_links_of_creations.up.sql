-- phase: expand
-- Whether an entry tells of the event that made its source: who may not see when or by whom a record was created must not learn it from the links
-- that it was created with.
ALTER TABLE activities.timeline_entry ADD COLUMN is_of_creation boolean NOT NULL DEFAULT false;
