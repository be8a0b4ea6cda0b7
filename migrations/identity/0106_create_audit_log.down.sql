DROP TABLE identity.audit_log;
