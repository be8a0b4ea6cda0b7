-- phase: expand
CREATE TABLE identity.role (
    tenant_id uuid NOT NULL REFERENCES identity.tenant (tenant_id),
    id uuid NOT NULL,
    version bigint NOT NULL,
    name text NOT NULL,
    -- The name in lower case: names that differ by case only are one.
    name_key text COLLATE "C" NOT NULL,
    system boolean NOT NULL DEFAULT false,
    -- [{"object", "actions": [], "scopes": []}] and [{"object", "field", "access"}]: read whole, never filtered by.
    permissions jsonb NOT NULL,
    fields jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX role_name ON identity.role (tenant_id, name_key) WHERE deleted_at IS NULL;
CREATE INDEX role_newest ON identity.role (tenant_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE identity.user_role (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role_id uuid NOT NULL,
    granted_at timestamptz NOT NULL,
    granted_by uuid NOT NULL,
    PRIMARY KEY (tenant_id, user_id, role_id),
    CONSTRAINT user_role_user FOREIGN KEY (tenant_id, user_id) REFERENCES identity.app_user (tenant_id, id),
    CONSTRAINT user_role_role FOREIGN KEY (tenant_id, role_id) REFERENCES identity.role (tenant_id, id)
);
CREATE INDEX user_role_holders ON identity.user_role (tenant_id, role_id, user_id);
SELECT identity.protect('role', 0);
SELECT identity.protect('user_role', 0);
