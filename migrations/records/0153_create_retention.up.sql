-- phase: expand
-- What the removal of old uploads and operations asks for.
ALTER TABLE records.operation
    -- What an import reads: an upload is kept for as long as an operation that is not over names it.
    ADD COLUMN upload_id uuid,
    -- Since when it is being removed: its errors go piece by piece, and nobody shall read half of them.
    ADD COLUMN purged_at timestamptz;
CREATE INDEX operation_upload ON records.operation (tenant_id, upload_id) WHERE state IN ('queued', 'running');
-- The next two are asked across tenants, so the tenant does not come first.
CREATE INDEX operation_over ON records.operation (finished_at, tenant_id, id) WHERE finished_at IS NOT NULL;
CREATE INDEX upload_created_at ON records.upload (created_at, tenant_id, id);
-- Who else has the same content.
CREATE INDEX upload_content ON records.upload (tenant_id, sha256);
-- A list of work: the worker sees which uploads are how old, and nothing else of them.
CREATE POLICY worker_sees ON records.upload FOR SELECT TO globcrm_records_worker USING (true);
REVOKE ALL ON records.upload FROM globcrm_records_worker;
GRANT SELECT (tenant_id, id, created_at) ON records.upload TO globcrm_records_worker;
