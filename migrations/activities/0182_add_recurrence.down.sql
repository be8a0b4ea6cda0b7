-- phase: contract
ALTER TABLE activities.activities DROP COLUMN recurrence, DROP COLUMN recurs_at, DROP COLUMN next_id;
