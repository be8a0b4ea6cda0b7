-- phase: expand
-- The operations of this service are imports.
ALTER TABLE records.operation
    ADD CONSTRAINT operation_kind_check CHECK (kind IN ('import')),
    -- What an import reads: an upload is kept for as long as an operation that is not over names it.
    ADD COLUMN upload_id uuid;
CREATE INDEX operation_upload ON records.operation (tenant_id, upload_id) WHERE state IN ('queued', 'running');
