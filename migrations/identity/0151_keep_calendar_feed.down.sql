-- phase: contract
DELETE FROM identity.calendar_feed WHERE secret_hash IS NULL;
ALTER TABLE identity.calendar_feed ALTER COLUMN secret_hash SET NOT NULL;
