-- phase: expand
-- The newest definitions of custom fields that anybody has written records by. Every write takes its object's row for share and
-- refuses to write by older ones; whoever holds newer ones raises the row first, which waits for the writers that hold it.
CREATE TABLE records.definitions_fence (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    -- The definitions, as the fields service gave them.
    fields bytea NOT NULL,
    PRIMARY KEY (tenant_id, object)
);
ALTER TABLE records.definitions_fence ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.definitions_fence FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.definitions_fence TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
-- It never goes back.
REVOKE DELETE ON records.definitions_fence FROM globcrm_records_app;
REVOKE ALL ON records.definitions_fence FROM globcrm_records_worker;
