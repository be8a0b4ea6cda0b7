-- phase: expand
-- Answers kept by Idempotency-Key (libs/db, idempotency.rs). A template: every schema has its own.
CREATE TABLE {{schema}}.idempotency (
    tenant_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    rpc text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    request_hash bytea NOT NULL,
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, principal_id, rpc, key)
);
ALTER TABLE {{schema}}.idempotency ENABLE ROW LEVEL SECURITY;
ALTER TABLE {{schema}}.idempotency FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON {{schema}}.idempotency TO globcrm_{{schema}}_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
