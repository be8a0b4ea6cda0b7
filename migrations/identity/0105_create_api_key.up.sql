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
SELECT identity.protect('api_key', 0);
REVOKE DELETE ON identity.api_key FROM globcrm_identity_app;
