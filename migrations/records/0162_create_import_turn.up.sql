-- phase: expand
-- Imports take turns: one batch, then the tenant that has waited longest.
ALTER TABLE records.operation
    -- Who has its file open and may go on at once; anybody may when the claim has ended. Nobody's while a batch is worked.
    ADD COLUMN held_by uuid,
    -- Claims since the last batch that was done.
    ADD COLUMN attempts bigint NOT NULL DEFAULT 0,
    -- Errors of rows that were kept, their bytes, and those that were not kept.
    ADD COLUMN errors_kept bigint NOT NULL DEFAULT 0,
    ADD COLUMN error_bytes bigint NOT NULL DEFAULT 0,
    ADD COLUMN errors_omitted bigint NOT NULL DEFAULT 0;
GRANT UPDATE (held_by, attempts) ON records.operation TO globcrm_records_worker;

-- When a tenant had its last turn.
CREATE TABLE records.import_turn (
    tenant_id uuid PRIMARY KEY,
    served_at timestamptz NOT NULL
);
ALTER TABLE records.import_turn ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.import_turn FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.import_turn TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
CREATE POLICY worker ON records.import_turn TO globcrm_records_worker USING (true) WITH CHECK (true);
REVOKE DELETE ON records.import_turn FROM globcrm_records_worker;

-- What a tenant has of operations and of uploads is counted when it wants more.
CREATE INDEX operation_tenant ON records.operation (tenant_id, created_at);

-- The statistics are worth their while when the import was large beside what is there: they are of all tenants' contacts.
CREATE FUNCTION records.analyze_contacts(made bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    known float8;
BEGIN
    SELECT coalesce(sum(greatest(c.reltuples, 0)), 0) INTO known
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'records.contacts'::regclass;
    IF made * 10 >= known THEN
        ANALYZE records.contacts;
        ANALYZE records.contact_email;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION records.analyze_contacts(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION records.analyze_contacts(bigint) TO globcrm_records_worker;
