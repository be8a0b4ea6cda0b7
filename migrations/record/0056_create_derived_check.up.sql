-- phase: expand
-- Whose records are to be compared with what is derived of them, and how far that has come: the list of work of a job that looks
-- across tenants.
CREATE TABLE {{schema}}.derived_check (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    -- When it is looked at next: in a moment while it is under way, in a day when it is through.
    due_at timestamptz NOT NULL,
    -- The last record that was compared; none at the beginning.
    after_id uuid,
    PRIMARY KEY (tenant_id, object)
);
SELECT {{schema}}.protect('derived_check', 0);
CREATE POLICY worker_sees ON {{schema}}.derived_check FOR SELECT TO globcrm_{{schema}}_worker USING (true);
CREATE POLICY worker_claims ON {{schema}}.derived_check FOR UPDATE TO globcrm_{{schema}}_worker USING (true) WITH CHECK (true);
-- A claim moves the time and nothing else: least of all the tenant.
GRANT SELECT, UPDATE (due_at) ON {{schema}}.derived_check TO globcrm_{{schema}}_worker;
-- Across tenants, so the tenant comes last.
CREATE INDEX derived_check_due ON {{schema}}.derived_check (due_at, tenant_id);
