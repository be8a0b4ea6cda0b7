-- phase: expand
-- What lies in the trash since when: the list of work of the purge, which looks across tenants.
CREATE TABLE {{schema}}.purge_due (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    deleted_at timestamptz NOT NULL,
    -- The purge has begun to remove references to the record: it can no longer be restored.
    begun boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, object, record_id)
);
SELECT {{schema}}.protect('purge_due', 0);
CREATE POLICY worker ON {{schema}}.purge_due TO globcrm_{{schema}}_worker USING (true) WITH CHECK (true);
GRANT SELECT ON {{schema}}.purge_due TO globcrm_{{schema}}_worker;
-- Across tenants, so the tenant comes last.
CREATE INDEX purge_due_deleted_at ON {{schema}}.purge_due (deleted_at, tenant_id);
