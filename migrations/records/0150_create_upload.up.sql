-- phase: expand
-- Uploaded bytes by content: the object itself is in the blob store, under the tenant and its SHA-256.
CREATE TABLE records.upload (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    principal_id uuid NOT NULL,
    content_type text COLLATE "C" NOT NULL,
    size bigint NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT records.protect('upload', 0);
-- Asked across tenants, so the tenant does not come first.
CREATE INDEX upload_created_at ON records.upload (created_at, tenant_id, id);
-- Who else has the same content.
CREATE INDEX upload_content ON records.upload (tenant_id, sha256);
-- A list of work: the worker sees which uploads are how old, and nothing else of them.
CREATE POLICY worker_sees ON records.upload FOR SELECT TO globcrm_records_worker USING (true);
GRANT SELECT (tenant_id, id, created_at) ON records.upload TO globcrm_records_worker;
