-- phase: expand
-- Imports take turns: one batch, then the tenant that has waited longest. This is when a tenant had its last turn.
CREATE TABLE records.import_turn (
    tenant_id uuid PRIMARY KEY,
    served_at timestamptz NOT NULL
);
SELECT records.protect('import_turn', 0);
CREATE POLICY worker ON records.import_turn TO globcrm_records_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON records.import_turn TO globcrm_records_worker;
