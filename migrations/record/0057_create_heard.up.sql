-- phase: expand
-- What became of records of other services that records here may name: the list of work of the follower, which looks across
-- tenants. A row goes when all that name the record have been brought up to it.
CREATE TABLE {{schema}}.heard (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    -- The record's, so that what comes late does not undo what came before it.
    version bigint NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('live', 'deleted', 'purged')),
    actor uuid NOT NULL,
    heard_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    -- How far the records here have been brought up: of which object, in their order there, and after which record.
    holder integer NOT NULL DEFAULT 0,
    after_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    PRIMARY KEY (tenant_id, object, record_id)
);
SELECT {{schema}}.protect('heard', 0);
CREATE POLICY worker ON {{schema}}.heard FOR SELECT TO globcrm_{{schema}}_worker USING (true);
GRANT SELECT ON {{schema}}.heard TO globcrm_{{schema}}_worker;
-- Across tenants, so the tenant comes last.
CREATE INDEX heard_next_at ON {{schema}}.heard (next_at, tenant_id);
