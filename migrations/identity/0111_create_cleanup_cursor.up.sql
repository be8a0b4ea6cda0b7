-- phase: expand
-- How far the clean-up has come on its way through the tenants: one row, in the nil tenant, shared by all instances.
CREATE TABLE identity.cleanup_cursor (
    tenant_id uuid PRIMARY KEY,
    after uuid NOT NULL
);
SELECT identity.protect('cleanup_cursor', 0);
