-- phase: expand
CREATE TABLE identity.api_key (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    prefix text COLLATE "C" NOT NULL,
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    -- ["<object>.<action>"]
    scopes jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT api_key_user FOREIGN KEY (tenant_id, user_id) REFERENCES identity.app_user (tenant_id, id)
);
CREATE INDEX api_key_newest ON identity.api_key (tenant_id, user_id, created_at DESC, id DESC) WHERE revoked_at IS NULL;
ALTER TABLE identity.api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.api_key FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON identity.api_key TO globcrm_identity_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
REVOKE ALL ON identity.api_key FROM globcrm_identity_worker;
REVOKE DELETE ON identity.api_key FROM globcrm_identity_app;
