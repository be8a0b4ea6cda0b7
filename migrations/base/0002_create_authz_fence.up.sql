-- phase: expand
-- The oldest permission version that may still write (libs/db, fence.rs).
CREATE TABLE {{schema}}.authz_fence (
    tenant_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    min_version bigint NOT NULL,
    PRIMARY KEY (tenant_id, principal_id)
);
ALTER TABLE {{schema}}.authz_fence ENABLE ROW LEVEL SECURITY;
ALTER TABLE {{schema}}.authz_fence FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON {{schema}}.authz_fence TO globcrm_{{schema}}_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
