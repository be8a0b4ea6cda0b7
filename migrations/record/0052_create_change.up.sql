-- phase: expand
-- What every change replaced: the values before, by field name. Written in the transaction of the change; append-only.
CREATE TABLE {{schema}}.change (
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
SELECT {{schema}}.protect('change', 8);
REVOKE UPDATE, DELETE, TRUNCATE ON {{schema}}.change FROM globcrm_{{schema}}_app;
