-- phase: contract
ALTER TABLE activities.timeline_entry DROP COLUMN is_of_creation;
