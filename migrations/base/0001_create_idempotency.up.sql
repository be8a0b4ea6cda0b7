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
SELECT {{schema}}.protect('idempotency', 0);
