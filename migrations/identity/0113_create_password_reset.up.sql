-- phase: expand
-- The token by which a user who forgot the password sets a new one: made by an administrator, good once, and only its hash is kept.
CREATE TABLE identity.password_reset (
    tenant_id uuid NOT NULL,
    -- One of a user: a new one takes the place of the one before.
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT password_reset_user FOREIGN KEY (tenant_id, user_id) REFERENCES identity.app_user (tenant_id, id)
);
CREATE UNIQUE INDEX password_reset_id ON identity.password_reset (tenant_id, id);
CREATE INDEX password_reset_expiry ON identity.password_reset (tenant_id, expires_at);
SELECT identity.protect('password_reset', 0);
