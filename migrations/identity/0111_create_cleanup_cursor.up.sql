-- phase: expand
-- How far the clean-up has come on its way through the tenants: one row, in the nil tenant, shared by all instances.
CREATE TABLE identity.cleanup_cursor (
    tenant_id uuid PRIMARY KEY,
    after uuid NOT NULL
);
ALTER TABLE identity.cleanup_cursor ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.cleanup_cursor FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON identity.cleanup_cursor TO globcrm_identity_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
REVOKE ALL ON identity.cleanup_cursor FROM globcrm_identity_worker;
