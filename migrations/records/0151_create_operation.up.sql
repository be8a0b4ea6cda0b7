-- phase: expand
-- Long-running work. A job table: workers see it across tenants to claim rows, and nothing else.
CREATE TABLE records.operation (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('import')),
    state text COLLATE "C" NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    -- Whose it is, and on whose permissions it runs.
    principal_id uuid NOT NULL,
    -- The request, as it came over the wire.
    request bytea NOT NULL,
    -- Rows.
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
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX operation_open ON records.operation (claim_until) WHERE state IN ('queued', 'running');
ALTER TABLE records.operation ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.operation FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.operation TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
CREATE POLICY worker_sees ON records.operation FOR SELECT TO globcrm_records_worker USING (true);
CREATE POLICY worker_claims ON records.operation FOR UPDATE TO globcrm_records_worker USING (true) WITH CHECK (true);
-- A claim touches these columns and no other: least of all the tenant.
REVOKE INSERT, UPDATE, DELETE ON records.operation FROM globcrm_records_worker;
GRANT UPDATE (state, claim_until, claim_number) ON records.operation TO globcrm_records_worker;

-- Why rows were refused, in the order of the file.
CREATE TABLE records.operation_error (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    line bigint NOT NULL,
    number integer NOT NULL,
    column_name text NOT NULL,
    reason text COLLATE "C" NOT NULL,
    detail text NOT NULL,
    PRIMARY KEY (tenant_id, operation_id, line, number),
    FOREIGN KEY (tenant_id, operation_id) REFERENCES records.operation (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE records.operation_error ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.operation_error FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.operation_error TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
