-- phase: contract
-- after: 0.0
-- `audit_log_record_at` has the order in which the log is shown.
DROP INDEX identity.audit_log_record;
