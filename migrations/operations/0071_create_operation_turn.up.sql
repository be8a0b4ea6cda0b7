-- phase: expand
-- Operations take turns: one batch, then the tenant that has waited longest. This is when a tenant had its last turn.
CREATE TABLE {{schema}}.operation_turn (
    tenant_id uuid PRIMARY KEY,
    served_at timestamptz NOT NULL
);
SELECT {{schema}}.protect('operation_turn', 0);
CREATE POLICY worker ON {{schema}}.operation_turn TO globcrm_{{schema}}_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON {{schema}}.operation_turn TO globcrm_{{schema}}_worker;
