-- phase: expand
-- Who changed what, when, from what to what. Append-only, and chained: each row's hash covers the row and the hash before it,
-- so a row changed or taken out by somebody with more rights than this service breaks the chain. `before` and `after` are json,
-- not jsonb: the hash covers the text as it was written.
CREATE TABLE identity.audit_log (
    tenant_id uuid NOT NULL REFERENCES identity.tenant (tenant_id),
    sequence bigint NOT NULL,
    at timestamptz NOT NULL,
    actor_kind text COLLATE "C" NOT NULL,
    actor_id uuid NOT NULL,
    action text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    before json,
    after json,
    reason text NOT NULL,
    request_id text NOT NULL,
    permission_version bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
) PARTITION BY HASH (tenant_id);
SELECT identity.protect('audit_log', 8);
CREATE INDEX audit_log_record ON identity.audit_log (tenant_id, record_id, sequence DESC);
REVOKE UPDATE, DELETE ON identity.audit_log FROM globcrm_identity_app;
