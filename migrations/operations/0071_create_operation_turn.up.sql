-- phase: expand
-- Operations of a kind take turns: one batch, then the tenant that has waited longest. This is when a tenant had its last turn. By kind:
-- each may have a worker of its own, and what one does for a tenant must not put it behind the others with another.
CREATE TABLE {{schema}}.operation_turn (
    tenant_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    served_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, kind)
);
SELECT {{schema}}.protect('operation_turn', 0);
CREATE POLICY worker ON {{schema}}.operation_turn TO globcrm_{{schema}}_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON {{schema}}.operation_turn TO globcrm_{{schema}}_worker;
