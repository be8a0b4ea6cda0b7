-- phase: expand
-- What every change replaced: the values before, by field name. Written in the transaction of the change; append-only.
CREATE TABLE records.change (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    -- The record's version after the change.
    version bigint NOT NULL,
    verb text COLLATE "C" NOT NULL CHECK (verb IN ('created', 'updated', 'deleted', 'restored')),
    changed_at timestamptz NOT NULL,
    actor uuid NOT NULL,
    before jsonb NOT NULL,
    PRIMARY KEY (tenant_id, object, record_id, version)
) PARTITION BY HASH (tenant_id);
ALTER TABLE records.change ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.change FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.change TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
-- A partition can be named in a query of its own, so each carries the policy of its parent.
DO $$
BEGIN
    FOR i IN 0..7 LOOP
        EXECUTE format('CREATE TABLE records.change_p%s PARTITION OF records.change FOR VALUES WITH (MODULUS 8, REMAINDER %s)', i, i);
        EXECUTE format('ALTER TABLE records.change_p%s ENABLE ROW LEVEL SECURITY', i);
        EXECUTE format('ALTER TABLE records.change_p%s FORCE ROW LEVEL SECURITY', i);
        EXECUTE format('CREATE POLICY tenant ON records.change_p%s TO globcrm_records_app
            USING (tenant_id = (SELECT current_setting(''app.tenant''))::uuid)
            WITH CHECK (tenant_id = (SELECT current_setting(''app.tenant''))::uuid)', i);
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON records.change_p%s FROM globcrm_records_app', i);
    END LOOP;
END
$$;
REVOKE UPDATE, DELETE, TRUNCATE ON records.change FROM globcrm_records_app;
