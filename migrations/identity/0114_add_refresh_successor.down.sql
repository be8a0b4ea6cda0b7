ALTER TABLE identity.refresh_token DROP COLUMN successor_id, DROP COLUMN used_by;
