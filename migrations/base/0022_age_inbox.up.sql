-- phase: expand
-- When the first attempt at a parked event failed: its last day is counted from then, not from when it began to wait behind
-- another. Null before that.
ALTER TABLE {{schema}}.inbox_retry ADD COLUMN failed_at timestamptz;

-- Tenants take turns: their names come out of this index, and then what is due of each.
CREATE INDEX inbox_retry_turn ON {{schema}}.inbox_retry (consumer, tenant_id, next_at, position);

-- What holds personal data and helps nobody any more goes by age (libs/events, retention.rs). The worker may delete, and of
-- each table only what is that old.
CREATE POLICY retention ON {{schema}}.dead_event FOR DELETE TO globcrm_{{schema}}_worker
    USING (died_at < clock_timestamp() - interval '30 days');
GRANT DELETE ON {{schema}}.dead_event TO globcrm_{{schema}}_worker;
CREATE POLICY retention ON {{schema}}.inbox_retry FOR DELETE TO globcrm_{{schema}}_worker
    USING (parked_at < clock_timestamp() - interval '45 days');
GRANT DELETE ON {{schema}}.inbox_retry TO globcrm_{{schema}}_worker;
CREATE POLICY retention_read ON {{schema}}.idempotency FOR SELECT TO globcrm_{{schema}}_worker
    USING (created_at < clock_timestamp() - interval '24 hours');
CREATE POLICY retention ON {{schema}}.idempotency FOR DELETE TO globcrm_{{schema}}_worker
    USING (created_at < clock_timestamp() - interval '24 hours');
GRANT SELECT (tenant_id, principal_id, rpc, key, created_at), DELETE ON {{schema}}.idempotency TO globcrm_{{schema}}_worker;
