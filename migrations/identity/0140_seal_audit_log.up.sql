-- phase: expand
-- The chain of the log is keyed: without the service's key nobody makes a row that fits, and the head is sealed with it as well, so that
-- a log whose last rows were taken out does not pass for a whole one.
ALTER TABLE identity.tenant_head ADD COLUMN audit_seal bytea NOT NULL DEFAULT '';

-- What the log is filtered by, each in the order in which it is shown.
CREATE INDEX audit_log_at ON identity.audit_log (tenant_id, at, sequence);
CREATE INDEX audit_log_actor ON identity.audit_log (tenant_id, actor_id, at, sequence);
CREATE INDEX audit_log_action ON identity.audit_log (tenant_id, action, at, sequence);
CREATE INDEX audit_log_object ON identity.audit_log (tenant_id, split_part(action, '.', 2), at, sequence);
CREATE INDEX audit_log_record_at ON identity.audit_log (tenant_id, record_id, at, sequence);
