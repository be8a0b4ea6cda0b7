-- phase: expand
-- The newest definitions of custom fields that anybody has written records by. Every write takes its object's row for share and
-- refuses to write by older ones; whoever holds newer ones raises the row first, which waits for the writers that hold it.
CREATE TABLE {{schema}}.definitions_fence (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    -- The definitions, as the fields service gave them.
    fields bytea NOT NULL,
    PRIMARY KEY (tenant_id, object)
);
SELECT {{schema}}.protect('definitions_fence', 0);
-- It never goes back.
REVOKE DELETE ON {{schema}}.definitions_fence FROM globcrm_{{schema}}_app;
