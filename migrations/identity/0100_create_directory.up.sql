-- phase: expand
-- The one table that is read before a tenant is known: which organisation a slug names. It holds nothing else, every tenant
-- may read it, and a tenant may only enter itself. An entry is never changed: a slug would then name another organisation.
CREATE TABLE identity.directory (
    slug text COLLATE "C" PRIMARY KEY,
    tenant_id uuid NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX directory_tenant ON identity.directory (tenant_id);
ALTER TABLE identity.directory ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.directory FORCE ROW LEVEL SECURITY;
CREATE POLICY lookup ON identity.directory FOR SELECT TO globcrm_identity_app USING (true);
CREATE POLICY entry ON identity.directory FOR INSERT TO globcrm_identity_app
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
REVOKE UPDATE, DELETE ON identity.directory FROM globcrm_identity_app;
REVOKE ALL ON identity.directory FROM globcrm_identity_worker;
