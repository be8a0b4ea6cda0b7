ALTER TABLE identity.team DROP COLUMN deleted_by, DROP COLUMN deleted_at;
