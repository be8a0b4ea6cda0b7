-- phase: expand
-- Whose records are to be compared with what is derived of them, and how far that has come: the list of work of a job that looks
-- across tenants.
CREATE TABLE records.derived_check (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    -- When it is looked at next: in a moment while it is under way, in a day when it is through.
    due_at timestamptz NOT NULL,
    -- The last record that was compared; none at the beginning.
    after_id uuid,
    PRIMARY KEY (tenant_id, object)
);
ALTER TABLE records.derived_check ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.derived_check FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.derived_check TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
CREATE POLICY worker_sees ON records.derived_check FOR SELECT TO globcrm_records_worker USING (true);
CREATE POLICY worker_claims ON records.derived_check FOR UPDATE TO globcrm_records_worker USING (true) WITH CHECK (true);
-- A claim moves the time and nothing else: least of all the tenant.
REVOKE INSERT, UPDATE, DELETE ON records.derived_check FROM globcrm_records_worker;
GRANT UPDATE (due_at) ON records.derived_check TO globcrm_records_worker;
-- Across tenants, so the tenant comes last.
CREATE INDEX derived_check_due ON records.derived_check (due_at, tenant_id);
