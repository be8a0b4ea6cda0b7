-- phase: expand
-- Long-running work. A job table: workers see it across tenants to claim rows, and nothing else. The service's own migration
-- says which kinds it has (a CHECK) and adds what only a kind of its own needs.
CREATE TABLE {{schema}}.operation (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    -- Whose it is, and on whose permissions it runs.
    principal_id uuid NOT NULL,
    -- The request, as it came over the wire.
    request bytea NOT NULL,
    -- Rows, or whatever the work is counted in.
    total bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    created bigint NOT NULL DEFAULT 0,
    updated bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    -- Why it failed as a whole.
    failure text COLLATE "C",
    cancel_requested boolean NOT NULL DEFAULT false,
    -- Who works on it: a claim ends unless it is renewed, and the number fences out a worker that slept too long.
    claim_until timestamptz NOT NULL,
    claim_number bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    -- Since when it is being removed: its errors go piece by piece, and nobody shall read half of them.
    purged_at timestamptz,
    -- Who has it in hand and may go on at once; anybody may when the claim has ended. Nobody's while a batch is worked.
    held_by uuid,
    -- Claims since the last batch that was done.
    attempts bigint NOT NULL DEFAULT 0,
    -- Errors of rows that were kept, their bytes, and those that were not kept.
    errors_kept bigint NOT NULL DEFAULT 0,
    error_bytes bigint NOT NULL DEFAULT 0,
    errors_omitted bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id)
);
-- These two are asked across tenants, so the tenant does not come first.
CREATE INDEX operation_open ON {{schema}}.operation (claim_until) WHERE state IN ('queued', 'running');
CREATE INDEX operation_over ON {{schema}}.operation (finished_at, tenant_id, id) WHERE finished_at IS NOT NULL;
-- What a tenant has of operations is counted when it wants more.
CREATE INDEX operation_tenant ON {{schema}}.operation (tenant_id, created_at);
SELECT {{schema}}.protect('operation', 0);
CREATE POLICY worker_sees ON {{schema}}.operation FOR SELECT TO globcrm_{{schema}}_worker USING (true);
CREATE POLICY worker_claims ON {{schema}}.operation FOR UPDATE TO globcrm_{{schema}}_worker USING (true) WITH CHECK (true);
-- A claim touches these columns and no other: least of all the tenant.
GRANT SELECT, UPDATE (state, claim_until, claim_number, held_by, attempts) ON {{schema}}.operation TO globcrm_{{schema}}_worker;

-- Why rows were refused, in their order.
CREATE TABLE {{schema}}.operation_error (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    line bigint NOT NULL,
    number integer NOT NULL,
    column_name text NOT NULL,
    reason text COLLATE "C" NOT NULL,
    detail text NOT NULL,
    PRIMARY KEY (tenant_id, operation_id, line, number),
    FOREIGN KEY (tenant_id, operation_id) REFERENCES {{schema}}.operation (tenant_id, id) ON DELETE CASCADE
);
SELECT {{schema}}.protect('operation_error', 0);
