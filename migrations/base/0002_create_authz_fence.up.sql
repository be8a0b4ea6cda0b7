-- phase: expand
-- The oldest permission version that may still write (libs/db, fence.rs).
CREATE TABLE {{schema}}.authz_fence (
    tenant_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    min_version bigint NOT NULL,
    PRIMARY KEY (tenant_id, principal_id)
);
SELECT {{schema}}.protect('authz_fence', 0);
