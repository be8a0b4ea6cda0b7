-- phase: expand
CREATE INDEX audit_log_record ON identity.audit_log (tenant_id, record_id, sequence DESC);
