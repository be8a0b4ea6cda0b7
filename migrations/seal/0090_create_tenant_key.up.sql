-- phase: expand
-- The key by which a tenant's secrets are sealed at rest (libs/seal), itself sealed by a key that the database does not have.
CREATE TABLE {{schema}}.tenant_key (
    tenant_id uuid NOT NULL PRIMARY KEY,
    wrapped bytea NOT NULL,
    -- Which of the operator's keys has sealed it: those of an earlier one are to be sealed anew.
    key_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL
);
SELECT {{schema}}.protect('tenant_key', 0);
CREATE POLICY worker_sees ON {{schema}}.tenant_key FOR SELECT TO globcrm_{{schema}}_worker USING (true);
-- Whose keys are to be sealed anew, and not the keys.
GRANT SELECT (tenant_id, key_id) ON {{schema}}.tenant_key TO globcrm_{{schema}}_worker;
