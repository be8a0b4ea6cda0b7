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
ALTER TABLE records.upload ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.upload FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.upload TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
