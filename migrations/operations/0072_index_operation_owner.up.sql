-- phase: expand
-- The operations of a principal, the newest first.
CREATE INDEX operation_owner ON {{schema}}.operation (tenant_id, principal_id, created_at DESC, id DESC);
