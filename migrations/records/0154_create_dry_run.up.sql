-- phase: expand
-- What a dry run of an import would have written, so that its later batches, and a worker that takes it over, find what its
-- earlier ones did. Removed when the dry run is over.

-- Whose an address or a unique value would be by now; nobody's, where it was given up.
CREATE TABLE records.dry_run_mark (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    -- SHA-256 of the address or value: a million of them have the size of a million hashes.
    mark bytea NOT NULL,
    contact_id uuid,
    PRIMARY KEY (tenant_id, operation_id, mark),
    FOREIGN KEY (tenant_id, operation_id) REFERENCES records.operation (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE records.dry_run_mark ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.dry_run_mark FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.dry_run_mark TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);

-- Contacts as they would be; only where later rows may change them (duplicate policy `update`).
CREATE TABLE records.dry_run_contact (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    contact jsonb NOT NULL,
    PRIMARY KEY (tenant_id, operation_id, contact_id),
    FOREIGN KEY (tenant_id, operation_id) REFERENCES records.operation (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE records.dry_run_contact ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.dry_run_contact FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.dry_run_contact TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
