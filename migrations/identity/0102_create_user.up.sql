-- phase: expand
CREATE TABLE identity.app_user (
    tenant_id uuid NOT NULL REFERENCES identity.tenant (tenant_id),
    id uuid NOT NULL,
    version bigint NOT NULL,
    email text COLLATE "C" NOT NULL,
    display_name text NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('invited', 'active', 'disabled')),
    -- PHC string of argon2id; null until the invitation is accepted.
    password_hash text,
    manager_id uuid,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by uuid NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT app_user_manager FOREIGN KEY (tenant_id, manager_id) REFERENCES identity.app_user (tenant_id, id),
    CONSTRAINT app_user_active_has_password CHECK (state <> 'active' OR password_hash IS NOT NULL)
);
-- Users are never deleted, so every row is live.
CREATE UNIQUE INDEX app_user_email ON identity.app_user (tenant_id, email);
CREATE INDEX app_user_newest ON identity.app_user (tenant_id, created_at DESC, id DESC);
CREATE INDEX app_user_reports ON identity.app_user (tenant_id, manager_id) WHERE manager_id IS NOT NULL;

CREATE TABLE identity.team (
    tenant_id uuid NOT NULL REFERENCES identity.tenant (tenant_id),
    id uuid NOT NULL,
    version bigint NOT NULL,
    name text NOT NULL,
    parent_id uuid,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT team_parent FOREIGN KEY (tenant_id, parent_id) REFERENCES identity.team (tenant_id, id)
);
CREATE INDEX team_newest ON identity.team (tenant_id, created_at DESC, id DESC);

CREATE TABLE identity.user_team (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    team_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, user_id, team_id),
    CONSTRAINT user_team_user FOREIGN KEY (tenant_id, user_id) REFERENCES identity.app_user (tenant_id, id),
    CONSTRAINT user_team_team FOREIGN KEY (tenant_id, team_id) REFERENCES identity.team (tenant_id, id)
);
CREATE INDEX user_team_members ON identity.user_team (tenant_id, team_id, user_id);
SELECT identity.protect('app_user', 0);
SELECT identity.protect('team', 0);
SELECT identity.protect('user_team', 0);
REVOKE DELETE ON identity.app_user, identity.team FROM globcrm_identity_app;
