-- phase: contract
DROP POLICY retention ON {{schema}}.idempotency;
DROP POLICY retention_read ON {{schema}}.idempotency;
REVOKE ALL ON {{schema}}.idempotency FROM globcrm_{{schema}}_worker;
REVOKE DELETE ON {{schema}}.inbox_retry FROM globcrm_{{schema}}_worker;
DROP POLICY retention ON {{schema}}.inbox_retry;
REVOKE DELETE ON {{schema}}.dead_event FROM globcrm_{{schema}}_worker;
DROP POLICY retention ON {{schema}}.dead_event;
DROP INDEX {{schema}}.inbox_retry_turn;
ALTER TABLE {{schema}}.inbox_retry DROP COLUMN failed_at;
