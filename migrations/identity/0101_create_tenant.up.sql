-- phase: expand
CREATE TABLE identity.tenant (
    tenant_id uuid PRIMARY KEY,
    slug text COLLATE "C" NOT NULL,
    organization text NOT NULL,
    created_at timestamptz NOT NULL
);
-- The counters of a tenant. Its row lock puts all changes of users, roles, keys and sessions of one tenant in one order, which
-- the permission version and the chain of the audit log need.
CREATE TABLE identity.tenant_head (
    tenant_id uuid PRIMARY KEY REFERENCES identity.tenant (tenant_id),
    permission_version bigint NOT NULL CHECK (permission_version > 0),
    audit_sequence bigint NOT NULL,
    audit_hash bytea NOT NULL
);
-- The newest permission version that concerns a principal; the nil principal stands for everyone in the tenant.
CREATE TABLE identity.permission_version (
    tenant_id uuid NOT NULL REFERENCES identity.tenant (tenant_id),
    principal_id uuid NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (tenant_id, principal_id)
);
SELECT identity.protect('tenant', 0);
SELECT identity.protect('tenant_head', 0);
SELECT identity.protect('permission_version', 0);
