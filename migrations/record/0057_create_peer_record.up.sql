-- phase: expand
-- The newest state heard of records of other services (the module peer_records of libs/record): the work list of a job that looks across
-- tenants, and, once a row is applied, the memory by which an older event that arrives later is recognized.
CREATE TABLE {{schema}}.peer_record (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    -- The record's version in that state.
    version bigint NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('live', 'deleted', 'purged')),
    actor uuid NOT NULL,
    heard_at timestamptz NOT NULL,
    -- Whether a record here was seen to name it.
    named boolean NOT NULL DEFAULT false,
    -- When the next pass over the records here is due; null once no pass is left.
    next_at timestamptz,
    -- No further pass follows this one.
    is_last boolean NOT NULL,
    -- How often this pass has failed; then the record is processed by itself.
    failures integer NOT NULL DEFAULT 0,
    -- The progress of the pass: the object, by its number in the service, and the last record of it.
    holder integer NOT NULL DEFAULT 0,
    after_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    PRIMARY KEY (tenant_id, object, record_id)
);
SELECT {{schema}}.protect('peer_record', 0);
CREATE POLICY worker ON {{schema}}.peer_record FOR SELECT TO globcrm_{{schema}}_worker USING (true);
GRANT SELECT ON {{schema}}.peer_record TO globcrm_{{schema}}_worker;
-- Tenants take turns: their ids come out of this index, and then what is due of each.
CREATE INDEX peer_record_due ON {{schema}}.peer_record (tenant_id, next_at, record_id) WHERE next_at IS NOT NULL;
-- No event is delivered later than this: one that fails is parked for up to 45 days, dead for up to 30, and replayed for a day.
-- The worker may delete, and only rows that old.
CREATE POLICY retention ON {{schema}}.peer_record FOR DELETE TO globcrm_{{schema}}_worker
    USING (next_at IS NULL AND heard_at < clock_timestamp() - interval '90 days');
GRANT DELETE ON {{schema}}.peer_record TO globcrm_{{schema}}_worker;
-- Across tenants, so the tenant does not come first.
CREATE INDEX peer_record_age ON {{schema}}.peer_record (heard_at) WHERE next_at IS NULL;
