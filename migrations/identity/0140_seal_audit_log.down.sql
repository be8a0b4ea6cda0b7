-- phase: contract
DROP INDEX identity.audit_log_record_at;
DROP INDEX identity.audit_log_object;
DROP INDEX identity.audit_log_action;
DROP INDEX identity.audit_log_actor;
DROP INDEX identity.audit_log_at;
ALTER TABLE identity.tenant_head DROP COLUMN audit_seal;
