-- phase: expand
-- Notes that are pinned, and lists with those first.
CREATE INDEX notes_pinned ON activities.notes (tenant_id, pinned, id) WHERE deleted_at IS NULL;
