DROP INDEX identity.team_below;
ALTER TABLE identity.team DROP COLUMN deleted_by, DROP COLUMN deleted_at;
