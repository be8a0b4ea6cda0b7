-- phase: expand
-- By which kept answers are forgotten (libs/db, idempotency.rs).
CREATE INDEX idempotency_age ON {{schema}}.idempotency (tenant_id, created_at);
