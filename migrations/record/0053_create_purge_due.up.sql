-- phase: expand
-- Records in the trash: the list of work of the purge, which looks across tenants.
CREATE TABLE {{schema}}.purge_due (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    -- From when the retention counts: the deletion or, after a purge that failed, as much later as the next try is put off.
    counted_from timestamptz NOT NULL,
    -- Purges that failed. After the first one a record is purged alone, so that it fails no other.
    attempts integer NOT NULL DEFAULT 0,
    -- The purge has begun to remove references to the record: it can no longer be restored.
    begun boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, object, record_id)
);
SELECT {{schema}}.protect('purge_due', 0);
CREATE POLICY worker_sees ON {{schema}}.purge_due FOR SELECT TO globcrm_{{schema}}_worker USING (true);
-- Which tenants have what to purge, and nothing else.
GRANT SELECT (tenant_id, object, counted_from) ON {{schema}}.purge_due TO globcrm_{{schema}}_worker;
-- The worker steps from tenant to tenant and object to object, however many records each has.
CREATE INDEX purge_due_counted_from ON {{schema}}.purge_due (tenant_id, object, counted_from);
