-- phase: expand
-- The trash in the order in which it is looked at.
CREATE INDEX notes_deleted_at ON activities.notes (tenant_id, deleted_at, id) WHERE deleted_at IS NOT NULL;
