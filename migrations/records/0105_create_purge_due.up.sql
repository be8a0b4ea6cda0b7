-- phase: expand
-- What lies in the trash since when: the list of work of the purge, which looks across tenants.
CREATE TABLE records.purge_due (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    deleted_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, object, record_id)
);
ALTER TABLE records.purge_due ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.purge_due FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.purge_due TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
CREATE POLICY worker ON records.purge_due TO globcrm_records_worker USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE ON records.purge_due FROM globcrm_records_worker;
-- Across tenants, so the tenant comes last.
CREATE INDEX purge_due_deleted_at ON records.purge_due (deleted_at, tenant_id);
