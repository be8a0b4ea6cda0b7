DROP TABLE identity.permission_version;
DROP TABLE identity.tenant_head;
DROP TABLE identity.tenant;
