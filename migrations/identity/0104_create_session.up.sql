-- phase: expand
CREATE TABLE identity.session (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    user_agent text,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT session_owner FOREIGN KEY (tenant_id, user_id) REFERENCES identity.app_user (tenant_id, id)
);
CREATE INDEX session_newest ON identity.session (tenant_id, user_id, created_at DESC, id DESC) WHERE ended_at IS NULL;
CREATE INDEX session_expiry ON identity.session (tenant_id, expires_at);

-- The session is the family of its refresh tokens; a spent one is kept until it expires, so that its second use is seen.
CREATE TABLE identity.refresh_token (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    session_id uuid NOT NULL,
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT refresh_token_session FOREIGN KEY (tenant_id, session_id)
        REFERENCES identity.session (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX refresh_token_family ON identity.refresh_token (tenant_id, session_id);
CREATE INDEX refresh_token_expiry ON identity.refresh_token (tenant_id, expires_at);

CREATE TABLE identity.invitation (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT invitation_user FOREIGN KEY (tenant_id, user_id) REFERENCES identity.app_user (tenant_id, id)
);
CREATE INDEX invitation_expiry ON identity.invitation (tenant_id, expires_at);
SELECT identity.protect('session', 0);
SELECT identity.protect('refresh_token', 0);
SELECT identity.protect('invitation', 0);
